"""The service as an OpenAPI 3.0 document, walked from the same description as `$metadata`.

Paths, parameter names and component names are those of Microsoft's published document, so that tools which read that
one read this one.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from folkmoot.graph import model as described
from folkmoot.graph import reads
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.resolve import BELOW, FOLLOWED_ONLY, ROOTS
from folkmoot.graph.surface import BY_ADDRESS, CASTS, Row
from folkmoot.model import Profile
from folkmoot.odata.csdl import Model
from folkmoot.odata.edm import Complex, Edm, Entity, Enumeration, Field, Type

Json = dict[str, Any]

_PREFIX = f"{described.NAMESPACE}."
_PRIMITIVES: dict[Edm, Json] = {
    Edm.STRING: {"type": "string"},
    Edm.BOOLEAN: {"type": "boolean"},
    Edm.INT32: {"type": "integer", "format": "int32"},
    Edm.INT64: {"type": "integer", "format": "int64"},
    Edm.DECIMAL: {"type": "number", "format": "decimal"},
    Edm.DOUBLE: {"type": "number", "format": "double"},
    Edm.DATETIME: {"type": "string", "format": "date-time"},
    Edm.DATE: {"type": "string", "format": "date"},
    Edm.TIME: {"type": "string", "format": "time"},
    Edm.DURATION: {"type": "string", "format": "duration"},
    Edm.GUID: {"type": "string", "format": "uuid"},
    Edm.BINARY: {"type": "string", "format": "base64url"},
}
_OPTIONS: dict[str, tuple[str, Json]] = {
    "top": ("Show only the first n items", {"type": "integer", "minimum": 1}),
    "skip": ("Skip the first n items", {"type": "integer", "minimum": 0}),
    "search": ("Search items by search phrases", {"type": "string"}),
    "filter": ("Filter items by property values", {"type": "string"}),
    "count": ("Include count of items", {"type": "boolean"}),
    "orderby": ("Order items by property values", {"type": "string"}),
    "select": ("Select properties to be returned", {"type": "string"}),
    "expand": ("Expand related entities", {"type": "string"}),
}
# A path by way of inReplyTo leads to a post, from which all of it would go on without end.
_MOST_HOPS = 1


def document(profile: Profile, version: str) -> Json:
    """The document for applications of a profile; `version` is the server's."""
    service = described.service(profile)
    components = _Components(service)
    paths: dict[str, Json] = {}
    for path, row in sorted(_operations(profile), key=lambda each: (each[0], each[1].method)):
        paths.setdefault(path, {})[row.method.lower()] = components.operation(path, row, profile)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Folkmoot",
            "version": version,
            "description": "Group conversations over the Microsoft Graph v1.0 protocol.",
        },
        "servers": [{"url": "/v1.0"}],
        "paths": paths,
        "components": components.finished(),
        "security": [{"token": []}],
    }


def operations(profile: Profile) -> set[tuple[str, str]]:
    """Method and path template of every operation."""
    return {(row.method, path) for path, row in _operations(profile)}


def _operations(profile: Profile) -> Iterator[tuple[str, Row]]:
    for name, word in ROOTS.items():
        yield from _in_collection(f"/{name}", name, word, profile, 0)
    yield from _at_item("/me", "user", profile, 0)
    yield from _at_item("/directory", "directory", profile, 0)


def _rows(path: str, address: str, profile: Profile) -> Iterator[tuple[str, Row]]:
    for row in described.rows(address, profile).values():
        yield path, row


def _in_collection(path: str, address: str, word: str, profile: Profile, hops: int) -> Iterator[tuple[str, Row]]:
    yield from _rows(path, address, profile)
    key = f"{{{described.type_of(word)}-id}}"
    below = [each[len(address) + 1 :] for each in BY_ADDRESS if each.startswith(f"{address}/")]
    for tail in below:
        first, _, rest = tail.partition("/")
        if first.startswith("$"):
            yield from _rows(f"{path}/{tail}", f"{address}/{tail}", profile)
        elif first in CASTS:
            yield from _rows(f"{path}/{_PREFIX}{tail}", f"{address}/{tail}", profile)
        elif first == "object":
            yield from _rows(f"{path}/{key}/{rest}", f"{address}/{tail}", profile)
        elif not rest:
            yield from _rows(f"{path}/{_PREFIX}{first}", f"{address}/{tail}", profile)
    yield from _at_item(f"{path}/{key}", word, profile, hops)


