"""How an answer goes over the wire: as ASGI messages, whole or part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any

from folkmoot.graph.cross_origin import shared
from folkmoot.graph.envelope import JSON, PIECE, Answer, Events, Stream, encode, in_pieces
from folkmoot.observe import ABORT, ANSWERED, GONE, HOLDS, WHOLE, log
from folkmoot.refusals import Refusal

# ASGI's own shapes.
Message = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]


async def send_answer(
    answer: Answer, request_id: str, client_request_id: str, scope: MutableMapping[str, Any], send: Send
) -> None:
    """Send `answer` with the headers that every answer has. Events are sent by `send_events`."""
    method = scope["method"]
    content = b""
    stream: Stream | None = None
    content_type: str | None = "text/plain"
    if isinstance(answer.body, Stream):
        stream = answer.body
        content_type = answer.content_type or "application/octet-stream"
    elif isinstance(answer.body, bytes):
        content = answer.body
        content_type = answer.content_type or "application/octet-stream"
    elif isinstance(answer.body, str):
        content = answer.body.encode()
    elif answer.body is not None:
        content = encode(answer.body)
        content_type = JSON
    elif answer.status == 204:
        content_type = None
    # Else as the published example of reply: clients parse JSON only where the type says so.
    length = len(content) if stream is None else stream.length
    headers = _headers(request_id, client_request_id)
    headers += shared(scope["headers"])
    if content_type is not None:
        headers += (("content-type", content_type), ("content-length", str(length)))
    if answer.headers:
        headers += [(name.lower(), value) for name, value in answer.headers]
    whole = scope.get("extensions", {}).get(WHOLE)
    if whole is not None and stream is None and length <= PIECE and method != "HEAD":
        # Control characters are refused on the long way.
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers if value.isprintable()])
        if lines.count("\n") == len(headers) and whole(scope, answer.status, lines.encode("latin-1"), content):
            scope[ANSWERED] = (answer.status, length, request_id, client_request_id)
            return
    await send({"type": "http.response.start", "status": answer.status, "headers": _encoded(headers)})
    del answer
    if method == "HEAD":
        content, stream = b"", None
    elif len(content) > PIECE:
        content, stream = b"", in_pieces(content)
    if stream is not None:
        extensions = scope.get("extensions", {})
        gone = extensions.get(GONE, _here)
        extensions.get(HOLDS, _nothing)(stream.holds)
        try:
            async for chunk in stream.chunks():
                if gone():
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Refusal as refusal:
            # The head is out, so the only way to say that this is not all of it is to break off.
            log.warning("request %s was broken off: %s", request_id, refusal.message)
            extensions.get(ABORT, _here)()
            await asyncio.sleep(0)  # the server hears of it before this returns
            return
    await send({"type": "http.response.body", "body": content})


async def send_events(
    answer: Answer,
    events: Events,
    ids: tuple[str, str],
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    """Send `answer`, whose body `events` is, until it ends or the client has gone. `ids`: as for `send_answer`."""
    headers = _headers(*ids)
    headers += shared(scope["headers"])
    headers += [(name.lower(), value) for name, value in answer.headers]
    headers += [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        # nginx would gather events until its buffer is full.
        ("x-accel-buffering", "no"),
    ]
    gone = asyncio.ensure_future(_until_gone(receive))
    gone.add_done_callback(lambda _: events.gone())
    holds = scope.get("extensions", {}).get(HOLDS, _nothing)
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": _encoded(headers)})
        async with aclosing(events.chunks()) as chunks:
            async for chunk in chunks:
                async with asyncio.timeout(events.patience) as limit:
                    events.sending(limit)
                    holds(len(chunk))
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                events.sending(None)
        async with asyncio.timeout(1):
            await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        # It takes nothing, so it would not take the end either.
        abort = scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
            await gone
    finally:
        gone.cancel()


def _here() -> bool:
    return False


def _nothing(_: int) -> None:
    pass


def _headers(request_id: str, client_request_id: str) -> list[tuple[str, str]]:
    return [("request-id", request_id), ("client-request-id", client_request_id), ("odata-version", "4.0")]


def _encoded(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers]


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
