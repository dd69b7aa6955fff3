"""Rows of `permission_grants`: what client applications may do in one group."""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, delete, insert, select

from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx

_G: BindParameter[str] = bindparam("g")
_g = s.permission_grants.c

# The application that hosts the resource: Microsoft Graph's own id, as every grant in the cloud has it.
GRAPH = "00000003-0000-0000-c000-000000000000"

_OF_APPLICATION = Statement(
    select(_g.permission).where(_g.group_id == _G, _g.client_app_id == bindparam("application"))
)
_SAME = Statement(
    select(_g.id).where(
        _g.group_id == _G,
        _g.client_app_id == bindparam("application"),
        _g.permission == bindparam("permission"),
    )
)
_ONE = Statement(select(_g.id).where(_g.group_id == _G, _g.id == bindparam("id")))
_ALL = Statement(
    select(_g.id, _g.client_app_id, _g.permission).where(_g.group_id == _G).order_by(_g.client_app_id, _g.permission)
)
_ADD = Statement(insert(s.permission_grants), keeps_memo=True)
_REMOVE = Statement(delete(s.permission_grants).where(_g.group_id == _G, _g.id == bindparam("item")), keeps_memo=True)


def held(snapshot: Snapshot, group: str, application: str) -> set[str]:
    """The permissions that the application (a GUID) was granted in the group."""
    return {row[0] for row in snapshot.all(_OF_APPLICATION, g=group, application=application)}


def same(snapshot: Snapshot, group: str, application: str, permission: str) -> str | None:
    """The id of the grant of this permission to this application, or None."""
    row = snapshot.one(_SAME, g=group, application=application, permission=permission)
    return row[0] if row else None


def exists(snapshot: Snapshot, group: str, id: str) -> bool:
    """Whether the group has a grant of this id."""
    return snapshot.one(_ONE, g=group, id=id) is not None


def every(snapshot: Snapshot, group: str) -> list[Row]:
    """(id, client application, permission) of each grant of the group."""
    return snapshot.all(_ALL, g=group)


def add(tx: Tx, group: str, id: str, application: str, principal: str, permission: str) -> None:
    """Insert a grant."""
    tx.run(
        _ADD,
        group_id=group,
        id=id,
        client_app_id=application,
        client_id=principal,
        resource_app_id=GRAPH,
        permission_type="Application",
        permission=permission,
        created_at=tx.now,
    )


def remove(tx: Tx, group: str, id: str) -> None:
    """Delete a grant."""
    tx.run(_REMOVE, g=group, item=id)
