"""A large file goes in and out a part at a time: the server never holds the whole of it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests.harness import Client, Graph

MEBIBYTE = 1_048_576
SIZE = 64 * MEBIBYTE
PIECE = 65_536  # as an HTTP server hands a body on
# Some parts under way, in base64 and as the database has them; an eighth of the file.
BOUND = 8 * MEBIBYTE


async def exchange(
    client: Client, method: str, url: str, length: int, headers: dict[str, str]
) -> tuple[int, dict[bytes, bytes], int, int]:
    """One request with a body of zeros, made as it is taken; status, headers, length and peak of memory in bytes."""
    left = length
    told: dict[str, Any] = {"length": 0}

    async def receive() -> dict[str, Any]:
        nonlocal left
        size = min(left, PIECE)
        left -= size
        return {"type": "http.request", "body": bytes(size), "more_body": left > 0}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            told.update(status=message["status"], headers=dict(message["headers"]))
        else:
            told["length"] += len(message["body"])

    path = urlsplit(url).path
    application: Callable[..., Awaitable[None]] = client.graph.application
    given = {"host": "localhost:8443", **headers}
    if client.token is not None:
        given["authorization"] = f"Bearer {client.token}"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": unquote(path),
        "raw_path": quote(path, safe="/%$'()=").encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    tracemalloc.start()
    try:
        await application(scope, receive, send)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return told["status"], told["headers"], told["length"], peak


def test_it_is_bounded(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"AttachmentItem": {"attachmentType": "file", "name": "zeros", "size": SIZE}}
    url = adele.post(f"{place.post_path()}/attachments/createUploadSession", body).json["uploadUrl"]
    range_ = {"content-range": f"bytes 0-{SIZE - 1}/{SIZE}", "content-length": str(SIZE)}
    status, headers, _, peak = graph.loop.run(exchange(graph.nobody(), "PUT", url, SIZE, range_))
    assert status == 201
    assert peak < BOUND
    location = headers[b"location"].decode()
    status, _, length, peak = graph.loop.run(exchange(adele, "GET", f"{location}/$value", 0, {}))
    assert (status, length) == (200, SIZE)
    assert peak < BOUND
    in_base64 = 4 * ((SIZE + 2) // 3)
    for path in (location, location.rpartition("/")[0]):
        status, headers, length, peak = graph.loop.run(exchange(adele, "GET", path, 0, {}))
        assert status == 200
        assert in_base64 < length < in_base64 + 2000
        assert headers[b"content-length"] == str(length).encode()
        assert peak < BOUND
