"""Development only: the seeded tenant, and what a test harness needs to know of it.

The people are those of Microsoft's demonstration tenant. Ids, secrets and passwords are fixed, so that scripts can rely
on them; nothing here is there in production mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from folkmoot.auth.secrets import hash_password, hash_secret
from folkmoot.config import Settings
from folkmoot.model import Caller, GroupDraft, Profile, UserDraft
from folkmoot.ops import access, directory, grants
from folkmoot.store import everywhere
from folkmoot.store.db import Snapshot, Store, Tx

PASSWORD = "pass@word1"  # noqa: S105  (the demonstration tenant's own)


class LabPerson(msgspec.Struct, frozen=True):
    """A seeded person. `nick` is the sign-in name before the @."""

    id: str
    nick: str
    name: str
    job: str
    guest: bool = False
    admin: bool = False


def _made(name: str) -> str:
    """A fixed id for what has no published one."""
    return str(uuid5(NAMESPACE_DNS, f"{name}.lab.folkmoot"))


PEOPLE = (
    LabPerson("87d349ed-44d7-43e1-9a83-5f2406dee5bd", "AdeleV", "Adele Vance", "Product Marketing Manager"),
    LabPerson("4782e723-f4f4-4af3-a76e-25e3bab0d896", "AlexW", "Alex Wilber", "Marketing Assistant"),
    LabPerson("c03e6eaa-b6ab-46d7-905b-73ec7ea1f755", "DiegoS", "Diego Siciliani", "HR Manager"),
    LabPerson("f5289423-7233-4d60-831a-fe107a8551cc", "JoniS", "Joni Sherman", "Paralegal"),
    LabPerson("089a6bb8-e8cb-492c-aa41-c078aa0b5120", "IsaiahL", "Isaiah Langer", "Sales Representative"),
    LabPerson("074e56ea-0b50-4461-89e5-c67ae14a2c0b", "LeeG", "Lee Gu", "Director"),
    LabPerson("2ed03dfd-01d8-4005-a9ef-fa8ee546dc6c", "LidiaH", "Lidia Holloway", "Product Manager"),
    LabPerson("e8a02cc7-df4d-4778-956d-784cc9506e5a", "LynneR", "Lynne Robbins", "Planner"),
    LabPerson("48d31887-5fad-4d73-a9f5-3c356e68a038", "MeganB", "Megan Bowen", "Marketing Manager"),
    LabPerson("08fa38e4-cbfa-4488-94ed-c834da6539df", "MiriamG", "Miriam Graham", "Director"),
    LabPerson("5bde3e51-d13b-4db1-9948-fe4b109d11a7", "NestorW", "Nestor Wilke", "Director"),
    LabPerson("4b5a1f5c-2b3f-4c1e-9d0f-5a2b9f7b8d21", "PattiF", "Patti Fernandez", "President"),
    LabPerson(_made("admin"), "admin", "MOD Administrator", "Administrator", admin=True),
    LabPerson(_made("guest"), "guest", "Robin Guest", "Visitor", guest=True),
)
_ID = {person.nick: person.id for person in PEOPLE}


class LabGroup(msgspec.Struct, frozen=True):
    """A seeded group. `owners` and `members` are nicks."""

    id: str
    nick: str
    name: str
    visibility: str
    owners: tuple[str, ...]
    members: tuple[str, ...]
    unified: bool = True


GROUPS = (
    LabGroup(
        "29981b6a-0e57-42dc-94c9-cd24f5306196",
        "SalesAndMarketing",
        "Sales and Marketing",
        "Public",
        ("AdeleV", "MeganB"),
        ("AdeleV", "MeganB", "AlexW", "IsaiahL", "LynneR", "guest"),
    ),
    LabGroup("02bd9fd6-8f93-4758-87c3-1fb73740a315", "HR", "HR Taskforce", "Private", ("DiegoS",), ("DiegoS", "JoniS")),
    LabGroup(
        "06f62f70-9827-4e6e-93ef-8e0f2d9b7b23",
        "Leadership",
        "Leadership",
        "Private",
        ("PattiF",),
        ("PattiF", "LeeG", "MiriamG", "NestorW"),
    ),
    LabGroup(
        "0a53828f-36c9-44c3-be3d-99a7fce977ac",
        "Mark8",
        "Mark 8 Project Team",
        "Public",
        ("LidiaH",),
        ("LidiaH", "LeeG"),
    ),
    LabGroup(
        _made("engineering"), "Engineering", "Engineering", "Private", ("LeeG",), ("LeeG", "AdeleV"), unified=False
    ),
)


class LabApplication(msgspec.Struct, frozen=True):
    """A seeded client application. `secret` None: a public client, any loopback redirect URI."""

    id: str
    name: str
    secret: str | None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    profile: Profile = "strict"


DAEMON = LabApplication(
    "f01d0000-0000-4000-8000-00000000da01",
    "Daemon",
    "folkmoot-lab-daemon-secret",
    ("Group.ReadWrite.All", "User.Read.All"),
)
DAEMON_WITHOUT_ROLES = LabApplication(
    "f01d0000-0000-4000-8000-00000000da02", "Daemon without roles", "folkmoot-lab-no-roles-secret"
)
PUBLIC_CLIENT = LabApplication(
    "f01d0000-0000-4000-8000-00000000c11e",
    "Public client",
    None,
    scopes=("Group.ReadWrite.All", "GroupMember.ReadWrite.All", "User.Read", "User.ReadBasic.All"),
)
# Those for which what the cloud lacks is allowed; the second may do what it is granted in a group, and nothing else.
EXTENDED = LabApplication(
    "f01d0000-0000-4000-8000-00000000da03",
    "Extended",
    "folkmoot-lab-extended-secret",
    DAEMON.roles,
    PUBLIC_CLIENT.scopes,
    "extended",
)
EXTENDED_WITHOUT_ROLES = LabApplication(
    "f01d0000-0000-4000-8000-00000000da04",
    "Extended without roles",
    "folkmoot-lab-extended-no-roles-secret",
    profile="extended",
)
# What it is granted in the first of the groups.
GRANT = _made("grant")
# By the names that commands and `lab facts` know them by.
APPLICATIONS: Mapping[str, LabApplication] = {
    "daemon": DAEMON,
    "daemonWithoutRoles": DAEMON_WITHOUT_ROLES,
    "publicClient": PUBLIC_CLIENT,
    "extended": EXTENDED,
    "extendedWithoutRoles": EXTENDED_WITHOUT_ROLES,
}


def principal(application: LabApplication) -> str:
    """The directory id of the application's service principal: the `oid` of its own tokens."""
    return _made(application.id)


