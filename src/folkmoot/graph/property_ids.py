"""Ids of extended properties: `String {guid} Name Color`, `Integer {guid} Id 0x8012`, `String 0x4001001E`.

Sources: Graph "Outlook extended properties overview"; the types are Exchange's MapiPropertyTypeType. Of the spellings
of one id (the case of words and GUIDs, blanks, decimal and hexadecimal numbers) one is compared; the name in an id is
compared to the letter. The three forms are three properties, also where Exchange would map one onto another ("access
the property by only that format").
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from datetime import datetime
from math import isfinite
from typing import NamedTuple
from uuid import UUID

MAX_NAME = 255
_NAMED_FROM, _NAMED_TO = 0x8000, 0xFFFE
_TAG_FROM, _TAG_TO = 0x0001, 0x7FFF

_ID = re.compile(
    r"(?P<type>[A-Za-z]+)\s+(?:\{(?P<guid>[0-9A-Fa-f-]{36})\}\s+"
    r"(?:(?i:name)\s+(?P<name>\S(?:.*\S)?)|(?i:id)\s+(?P<number>0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10}))"
    r"|(?P<tag>0[xX][0-9A-Fa-f]{1,8}))",
    re.DOTALL,
)
_EXPECTED = (
    "It must be of the form 'String {GUID} Name {name}', 'Integer {GUID} Id 0x8012' or 'String 0x4001001E', "
    "for one value with one of the types"
)


class PropertyId(NamedTuple):
    """`key` is the one spelling of an id, `type` that of its type, without `Array`; `many`: it has several values."""

    key: str
    type: str
    many: bool


def _number(least: int, most: int) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        return re.fullmatch(r"[+-]?[0-9]{1,20}", text, re.ASCII) is not None and least <= int(text) <= most

    return fits


def _double(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", text, re.ASCII) is not None and isfinite(
        float(text)
    )


def _guid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _moment(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)))
    except ValueError:
        return False


def _binary(text: str) -> bool:
    try:
        return b64decode(text.encode("ascii"), validate=True) is not None
    except (Base64Error, ValueError):
        return False


# Type → whether a text is a value of it.
TYPES: dict[str, Callable[[str], bool]] = {
    "ApplicationTime": _double,
    "Binary": _binary,
    "Boolean": lambda text: text.lower() in ("true", "false", "0", "1"),
    "CLSID": _guid,
    "Currency": _number(-(2**63), 2**63 - 1),
    "Double": _double,
    "Float": _double,
    "Integer": _number(-(2**31), 2**31 - 1),
    "Long": _number(-(2**63), 2**63 - 1),
    "Short": _number(-(2**15), 2**15 - 1),
    "String": lambda _: True,
    "SystemTime": _moment,
}
# Exchange has no arrays of booleans.
_SPELT = {name.lower(): (name, False) for name in TYPES} | {
    f"{name}array".lower(): (name, True) for name in TYPES if name != "Boolean"
}


def parse_property_id(text: str) -> PropertyId:
    """The id of an extended property. Raises `ValueError` saying what is wrong with it."""
    found = _ID.fullmatch(text.strip())
    kind = _SPELT.get(found["type"].lower()) if found else None
    if found is None or kind is None:
        raise ValueError(f"'{text[:80]}' is no id of an extended property. {_EXPECTED} {', '.join(TYPES)}")
    name, many = kind
    start = f"{name}Array" if many else name
    if found["tag"] is not None:
        digits = found["tag"][2:]
        # A tag of eight digits ends in the number of its type.
        tag = int(digits[:-4] if len(digits) > 4 else digits, 16)
        if not _TAG_FROM <= tag <= _TAG_TO:
            raise ValueError(f"'{text[:80]}': property tags are from 0x{_TAG_FROM:04x} to 0x{_TAG_TO:04x}")
        return PropertyId(f"{start} 0x{tag:04x}", name, many)
    try:
        guid = UUID(found["guid"])
    except ValueError:
        raise ValueError(f"'{text[:80]}': '{found['guid']}' is not a GUID") from None
    if found["number"] is not None:
        number = int(found["number"], 16 if "x" in found["number"].lower() else 10)
        if not _NAMED_FROM <= number <= _NAMED_TO:
            raise ValueError(f"'{text[:80]}': numbers are from 0x{_NAMED_FROM:04x} to 0x{_NAMED_TO:04x}")
        return PropertyId(f"{start} {{{guid}}} Id 0x{number:04x}", name, many)
    if len(found["name"]) > MAX_NAME:
        raise ValueError(f"'{text[:80]}…': a name has at most {MAX_NAME} characters")
    return PropertyId(f"{start} {{{guid}}} Name {found['name']}", name, many)
