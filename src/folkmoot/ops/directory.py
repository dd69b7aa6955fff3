"""Users, groups, and who is in which group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, update

from folkmoot.model import Caller, GroupDraft, Standing, UserDraft
from folkmoot.ops import access, senders, settings
from folkmoot.refusals import BadBody, Conflict, NoSuchObject, PrivilegeMissing
from folkmoot.store import everywhere, rows
from folkmoot.store import schema as s
from folkmoot.store.changes import begin, record
from folkmoot.store.db import Snapshot, Statement, Tx
from folkmoot.store.directory_log import note

_encode = msgspec.json.Encoder().encode

# Graph's group resource: mailNickname is ASCII, at most 64 long, without these.
_NICKNAME = re.compile(r"[!-~]{1,64}")
_NOT_IN_NICKNAME = set('@()\\[]";:<>, ')
_ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]+")

MAX_OWNERS = 100
LONGEST_UNIQUE_NAME = 128  # characters


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def require_admin(snapshot: Snapshot, caller: Caller) -> None:
    """Raise `PrivilegeMissing` unless the caller runs the organisation or is an application with the role."""
    if caller.kind == "app":
        return
    person = everywhere.person(snapshot, caller.oid)
    if person is None or not person.enabled or not person.admin:
        raise PrivilegeMissing


def create_user(tx: Tx, draft: UserDraft) -> str:
    """Add a user and return the id. Raises `Conflict` when an address or sign-in name is taken."""
    id = draft.id or tx.new_id()
    mail = draft.mail
    check_address("userPrincipalName", draft.user_principal_name)
    if mail is not None:
        check_address("mail", mail)
    check_nickname(draft.mail_nickname, "User")
    names = dict.fromkeys(name.lower() for name in (draft.user_principal_name, mail) if name)
    claim(tx, "user", id, names, "userPrincipalName" if mail is None else "userPrincipalName or mail")
    tx.run(
        everywhere.ADD_USER,
        **{
            **{f: getattr(draft, f) for f in draft.__struct_fields__},
            "id": id,
            "business_phones": _encode(draft.business_phones).decode(),
            "other_mails": _encode(draft.other_mails).decode(),
            "proxy_addresses": _encode([f"SMTP:{mail}"] if mail else []).decode(),
            "created_at": tx.now,
            "deleted_at": None,
            "held": None,
        },
    )
    note(tx, "user", id, "created")
    return id


def update_user(tx: Tx, id: str, changes: Mapping[str, Any]) -> None:
    """Change columns of a user. Sign-in name and mail stay unique."""
    _there(tx, id)
    if "mail_nickname" in changes:
        check_nickname(changes["mail_nickname"], "User")
    renamed = {key: changes[key] for key in ("user_principal_name", "mail") if key in changes}
    for key, name in renamed.items():
        if name is not None:
            check_address(_aspect(key), name)
    if renamed:
        person = everywhere.person(tx, id)
        assert person is not None  # noqa: S101  (found just above)
        old = {name.lower() for name in (person.upn, person.mail) if name}
        new = dict.fromkeys(
            name.lower()
            for name in (renamed.get("user_principal_name", person.upn), renamed.get("mail", person.mail))
            if name
        )
        claim(tx, "user", id, (name for name in new if name not in old), " or ".join(map(_aspect, renamed)))
        for name in old - set(new):
            tx.run(everywhere.DROP_ADDRESS, b_address=name)
    if changes:
        tx.run(_setting(s.users, "id", tuple(changes)), b_id=id, **{f"new_{k}": v for k, v in changes.items()})
        note(tx, "user", id, *map(_aspect, changes))


def delete_user(tx: Tx, caller: Caller, id: str) -> None:
    """Take a user out of the directory and of every group. What the person has said stays.

    Addresses become free at once, as the cloud's do; memberships, places in lists of senders and what the person set
    for groups are kept for a restore.
    """
    _there(tx, id)
    held = sorted(everywhere.roles_of(tx, id))
    listed = everywhere.sender_in(tx, id)
    # Sorted, as all take the turns of several groups, or two servers could wait for each other.
    for group in sorted({*(group for group, _ in held), *(group for _, group in listed)}):
        rows.take_turn(tx, group)
    senders.forget(tx, id, caller.oid)
    for group, role in held:
        everywhere.drop_membership(tx, group, role, id)
        record(tx, group, caller.oid, ("deleted", _noun(role), id))
        note(tx, "group", group, role, related=id)
    tx.run(everywhere.DROP_ADDRESSES, b_object=id)
    tx.run(
        everywhere.DELETE_USER,
        b_id=id,
        at=tx.now,
        had=_encode([*((role, group) for group, role in held), *listed]).decode(),
    )
    note(tx, "user", id, "deleted")


def _there(snapshot: Snapshot, id: str) -> None:
    if everywhere.person(snapshot, id) is None:
        raise NoSuchObject(id)


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def create_group(tx: Tx, caller: Caller, draft: GroupDraft, domain: str) -> str:
    """Add a group and return its id. A person who creates a group owns it.

    Raises `Conflict` when the nickname is taken, `NoSuchObject` when an owner or member does not exist.
    """
    id = draft.id or tx.new_id()
    check_nickname(draft.mail_nickname)
    check_name(draft.display_name)
    _check_description(draft.description)
    if draft.unique_name is not None and not 1 <= len(draft.unique_name) <= LONGEST_UNIQUE_NAME:
        raise BadBody(f"uniqueName must have 1 to {LONGEST_UNIQUE_NAME} characters.", target="uniqueName")
    unified = "Unified" in draft.group_types
    if unified and not draft.mail_enabled:
        raise BadBody("A group with groupTypes 'Unified' must have mailEnabled true.", target="mailEnabled")
    mail = f"{draft.mail_nickname}@{domain}"
    claim(tx, "group", id, (mail.lower(),), "mailNickname")
    values = {f: getattr(draft, f) for f in draft.__struct_fields__ if f not in ("owners", "members")}
    tx.run(
        everywhere.ADD_GROUP,
        **{
            **values,
            "group_id": id,
            "mail": mail,
            "visibility": draft.visibility or ("Public" if unified else "Private"),
            "group_types": _encode(draft.group_types).decode(),
            "resource_behavior_options": _encode(draft.resource_behavior_options).decode(),
            "resource_provisioning_options": "[]",
            "proxy_addresses": _encode([f"SMTP:{mail}"]).decode(),
            **settings.at_creation(draft.resource_behavior_options),
            "created_at": tx.now,
            "renewed_at": tx.now,
            "deleted_at": None,
            "held": None,
        },
    )
    begin(tx, id)
    record(tx, id, caller.oid, ("created", "group", id))
    note(tx, "group", id, "created")
    owners = draft.owners or ((caller.oid,) if caller.kind == "person" else ())
    for role, each in (("owner", owners), ("member", draft.members)):
        for object_id in dict.fromkeys(each):
            everywhere.add_membership(tx, id, role, object_id, object_type(tx, caller, object_id, unified=unified))
    return id


def update_group(tx: Tx, standing: Standing, changes: Mapping[str, Any], domain: str) -> None:
    """Change columns of a group; its address follows its nickname."""
    access.manage_group(standing)
    changes = dict(changes)
    if "display_name" in changes:
        check_name(changes["display_name"])
    _check_description(changes.get("description"))
    if "mail_nickname" in changes:
        check_nickname(changes["mail_nickname"])
        mail = f"{changes['mail_nickname']}@{domain}"
        if mail.lower() != standing.mail.lower():
            claim(tx, "group", standing.group, (mail.lower(),), "mailNickname")
            tx.run(everywhere.DROP_ADDRESS, b_address=standing.mail.lower())
        changes |= {"mail": mail, "proxy_addresses": _encode([f"SMTP:{mail}"]).decode()}
    if changes:
        tx.run(
            _setting(s.groups, "group_id", tuple(changes)),
            b_id=standing.group,
            **{f"new_{k}": v for k, v in changes.items()},
        )
        record(tx, standing.group, standing.caller.oid, ("updated", "group", standing.group))
        # Who sees the group may depend on its visibility, so only a real change of that counts as one.
        told = [name for name in changes if name != "visibility" or changes[name] != standing.visibility]
        note(tx, "group", standing.group, *map(_aspect, told))
        if "visibility" in told:
            note_above(tx, standing.group)


def note_above(tx: Tx, group: str) -> None:
    """Note in the groups that a group is in that it came or went for those who look at their members."""
    for above, role in everywhere.roles_of(tx, group):
        note(tx, "group", above, role, related=group)


def _aspect(column: str) -> str:
    """`mail_nickname` → `mailNickname`, as the log of the directory calls it."""
    first, *rest = column.split("_")
    return first + "".join(word.capitalize() for word in rest)


# ── members and owners ───────────────────────────────────────────────────────────────────────────────────────────────


def add_to_group(tx: Tx, standing: Standing, role: str, object_id: str) -> None:
    """Make an object a member or owner. Raises `Conflict` when it is one already."""
    access.manage_group(standing)
    kind = object_type(tx, standing.caller, object_id, unified=standing.unified)
    if role == "owner" and kind != "user":
        raise BadBody("Only users can own a group.", target="@odata.id")
    if kind == "group" and (object_id == standing.group or standing.group in everywhere.members_below(tx, object_id)):
        raise BadBody("A group cannot be a member of itself.", target="@odata.id")
    if everywhere.holds(tx, standing.group, role, object_id):
        raise Conflict(
            f"One or more added object references already exist for the following modified properties: '{role}s'."
        )
    if role == "owner" and len(everywhere.holders(tx, standing.group, role, MAX_OWNERS)) >= MAX_OWNERS:
        raise BadBody(f"A group has at most {MAX_OWNERS} owners.", target="owners")
    everywhere.add_membership(tx, standing.group, role, object_id, kind)
    if role == "member" and kind == "user":
        settings.joined(tx, standing.group, object_id)
    note(tx, "group", standing.group, role, related=object_id)
    record(tx, standing.group, standing.caller.oid, ("created", _noun(role), object_id))


def remove_from_group(tx: Tx, standing: Standing, role: str, object_id: str) -> None:
    """Take the role from an object. The last owner stays; anyone may leave a group."""
    if not (role == "member" and object_id == standing.caller.oid):
        access.manage_group(standing)
    if not everywhere.holds(tx, standing.group, role, object_id):
        raise NoSuchObject(object_id)
    if role == "owner" and len(everywhere.holders(tx, standing.group, role, 2)) == 1:
        raise BadBody("The group must have at least one owner, hence this owner cannot be removed.", target="owners")
    everywhere.drop_membership(tx, standing.group, role, object_id)
    if role == "member":
        settings.left(tx, standing.group, object_id)
    note(tx, "group", standing.group, role, related=object_id)
    record(tx, standing.group, standing.caller.oid, ("deleted", _noun(role), object_id))


def object_type(snapshot: Snapshot, caller: Caller, object_id: str, *, unified: bool) -> str:
    """Whether an id is a user's or a group's. Raises `NoSuchObject` for neither; a Unified group takes only users.

    A group that the caller may not see is none: who is below one's own group can be asked of anybody, and would tell
    who is in that.
    """
    if everywhere.person(snapshot, object_id) is not None:
        return "user"
    access.see_group(snapshot, caller, object_id)
    if unified:
        raise BadBody("A Microsoft 365 group takes users only, not groups.", target="@odata.id")
    return "group"


def is_address(text: str) -> bool:
    """Whether a userPrincipalName or mail may be so.

    At most 64 characters before the @ and 254 in all (RFC 5321 §4.5.3.1.1 and §4.5.3.1.3, whose 256 octets hold the
    angle brackets, too). Unique names stand in an index, and a row of PostgreSQL's holds some 2,700 bytes at most.
    """
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


def check_address(name: str, address: str) -> None:
    """Raise `BadBody` for a userPrincipalName or mail (`name` says which) that cannot be an address."""
    if not is_address(address):
        raise BadBody(
            f"{name} must have the form name@domain, with at most 64 characters before the @ and 254 in all.",
            target=name,
        )


def check_nickname(nickname: str, resource: Literal["Group", "User"] = "Group") -> None:
    """Raise `BadBody` for a mailNickname that cannot be the local part of an address."""
    if not _NICKNAME.fullmatch(nickname) or _NOT_IN_NICKNAME & set(nickname):
        raise BadBody(
            f"Invalid value specified for property 'mailNickname' of resource '{resource}': 1 to 64 ASCII "
            'characters, none of @ ( ) \\ [ ] " ; : < > , or space.',
            target="mailNickname",
        )


def check_name(name: str) -> None:
    """Raise `BadBody` for a displayName that a group cannot have (Graph, group resource: 256 characters at most)."""
    if not 1 <= len(name) <= 256:
        raise BadBody("displayName must have 1 to 256 characters.", target="displayName")


def _check_description(description: str | None) -> None:
    # Graph, group resource: 1,024 characters at most.
    if description is not None and len(description) > 1024:
        raise BadBody("description must have at most 1024 characters.", target="description")


def _noun(role: str) -> Any:
    return role


def claim(tx: Tx, kind: str, id: str, names: Iterable[str], target: str) -> None:
    """Take lower-case addresses for an object. Raises `Conflict` when one is another's."""
    for name in names:
        owner = everywhere.by_address(tx, name)
        if owner is not None and owner[1] != id:
            raise Conflict(f"Another object with the same value for property {target} already exists.", target=target)
        if owner is None:
            tx.run(everywhere.ADD_ADDRESS, address=name, object_type=kind, object_id=id)


_settings: dict[tuple[str, tuple[str, ...]], Statement] = {}


def _setting(table: Any, key: str, columns: tuple[str, ...]) -> Statement:
    found = _settings.get((table.name, columns))
    if found is None:
        values: dict[str, Any] = {column: bindparam(f"new_{column}") for column in columns}
        found = Statement(update(table).where(table.c[key] == bindparam("b_id")).values(values))
        _settings[table.name, columns] = found
    return found
