"""Open extensions and extended properties in request bodies: from JSON to drafts.

Source: Graph openTypeExtension ("extensionName … unique", "custom data: primitives or arrays of primitives"),
singleValueLegacyExtendedProperty and multiValueLegacyExtendedProperty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from folkmoot.graph import inputs
from folkmoot.graph.property_ids import TYPES, PropertyId, parse_property_id
from folkmoot.model import ExtensionDraft, MultiValueDraft, SingleValueDraft
from folkmoot.refusals import BadBody

MAX_NAME = 128
# Extended properties of either kind that a post may have, characters of a value, and values of one property.
MAX_PROPERTIES = 100
MAX_VALUE = 32_768
MAX_VALUES = 100

TYPE = "microsoft.graph.openTypeExtension"
# How official examples spell the type in ids and in @odata.type.
_PREFIXES = (f"{TYPE}.".lower(), "microsoft.outlookservices.opentypeextension.")
_TYPES = frozenset(prefix.rstrip(".") for prefix in _PREFIXES)
_NAME = re.compile(r"[^\s/\\?#%&'\"\x00-\x1f\x7f]+(?: [^\s/\\?#%&'\"\x00-\x1f\x7f]+)*")
_RESERVED = ("com.microsoft", "com.onmicrosoft")
_PROPERTY = re.compile(r"[^\W\d]\w{0,127}")
_TYPE_OF = "@odata.type"


def bare(name: str) -> str:
    """An extension's name, given bare or as an id with either official prefix."""
    lower = name.lower()
    for prefix in _PREFIXES:
        if lower.startswith(prefix):
            return name[len(prefix) :]
    return name


def folded(name: str) -> str:
    """The name by which an extension is told apart, from its name or id in any case."""
    return bare(name).lower()


def extension_draft(given: inputs.OpenIn) -> ExtensionDraft:
    """The body of a POST of an extension. Raises `BadBody` naming the property at fault."""
    return _extension(given.given, "", None)


def extension_change(given: inputs.OpenIn) -> ExtensionDraft:
    """The body of a PATCH of an extension; its name is "" where the body does not say it. Raises `BadBody`."""
    return _extension(given.given, "", "")


def extension_drafts(given: Sequence[Any] | None, path: str) -> tuple[ExtensionDraft, ...]:
    """The extensions of a new post; `path` is where they stood in the body. Raises `BadBody`."""
    drafts: dict[str, ExtensionDraft] = {}
    for number, each in enumerate(given or ()):
        where = f"{path}[{number}]"
        if not isinstance(each, dict):
            raise BadBody(f"The property '{where}' must be a JSON object.", target=where)
        draft = _extension(each, f"{where}.", None)
        if folded(draft.name) in drafts:
            raise _bad(f"{where}.extensionName", f"names '{draft.name}', which is there already")
        drafts[folded(draft.name)] = draft
    return tuple(drafts.values())


def _extension(given: Mapping[str, Any], path: str, unnamed: str | None) -> ExtensionDraft:
    """`unnamed` is the name where none is given; None where one must be."""
    name, id = unnamed, None
    data: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for key, value in given.items():
        where, lower = f"{path}{key}", key.lower()
        if lower in spelt:
            raise _bad(where, f"is '{spelt[lower]}' in another case, and names are compared without regard to case")
        spelt[lower] = key
        if lower == _TYPE_OF:
            if not isinstance(value, str) or value.lower().lstrip("#") not in _TYPES:
                raise _bad(where, f"must be '#{TYPE}'")
        elif lower == "extensionname":
            name = _name(value, where)
        elif lower == "id":
            id = value
        elif "@" in key:
            _annotation(key, value, where, given, data)
        else:
            if not _PROPERTY.fullmatch(key):
                raise _bad(where[:200], "is not a name: letters, digits and _, 128 characters, no digit first")
            data[key] = _value(value, where)
    if name is None:
        raise BadBody(f"The property '{path}extensionName' is required.", target=f"{path}extensionName")
    if id is not None:
        if not isinstance(id, str) or (name and folded(id) != folded(name)):
            raise _bad(f"{path}id", "follows from extensionName and cannot be another")
        name = name or bare(id)
    return ExtensionDraft(name, data)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _bad(where, "must be a string")
    name = bare(value)
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise _bad(
            where, f"must be 1 to {MAX_NAME} characters without / \\ ? # % & or quotes, such as Com.Contoso.Deal"
        )
    if name.startswith("$") or name in (".", ".."):
        # As a step of a path these are something else (OData URL conventions §4; RFC 3986 §5.2.4).
        raise _bad(where, "must not begin with $ nor be . or .., by which no URL could reach the extension")
    if any(name.lower() == reserved or name.lower().startswith(f"{reserved}.") for reserved in _RESERVED):
        raise _bad(where, "must not begin with Com.Microsoft or Com.OnMicrosoft, which are reserved")
    return name


