"""What was deleted: a Microsoft 365 group and a user can be restored for thirty days; all else is gone for good.

Source: Microsoft Graph, directory resource ("deleted items"): only Microsoft 365 groups, users and applications are
kept.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from folkmoot.model import Caller, Standing
from folkmoot.ops import access, directory, senders, settings
from folkmoot.refusals import NoSuchObject
from folkmoot.store import everywhere, rows, search
from folkmoot.store.changes import record
from folkmoot.store.db import Snapshot, Tx
from folkmoot.store.directory_log import Kind, note

_encode = msgspec.json.Encoder().encode

RESTORABLE_SECONDS = 30 * 86_400
# Expired objects that one transaction erases.
_AT_ONCE = 10


def delete_group(tx: Tx, standing: Standing) -> None:
    """Delete a group. A Microsoft 365 group and its content are gone for all but can be restored, and its address and
    unique name stay taken until it is erased; any other group is erased at once.

    It leaves the lists of senders of other groups; these are kept for a restore.
    """
    access.manage_group(standing)
    group, by = standing.group, standing.caller.oid
    if standing.unified:
        listed = everywhere.sender_in(tx, group)
        _take_turns(tx, (each for _, each in listed))
        senders.forget(tx, group, by)
        tx.run(everywhere.DELETE_GROUP, g=group, at=tx.now, had=_encode(listed).decode())
        record(tx, group, by, ("deleted", "group", group))
        note(tx, "group", group, "deleted")
        directory.note_above(tx, group)
    else:
        _erase_group(tx, group, by)


def delete_user(tx: Tx, caller: Caller, id: str) -> None:
    """Delete a user, who can be restored."""
    directory.delete_user(tx, caller, id)


def kind_of(snapshot: Snapshot, caller: Caller, id: str) -> Kind:
    """What a deleted object is. Raises `NoSuchObject` unless it can be restored, and by the caller.

    That is an owner for a group, an administrator for all, and an application.
    """
    group = everywhere.deleted_group(snapshot, id)
    user = everywhere.deleted_user(snapshot, id) if group is None else None
    at = user[3] if user is not None else group[1] if group is not None else None
    person = None if caller.kind == "app" else everywhere.person(snapshot, caller.oid)
    may = caller.kind == "app" or (person is not None and person.enabled and person.admin)
    if not may and person is not None and person.enabled and group is not None:
        may = everywhere.holds(snapshot, id, "owner", caller.oid)
    if at is None or at <= oldest(snapshot) or not may:
        raise NoSuchObject(id)
    return "group" if user is None else "user"


def oldest(snapshot: Snapshot) -> int:
    """What was deleted at this moment or before cannot be restored any more."""
    return snapshot.now - RESTORABLE_SECONDS


def restore(tx: Tx, caller: Caller, id: str) -> Kind:
    """Bring an object back as it was, and say what it is.

    Raises `NoSuchObject` for what cannot be restored, `Conflict` when an address of a user is another's by now.
    """
    kind = kind_of(tx, caller, id)
    if kind == "group":
        group = everywhere.deleted_group(tx, id)
        assert group is not None  # noqa: S101  (found by `kind_of`)
        rows.take_turn(tx, id)
        tx.run(everywhere.RESTORE_GROUP, g=id)
        record(tx, id, caller.oid, ("created", "group", id))
        note(tx, "group", id, "restored")
        directory.note_above(tx, id)
        _put_back(tx, caller, kind, id, group[0])
        return kind
    user = everywhere.deleted_user(tx, id)
    assert user is not None  # noqa: S101  (found by `kind_of`)
    name, mail, held, _ = user
    addresses = dict.fromkeys(each.lower() for each in (name, mail) if each)
    directory.claim(tx, "user", id, addresses, "userPrincipalName or mail")
    tx.run(everywhere.RESTORE_USER, b_id=id)
    note(tx, "user", id, "restored")
    _put_back(tx, caller, kind, id, held)
    return kind


def _put_back(tx: Tx, caller: Caller, kind: Kind, id: str, held: Iterable[tuple[str, str]]) -> None:
    """Give an object the roles, and the places in lists of senders, that it had."""
    for role, group in sorted(held, key=lambda each: each[1]):
        # Also into a group that was deleted meanwhile: it may come back, too.
        if everywhere.visibility(tx, group) is None:
            continue
        rows.take_turn(tx, group)
        if role in ("accepted", "rejected"):
            senders.put_back(tx, group, role, id, kind, caller.oid)
        else:
            everywhere.add_membership(tx, group, role, id, kind)
            record(tx, group, caller.oid, ("created", "owner" if role == "owner" else "member", id))
            note(tx, "group", group, role, related=id)


def erase(tx: Tx, caller: Caller, id: str) -> None:
    """Take a deleted object away for good, a group with all that was said in it. Raises `NoSuchObject`.

    What a group held is out of reach with this; its rows `remove_some` removes.
    """
    if kind_of(tx, caller, id) == "group":
        _erase_group(tx, id, caller.oid)
    else:
        _erase_user(tx, id, caller.oid)


def erase_expired(tx: Tx) -> None:
    """Erase some of what can no longer be restored."""
    groups, users = everywhere.expired(tx, oldest(tx), _AT_ONCE)
    for group in groups:
        _erase_group(tx, group, None)
    for user in users:
        _erase_user(tx, user, None)


def _erase_group(tx: Tx, group: str, by: str | None) -> None:
    above = everywhere.roles_of(tx, group)
    lists = everywhere.sender_in(tx, group)
    _take_turns(tx, (group, *(parent for parent, _ in above), *(each for _, each in lists)))
    senders.forget(tx, group, by)
    for parent, role in above:
        everywhere.drop_membership(tx, parent, role, group)
        record(tx, parent, by, ("deleted", "member", group))
        note(tx, "group", parent, role, related=group)
    for role, object_id in everywhere.roles_in(tx, group):
        everywhere.drop_membership(tx, group, role, object_id)
        # Of a group that is gone, delta knows by this who saw it.
        note(tx, "group", group, role, related=object_id)
    if everywhere.visibility(tx, group) == "Public":
        note(tx, "group", group, "visibility")
    note(tx, "group", group, "purged")
    tx.run(everywhere.DROP_ADDRESSES, b_object=group)
    tx.run(everywhere.MARK_ERASED, g=group)
    record(tx, group, by, ("deleted", "group", group))


def _erase_user(tx: Tx, id: str, by: str | None) -> None:
    user = everywhere.deleted_user(tx, id)
    held = set() if user is None else {group for _, group in user[2]}
    _take_turns(tx, (*held, *(group for _, group in everywhere.sender_in(tx, id))))
    senders.forget(tx, id, by)
    for group in sorted(held):
        settings.left(tx, group, id)
    tx.run(everywhere.ERASE_USER, b_id=id)
    note(tx, "user", id, "purged")


def _take_turns(tx: Tx, groups: Iterable[str]) -> None:
    """Take the turns of groups, in the order in which all take those of several, or two servers could wait for each
    other."""
    for group in sorted(set(groups)):
        rows.take_turn(tx, group)


def remove_some(tx: Tx, group: str, count: int) -> bool:
    """Remove `count` rows of what an erased group held, with what hangs on them; whether there is more."""
    rows.take_turn(tx, group)
    posts = tx.all(everywhere.SOME_POSTS, g=group, n=count)
    by_thread: dict[tuple[str, str], dict[str, int]] = {}
    for conversation, thread, post, version in posts:
        by_thread.setdefault((conversation, thread), {})[post] = version
    for (conversation, thread), versions in by_thread.items():
        search.remove_posts(tx, group, conversation, thread, versions)
    if posts:
        tx.run(everywhere.REMOVE_POSTS, g=group, upto=posts[-1][2])
        return True
    for some, remove in everywhere.EMPTIED:
        if found := tx.all(some, g=group, n=count):
            tx.run(remove, g=group, upto=found[-1][0])
            return True
    for statement in everywhere.ERASE_GROUP:
        tx.run(statement, g=group)
    return False