def _at_item(path: str, word: str, profile: Profile, hops: int) -> Iterator[tuple[str, Row]]:
    yield from _rows(path, word, profile)
    navs = BELOW.get(word, {})
    for address in BY_ADDRESS:
        before, _, name = address.partition("/")
        if before == word and name and "/" not in name and name.lower() not in navs:
            tail = name if name.startswith("$") else f"{_PREFIX}{name}"
            yield from _rows(f"{path}/{tail}", address, profile)
    for spelt, _ in FOLLOWED_ONLY.get(word, {}).values():
        yield from _rows(f"{path}/{spelt}/{_PREFIX}delta", f"{word}/{spelt}/delta", profile)
    for spelt, target, many in navs.values():
        if many:
            yield from _in_collection(f"{path}/{spelt}", f"{word}/{spelt}", target, profile, hops)
        elif hops < _MOST_HOPS:
            yield from _at_item(f"{path}/{spelt}", target, profile, hops + 1)


class _Components:
    """Operations, and the schemas that they refer to."""

    def __init__(self, service: Model) -> None:
        self.service = service
        self.schemas: dict[str, Json] = {}
        for value in service.values().values():
            self.schemas[_PREFIX + value.name] = self._value(value)
        for entity in service.types.values():
            self.schemas[_PREFIX + entity.name] = self._entity(entity)

    def operation(self, path: str, row: Row, profile: Profile) -> Json:
        names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        parameters: list[Json] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
        parameters += [{"$ref": f"#/components/parameters/{name}"} for name in _options(row, profile)]
        application = row.application if profile == "strict" else row.extended
        found: Json = {
            "tags": [path.split("/")[1]],
            "operationId": f"{row.method.lower()}{_name(path)}",
            "parameters": parameters,
            "responses": {"2XX": self._answer(row), "default": {"$ref": "#/components/responses/error"}},
            "x-permissions": {
                "delegated": sorted(row.delegated | row.own),
                "application": sorted(application),
            },
        }
        if row.takes is not None:
            schema = self._taken(row.takes)
            found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return found

    def _answer(self, row: Row) -> Json:
        if isinstance(row.read, reads.Count):
            return {"description": "The number of items", "content": {"text/plain": {"schema": {"type": "integer"}}}}
        if isinstance(row.read, reads.Read):
            name = _PREFIX + FEEDS[row.read.feed].noun.entity.name
            if isinstance(row.read, reads.Page) or row.address.endswith("/delta"):
                item, name = name, f"{name}CollectionResponse"
                self.schemas.setdefault(
                    name,
                    {
                        "type": "object",
                        "properties": {
                            "value": {"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}},
                            "@odata.count": {"type": "integer"},
                            "@odata.nextLink": {"type": "string", "nullable": True},
                        },
                        "additionalProperties": True,
                    },
                )
            content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
            return {"description": "Success", "content": content}
        if row.serve is not None and row.method == "GET":
            content = {"text/event-stream": {"schema": {"type": "string"}}}
            return {"description": "Server-sent events, without an end", "content": content}
        return {"description": "Success"}

    def finished(self) -> Json:
        """All components."""
        self.schemas["error"] = {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "string"},
                        "message": {"type": "string"},
                        "target": {"type": "string", "nullable": True},
                        "innerError": {"type": "object", "additionalProperties": True},
                    },
                    "required": ["code", "message"],
                    "additionalProperties": True,
                }
            },
            "required": ["error"],
        }
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}
        return {
            "schemas": dict(sorted(self.schemas.items())),
            "parameters": {
                name: {"name": f"${name}", "in": "query", "description": says, "schema": schema}
                for name, (says, schema) in _OPTIONS.items()
            },
            "responses": {"error": {"description": "A refusal", "content": error}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        }

    def _entity(self, entity: Entity) -> Json:
        properties = {field.name: self._field(field) for field in self.service.own(entity)}
        for nav in entity.navs:
            if nav.target not in self.service.types:
                continue
            target: Json = {"$ref": f"#/components/schemas/{_PREFIX}{nav.target}"}
            if nav.many:
                more = {"description": nav.says} if nav.says else {}
                target = {"type": "array", "items": target, **more, "x-ms-navigationProperty": True}
            properties[nav.name] = target
        own: Json = {
            "title": entity.name,
            "type": "object",
            "properties": properties,
            "additionalProperties": True,  # annotations, at least
        }
        if entity.says:
            own["description"] = entity.says
        if entity.base is None:
            return own
        return {"allOf": [{"$ref": f"#/components/schemas/{_PREFIX}{entity.base}"}, own]}

    def _value(self, value: Complex | Enumeration) -> Json:
        if isinstance(value, Enumeration):
            return {"title": value.name, "type": "string", "enum": list(value.members)}
        return {
            "title": value.name,
            "type": "object",
            "properties": {field.name: self._field(field) for field in value.fields},
            "additionalProperties": True,
        }

    def _field(self, field: Field) -> Json:
        schema = _schema(field.wire or field.type)
        if field.nullable and "$ref" not in schema:
            schema["nullable"] = True
        if field.many:
            schema = {"type": "array", "items": schema}
        if field.says and "$ref" not in schema:
            schema["description"] = field.says
        return schema

    def _taken(self, kind: type[msgspec.Struct]) -> Json:
        """What a body's struct takes. Named, since they hold each other."""
        name = f"taken.{kind.__name__.removesuffix('In')}"
        if name not in self.schemas:
            properties: dict[str, Json] = {}
            schema: Json = {"type": "object", "properties": properties, "additionalProperties": True}
            self.schemas[name] = schema
            for field in msgspec.structs.fields(kind):
                of, many, nullable = described.taken(field.type)
                found = self._taken_type(of)
                if many:
                    found = {"type": "array", "items": found}
                if nullable and "$ref" not in found:
                    found["nullable"] = True
                properties[field.encode_name] = found
            if needed := [field.encode_name for field in msgspec.structs.fields(kind) if field.required]:
                schema["required"] = needed
        return {"$ref": f"#/components/schemas/{name}"}

    def _taken_type(self, of: Any) -> Json:
        if typing.get_origin(of) is Literal:
            return {"type": "string", "enum": list(typing.get_args(of))}
        if isinstance(of, type) and issubclass(of, msgspec.Struct):
            return self._taken(of)
        simple = {str: "string", bool: "boolean", int: "integer", float: "number"}
        return {"type": simple[of]} if of in simple else {}


def _schema(type: Type) -> Json:
    return dict(_PRIMITIVES[type]) if isinstance(type, Edm) else {"$ref": f"#/components/schemas/{_PREFIX}{type.name}"}


def _options(row: Row, profile: Profile) -> list[str]:
    if not isinstance(row.read, reads.Read):
        return []
    feed = FEEDS[row.read.feed]
    searched = feed.search is not None and (feed.search.strict or profile == "extended")
    if isinstance(row.read, reads.Count):
        return ["search", "filter"] if searched else ["filter"]
    if row.address.endswith("/delta"):
        return ["filter", "select"] if row.area == "directory" else ["top", "select"]
    expand = ["expand"] if feed.branches else []
    if not isinstance(row.read, reads.Page):
        return ["select", *expand]
    return [name for name in _OPTIONS if (name != "search" or searched) and (name != "expand" or expand)]


def _name(path: str) -> str:
    """A path as part of an operationId: `GroupsByGroupConversations`."""
    found = ""
    for part in path.replace(_PREFIX, "").replace("$", "").strip("/").split("/"):
        if part.startswith("{"):
            found += "By"
            part = part[1:].removesuffix("-id}")
        found += part[:1].upper() + part[1:]
    return found
