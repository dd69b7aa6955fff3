"""Who may see and do what. The one place where visibility is decided."""

from __future__ import annotations

from sqlalchemy import bindparam, literal, or_, select, true
from sqlalchemy.sql import ColumnElement, FromClause

from folkmoot.model import Caller, Place, Standing
from folkmoot.refusals import NoSuchObject, NotAllowed, NotFound, PrivilegeMissing
from folkmoot.store import everywhere, rows
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot


def enter(snapshot: Snapshot, caller: Caller, group: str) -> Standing:
    """The caller's standing in `group`. Raises `NoSuchObject` when there is no such group."""
    standing = rows.standing(snapshot, caller, group)
    if standing is None:
        raise NoSuchObject(group)
    return standing


def enter_thread(snapshot: Snapshot, caller: Caller, group: str, thread: str) -> Place:
    """A thread and its conversation, for a caller who may read there.

    Raises `NoSuchObject` when there is no such group, `NotAllowed` when its content is not the caller's to read,
    `NotFound` when it has no such thread.
    """
    found = rows.place(snapshot, caller, group, thread)
    if found is None:
        raise NoSuchObject(group)
    read_content(found if isinstance(found, Standing) else found.standing)
    if isinstance(found, Standing):
        raise NotFound
    return found


def read_thread(snapshot: Snapshot, caller: Caller, group: str, thread: str) -> str:
    """The id of the conversation that a thread is in, for a caller who may read there. Raises as `enter_thread`."""
    found = rows.entry(snapshot, caller, group, thread)
    if found is None:
        raise NoSuchObject(group)
    standing, conversation = found
    read_content(standing)
    if conversation is None:
        raise NotFound
    return conversation


def inside(standing: Standing) -> bool:
    """Whether the caller belongs to those for whom the group is there.

    Applications act for the organisation, and an administrator runs it. A public group is open to every enabled person
    of the organisation but guests, who see only what they were invited to.
    """
    if standing.caller.kind == "app":
        return True
    person = standing.person
    if person is None or not person.enabled:
        return False
    if standing.member or standing.owner or person.admin:
        return True
    return standing.visibility == "Public" and not person.guest


def see_group(snapshot: Snapshot, caller: Caller, group: str) -> Standing:
    """Like `enter`, but a group that the caller may not see is not there either."""
    standing = enter(snapshot, caller, group)
    if not inside(standing):
        raise NoSuchObject(group)
    return standing


def sees_group(snapshot: Snapshot, caller: Caller, group: str) -> bool:
    """Whether there is such a group, and the caller may see it."""
    standing = rows.standing(snapshot, caller, group)
    return standing is not None and inside(standing)


def read_content(standing: Standing) -> None:
    """Raise `NotAllowed` unless the caller may read the group's conversations."""
    person = standing.person
    if not inside(standing) or (person is not None and person.admin and not belongs(standing)):
        raise NotAllowed(detail=_missing_to_read(standing))


def _missing_to_read(standing: Standing) -> str:
    person = standing.person
    if person is None or not person.enabled:
        return "There is no enabled account of that person in the directory."
    if standing.visibility == "Public":
        return "Guests read only the groups that they are members of."
    return "The group is not public, and the person is neither a member nor an owner of it."


def belongs(standing: Standing) -> bool:
    """Whether the group's content is the caller's to read: administration alone does not open a private group."""
    return standing.member or standing.owner or standing.visibility == "Public"


def manage_content(standing: Standing, started_by: str | None) -> None:
    """Raise `NotAllowed` unless the caller may lock, rename or delete what `started_by` began.

    Owners may, whoever began it may, and applications may as their roles say.
    """
    read_content(standing)
    if standing.caller.kind == "person" and not standing.owner and standing.caller.oid != started_by:
        raise NotAllowed(detail="This takes an owner of the group, or whoever began the thread.")


def manage_group(standing: Standing) -> None:
    """Raise `PrivilegeMissing` unless the caller owns the group, runs the organisation, or is an application."""
    person = standing.person
    if standing.caller.kind == "person" and not (standing.owner or (person is not None and person.admin)):
        raise PrivilegeMissing(detail="This takes an owner of the group, or an administrator.")


def visible(kind: str, groups: FromClause = s.groups) -> ColumnElement[bool]:
    """The condition under which a row of `groups` is there for a caller of a kind, with `:me` bound to the caller's id.

    The same rule as `inside`, for lists.
    """
    if kind == "app":
        return true()
    # An alias: the query that this becomes part of may be about users itself.
    me = s.users.alias("me")
    mine = select(s.object_groups.c.group_id).where(s.object_groups.c.object_id == bindparam("me"))
    here = select(literal(1)).where(me.c.id == bindparam("me"), me.c.deleted_at.is_(None), me.c.account_enabled)
    return or_(
        (groups.c.visibility == literal("Public")) & here.where(me.c.user_type != literal("Guest")).exists(),
        groups.c.group_id.in_(mine) & here.exists(),
        here.where(me.c.is_admin).exists(),
    )


def managed(kind: str, table: FromClause = s.groups) -> ColumnElement[bool]:
    """The condition under which a row of `table` is a caller's to manage, with `:me` bound to the caller's id.

    The same rule as `manage_group`, for lists; users are the administrator's.
    """
    if kind == "app":
        return true()
    me = s.users.alias("me")
    own = select(s.object_groups.c.group_id).where(
        s.object_groups.c.object_id == bindparam("me"), s.object_groups.c.role == literal("owner")
    )
    here = select(literal(1)).where(me.c.id == bindparam("me"), me.c.deleted_at.is_(None), me.c.account_enabled)
    runs = here.where(me.c.is_admin).exists()
    return or_(table.c.group_id.in_(own) & here.exists(), runs) if "group_id" in table.c else runs


def require_account(snapshot: Snapshot, caller: Caller, *, guests: bool = True) -> None:
    """Raise `PrivilegeMissing` for a person whose account is off or gone, for a token outlives both.

    Without `guests` also for those who were only invited.
    """
    if caller.kind == "app":
        return
    person = everywhere.person(snapshot, caller.oid)
    if person is None or not person.enabled or (person.guest and not guests):
        raise PrivilegeMissing
