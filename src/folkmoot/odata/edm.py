"""The entity data model: how a noun of the wire is described.

One `Entity` describes a noun once; projection, `$filter` checks, `$metadata` and the manual are derived from it.
Source: OData JSON Format 4.0 and CSDL 4.0. Nothing here knows of groups, SQL or HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Edm(StrEnum):
    """The primitive types in use (CSDL 4.0 §4.4). The value is the name on the wire."""

    STRING = "Edm.String"
    BOOLEAN = "Edm.Boolean"
    INT32 = "Edm.Int32"
    INT64 = "Edm.Int64"
    DECIMAL = "Edm.Decimal"
    DOUBLE = "Edm.Double"
    DATETIME = "Edm.DateTimeOffset"
    DATE = "Edm.Date"
    TIME = "Edm.TimeOfDay"
    DURATION = "Edm.Duration"
    GUID = "Edm.Guid"
    BINARY = "Edm.Binary"


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enumeration type: `members` are spelt as they are sent; input is compared without regard to case."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complex:
    """A complex type: a value with named parts and no key. `open`: it may have others, too."""

    name: str
    fields: tuple[Field, ...]
    open: bool = False

    def field(self, name: str) -> Field | None:
        """The part called `name` (any case), or None."""
        return _named(self.fields, name)


Type = Edm | Enumeration | Complex


# How many characters of a text `Field.head` has.
HEAD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A property.

    `sql` is what storage holds for it: one column for a primitive; for a single complex value a mapping from the slash
    path below the property (`"emailAddress/address"`) to its column; for a collection one column holding a JSON array.
    `fold` says that text is compared without regard to case, as the cloud does for directory objects and addresses.
    `single` says that it is sent only where it is selected in the reading of a single item.
    `wire` is the declared type where it differs from what is stored and compared: ids that are sent as opaque text.
    `start` is a column with the first characters of a text, for an index; `whole` and `number` are columns with what
    a text is as a number, for `cast`. `functions` says for whom a filter may use it in functions beside `cast`;
    what is for nobody has no order either. `head` is the first `HEAD` characters of a text of any length, to the
    letter, for an index that finds and orders by it.
    """

    name: str
    type: Type = Edm.STRING
    sql: Any = None
    many: bool = False
    nullable: bool = True
    by_default: bool = True
    filter: bool = True
    sort: bool = True
    fold: bool = False
    single: bool = False
    wire: Type | None = None
    start: Any = None
    head: Any = None
    whole: Any = None
    number: Any = None
    functions: Literal["all", "extended", "never"] = "all"
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nav:
    """A navigation property to entities of type `target` (its wire name without namespace).

    `by_id`: it is expanded only with a `$filter` that names the ids of those that are wanted.
    """

    name: str
    target: str
    many: bool = True
    contained: bool = True
    expand: bool = True
    filter: bool = False
    by_id: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity type: wire name, properties in the order in which they are sent, and navigation properties.

    `base` is the name of the type that it is derived from; its properties are among `fields`. `open`: there may be
    properties that are not described. `alternate_keys` are properties that stand for the key in a path.
    """

    name: str
    fields: tuple[Field, ...]
    navs: tuple[Nav, ...] = ()
    says: str = ""
    base: str | None = None
    abstract: bool = False
    open: bool = False
    has_stream: bool = False
    alternate_keys: tuple[str, ...] = ()
    _fields: Mapping[str, Field] = field(init=False, repr=False, compare=False)
    _navs: Mapping[str, Nav] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fields", {f.name.lower(): f for f in self.fields})
        object.__setattr__(self, "_navs", {n.name.lower(): n for n in self.navs})

    def field(self, name: str) -> Field | None:
        """The property called `name` (any case), or None."""
        return self._fields.get(name.lower())

    def nav(self, name: str) -> Nav | None:
        """The navigation property called `name` (any case), or None."""
        return self._navs.get(name.lower())


def _named(fields: tuple[Field, ...], name: str) -> Field | None:
    wanted = name.lower()
    return next((f for f in fields if f.name.lower() == wanted), None)
