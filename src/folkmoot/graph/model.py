"""The service as its own description gives it: types from the nouns, operations and capabilities from the surface.

Nothing is listed here that is said elsewhere, but for the base types, which have no rows of their own.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import msgspec

from folkmoot.graph import reads
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.resolve import BELOW, FOLLOWED_ONLY, NOUNS, ROOTS
from folkmoot.graph.surface import BY_ADDRESS, CASTS, Row
from folkmoot.model import Profile
from folkmoot.odata.csdl import Model, Operation, Parameter, Restrictions
from folkmoot.odata.edm import Edm, Entity, Nav

NAMESPACE, ALIAS = "microsoft.graph", "graph"

# Type → the type that it is derived from, what else CSDL says of it, and which properties it declares. How these are
# described is taken from the nouns that are derived from it.
_BASES: dict[str, tuple[str | None, dict[str, Any], tuple[str, ...]]] = {
    "entity": (None, {"abstract": True}, ("id",)),
    "outlookItem": (
        "entity",
        {"abstract": True},
        ("createdDateTime", "lastModifiedDateTime", "changeKey", "categories"),
    ),
    "directoryObject": ("entity", {"open": True}, ("deletedDateTime",)),
    "extension": ("entity", {"abstract": True, "open": True}, ()),
}
_SINGLETONS = {"me": "user"}
# The resolver's word for a noun → its type.
TYPE_OF = {word: name for name, word in NOUNS.items()}


def type_of(word: str) -> str:
    """The entity type that the resolver calls `word`."""
    return TYPE_OF.get(word, word)


@cache
def service(profile: Profile) -> Model:
    """The service as applications of a profile have it."""
    entities = _entities(profile)
    if profile == "extended":
        for word, followed in FOLLOWED_ONLY.items():
            navs = [
                Nav(name=name, target=type_of(target), expand=False, says="Followed by delta; it has no list.")
                for name, target in followed.values()
            ]
            entity = entities[type_of(word)]
            entities[entity.name] = replace(entity, navs=(*entity.navs, *navs))
    return Model(
        namespace=NAMESPACE,
        alias=ALIAS,
        container="GraphService",
        types=entities,
        sets={name: type_of(word) for name, word in _roots(entities).items()},
        singletons=_SINGLETONS,
        # What can be asked of a type's collections is described once, wherever they are.
        operations=tuple(dict.fromkeys(_operations(profile, entities))),
        restrictions=dict(_restrictions(profile, entities)),
    )


def rows(address: str, profile: Profile) -> dict[str, Row]:
    """The rows of an address by method, as far as a profile has them."""
    found = BY_ADDRESS.get(address, {})
    return {method: row for method, row in found.items() if profile == "extended" or not row.only_extended}


def _entities(profile: Profile) -> dict[str, Entity]:
    nouns = {noun.entity.name: noun.entity for feed in FEEDS.values() for noun in (feed.noun, *feed.kinds.values())}
    for name in _only_extended() if profile == "strict" else ():
        del nouns[name]
    found: dict[str, Entity] = {}
    for name, (base, flags, holds) in _BASES.items():
        above = {base} if base else set()
        derived = [entity for entity in nouns.values() if name in _line(entity)]
        described = [field for field in derived[0].fields if field.name in ("id", *holds)] if derived else []
        fields = tuple(field for field in described if not above or field.name != "id")
        found[name] = Entity(name=name, base=base, fields=fields, **flags)
    return {**found, **{name: entity for name, entity in sorted(nouns.items()) if name not in found}}


def _only_extended() -> set[str]:
    """The types that are sent to extended applications alone, as every row that reads them is theirs."""
    readers: dict[str, set[bool]] = {}
    for rows_here in BY_ADDRESS.values():
        for row in rows_here.values():
            if isinstance(row.read, reads.Read):
                readers.setdefault(FEEDS[row.read.feed].noun.entity.name, set()).add(row.only_extended)
    return {name for name, ways in readers.items() if ways == {True}}


def _roots(entities: dict[str, Entity]) -> dict[str, str]:
    return {name: word for name, word in ROOTS.items() if type_of(word) in entities}


def _line(entity: Entity) -> list[str]:
    """The names of the base types that a noun is derived from."""
    line, base = [], entity.base if entity.name not in _BASES else None
    while base is not None:
        line.append(base)
        base = _BASES[base][0] if base in _BASES else None
    return line


# ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────────


def called(address: str) -> tuple[str, bool, str] | None:
    """Of a row for an action or function: what it is bound to, whether to a collection, and its name."""
    *before, name = address.split("/")
    if not before or name.startswith("$") or name in CASTS or name == "object":
        return None
    word = before[0]
    if len(before) == 1:
        if word in ROOTS:
            return type_of(ROOTS[word]), True, name
        if name.lower() in BELOW.get(word, {}):
            return None
        return type_of(word), False, name
    nav = BELOW.get(word, {}).get(before[1].lower()) or FOLLOWED_ONLY.get(word, {}).get(before[1].lower())
    return (type_of(nav[1]), True, name) if nav is not None else None


def _operations(profile: Profile, entities: dict[str, Entity]) -> Iterator[Operation]:
    for address in BY_ADDRESS:
        bound = called(address)
        if bound is None:
            continue
        for method, row in rows(address, profile).items():
            if method not in ("GET", "POST"):
                continue
            feed = FEEDS.get(row.read.feed) if isinstance(row.read, reads.Read) else None
            yield Operation(
                bound=bound[0],
                many=bound[1],
                name=bound[2],
                function=method == "GET",
                parameters=() if row.takes is None else tuple(_parameters(row.takes, entities)),
                returns=_returns(feed.noun.entity.name if feed is not None else None, row),
            )


def _returns(item: str | None, row: Row) -> str | None:
    if item is not None:
        return f"Collection({ALIAS}.{item})"
    return "Edm.Stream" if row.method == "GET" and row.serve is not None else None


def _parameters(takes: type[msgspec.Struct], entities: dict[str, Entity]) -> Iterator[Parameter]:
    for field in msgspec.structs.fields(takes):
        kind, many, nullable = taken(field.type)
        name = _taken_name(kind, entities)
        yield Parameter(
            name=field.encode_name,
            type=f"Collection({name})" if many else name,
            nullable=nullable or not field.required,
        )


def taken(kind: Any) -> tuple[Any, bool, bool]:
    """What a body's property takes: the type, whether there are many, and whether null is taken, too."""
    options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    nullable = types.NoneType in options
    given = [option for option in options if option not in (types.NoneType, msgspec.UnsetType)]
    first = given[0] if given else Any
    if typing.get_origin(first) is list:
        return typing.get_args(first)[0], True, nullable
    return first, False, nullable


