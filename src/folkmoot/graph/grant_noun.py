"""Grants of permissions in one group, as the wire has them: resourceSpecificPermissionGrant.

`clientAppId` is the application's client id, as `resourceAppId` is; `clientId` is its service principal. The published
descriptions of the two have it the other way round, against their names.
"""

from __future__ import annotations

from sqlalchemy.sql import ColumnElement

from folkmoot.graph.describe import Noun, Property, absent, noun, text
from folkmoot.odata.edm import Edm, Field
from folkmoot.store import schema as s

_g = s.permission_grants.c


def _guid(name: str, column: ColumnElement[str], *, nullable: bool = True) -> Property:
    return Property(Field(name=name, type=Edm.GUID, wire=Edm.STRING, sql=column, nullable=nullable), (column,))


GRANT: Noun = noun(
    "resourceSpecificPermissionGrant",
    s.permission_grants,
    _g.id,
    _guid("id", _g.id, nullable=False),
    absent("deletedDateTime", Edm.DATETIME),
    _guid("clientAppId", _g.client_app_id),
    _guid("clientId", _g.client_id),
    text("permission", _g.permission),
    text("permissionType", _g.permission_type),
    _guid("resourceAppId", _g.resource_app_id),
    says="What a client application may do in one group.",
    base="directoryObject",
)
