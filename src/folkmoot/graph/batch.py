"""`POST /$batch`: the same door entered again by each item, so that every rule holds there as it does outside.

Source: Microsoft Graph "Combine multiple HTTP requests using JSON batching". The framing is in `odata.batch`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from folkmoot import observe
from folkmoot.graph.body import is_json, require_json
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import JSON, Answer, Events, Stream, encode, refused
from folkmoot.model import Caller
from folkmoot.odata.batch import Item, parse_batch, split_url
from folkmoot.odata.path import parse_path
from folkmoot.refusals import AnswerTooLarge, BadBody, DependencyFailed, Refusal, UnknownSegment

if TYPE_CHECKING:
    from folkmoot.graph.stream_reads import Listener
    from folkmoot.graph.streaming import Streams

VERSION = "/v1.0"
# Bytes of all answers of a batch together, which are held until the last is there.
LARGEST = 64 * 1024 * 1024
_CLOUD = "graph.microsoft.com"  # for which programs have their URLs written out
_PARSE_ELSEWHERE = 65_536

Scope = MutableMapping[str, Any]


class Door(Protocol):
    """The door that a request came in by, as far as rows that serve need it."""

    streams: Streams

    def at_once(self, caller: Caller) -> int:
        """How many requests to one group a caller may have under way."""

    async def admitted(self, scope: Scope) -> Listener:
        """Who sent a request, as of now; raises the refusal that it would be answered with now."""

    async def answer(self, scope: Scope, receive: Callable[[], Any]) -> tuple[Answer, str, str]:
        """What one request is answered, its request-id and its client-request-id."""

    def request_ids(self, headers: Mapping[bytes, bytes]) -> tuple[str, str]:
        """A new request-id, and the client-request-id of a request with these headers."""


Serve = Callable[[Door, Call, Scope, bytes], Awaitable[Answer]]


class Response(msgspec.Struct, frozen=True):
    """What an item is answered, as it is sent; `body` is JSON already, a string for what is not JSON, or null."""

    id: str
    status: int
    headers: dict[str, str]
    body: msgspec.Raw


async def serve_batch(door: Door, call: Call, scope: Scope, raw: bytes) -> Answer:
    """200 with an answer for each item, in the items' order; 400 for the whole where its framing is wrong."""
    require_json(call.headers.get(b"content-type", b"").decode("latin-1"))
    items = parse_batch(raw) if len(raw) <= _PARSE_ELSEWHERE else await asyncio.to_thread(parse_batch, raw)
    outer = _Outer(call, scope)
    # As Outlook does, where only so many may be under way. What many ask of the database at once goes there together.
    at_once = min(len(items), door.at_once(call.caller))
    run = _Run(door, items, [outer.scope(place, item) for place, item in enumerate(items)], at_once)
    async with asyncio.TaskGroup() as group:
        if any(item.after for item in items):
            for place in range(len(items)):
                group.create_task(run.item(place))
        else:
            places = iter(range(len(items)))
            for _ in range(at_once):
                group.create_task(run.some(places))
    return Answer(200, {"responses": run.responses})


