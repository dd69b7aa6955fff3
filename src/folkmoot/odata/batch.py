"""JSON batches: from the text of a batch to the requests in it, and the order in which they may run.

Source: Microsoft Graph "Combine multiple HTTP requests using JSON batching"; OData JSON Format 4.01 §19. Nothing here
knows what the requests ask for. What the Python library of Graph writes is taken as well: `depends_on` for `dependsOn`,
null for no headers, whole URLs; and so are the whole numbers that other programs, such as the CLI for Microsoft 365,
write for ids.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from folkmoot.refusals import BadBody

MOST = 20
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# What belongs to the outer request, or to a connection that an inner one does not have.
_OUTER = frozenset(("authorization", "host", "content-length", "transfer-encoding", "connection", "expect"))
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
# Clients write URLs in JSON as people do, with spaces and letters of any language; what is escaped already stays.
_URL_SAFE = "%/:?#[]@!$&'()*+,;=-._~"
_ESCAPED = re.compile(rf"[A-Za-z0-9{re.escape(_URL_SAFE)}]*")
_AFTER = ("dependsOn", "depends_on")
_NOTHING = msgspec.Raw()
_NO_HEADERS: Mapping[str, str] = {}


class Item(msgspec.Struct, frozen=True, gc=False):
    """A request of a batch.

    `url` is as it was sent; `headers` have names in lower case, without those that the outer request answers for;
    `body` is what would be sent alone; `after` are the places of the items that must have succeeded before.
    """

    id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    after: tuple[int, ...]


def parse_batch(raw: bytes) -> tuple[Item, ...]:
    """The items of a batch, in their order.

    Raises `BadBody` naming the item and the property for whatever makes the batch as a whole unusable: no or more than
    20 items, ids that are missing or given twice (letters' case does not tell them apart), unknown methods,
    dependencies on nothing or in a circle, a body that is neither JSON nor base64.
    """
    written = _as_documented(raw)
    parts = _parts(raw) if written is None else []
    count = len(parts if written is None else written)
    if not 1 <= count <= MOST:
        raise BadBody(f"A batch holds 1 to {MOST} requests, and this one holds {count}.", target="requests")
    if written is None:
        ids = [str(_value(part, "id", f"requests[{place}].id", str | int)) for place, part in enumerate(parts)]
    else:
        ids = [each.id for each in written]
    places: dict[str, int] = {}
    for place, id in enumerate(ids):
        where = f"requests[{place}].id"
        if not id:
            raise BadBody(f"The property '{where}' must not be empty.", target=where)
        if places.setdefault(id.lower(), place) != place:
            message = f"The property '{where}' is '{id[:80]}', which requests[{places[id.lower()]}] has as well."
            raise BadBody(message, target=where)
    if written is None:
        written = [_written(place, part, ids[place]) for place, part in enumerate(parts)]
    found = tuple(_item(place, each, places) for place, each in enumerate(written))
    if any(item.after for item in found):
        _refuse_circles(found)
    return found


class _Written(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An item with its properties named and typed as Graph documents them; those that may be left out may be null."""

    id: str
    method: str
    url: str
    headers: dict[str, str] | None = None
    body: msgspec.Raw = _NOTHING
    dependsOn: list[str] | None = None
    depends_on: list[str] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    requests: list[_Written]


_decode = msgspec.json.Decoder(_Batch).decode


def _as_documented(raw: bytes) -> list[_Written] | None:
    """The items where all of them are written as documented; for any other, and what is wrong, it is read in parts."""
    try:
        return _decode(raw).requests
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _parts(raw: bytes) -> list[Mapping[str, msgspec.Raw]]:
    """The items as objects, whose names may have letters of either case."""
    outer = _object(raw, "")
    items = outer.get("requests")
    if items is None:
        raise BadBody("The property 'requests' is required.", target="requests")
    listed = _decoded(items, list[msgspec.Raw], "requests", "an array")
    return [_object(each, f"requests[{place}]") for place, each in enumerate(listed)]


def _written(place: int, part: Mapping[str, msgspec.Raw], id: str) -> _Written:
    at = f"requests[{place}]"
    listed: dict[str, list[str] | None] = {}
    method, url = _text(part, "method", f"{at}.method"), _text(part, "url", f"{at}.url")
    headers = None
    if "headers" in part:
        headers = _decoded(part["headers"], dict[str, str] | None, f"{at}.headers", "an object of strings")
    for name in _AFTER:
        if name.lower() in part:
            ids = _decoded(part[name.lower()], list[str | int] | None, f"{at}.{name}", "an array of ids")
            listed[name] = None if ids is None else [str(id) for id in ids]
    return _Written(id, method, url, headers, part.get("body", _NOTHING), **listed)


def _item(place: int, written: _Written, places: Mapping[str, int]) -> Item:
    at = f"requests[{place}]"
    method, url = written.method.upper(), written.url.strip()
    if method not in METHODS:
        message = f"The property '{at}.method' must be one of {', '.join(METHODS)}, not '{written.method[:40]}'."
        raise BadBody(message, target=f"{at}.method")
    if not url or _UNSAFE.search(written.url):
        raise BadBody(f"The property '{at}.url' must be a URL.", target=f"{at}.url")
    headers = _headers(written.headers, f"{at}.headers") if written.headers else _NO_HEADERS
    body = _body(bytes(written.body), headers, f"{at}.body") if written.body else b""
    after = () if written.dependsOn is written.depends_on is None else _after(written, at, places)
    return Item(written.id, method, url, headers, body, after)


def _headers(given: Mapping[str, str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        if not _NAME.fullmatch(name) or _UNSAFE.search(value.replace("\t", " ")):
            raise BadBody(f"The property '{where}' holds what is no HTTP header.", target=where)
        if name.lower() not in _OUTER:
            found[name.lower()] = value
    return found


def _body(raw: bytes, headers: Mapping[str, str], where: str) -> bytes:
    """What is sent as the body: JSON as it stands, or what a base64 string holds."""
    raw = raw.strip()
    if not raw or raw == b"null":
        return b""
    if not raw.startswith(b'"'):
        return raw
    text = _decoded(raw, str, where, "a string")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        media = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media == "application/json" or media.endswith("+json"):
            return raw  # a JSON value; whether the operation takes it is its own to say
        raise BadBody(f"The property '{where}' must be base64, as its type is not JSON.", target=where) from None


def _after(written: _Written, at: str, places: Mapping[str, int]) -> tuple[int, ...]:
    after: dict[int, None] = {}
    for name, given in zip(_AFTER, (written.dependsOn, written.depends_on), strict=True):
        where = f"{at}.{name}"
        for id in given or ():
            if id.lower() not in places:
                raise BadBody(
                    f"The property '{where}' names '{id[:80]}', which is no request of this batch.", target=where
                )
            after[places[id.lower()]] = None
    return tuple(after)


def _refuse_circles(items: Sequence[Item]) -> None:
    """Raise for items that wait for each other, naming the first."""
    done: set[int] = set()
    waiting = dict(enumerate(items))
    while waiting:
        ready = [place for place, item in waiting.items() if done.issuperset(item.after)]
        if not ready:
            place = next(iter(waiting))
            where = f"requests[{place}].dependsOn"
            raise BadBody(f"The requests of the batch wait for each other, '{where}' among them.", target=where)
        done.update(ready)
        for place in ready:
            del waiting[place]


# ── JSON, one level at a time ────────────────────────────────────────────────────────────────────────────────────────


def _object(raw: bytes | msgspec.Raw, where: str) -> dict[str, msgspec.Raw]:
    """The properties of an object by their names in lower case, undecoded."""
    found = _decoded(raw, dict[str, msgspec.Raw], where, "an object")
    return {name.lower(): value for name, value in found.items()}


def _text(part: Mapping[str, msgspec.Raw], name: str, where: str) -> str:
    found: str = _value(part, name, where, str)
    return found


def _value(part: Mapping[str, msgspec.Raw], name: str, where: str, kind: Any) -> Any:
    if name not in part:
        raise BadBody(f"The property '{where}' is required.", target=where)
    return _decoded(part[name], kind, where, "a string")


def _decoded(raw: bytes | msgspec.Raw, kind: Any, where: str, words: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        what = f"The property '{where}'" if where else "The request body"
        raise BadBody(f"{what} must be {words}.", target=where or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"Unable to read the JSON request payload: {error}.", target=where or None) from None
    except RecursionError:
        raise BadBody("The request body is nested too deeply.", target=where or None) from None


# ── URLs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def split_url(url: str, version: str, hosts: frozenset[str], where: str) -> tuple[str, str]:
    """Path (from `version` on, such as `/v1.0`) and query of an item's URL, both percent-encoded.

    Taken are whole URLs of one of `hosts`, and paths with and without a leading slash and the version. A fragment is
    left aside. Raises `BadBody` for what is no URL and for other hosts.
    """
    rest = url
    if "://" in url.partition("?")[0]:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise BadBody(f"The property '{where}' must be a URL.", target=where) from None
        if parts.scheme.lower() not in ("http", "https") or parts.netloc.lower() not in hosts:
            message = (
                f"The property '{where}' leads to '{parts.netloc[:120]}'; requests of a batch are for this server."
            )
            raise BadBody(message, target=where)
        rest = url.partition("://")[2][len(parts.netloc) :]
    rest = rest.partition("#")[0]
    if not _ESCAPED.fullmatch(rest):
        rest = quote(rest, safe=_URL_SAFE, errors="replace")
    path, _, query = rest.partition("?")
    if not path.startswith("/"):
        path = f"/{path}"
    if path != version and not path.startswith(f"{version}/"):
        path = version + path
    return path, query
