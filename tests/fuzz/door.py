"""One request of the target `door`: a row of the surface, and one thing about it that is whatever the bytes say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_from_bytes

import msgspec

from tests.harness import Answer, Graph, Place
from tests.protocol.rows import EVERYTHING, REQUESTS

_SOUND = "".join(chr(each) for each in range(0x21, 0x7F) if chr(each) not in "#?")
_now: dict[str, Any] = {}


def ask(fresh: Graph | None, workshop: Callable[[], Any], raw: bytes) -> None:
    """Send it. `fresh`: a server whose rows were just put back, when it is time for that."""
    if fresh is not None or not _now:
        graph: Graph = fresh or workshop().graph("sqlite")
        _now.update(graph=graph, place=graph.as_("AdeleV").start())
    graph, place = _now["graph"], _now["place"]
    which, what, rest = (raw + b"\0\0")[0], (raw + b"\0\0")[1] % 5, raw[2:]
    answer = _sent(graph, place, REQUESTS[which % len(REQUESTS)], what, rest)
    assert answer.status < 500 or answer.status == 501, (answer.status, answer.content)
    if answer.status >= 400 and answer.content:
        assert set(msgspec.json.decode(answer.content)) == {"error"}, answer.content


def _sent(graph: Graph, place: Place, request: Any, what: int, rest: bytes) -> Answer:
    who = graph.as_("admin" if "user" in request.row else "AdeleV", scopes=EVERYTHING)
    path, _, query = request.path(place).partition("?")
    headers = [(b"authorization", f"Bearer {who.token}".encode()), (b"content-type", b"application/json")]
    headers += [(name.encode(), value.encode()) for name, value in (request.headers or {}).items()]
    body = b"" if request.body is None else msgspec.json.encode(request.body)
    match what:
        case 0:  # somewhere in the path
            at = rest[0] % len(path) if rest else 0
            path = path[:at] + quote_from_bytes(rest[1:], safe=_SOUND) + path[at + 1 :]
        case 1:
            query = quote_from_bytes(rest, safe=_SOUND)
        case 2:
            body = rest
        case 3:
            headers[0] = (b"authorization", b"Bearer " + rest.replace(b"\n", b" ").replace(b"\r", b" "))
        case _:  # somewhere in the body
            at = rest[0] % (len(body) + 1) if rest else 0
            body = body[:at] + rest[1:] + body[at + len(rest) :]
    return graph.send_raw(
        request.method, f"/v1.0{path}".encode(), query.encode(), headers=headers, parts=[body] if body else ()
    )