class _Run:
    """A batch under way."""

    def __init__(self, door: Door, items: tuple[Item, ...], scopes: list[dict[str, Any]], at_once: int) -> None:
        self._door = door
        self._items = items
        self._scopes = scopes
        self._turns = asyncio.Semaphore(at_once)
        self._done = [asyncio.Event() for _ in items]
        self._found: dict[int, Response] = {}
        self._room = LARGEST

    @property
    def responses(self) -> list[Response]:
        return [self._found[place] for place in range(len(self._items))]

    async def some(self, places: Iterator[int]) -> None:
        """Ask the door for items that depend on nothing, one after the other, as long as there are any."""
        for place in places:
            found = await self._door.answer(self._scopes[place], _once(self._items[place].body))
            await self._keep(place, *found)

    async def item(self, place: int) -> None:
        """Wait for what this item depends on, then ask the door, unless any of that failed."""
        item = self._items[place]
        for before in item.after:
            await self._done[before].wait()
        async with self._turns:
            failed = next((before for before in item.after if self._found[before].status >= 400), None)
            if failed is None:
                found = await self._door.answer(self._scopes[place], _once(item.body))
            else:
                found = self._refused(place, DependencyFailed(self._items[failed].id))
            await self._keep(place, *found)
        self._done[place].set()

    async def _keep(self, place: int, answer: Answer, request_id: str, client_request_id: str) -> None:
        observe.meter.item(self._scopes[place].get(observe.OPERATION, "none"), self._items[place].method, answer.status)
        self._found[place] = self._response(place, await self._whole(place, answer), request_id, client_request_id)

    async def _whole(self, place: int, answer: Answer) -> Answer:
        """An answer that is sent part by part, in one piece, where that fits into the batch."""
        if isinstance(answer.body, Events):
            # Nothing has begun yet.
            message = "A stream of events does not end, so a batch cannot hold it; ask for it by itself."
            return self._refused(place, BadBody(message, target=f"requests[{place}].url"))[0]
        if not isinstance(answer.body, Stream):
            return answer
        if answer.body.length > self._room:
            return self._refused(place, AnswerTooLarge())[0]
        return msgspec.structs.replace(answer, body=await answer.body.whole())

    def _refused(self, place: int, refusal: Refusal) -> tuple[Answer, str, str]:
        ids = self._door.request_ids(dict(self._scopes[place]["headers"]))
        return refused(refusal, "mail", request_id=ids[0], client_request_id=ids[1]), *ids

    def _response(self, place: int, answer: Answer, request_id: str, client_request_id: str) -> Response:
        content_type, body = _body(answer)
        # Only what was read can be asked for again; a write is answered as it went.
        if self._items[place].method == "GET" and answer.status < 400 and len(body) > self._room:
            answer, request_id, client_request_id = self._refused(place, AnswerTooLarge())
            content_type, body = _body(answer)
        else:
            self._room -= len(body)
        headers = {"request-id": request_id, "client-request-id": client_request_id, "OData-Version": "4.0"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        return Response(self._items[place].id, answer.status, headers | dict(answer.headers), msgspec.Raw(body))


class _Outer:
    """The request that holds the batch: what it says for all of its items."""

    def __init__(self, call: Call, scope: Scope) -> None:
        self._scope = {name: value for name, value in scope.items() if name != observe.OPERATION}
        root = urlsplit(call.road.root).netloc
        host = call.headers.get(b"host", b"").decode("latin-1")
        self._hosts = frozenset((root.lower(), host.lower(), _CLOUD))
        self._headers = {name: call.headers[name] for name in (b"host", b"authorization") if name in call.headers}

    def scope(self, place: int, item: Item) -> dict[str, Any]:
        """The request of an item, as the HTTP server would have handed it on. Raises `BadBody` naming its URL."""
        where = f"requests[{place}].url"
        path, query = split_url(item.url, VERSION, self._hosts, where)
        if _nested(path):
            raise BadBody(f"The property '{where}' leads to $batch; a batch cannot hold another.", target=where)
        headers = {name.encode("latin-1"): value.encode("latin-1", "replace") for name, value in item.headers.items()}
        headers |= self._headers
        return {
            **self._scope,
            "method": item.method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": list(headers.items()),
        }


def _nested(path: str) -> bool:
    first = path[len(VERSION) :].lstrip("/").partition("/")[0]
    if "%" not in first and "batch" not in first.lower():
        return False
    try:
        segments = parse_path(path[len(VERSION) :])
    except UnknownSegment:
        return False  # the item is answered so
    return bool(segments) and segments[0].name.lower() == "$batch"


def _once(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _body(answer: Answer) -> tuple[str | None, bytes]:
    """Content type and JSON of what an item is answered: JSON as it is, all else as a base64 string."""
    if answer.body is None:
        return None, b"null"
    if isinstance(answer.body, bytes):
        content_type, content = answer.content_type or "application/octet-stream", answer.body
        if is_json(content_type):
            return content_type, content
    elif isinstance(answer.body, str):
        content_type, content = "text/plain", answer.body.encode()
    else:
        return JSON, encode(answer.body)
    return content_type, b'"' + base64.b64encode(content) + b'"'
