"""An answer whose rest cannot be had any more, over a real connection."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from folkmoot import observe, server
from folkmoot.connections import Allowance
from folkmoot.graph.envelope import Answer, Stream
from folkmoot.graph.sending import send_answer
from folkmoot.refusals import Busy


async def _half() -> AsyncIterator[bytes]:
    yield b"half of it"
    raise Busy


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await send_answer(Answer(200, Stream(20, _half, 20)), "r", "c", scope, send)


async def _nothing() -> None:
    return


def asked(application: Any, *requests: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What a server of `application` sends on one connection to which all requests come at once, until it is closed."""
    monkeypatch.setattr(observe, "draining", False)  # which the server sets
    bound = server.listen("127.0.0.1", 0, "--http-port")
    received = []

    def ask() -> None:
        with socket.create_connection(bound.getsockname()) as client:
            client.sendall(b"".join(requests))
            try:
                while data := client.recv(65_536):
                    received.append(data)
            except ConnectionResetError:
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    client = threading.Thread(target=ask)
    server.run(application, [(bound, None)], Allowance(), server.Stopping(0, 5), client.start, lambda: None, _nothing)
    client.join()
    return b"".join(received)


def request(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/{version}", "Host: localhost", *lines, "", "")).encode()


def test_an_answer_that_cannot_be_finished_is_broken_off(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING):
        received = asked(_application, request("/"), monkeypatch=monkeypatch)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: 20" in head
    assert len(body) < 20
    assert [record.message for record in caplog.records] == [
        "request r was broken off: The server cannot answer now; try again."
    ]


LAST = "Connection: close"


async def _says(scope: Any, receive: Any, send: Any) -> None:
    """Answers with its path, so many times as the query says."""
    more = (await receive())["body"]
    body = {"path": scope["path"] * int(scope["query_string"] or b"1"), "came": more.decode()}
    await send_answer(Answer(200, body, (("Location", "/there"),)), "r", "c", scope, send)


def test_answers_of_any_size_come_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [("/one", 1), ("/long", 20_000), ("/three", 1)]
    requests = [request(f"{path}?{count}") for path, count in paths]
    received = asked(_says, *requests, request("/end", LAST), monkeypatch=monkeypatch)
    for path, count in [*paths, ("/end", 1)]:
        head, _, received = received.partition(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        body, received = received[: int(lines[b"content-length"])], received[int(lines[b"content-length"]) :]
        assert json.loads(body) == {"path": path * count, "came": ""}
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert lines[b"request-id"] == b"r"
        assert lines[b"location"] == b"/there"
        assert b"date" in lines
        assert lines.get(b"connection") == (b"close" if path == "/end" else None)
    assert received == b""


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (request("/", method="HEAD", version="1.1") + request("/end", LAST), b""),
        (request("/", version="1.0"), b'{"path":"/","came":""}'),
        (request("/", LAST), b'{"path":"/","came":""}'),
    ],
    ids=["HEAD", "HTTP/1.0", "close"],
)
def test_an_answer_of_another_kind_is_as_it_must_be(given: bytes, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    head, _, rest = asked(_says, given, monkeypatch=monkeypatch).partition(b"\r\n\r\n")
    assert b"content-length: 22" in head
    assert rest.startswith(body or b"HTTP/1.1 200 OK")


def test_a_body_is_asked_for_and_the_next_request_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    first = request("/", "Expect: 100-continue", "Content-Length: 4", method="POST") + b"this"
    received = asked(_says, first, request("/end", LAST), monkeypatch=monkeypatch)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert received.count(b'"came":"this"') == 1
    assert received.endswith(b'{"path":"/end","came":""}')


def test_what_is_no_header_is_not_sent(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def split(scope: Any, receive: Any, send: Any) -> None:
        await send_answer(Answer(200, {}), "r", "c\r\nset-cookie: mine", scope, send)

    with caplog.at_level(logging.ERROR):
        received = asked(split, request("/", LAST), monkeypatch=monkeypatch)
    assert received == b"", "the connection ends"
    assert "Invalid HTTP header value" in caplog.text
