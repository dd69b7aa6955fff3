"""Grants: what a client application may do in one group alone, given and taken by who runs the group.

Source: Microsoft's resource-specific consent. Its permissions end in `.Group`; those for conversations are this
server's own, named after the tenant-wide ones, since the cloud has none.
"""

from __future__ import annotations

from uuid import UUID

from folkmoot.model import Caller, Standing
from folkmoot.ops import access
from folkmoot.refusals import BadBody, Conflict, NoSuchObject, NotAllowed
from folkmoot.store import everywhere
from folkmoot.store import grants as rows
from folkmoot.store.changes import record
from folkmoot.store.db import Snapshot, Tx

READ = "Group-Conversation.Read.Group"
WRITE = "Group-Conversation.ReadWrite.Group"
PERMISSIONS = (READ, WRITE)


def require(snapshot: Snapshot, caller: Caller, group: str, names: frozenset[str], refusal: NotAllowed) -> None:
    """Raise `refusal` unless the calling application holds one of the grants `names` in `group`.

    A group that is not there is refused in the same way: who may see nothing does not hear what there is.
    """
    try:
        application = str(UUID(caller.application))
    except ValueError:
        raise refusal from None
    if names.isdisjoint(rows.held(snapshot, group, application)):
        raise refusal


def give(tx: Tx, standing: Standing, application: str, permission: str, id: str | None = None) -> str:
    """Grant a registered application a permission in the group, and return the grant's id.

    Raises `PrivilegeMissing` unless the caller runs the group, `BadBody` for a permission that cannot be granted,
    `NoSuchObject` for an application that is not registered, `Conflict` for a grant that is there.
    """
    access.manage_group(standing)
    spelt = next((name for name in PERMISSIONS if name.lower() == permission.lower()), None)
    if spelt is None:
        raise BadBody(
            f"'{permission[:100]}' cannot be granted in a group; {' and '.join(PERMISSIONS)} can.", target="permission"
        )
    registered = everywhere.application(tx, application)
    if registered is None:
        raise NoSuchObject(application)
    if rows.same(tx, standing.group, registered.id, spelt) is not None:
        raise Conflict("The application holds this grant already.", target="permission")
    id = id or tx.new_id()
    rows.add(tx, standing.group, id, registered.id, registered.principal, spelt)
    record(tx, standing.group, standing.caller.oid, ("created", "grant", id))
    return id


def take(tx: Tx, standing: Standing, id: str) -> None:
    """Take a grant back. Raises `PrivilegeMissing` as `give` does, `NoSuchObject` for one that is not there."""
    access.manage_group(standing)
    if not rows.exists(tx, standing.group, id):
        raise NoSuchObject(id)
    rows.remove(tx, standing.group, id)
    record(tx, standing.group, standing.caller.oid, ("deleted", "grant", id))
