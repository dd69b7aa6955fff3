"""How a noun of the wire is described: its properties, the columns that hold them, and how they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import FromClause
from sqlalchemy.sql import ColumnElement

from folkmoot.graph import ids
from folkmoot.odata.edm import Complex, Edm, Entity, Enumeration, Field, Nav

Sql = ColumnElement[Any]

# How a value is sent: from the group's id and the property's columns. None sends the one column as it is stored.
Render = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Property:
    """A property: its description, the columns that hold it, and how they are sent."""

    field: Field
    columns: tuple[Sql, ...]
    render: Render | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """An entity type with where its rows are.

    `key` orders what nothing else orders. `annotations` precede the properties and are sent whatever is selected.
    `reads_id` turns an opaque text of the wire into what is stored, for `$filter`; the second argument is the group.
    `reads_text` does so for a text that has several spellings; it raises `BadClause` for one that has none. `dynamic`
    holds further properties as a JSON object (an open type, CSDL 4.0 §6.3). `long` is a column that is selected as null
    where its text is long, and then is to be read by itself.
    """

    entity: Entity
    table: FromClause
    key: Sql
    properties: dict[str, Property]
    annotations: tuple[Property, ...] = ()
    reads_id: dict[str, Callable[[str, str], str | int]] = field(default_factory=dict)
    reads_text: dict[str, Callable[[str], str]] = field(default_factory=dict)
    dynamic: Sql | None = None
    long: Sql | None = None


EMAIL_ADDRESS = Complex("emailAddress", (Field(name="name"), Field(name="address", fold=True)))
RECIPIENT = Complex("recipient", (Field(name="emailAddress", type=EMAIL_ADDRESS),))
BODY_TYPE = Enumeration("bodyType", ("text", "html"))
ITEM_BODY = Complex("itemBody", (Field(name="contentType", type=BODY_TYPE), Field(name="content")))


@lru_cache(maxsize=4096)
def _iso_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso(_: str, seconds: int | None) -> str | None:
    """A moment, stored as whole seconds, as it is sent."""
    if seconds is None:
        return None
    return _iso_text(seconds)


def flag(_: str, value: int | bool | None) -> bool | None:
    """A boolean; SQLite has none of its own."""
    return None if value is None else bool(value)


def json_text(_: str, text: str) -> msgspec.Raw:
    """A JSON value that is stored as it is sent."""
    return msgspec.Raw(text)


class _EmailAddress(msgspec.Struct, gc=False):
    name: str | None
    address: str | None


class _Recipient(msgspec.Struct, gc=False, rename="camel"):
    email_address: _EmailAddress


class _ItemBody(msgspec.Struct, gc=False, rename="camel"):
    content_type: str
    content: str


def recipient(_: str, name: str | None, address: str | None) -> dict[str, Any]:
    """A recipient from its name and address."""
    return {"emailAddress": {"name": name, "address": address}}


def item_body(_: str, content_type: str, content: str) -> dict[str, str]:
    """An itemBody."""
    return {"contentType": content_type, "content": content}


# The same as expressions of its columns ({0}, {1}, …): what makes a part of an item, and of a record that is encoded.
INLINE: Mapping[Render, tuple[str, str]] = {
    iso: ("None if {0} is None else iso_text({0})",) * 2,
    flag: ("None if {0} is None else bool({0})",) * 2,
    json_text: ("Raw({0})",) * 2,
    recipient: ("{{'emailAddress': {{'name': {0}, 'address': {1}}}}}", "Recipient(EmailAddress({0}, {1}))"),
    item_body: ("{{'contentType': {0}, 'content': {1}}}", "ItemBody({0}, {1})"),
}
INLINE_NAMES: Mapping[str, Any] = {
    "iso_text": _iso_text,
    "Raw": msgspec.Raw,
    "Recipient": _Recipient,
    "EmailAddress": _EmailAddress,
    "ItemBody": _ItemBody,
}
# What costs less for a page at once: from the group's id and the values of each column, a value for each row.
RENDER_PAGE: Mapping[Render | None, Callable[..., Iterable[Any]]] = {ids.post_id: ids.post_ids}


def text(name: str, column: Sql, **more: Any) -> Property:
    """A text property in one column."""
    return Property(Field(name=name, sql=column, **more), (column,))


def time(name: str, column: Sql, **more: Any) -> Property:
    """A moment, stored as whole seconds."""
    return Property(Field(name=name, type=Edm.DATETIME, sql=column, **more), (column,), iso)


def boolean(name: str, column: Sql, **more: Any) -> Property:
    """A boolean property."""
    return Property(Field(name=name, type=Edm.BOOLEAN, sql=column, **more), (column,), flag)


def many(name: str, column: Sql, type: Any = Edm.STRING, **more: Any) -> Property:
    """A collection that is stored as one JSON array."""
    return Property(Field(name=name, type=type, many=True, sql=column, sort=False, **more), (column,), json_text)


def opaque_id(column: Sql, columns: tuple[Sql, ...], render: Render, name: str = "id", **more: Any) -> Property:
    """A GUID that is sent as an opaque id (see `ids`)."""
    described = Field(name=name, type=Edm.GUID, wire=Edm.STRING, sql=column, sort=False, **more)
    return Property(described, columns, render)


_OF_ENTITY = ("says", "base", "abstract", "open", "has_stream", "alternate_keys")


def noun(
    name: str, table: FromClause, key: Sql, *properties: Property, navs: tuple[Nav, ...] = (), **more: Any
) -> Noun:
    """A noun from its properties, in the order in which they are sent. `more` is for its entity or for the noun."""
    said = {key: more.pop(key) for key in _OF_ENTITY if key in more}
    entity = Entity(name=name, fields=tuple(p.field for p in properties), navs=navs, **{"base": "entity", **said})
    return Noun(entity=entity, table=table, key=key, properties={p.field.name: p for p in properties}, **more)


def _nothing(_: str) -> None:
    return None


def _empty(_: str) -> list[Any]:
    return []


def absent(name: str, type: Any = Edm.STRING, **more: Any) -> Property:
    """A property of the published type that this server has nothing to say in; sent as null or an empty list."""
    described = Field(name=name, type=type, filter=False, sort=False, **more)
    return Property(described, (), _empty if described.many else _nothing)