_PRIMITIVES = {str: Edm.STRING, bool: Edm.BOOLEAN, int: Edm.INT64, float: Edm.DOUBLE, bytes: Edm.BINARY}


def _taken_name(kind: Any, entities: dict[str, Entity]) -> str:
    if kind in _PRIMITIVES:
        return str(_PRIMITIVES[kind])
    if typing.get_origin(kind) is Literal:
        return str(Edm.STRING)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        # `PostIn` is what may be sent of a post.
        name = kind.__name__.removesuffix("In")
        name = name[:1].lower() + name[1:]
        known = {**{each.lower(): each for each in entities}, **_value_names(entities)}
        if name.lower() in known:
            return f"{ALIAS}.{known[name.lower()]}"
    return "Edm.Untyped"


def _value_names(entities: dict[str, Entity]) -> dict[str, str]:
    model = Model(
        namespace=NAMESPACE, alias=ALIAS, container="", types=entities, sets={}, singletons={}, operations=(),
        restrictions={},
    )  # fmt: skip
    return {name.lower(): name for name in model.values()}


# ── capabilities ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _restrictions(profile: Profile, entities: dict[str, Entity]) -> Iterator[tuple[str, Restrictions]]:
    for name, word in _roots(entities).items():
        yield (
            f"GraphService/{name}",
            _collection(name, word, profile, expand=any(nav.expand for nav in entities[type_of(word)].navs)),
        )
    for word, navs in BELOW.items():
        entity = entities.get(type_of(word))
        if entity is None:
            continue
        for spelt, target in FOLLOWED_ONLY.get(word, {}).values() if profile == "extended" else ():
            yield f"{entity.name}/{spelt}", _collection(f"{word}/{spelt}", target, profile, expand=False)
        for spelt, target, many in navs.values():
            nav = entity.nav(spelt)
            if nav is None or nav.target not in entities:
                continue
            if many:
                yield f"{entity.name}/{spelt}", _collection(f"{word}/{spelt}", target, profile, expand=nav.expand)
            else:
                yield f"{entity.name}/{spelt}", Restrictions(expandable=nav.expand)


def _collection(address: str, item: str, profile: Profile, *, expand: bool) -> Restrictions:
    here, one = rows(address, profile), rows(item, profile)
    page = here["GET"].read if "GET" in here else None
    counted = bool(rows(f"{address}/$count", profile))
    if not isinstance(page, reads.Page):
        tracked = bool(rows(f"{address}/delta", profile))
        return Restrictions(readable="GET" in here, countable=counted, expandable=expand, tracked=tracked)
    feed = FEEDS[page.feed]
    fields = feed.noun.entity.fields
    asked = profile == "extended" or not feed.plain
    return Restrictions(
        countable=counted,
        filterable=asked,
        non_filterable=tuple(field.name for field in fields if asked and not field.filter),
        sortable=asked,
        non_sortable=tuple(field.name for field in fields if asked and not field.sort),
        searchable=feed.search is not None and (feed.search.strict or profile == "extended"),
        expandable=expand,
        insertable="POST" in here,
        updatable="PATCH" in one or "PUT" in one,
        deletable="DELETE" in one,
        top=asked,
        skip=asked,
        tracked=bool(rows(f"{address}/delta", profile)),
    )
