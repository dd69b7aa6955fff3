"""The few queries that cross groups, or belong to none: the directory, and what is found by address.

Each costs the directory, never the posts. Distributed by group they would go to every node, so none stands on the way
of a post.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec
from sqlalchemy import BindParameter, bindparam, delete, insert, literal, null, or_, select, update

from folkmoot.model import Application, Person, Profile
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx

_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_ID: BindParameter[str] = bindparam("id")

_PERSON = select(
    s.users.c.id,
    s.users.c.display_name,
    s.users.c.mail,
    s.users.c.user_principal_name,
    s.users.c.user_type,
    s.users.c.account_enabled,
    s.users.c.is_admin,
).where(s.users.c.deleted_at.is_(None))
_PERSON_BY_ID = Statement(_PERSON.where(s.users.c.id == _ID))
_PEOPLE = Statement(_PERSON.where(s.users.c.account_enabled).order_by(s.users.c.display_name).limit(50))
_BY_ADDRESS = Statement(
    select(s.addresses.c.object_type, s.addresses.c.object_id).where(s.addresses.c.address == bindparam("address"))
)
_PASSWORD = Statement(select(s.users.c.password_hash).where(s.users.c.id == _ID, s.users.c.deleted_at.is_(None)))
APPLICATIONS = select(
    s.applications.c.id,
    s.applications.c.name,
    s.applications.c.principal,
    s.applications.c.secret_hash,
    s.applications.c.roles,
    s.applications.c.scopes,
    s.applications.c.profile,
)
_APPLICATION = Statement(APPLICATIONS.where(s.applications.c.id == _ID))
_GROUP_EXISTS = Statement(
    select(s.groups.c.group_id).where(s.groups.c.group_id == _ID, s.groups.c.deleted_at.is_(None))
)
_ANYTHING = Statement(select(s.users.c.id).limit(1))

_HOLDS = Statement(
    select(s.memberships.c.object_id).where(
        s.memberships.c.group_id == bindparam("g"),
        s.memberships.c.role == bindparam("role"),
        s.memberships.c.object_id == _ID,
    )
)
_HOLDERS = Statement(
    select(s.memberships.c.object_id)
    .where(s.memberships.c.group_id == bindparam("g"), s.memberships.c.role == bindparam("role"))
    .limit(bindparam("n"))
)
# For commands, which print all there is page by page: `:after` is the last id seen.
GROUPS_PAGE = Statement(
    select(s.groups.c.group_id, s.groups.c.display_name, s.groups.c.mail, s.groups.c.visibility)
    .where(s.groups.c.deleted_at.is_(None), s.groups.c.group_id > bindparam("after"))
    .order_by(s.groups.c.group_id)
    .limit(bindparam("n"))
)
HOLDERS_PAGE = Statement(
    select(s.memberships.c.object_id, s.memberships.c.object_type)
    .where(
        s.memberships.c.group_id == bindparam("g"),
        s.memberships.c.role == bindparam("role"),
        s.memberships.c.object_id > bindparam("after"),
    )
    .order_by(s.memberships.c.object_id)
    .limit(bindparam("n"))
)
_ADD_MEMBERSHIP = Statement(insert(s.memberships))
_ADD_OBJECT_GROUP = Statement(insert(s.object_groups))
_DROP_MEMBERSHIP = Statement(
    delete(s.memberships).where(
        s.memberships.c.group_id == bindparam("g"),
        s.memberships.c.role == bindparam("b_role"),
        s.memberships.c.object_id == bindparam("b_object"),
    )
)
_DROP_OBJECT_GROUP = Statement(
    delete(s.object_groups).where(
        s.object_groups.c.object_id == bindparam("b_object"),
        s.object_groups.c.role == bindparam("b_role"),
        s.object_groups.c.group_id == bindparam("g"),
    )
)
_PARENTS = Statement(
    select(s.object_groups.c.group_id)
    .select_from(s.object_groups.join(s.groups, s.groups.c.group_id == s.object_groups.c.group_id))
    .where(
        s.object_groups.c.object_id == _ID,
        s.object_groups.c.role == bindparam("role"),
        s.groups.c.deleted_at.is_(None),
    )
)
_NESTED = Statement(
    select(s.memberships.c.object_id, s.memberships.c.object_type).where(
        s.memberships.c.group_id == bindparam("g"), s.memberships.c.role == bindparam("role")
    )
)
_GROUPS_OF = Statement(
    select(s.object_groups.c.group_id, s.object_groups.c.role).where(s.object_groups.c.object_id == _ID)
)

ADD_USER = Statement(insert(s.users))
ADD_ADDRESS = Statement(insert(s.addresses))
ADD_GROUP = Statement(insert(s.groups))
ADD_APPLICATION = Statement(insert(s.applications))
DROP_ADDRESS = Statement(delete(s.addresses).where(s.addresses.c.address == bindparam("b_address")))
DROP_ADDRESSES = Statement(delete(s.addresses).where(s.addresses.c.object_id == bindparam("b_object")))
DELETE_USER = Statement(
    update(s.users).where(s.users.c.id == bindparam("b_id")).values(deleted_at=bindparam("at"), held=bindparam("had"))
)
RESTORE_USER = Statement(
    update(s.users).where(s.users.c.id == bindparam("b_id")).values(deleted_at=null(), held=null())
)
ERASE_USER = Statement(delete(s.users).where(s.users.c.id == bindparam("b_id")))
DELETE_GROUP = Statement(
    update(s.groups)
    .where(s.groups.c.group_id == bindparam("g"))
    .values(deleted_at=bindparam("at"), held=bindparam("had"))
)
RESTORE_GROUP = Statement(
    update(s.groups).where(s.groups.c.group_id == bindparam("g")).values(deleted_at=null(), held=null())
)
# Of a group that is gone for good, until its rows are. They tell nobody anything.
ERASED = 0
MARK_ERASED = Statement(
    update(s.groups)
    .where(s.groups.c.group_id == bindparam("g"))
    .values(deleted_at=literal(ERASED), held=null(), unique_name=null())
)
_ENDED_UPLOADS = Statement(
    select(s.uploads.c.group_id).where(s.uploads.c.expires_at <= bindparam("now")).distinct().limit(1000)
)
_ERASED = Statement(select(s.groups.c.group_id).where(s.groups.c.deleted_at == literal(ERASED)).limit(1000))
SOME_POSTS = Statement(
    select(s.posts.c.conversation_id, s.posts.c.thread_id, s.posts.c.id, s.posts.c.version)
    .where(s.posts.c.group_id == bindparam("g"))
    .order_by(s.posts.c.id)
    .limit(bindparam("n"))
)
REMOVE_POSTS = Statement(delete(s.posts).where(s.posts.c.group_id == bindparam("g"), s.posts.c.id <= bindparam("upto")))
# Of what has no posts any more the ids of some, and what removes those up to the last of them.
EMPTIED = tuple(
    (
        Statement(
            select(table.c.id).where(table.c.group_id == bindparam("g")).order_by(table.c.id).limit(bindparam("n"))
        ),
        Statement(delete(table).where(table.c.group_id == bindparam("g"), table.c.id <= bindparam("upto"))),
    )
    for table in (s.threads, s.conversations)
)
# All that is a group's own, dependants first. The change log, its number and the followers' places in it stay: they
# still have to hear of it.
ERASE_GROUP = tuple(
    Statement(delete(table).where(table.c.group_id == bindparam("g")))
    for table in reversed(s.meta.sorted_tables)
    if next(iter(table.primary_key.columns)).name == "group_id"
    and table.name not in ("changes", "sequences", "subscription_cursors")
)
_DELETED_GROUP = Statement(
    select(s.groups.c.held, s.groups.c.deleted_at).where(s.groups.c.group_id == _ID, s.groups.c.deleted_at.is_not(None))
)
_DELETED_USER = Statement(
    select(s.users.c.user_principal_name, s.users.c.mail, s.users.c.held, s.users.c.deleted_at).where(
        s.users.c.id == _ID, s.users.c.deleted_at.is_not(None)
    )
)
_VISIBILITY = Statement(
    select(s.groups.c.visibility).where(
        s.groups.c.group_id == _ID, or_(s.groups.c.deleted_at.is_(None), s.groups.c.deleted_at != literal(ERASED))
    )
)
_EXPIRED_GROUPS = Statement(
    select(s.groups.c.group_id)
    .where(s.groups.c.deleted_at > literal(ERASED), s.groups.c.deleted_at < bindparam("before"))
    .limit(bindparam("n"))
)
_EXPIRED_USERS = Statement(select(s.users.c.id).where(s.users.c.deleted_at < bindparam("before")).limit(bindparam("n")))
_BY_UNIQUE_NAME = Statement(
    select(s.groups.c.group_id, s.groups.c.deleted_at).where(s.groups.c.unique_name == bindparam("name"))
)
# Grants are few, and an application is seldom removed: this needs no index.
_GRANTED_TO = Statement(
    select(s.permission_grants.c.group_id, s.permission_grants.c.id)
    .where(s.permission_grants.c.client_app_id == _ID)
    .order_by(s.permission_grants.c.group_id)
)
_SENDER_IN = Statement(select(s.senders.c.verdict, s.senders.c.group_id).where(s.senders.c.object_id == _ID))
_ROLES_IN = Statement(
    select(s.memberships.c.role, s.memberships.c.object_id).where(s.memberships.c.group_id == bindparam("g"))
)


def _person(row: tuple[object, ...]) -> Person:
    id, name, mail, upn, kind, enabled, admin = row
    return Person(id, name, mail, upn, kind == "Guest", bool(enabled), bool(admin))  # type: ignore[arg-type]


def person(snapshot: Snapshot, id: str) -> Person | None:
    """The user with this id, or None."""
    row = snapshot.one(_PERSON_BY_ID, id=id)
    return _person(row) if row else None


def people(snapshot: Snapshot) -> list[Person]:
    """The first fifty people who may sign in, by name."""
    return [_person(row) for row in snapshot.all(_PEOPLE)]


def by_address(snapshot: Snapshot, address: str) -> tuple[str, str] | None:
    """What an address or sign-in name (any case) belongs to: ("user" or "group", id); None when to nobody."""
    row = snapshot.one(_BY_ADDRESS, address=address.lower())
    return (row[0], row[1]) if row else None


def person_by_address(snapshot: Snapshot, address: str) -> Person | None:
    """The user with this mail address or user principal name (any case), or None."""
    found = by_address(snapshot, address)
    return person(snapshot, found[1]) if found and found[0] == "user" else None


def password_hash(snapshot: Snapshot, id: str) -> str | None:
    """The stored hash of a user's password; None when the user has none."""
    row = snapshot.one(_PASSWORD, id=id)
    return row[0] if row else None


