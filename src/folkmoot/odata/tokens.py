"""Opaque `$skiptoken` values: where the next page begins.

A token is URL-safe base64 without padding of the JSON array `[shape, value, …]`; `shape` is a short hash of a text that
describes the ordering and the condition, so that a token is not taken for another query. It is not a secret and not
signed: a token can only say where to begin within what the caller may see anyway.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2s
from math import isfinite

import msgspec

from folkmoot.refusals import BadClause

Value = str | int | float | bool | None

_UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")
_TEXT = re.compile(r"[A-Za-z0-9_-]{1,10000}")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_read = msgspec.json.Decoder(list[Value]).decode


def encode(values: Sequence[Value], shape: str) -> str:
    """The token for `values`. Raises ValueError for a value that JSON or a database column cannot hold."""
    if not all(map(_sound, values)):
        raise ValueError("a token holds text without NUL, 64-bit integers, finite numbers, booleans and None")
    text = b2a_base64(msgspec.json.encode([_hash(shape), *values]), newline=False)
    return text.translate(_URL_SAFE).rstrip(b"=").decode()


def decode(text: str, shape: str, *, types: Sequence[type] | None = None) -> tuple[Value, ...]:
    """The values that were encoded with the same `shape`.

    With `types`, each value must be of the type at its place or None, and their number must be the same; a boolean is
    no integer. Raises `BadClause` (target `$skiptoken`) for anything else.
    """
    if not _TEXT.fullmatch(text):
        raise _foreign()
    try:
        found, *values = _read(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError):
        raise _foreign() from None
    if found != _hash(shape) or not all(map(_sound, values)):
        raise _foreign()
    if types is not None and (
        len(types) != len(values)
        or any(value is not None and type(value) is not kind for value, kind in zip(values, types, strict=True))
    ):
        raise _foreign()
    return tuple(values)


@lru_cache(maxsize=1024)
def _hash(shape: str) -> str:
    return blake2s(shape.encode(errors="surrogatepass"), digest_size=4).hexdigest()


def _sound(value: Value) -> bool:
    if isinstance(value, str):
        return "\0" not in value if value.isascii() else not _UNUSABLE.search(value)
    if isinstance(value, float):
        return isfinite(value)
    return value is None or -(2**63) <= value < 2**63


def _foreign() -> BadClause:
    return BadClause(
        "$skiptoken belongs to another query or is damaged; start again from the first page, without $skiptoken.",
        target="$skiptoken",
    )