def _annotation(key: str, value: Any, where: str, given: Mapping[str, Any], data: dict[str, Any]) -> None:
    """`Strings@odata.type` is kept beside the property that it tells of; other annotations are left aside."""
    name, _, annotation = key.partition("@")
    if f"@{annotation}".lower() != _TYPE_OF or not name:
        return
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise _bad(where, "must be the name of a type")
    if any(other.lower() == name.lower() for other in given):
        data[f"{name}{_TYPE_OF}"] = value


def _value(value: Any, where: str) -> Any:
    """A primitive or an array of primitives."""
    if isinstance(value, list):
        for number, each in enumerate(value):
            if each is None or isinstance(each, (list, dict)):
                raise _bad(f"{where}[{number}]", "must be a string, a number or a boolean")
            _value(each, f"{where}[{number}]")
    elif isinstance(value, dict):
        raise _bad(where, "is an object; custom data are strings, numbers, booleans and arrays of them")
    elif (isinstance(value, int) and not -(2**63) <= value < 2**63) or (
        isinstance(value, float) and not isfinite(value)
    ):
        raise _bad(where, "is a number of more than 64 bits")
    return value


# ── extended properties ──────────────────────────────────────────────────────────────────────────────────────────────


def single_value_drafts(given: Sequence[inputs.SingleValueIn] | None, path: str) -> tuple[SingleValueDraft, ...]:
    """Extended properties with one value. Raises `BadBody` naming the property at fault."""
    drafts: dict[str, SingleValueDraft] = {}
    for number, each in enumerate(_few(given, path)):
        where = f"{path}[{number}]"
        id = _property_id(each.id, f"{where}.id", drafts, many=False)
        drafts[id.key] = SingleValueDraft(id.key, each.id, _property_value(each.value, id, f"{where}.value"))
    return tuple(drafts.values())


def multi_value_drafts(given: Sequence[inputs.MultiValueIn] | None, path: str) -> tuple[MultiValueDraft, ...]:
    """Extended properties with several values. Raises `BadBody` naming the property at fault."""
    drafts: dict[str, MultiValueDraft] = {}
    for number, each in enumerate(_few(given, path)):
        where = f"{path}[{number}]"
        id = _property_id(each.id, f"{where}.id", drafts, many=True)
        if len(each.value) > MAX_VALUES:
            raise _bad(f"{where}.value", f"holds more than {MAX_VALUES} values")
        values = tuple(_property_value(value, id, f"{where}.value[{n}]") for n, value in enumerate(each.value))
        drafts[id.key] = MultiValueDraft(id.key, each.id, values)
    return tuple(drafts.values())


def _few(given: Sequence[Any] | None, path: str) -> Sequence[Any]:
    if given and len(given) > MAX_PROPERTIES:
        raise _bad(path, f"holds more than {MAX_PROPERTIES} extended properties")
    return given or ()


def _property_id(text: str, where: str, known: Mapping[str, Any], *, many: bool) -> PropertyId:
    try:
        id = parse_property_id(text)
    except ValueError as error:
        raise BadBody(f"Invalid value specified for property '{where}': {error}.", target=where) from None
    if id.many is not many:
        wanted = "such as StringArray, for several values" if many else "such as String, for one value"
        raise _bad(where, f"must begin with a type {wanted}")
    if id.key in known:
        raise _bad(where, f"names '{id.key}', which is there already")
    return id


def _property_value(text: str, id: PropertyId, where: str) -> str:
    if len(text) > MAX_VALUE:
        raise _bad(where, f"is longer than {MAX_VALUE} characters")
    if not TYPES[id.type](text):
        raise _bad(where, f"is not a value of the type {id.type}")
    return text


def _bad(where: str, what: str) -> BadBody:
    return BadBody(f"The property '{where}' {what}.", target=where)
