"""Request bodies that come compressed (RFC 9110 §8.4): the Go SDK sends each of its bodies so."""

from __future__ import annotations

import zlib

from folkmoot.refusals import BadBody, CodingUnknown

# What a byte can become at most (zlib, "Technical Details").
GROWTH = 1032
_NAME = "Content-Encoding"


def unpacked(raw: bytes, coding: str, largest: int) -> bytes:
    """A body without its coding, the value of Content-Encoding.

    However little it is, no more is made of it than `largest` bytes and one, which says that there are more. Raises
    `CodingUnknown` for other codings than gzip, and `BadBody` for what is not gzip.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity") or not raw:
        return raw
    if coding not in ("gzip", "x-gzip"):
        raise CodingUnknown(f"The request body must be sent as it is or as gzip, not as '{coding[:80]}'.")
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = unpacking.decompress(raw, largest + 1)
    except zlib.error:
        raise BadBody(f"The request body is not gzip, which its header {_NAME} names.", target=_NAME) from None
    if len(found) <= largest and (not unpacking.eof or unpacking.unused_data):
        raise BadBody("The request body must be one whole gzip member.", target=_NAME)
    return found
