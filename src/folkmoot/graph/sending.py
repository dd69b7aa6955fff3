"""How an answer goes over the wire: as ASGI messages, whole or part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from folkmoot.graph.envelope import JSON, Answer, Stream, encode

# ASGI's own shapes.
Message = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]


async def send_answer(answer: Answer, method: str, request_id: str, client_request_id: str, send: Send) -> None:
    """Send `answer` with the headers that every answer has."""
    headers = [
        (b"request-id", request_id.encode()),
        (b"client-request-id", client_request_id.encode("latin-1")),
        (b"odata-version", b"4.0"),
    ]
    content = b""
    stream: Stream | None = None
    length = 0
    if isinstance(answer.body, Stream):
        stream = answer.body
        length = stream.length
        headers.append((b"content-type", (answer.content_type or "application/octet-stream").encode("latin-1")))
    elif isinstance(answer.body, bytes):
        content = answer.body
        headers.append((b"content-type", (answer.content_type or "application/octet-stream").encode("latin-1")))
    elif isinstance(answer.body, str):
        content = answer.body.encode()
        headers.append((b"content-type", b"text/plain"))
    elif answer.body is not None:
        content = encode(answer.body)
        headers.append((b"content-type", JSON.encode()))
    elif answer.status != 204:
        # As the published example of reply: clients parse JSON only where the type says so.
        headers.append((b"content-type", b"text/plain"))
    if answer.status != 204:
        headers.append((b"content-length", str(length or len(content)).encode()))
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if stream is not None and method != "HEAD":
        async for chunk in stream.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})