def application(snapshot: Snapshot, id: str) -> Application | None:
    """A registered application by its client id, or None."""

    row = snapshot.one(_APPLICATION, id=id)
    if row is None:
        return None
    return Application(
        id=row[0],
        name=row[1],
        principal=row[2],
        secret_hash=row[3],
        roles=_texts(row[4]),
        scopes=_texts(row[5]),
        profile=row[6],
    )


def application_profile(snapshot: Snapshot, id: str) -> Profile:
    """The profile of an application; one that is not registered is strict."""
    try:
        id = str(UUID(id))
    except ValueError:
        return "strict"
    found = application(snapshot, id)
    return "strict" if found is None else found.profile


def group_exists(snapshot: Snapshot, id: str) -> bool:
    """Whether there is such a group, deleted ones aside."""
    return snapshot.one(_GROUP_EXISTS, id=id) is not None


def seeded(snapshot: Snapshot) -> bool:
    """Whether anybody is in the directory."""
    return snapshot.one(_ANYTHING) is not None


def holds(snapshot: Snapshot, group: str, role: str, object_id: str) -> bool:
    """Whether the object has the role ("member" or "owner") in the group."""
    return snapshot.one(_HOLDS, g=group, role=role, id=object_id) is not None


def holders(snapshot: Snapshot, group: str, role: str, limit: int) -> list[str]:
    """Ids of up to `limit` objects that have the role in the group."""
    return [row[0] for row in snapshot.all(_HOLDERS, g=group, role=role, n=limit)]


