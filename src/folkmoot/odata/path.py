"""The resource path of a request, cut into segments.

Source: OData 4.01 URL Conventions §2 (split the path at `/`, then percent-decode each segment once), §4.3.1 (keys in
parentheses) and §4.5.1 (function calls). Nothing here knows which resources exist.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from folkmoot.refusals import UnknownSegment

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r"'([^']*(?:''[^']*)*)'")
_PAIR = re.compile(r"\s*([A-Za-z_][\w.]*)\s*=\s*(?:'([^']*(?:''[^']*)*)'|([^\s',=()]+))\s*(?:(,)|$)")
_BARE_KEY = re.compile(r"[^\s',()]+")
_ENCODED_CALL = re.compile(r"[^()']*\((?:[A-Za-z_]\w*=)?'.*'\)", re.DOTALL)


class Segment(msgspec.Struct, frozen=True):
    """One step of a path: `groups('x')` is `Segment("groups", "x")`, `groups` and `delta()` have neither key nor keys.

    `keys` holds named values (`groups(uniqueName='x')` or function parameters), names and values as they were sent.
    """

    name: str
    key: str | None = None
    keys: tuple[tuple[str, str], ...] = ()


def parse_path(raw: str) -> tuple[Segment, ...]:
    """Cut `raw`, the percent-encoded path below the version root without its query, into segments.

    Empty segments (a trailing or doubled slash) are ignored; `groups/(id='x')` is `groups(id='x')`; letters keep their
    case. Raises `UnknownSegment` for a broken percent-escape, text that is not UTF-8, control characters and broken
    parentheses.
    """
    if "%" not in raw and "(" not in raw:
        if _UNSAFE.search(raw):
            raise _refuse(raw, "it holds a control character")
        return tuple([Segment(part) for part in raw.split("/") if part])
    segments: list[Segment] = []
    for part in _split(raw):
        text = _decode(part) if "%" in part else part
        if _UNSAFE.search(text):
            raise _refuse(text, "it holds a control character")
        # An id may hold an encoded parenthesis; only a parenthesis that opens a quoted key is then read as one.
        if "(" not in part and not ("(" in text and _ENCODED_CALL.fullmatch(text)):
            segments.append(Segment(text))
            continue
        segment = _with_key(text)
        if not segment.name:
            if not segments or segments[-1].key is not None or segments[-1].keys:
                raise _refuse(text, "a key must follow the name of a collection")
            segment = Segment(segments.pop().name, segment.key, segment.keys)
        segments.append(segment)
    return tuple(segments)


def _split(raw: str) -> list[str]:
    """Split at `/`, except inside quotes inside parentheses; `%27` counts as a quote there."""
    if "(" not in raw:
        return [part for part in raw.split("/") if part]
    parts: list[str] = []
    start = at = 0
    inside = quoted = False
    while at < len(raw):
        char = raw[at]
        if char == "/" and not (inside and quoted):
            parts.append(raw[start:at])
            start, inside, quoted = at + 1, False, False
        elif char == "(" and not quoted:
            inside = True
        elif char == ")" and not quoted:
            inside = False
        elif inside and (char == "'" or raw.startswith("%27", at)):
            quoted = not quoted
            at += 2 if char == "%" else 0
        at += 1
    parts.append(raw[start:])
    return [part for part in parts if part]


def _decode(part: str) -> str:
    if _BAD_ESCAPE.search(part):
        raise _refuse(part, "a % must be followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeError:
        raise _refuse(part, "it is not UTF-8") from None


def _with_key(text: str) -> Segment:
    name, _, rest = text.partition("(")
    if not rest.endswith(")"):
        raise _refuse(text, "its parentheses do not close")
    inner = rest[:-1].strip()
    if not inner:
        return Segment(name)
    if match := _QUOTED.fullmatch(inner):
        return Segment(name, match[1].replace("''", "'"))
    pairs: list[tuple[str, str]] = []
    at = 0
    while match := _PAIR.match(inner, at):
        quoted, bare = match[2], match[3]
        pairs.append((match[1], quoted.replace("''", "'") if quoted is not None else bare))
        at = match.end()
        if not match[4]:
            break
    if pairs and at == len(inner) and not inner.endswith(","):
        return Segment(name, None, tuple(pairs))
    if not pairs and _BARE_KEY.fullmatch(inner):
        return Segment(name, inner)
    raise _refuse(text, "a key is written ('value') or (name='value')")


def _refuse(text: str, why: str) -> UnknownSegment:
    shown = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text if len(text) <= 100 else text[:100] + "…")
    return UnknownSegment(f"Resource not found for the segment '{shown}': {why}.")
