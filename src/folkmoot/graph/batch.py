"""`POST /$batch`: the same door entered again by each item, so that every rule holds there as it does outside.

Source: Microsoft Graph "Combine multiple HTTP requests using JSON batching". The framing is in `odata.batch`.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

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
    # Whether what is quickly read is waited for.
    waits: bool

    def at_once(self, caller: Caller) -> int:
        """How many requests to one group a caller may have under way."""

    async def admitted(self, scope: Scope) -> Listener:
        """Who sent a request, as of now; raises the refusal that it would be answered with now."""

    async def answer(
        self, scope: Scope, receive: Callable[[], Any], sender: Caller | None = None
    ) -> tuple[Answer, str, str]:
        """What one request is answered, its request-id and its client-request-id. `sender`: who is known to send it."""

    def request_ids(self, headers: Mapping[bytes, bytes]) -> tuple[str, str]:
        """A new request-id, and the client-request-id of a request with these headers."""


Serve = Callable[[Door, Call, Scope, bytes], Awaitable[Answer]]


class Response(msgspec.Struct, frozen=True, gc=False):
    """What an item is answered, as it is sent; `body` is JSON already, a string for other content, or null."""

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
    outer_id = observe.request_id.get()
    # What a batch prefers is not said for its items.
    sender = None if b"prefer" in call.headers else call.caller
    run = _Run(door, sender, items, [outer.scope(place, item) for place, item in enumerate(items)])
    try:
        async with asyncio.TaskGroup() as group:
            if any(item.after for item in items):
                turns, done = asyncio.Semaphore(at_once), [asyncio.Event() for _ in items]
                for place in range(len(items)):
                    group.create_task(run.item(place, turns, done))
            else:
                await run.together(group, at_once, wait=door.waits)
    finally:
        observe.request_id.set(outer_id)
        for (operation, method, status), count in run.answered.items():
            observe.meter.items(operation, method, status, count)
    return Answer(200, {"responses": run.responses})


class _Run:
    """A batch under way."""

    def __init__(
        self, door: Door, sender: Caller | None, items: tuple[Item, ...], scopes: list[dict[str, Any]]
    ) -> None:
        self._door = door
        self._sender = sender
        self._items = items
        self._scopes = scopes
        self._found: dict[int, Response] = {}
        self._room = LARGEST
        # How many items were answered, by operation, method and status.
        self.answered: Counter[tuple[str, str, int]] = Counter()

    @property
    def responses(self) -> list[Response]:
        return [self._found[place] for place in range(len(self._items))]

    async def together(self, group: asyncio.TaskGroup, at_once: int, *, wait: bool) -> None:
        """Ask the door for all items, which depend on nothing, some `at_once`. Where most do not `wait`, those that do
        not are done here, for a task costs as much as a part of an item does."""
        places = iter(range(len(self._items)))

        def begin() -> None:
            for _ in range(at_once - 1):
                group.create_task(self._some(places))

        if wait:
            begin()
            await self._some(places)
            return
        beginning = asyncio.get_running_loop().call_soon(begin)
        try:
            await self._some(places)
        finally:
            beginning.cancel()

    async def _some(self, places: Iterator[int]) -> None:
        for place in places:
            await self._ask(place)

    async def item(self, place: int, turns: asyncio.Semaphore, done: Sequence[asyncio.Event]) -> None:
        """Wait for what this item depends on, then ask the door when there is a turn, unless any of that failed."""
        item = self._items[place]
        for before in item.after:
            await done[before].wait()
        async with turns:
            failed = next((before for before in item.after if self._found[before].status >= 400), None)
            if failed is None:
                await self._ask(place)
            else:
                self._keep(place, *self._refused(place, DependencyFailed(self._items[failed].id)))
        done[place].set()

    async def _ask(self, place: int) -> None:
        answered = await self._door.answer(self._scopes[place], _once(self._items[place].body), self._sender)
        if isinstance(answered[0].body, Stream | Events):
            answered = await self._whole(place, *answered)
        self._keep(place, *answered)

    async def _whole(
        self, place: int, answer: Answer, request_id: str, client_request_id: str
    ) -> tuple[Answer, str, str]:
        """An answer that is sent part by part, in one piece, where that fits into the batch."""
        if isinstance(answer.body, Events):
            # Nothing has begun yet.
            message = "A stream of events does not end, so a batch cannot hold it; ask for it by itself."
            return self._refused(place, BadBody(message, target=f"requests[{place}].url"))
        body: Stream = answer.body
        if body.length > self._room:
            return self._refused(place, AnswerTooLarge())
        try:
            whole = msgspec.structs.replace(answer, body=await body.whole())
        except Refusal as refusal:
            return self._refused(place, refusal)
        return whole, request_id, client_request_id

    def _refused(self, place: int, refusal: Refusal) -> tuple[Answer, str, str]:
        ids = self._door.request_ids(dict(self._scopes[place]["headers"]))
        return refused(refusal, "mail", request_id=ids[0], client_request_id=ids[1]), *ids

    def _keep(self, place: int, answer: Answer, request_id: str, client_request_id: str) -> None:
        item = self._items[place]
        content_type, body = _body(answer)
        # Only what was read can be asked for again; a write is answered as it went.
        if item.method == "GET" and answer.status < 400 and len(body) > self._room:
            answer, request_id, client_request_id = self._refused(place, AnswerTooLarge())
            content_type, body = _body(answer)
        else:
            self._room -= len(body)
        headers = {"request-id": request_id, "client-request-id": client_request_id, "OData-Version": "4.0"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        headers.update(answer.headers)
        self.answered[self._scopes[place].get(observe.OPERATION, "none"), item.method, answer.status] += 1
        self._found[place] = Response(item.id, answer.status, headers, msgspec.Raw(body))


class _Outer:
    """The request that holds the batch: what it says for all of its items."""

    def __init__(self, call: Call, scope: Scope) -> None:
        self._scope = {name: value for name, value in scope.items() if name != observe.OPERATION}
        root = urlsplit(call.road.root).netloc
        host = call.headers.get(b"host", b"").decode("latin-1")
        self._hosts = frozenset((root.lower(), host.lower(), _CLOUD))
        self._headers = {name: call.headers[name] for name in (b"host", b"authorization") if name in call.headers}
        self._listed = list(self._headers.items())

    def scope(self, place: int, item: Item) -> dict[str, Any]:
        """The request of an item, as the HTTP server would have handed it on but for its decoded path, which no row
        reads. Raises `BadBody` naming its URL."""
        where = f"requests[{place}].url"
        path, query = split_url(item.url, VERSION, self._hosts, where)
        if _nested(path):
            raise BadBody(f"The property '{where}' leads to $batch; a batch cannot hold another.", target=where)
        headers = self._listed
        if item.headers:
            given = {name.encode("latin-1"): value.encode("latin-1", "replace") for name, value in item.headers.items()}
            headers = list((given | self._headers).items())
        scope = self._scope.copy()
        scope["method"] = item.method
        scope["raw_path"] = path.encode()
        scope["query_string"] = query.encode()
        scope["headers"] = headers
        return scope


def _nested(path: str) -> bool:
    first = path[len(VERSION) :].lstrip("/").partition("/")[0]
    if "%" not in first and "$" not in first:
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
    """Content type and JSON of what an item is answered: JSON as it is, a count as a number, all else as base64.

    No page says the number, but programs that count in batches in the cloud (the CLI for Microsoft 365) read one.
    """
    if answer.body is None:
        return None, b"null"
    if isinstance(answer.body, bytes):
        content_type, content = answer.content_type or "application/octet-stream", answer.body
        if is_json(content_type):
            return content_type, content
    elif isinstance(answer.body, str):
        return "text/plain", answer.body.encode()
    else:
        return JSON, encode(answer.body)
    return content_type, b'"' + base64.b64encode(content) + b'"'
