"""Primitive literals of a URL: text to value and back.

Source: OData 4.01 ABNF, section "Literal Data Values". Values are plain Python: a moment is whole seconds since 1970
(`int`) or, with a fraction, a `Decimal`; a time of day is seconds since midnight, a duration is seconds.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64decode
from datetime import date
from decimal import Decimal
from math import inf, isinf, isnan, nan

from folkmoot.odata.edm import Edm

Value = str | int | float | Decimal | bool | bytes | date | None

_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_FIRST = (1 - _EPOCH) * _DAY
_END = (date.max.toordinal() + 1 - _EPOCH) * _DAY
_DURATION = re.compile(
    r"([+-])?P(?=\d|T\d)(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,15}(?:\.\d{1,12})?)S)?)?",
    re.A | re.I,
)
WORDS: dict[str, tuple[Value, Edm | None]] = {
    "true": (True, Edm.BOOLEAN),
    "false": (False, Edm.BOOLEAN),
    "null": (None, None),
}
NUMBER_WORDS: dict[str, float] = {"INF": inf, "NaN": nan}


def read_string(text: str) -> str:
    """`'let''s'` → `let's`."""
    return text[1:-1].replace("''", "'")


def read_number(text: str) -> tuple[Value, Edm]:
    """Digits → `int` or `Decimal`, an exponent → `float`. Raises ValueError beyond 40 digits or a double's range."""
    if len(text) > 48:
        raise ValueError("a number has at most 40 digits")
    if "e" in text or "E" in text:
        value = float(text)
        if isinf(value):
            raise ValueError("the number is beyond the range of a double")
        return value, Edm.DOUBLE
    if "." in text:
        return Decimal(text), Edm.DECIMAL
    whole = int(text)
    if whole < 2**31:
        return whole, Edm.INT32
    return (whole, Edm.INT64) if whole < 2**63 else (Decimal(whole), Edm.DECIMAL)


def negate(value: int | float | Decimal) -> tuple[Value, Edm]:
    """The negative of a numeric literal, with the smallest fitting type (`-9223372036854775808` is an Int64)."""
    if isinstance(value, float):
        return -value, Edm.DOUBLE
    if isinstance(value, Decimal):
        return (-(2**63), Edm.INT64) if value == 2**63 else (value.copy_negate(), Edm.DECIMAL)
    if value == -(2**63):
        return Decimal(2**63), Edm.DECIMAL
    return -value, Edm.INT32 if -(2**31) < value <= 2**31 else Edm.INT64


def read_date(text: str) -> date:
    """`2024-02-29`. Raises ValueError if there is no such day."""
    return date.fromisoformat(text)


def read_time(text: str) -> int | Decimal:
    """`13:20` or `13:20:00.123456789012` → seconds since midnight. Raises ValueError if there is no such time."""
    hour, minute, second = int(text[:2]), int(text[3:5]), Decimal(text[6:] or "0")
    if hour > 23 or minute > 59 or second >= 60:
        raise ValueError("hours go to 23, minutes and seconds to 59")
    return _plain(hour * 3600 + minute * 60 + second)


def read_moment(text: str) -> int | Decimal:
    """`2024-02-29T13:20:00.5+02:00` → seconds since 1970. Raises ValueError for no such moment or a missing offset."""
    day = (read_date(text[:10]).toordinal() - _EPOCH) * _DAY
    rest = text[11:]
    if rest[-1] in "Zz":
        rest, offset = rest[:-1], 0
    # The + of an offset arrives as a space when a client did not percent-encode it.
    elif len(rest) > 6 and rest[-6] in "+- ":
        if int(rest[-5:-3]) > 14 or int(rest[-2:]) > 59:
            raise ValueError("an offset is at most 14:00")
        offset = (int(rest[-5:-3]) * 60 + int(rest[-2:])) * (-60 if rest[-6] == "-" else 60)
        rest = rest[:-6]
    else:
        raise ValueError("a moment needs a time zone: end it with Z or an offset such as %2B02:00")
    moment = day + read_time(rest) - offset
    if not _FIRST <= moment < _END:
        raise ValueError("years go from 0001 to 9999")
    return _plain(moment)


def read_typed(kind: str, text: str) -> tuple[Value, Edm]:
    """`duration'PT5M'` and `binary'AAEC'`, with `kind` in lower case. Raises ValueError if the text is not one."""
    if kind == "duration":
        if not (match := _DURATION.fullmatch(text)):
            raise ValueError("a duration looks like P1DT2H3M4.5S")
        days, hours, minutes, seconds = (Decimal(part or "0") for part in match.groups()[1:])
        total = days * _DAY + hours * 3600 + minutes * 60 + seconds
        return _plain(-total if match[1] == "-" else total), Edm.DURATION
    bare = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text) or len(bare) % 4 == 1 or (bare != text and len(text) % 4):
        raise ValueError("binary data is base64url")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4)), Edm.BINARY


def write(value: Value, type: Edm | None) -> str:
    """The literal for `value`: reading it again gives the same value."""
    if type is None or value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"binary'{b64encode(value, b'-_').decode().rstrip('=')}'"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value if type is Edm.GUID else "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and (isinf(value) or isnan(value)):
        return "NaN" if isnan(value) else "INF" if value > 0 else "-INF"
    if type is Edm.DATETIME:
        days, seconds = divmod(value, _DAY)
        # Decimal's divmod truncates towards zero.
        days, seconds = (days - 1, seconds + _DAY) if seconds < 0 else (days, seconds)
        return f"{date.fromordinal(int(days) + _EPOCH)}T{_clock(seconds)}Z"
    if type is Edm.TIME:
        return _clock(value)
    if type is Edm.DURATION:
        return f"duration'{'-' if value < 0 else ''}PT{_digits(value).lstrip('-')}S'"
    if isinstance(value, float):
        text = repr(value)
        return text if "e" in text else text + "e0"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text if "." in text or abs(value) >= 2**63 else text + ".0"
    return str(value)


def _clock(seconds: int | float | Decimal) -> str:
    whole = int(seconds)
    fraction = f"{seconds - whole:f}"[1:] if isinstance(seconds, Decimal) else ""
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{fraction}"


def _plain(value: int | Decimal) -> int | Decimal:
    if isinstance(value, int):
        return value
    return int(value) if value == value.to_integral_value() else value.normalize()


def _digits(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
