"""An answer whose rest cannot be had any more, over a real connection."""

from __future__ import annotations

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


def test_an_answer_that_cannot_be_finished_is_broken_off(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "draining", False)  # which the server sets
    bound = server.listen("127.0.0.1", 0, "--http-port")
    received = []

    def ask() -> None:
        with socket.create_connection(bound.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                while data := client.recv(4096):
                    received.append(data)
            except ConnectionResetError:
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    client = threading.Thread(target=ask)
    stopping = server.Stopping(0, 5)
    with caplog.at_level(logging.WARNING):
        server.run(_application, [(bound, None)], Allowance(), stopping, client.start, lambda: None, _nothing)
    client.join()
    head, _, body = b"".join(received).partition(b"\r\n\r\n")
    assert b"content-length: 20" in head
    assert len(body) < 20
    assert [record.message for record in caplog.records] == [
        "request r was broken off: The server cannot answer now; try again."
    ]