async def seed(store: Store, settings: Settings) -> None:
    """Put the lab's tenant into an empty database; one that holds anybody is left as it is."""
    if await store.read(everywhere.seeded):
        return
    # One hash serves all: they share the published password.
    password = hash_password(PASSWORD)
    await store.write(lambda tx: _seed(tx, settings, password))


def left_over(snapshot: Snapshot) -> list[str]:
    """The sign-in names of the lab's people who are in the directory."""
    found = (everywhere.person(snapshot, person.id) for person in PEOPLE)
    return [person.upn for person in found if person is not None]


def _seed(tx: Tx, settings: Settings, password: str) -> None:
    if everywhere.seeded(tx):
        return
    system = Caller(
        kind="app", oid=_made("system"), tenant=settings.tenant_id, application=DAEMON.id, permissions=frozenset()
    )
    for person in PEOPLE:
        address = f"{person.nick}@{settings.domain}"
        first, _, last = person.name.partition(" ")
        directory.create_user(
            tx,
            UserDraft(
                id=person.id,
                user_principal_name=address,
                mail=address,
                mail_nickname=person.nick,
                display_name=person.name,
                given_name=first,
                surname=last,
                job_title=person.job,
                preferred_language="en-US",
                user_type="Guest" if person.guest else "Member",
                account_enabled=True,
                is_admin=person.admin,
                password_hash=password,
            ),
        )
    for group in GROUPS:
        directory.create_group(
            tx,
            system,
            GroupDraft(
                id=group.id,
                display_name=group.name,
                mail_nickname=group.nick,
                mail_enabled=group.unified,
                security_enabled=not group.unified,
                group_types=("Unified",) if group.unified else (),
                description=f"{group.name}, seeded for development",
                visibility=group.visibility,
                owners=tuple(_ID[nick] for nick in group.owners),
                members=tuple(_ID[nick] for nick in group.members),
            ),
            settings.domain,
        )
    for application in APPLICATIONS.values():
        tx.run(
            everywhere.ADD_APPLICATION,
            id=application.id,
            name=application.name,
            principal=principal(application),
            secret_hash=None if application.secret is None else hash_secret(application.secret),
            roles=msgspec.json.encode(application.roles).decode(),
            scopes=msgspec.json.encode(application.scopes).decode(),
            profile=application.profile,
        )
    standing = access.enter(tx, system, GROUPS[0].id)
    grants.give(tx, standing, EXTENDED_WITHOUT_ROLES.id, grants.WRITE, GRANT)


def facts(settings: Settings, *, https: str | None, http: str | None, ca_file: str | None) -> dict[str, Any]:
    """What a test harness needs: where the server is, whom to trust, and who and what there is.

    `ca_file`: the development authority's, or None where the server's certificate is another's.
    """
    return {
        "baseUrl": f"{https or http}/v1.0",
        "httpsUrl": https,
        "httpUrl": http,
        "caFile": ca_file,
        "tenant": {
            "id": settings.tenant_id,
            "domain": settings.domain,
            "authority": f"{https or http}/{settings.tenant_id}",
        },
        "people": [
            {
                "id": person.id,
                "upn": f"{person.nick}@{settings.domain}",
                "mail": f"{person.nick}@{settings.domain}",
                "name": person.name,
                "password": PASSWORD,
                "guest": person.guest,
                "admin": person.admin,
            }
            for person in PEOPLE
        ],
        "groups": [
            {
                "id": group.id,
                "name": group.name,
                "mail": f"{group.nick}@{settings.domain}",
                "visibility": group.visibility,
                "unified": group.unified,
                "owners": [_ID[nick] for nick in group.owners],
                "members": [_ID[nick] for nick in group.members],
            }
            for group in GROUPS
        ],
        "applications": {
            key: {
                "clientId": application.id,
                "principalId": principal(application),
                "name": application.name,
                "secret": application.secret,
                "roles": application.roles,
                "scopes": application.scopes,
                "profile": application.profile,
            }
            for key, application in APPLICATIONS.items()
        },
    }