def add_membership(tx: Tx, group: str, role: str, object_id: str, object_type: str) -> None:
    """Give the object the role, in both directions of the table."""
    tx.run(_ADD_MEMBERSHIP, group_id=group, role=role, object_id=object_id, object_type=object_type, added_at=tx.now)
    tx.run(_ADD_OBJECT_GROUP, object_id=object_id, role=role, group_id=group)


def drop_membership(tx: Tx, group: str, role: str, object_id: str) -> None:
    """Take the role from the object, in both directions of the table."""
    tx.run(_DROP_MEMBERSHIP, g=group, b_role=role, b_object=object_id)
    tx.run(_DROP_OBJECT_GROUP, g=group, b_role=role, b_object=object_id)


def roles_of(snapshot: Snapshot, object_id: str) -> list[tuple[str, str]]:
    """(group id, role) for each role that the object has."""
    return [(row[0], row[1]) for row in snapshot.all(_GROUPS_OF, id=object_id)]


def groups_above(snapshot: Snapshot, object_id: str, leaves: Callable[[str], bool] = lambda group: True) -> list[str]:
    """Ids of the groups that the object is a member of, directly or through groups, nearest first.

    A deleted group is none of them, and nobody is in another through it. Through a group for which `leaves` says no
    nobody is in another either.
    """
    found: dict[str, None] = {}
    edge = [object_id]
    while edge:
        above: list[str] = []
        for each in edge:
            rows = snapshot.all(_PARENTS, id=each, role="member")
            if rows and (each == object_id or leaves(each)):
                above.extend(row[0] for row in rows)
        edge = [group for group in dict.fromkeys(above) if group not in found]
        found.update(dict.fromkeys(edge))
    return list(found)


def members_below(snapshot: Snapshot, group: str, enters: Callable[[str], bool] = lambda group: True) -> list[str]:
    """Ids of the objects that are members of the group, directly or through groups in it.

    Of a group for which `enters` says no, the members are left out.
    """
    found: dict[str, None] = {}
    seen = {group}
    edge = [group]
    while edge:
        rows = [row for each in edge for row in snapshot.all(_NESTED, g=each, role="member")]
        found.update(dict.fromkeys(row[0] for row in rows))
        below = [row[0] for row in rows if row[1] == "group" and row[0] not in seen]
        seen.update(below)
        edge = [each for each in below if enters(each)]
    return list(found)


# ── what was deleted ─────────────────────────────────────────────────────────────────────────────────────────────────


def deleted_group(snapshot: Snapshot, id: str) -> tuple[list[tuple[str, str]], int] | None:
    """Of a deleted group the (verdict, group) of the lists of senders that it was in, and when it was deleted."""
    row = snapshot.one(_DELETED_GROUP, id=id)
    return (_pairs(row[0] or "[]"), row[1]) if row else None


def deleted_user(snapshot: Snapshot, id: str) -> tuple[str, str | None, list[tuple[str, str]], int] | None:
    """Of a deleted user the sign-in name, the mail address, (role or verdict, group) of what it held, and when it was
    deleted."""
    row = snapshot.one(_DELETED_USER, id=id)
    return (row[0], row[1], _pairs(row[2] or "[]"), row[3]) if row else None


_pairs = msgspec.json.Decoder(list[tuple[str, str]]).decode


def visibility(snapshot: Snapshot, group: str) -> str | None:
    """The visibility of a group, deleted or not; None when it is gone for good."""
    row = snapshot.one(_VISIBILITY, id=group)
    return row[0] if row else None


def expired(snapshot: Snapshot, before: int, limit: int) -> tuple[list[str], list[str]]:
    """Ids of up to `limit` groups, and of as many users, that were deleted before a moment."""
    groups = snapshot.all(_EXPIRED_GROUPS, before=before, n=limit)
    return [row[0] for row in groups], [row[0] for row in snapshot.all(_EXPIRED_USERS, before=before, n=limit)]


def erased(snapshot: Snapshot) -> list[str]:
    """Ids of some groups that are gone for good, of whose rows some are still there."""
    return [row[0] for row in snapshot.all(_ERASED)]


def with_ended_uploads(snapshot: Snapshot) -> list[str]:
    """Some groups that have upload sessions whose time is over."""
    return [row[0] for row in snapshot.all(_ENDED_UPLOADS, now=snapshot.now)]


def is_erased(snapshot: Snapshot, group: str) -> bool:
    """Whether a group is gone for good, and some of its rows are still there."""
    row = snapshot.one(_DELETED_GROUP, id=group)
    return row is not None and row[1] == ERASED


def by_unique_name(snapshot: Snapshot, name: str) -> tuple[str, bool] | None:
    """The id of the group with this `uniqueName` (to the letter), and whether it was deleted; None when none has it."""
    row = snapshot.one(_BY_UNIQUE_NAME, name=name)
    return (row[0], row[1] is not None) if row else None


def roles_in(snapshot: Snapshot, group: str) -> list[tuple[str, str]]:
    """(role, object id) of all who have a role in the group, deleted or not."""
    return [(row[0], row[1]) for row in snapshot.all(_ROLES_IN, g=group)]


def sender_in(snapshot: Snapshot, object_id: str) -> list[tuple[str, str]]:
    """("accepted" or "rejected", group id) of each list of senders, of any group, that the object is in; by group."""
    return sorted(((row[0], row[1]) for row in snapshot.all(_SENDER_IN, id=object_id)), key=lambda each: each[1])


def granted_to(snapshot: Snapshot, application: str) -> list[tuple[str, str]]:
    """(group id, grant id) of each grant, in any group, of the application; by group."""
    return [(row[0], row[1]) for row in snapshot.all(_GRANTED_TO, id=application)]
