"""What waits for clients that do not read is counted by what it holds, and bounded, over real connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from folkmoot.auth import certificates
from folkmoot.connections import Allowance, Guard, Protocol
from folkmoot.graph.envelope import PIECE, Answer, Stream
from folkmoot.graph.sending import send_answer

LENGTH = 32 * 1024 * 1024  # of an answer: more than the system takes of it
HELD = 1_000_000
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


class Watched(Guard):
    """Says when one more connection waits for its client."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(allowance)
        self.waits = asyncio.Event()

    def full(self, connection: Protocol, size: int) -> None:
        super().full(connection, size)
        if size >= HELD:  # the end of a TLS handshake waits, too, for a moment
            self.waits.set()


def serve(
    application: Any, allowance: Allowance, work: Callable[[Watched, Connect], Awaitable[None]], tls: Path | None
) -> None:
    """Run `work` beside a server of `application`; `tls`: a directory for its certificate, None for plain HTTP."""

    async def both() -> None:
        guard = Watched(allowance)
        made = None if tls is None else certificates.ensure(tls, [])
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            ssl_certfile=None if made is None else str(made.certificate),
            ssl_keyfile=None if made is None else str(made.key),
        )
        config.load()
        loop = asyncio.get_running_loop()
        make = partial(Protocol, guard, config, ServerState(), {}, loop)
        server = await loop.create_server(make, "127.0.0.1", 0, ssl=config.ssl)
        trusted = None if made is None else ssl.create_default_context(cafile=str(made.ca))
        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Connection:
            port = server.sockets[0].getsockname()[1]
            name = None if trusted is None else "localhost"
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusted, server_hostname=name, limit=PIECE
            )
            opened.append(writer)
            guard.waits.clear()
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return reader, writer

        try:
            await work(guard, connect)
        finally:
            for each in opened:
                each.transport.abort()
            server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(both(), 60))


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param else None


async def whole(scope: Any, receive: Any, send: Any) -> None:
    await send_answer(Answer(200, bytes(LENGTH)), "r", "c", scope, send)


async def made_meanwhile(scope: Any, receive: Any, send: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LENGTH // PIECE):
            yield bytes(PIECE)

    await send_answer(Answer(200, Stream(LENGTH, chunks, HELD)), "r", "c", scope, send)


@pytest.mark.parametrize(("application", "held"), [(whole, LENGTH), (made_meanwhile, HELD)], ids=["whole", "parts"])
def test_what_is_counted_is_what_an_answer_holds(tls: Path | None, application: Any, held: int) -> None:
    """Not what is unsent of it; and nothing when it is read."""

    async def work(guard: Watched, connect: Connect) -> None:
        reader, _ = await connect()
        await guard.waits.wait()
        assert guard.unsent == held
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        assert len(await reader.readexactly(LENGTH)) == LENGTH
        assert guard.unsent == 0

    serve(application, Allowance(), work, tls)


def test_who_waits_longest_is_cut_off_when_there_is_no_room(tls: Path | None, caplog: pytest.LogCaptureFixture) -> None:
    async def work(guard: Watched, connect: Connect) -> None:
        first, _ = await connect()
        await guard.waits.wait()
        second, _ = await connect()
        await guard.waits.wait()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await first.readexactly(LENGTH)
        assert guard.unsent == LENGTH
        await second.readuntil(b"\r\n\r\n")
        assert len(await second.readexactly(LENGTH)) == LENGTH
        assert guard.unsent == 0

    serve(whole, Allowance(max_unsent_bytes=LENGTH * 3 // 2), work, tls)
    assert "1 connections were cut off" in caplog.text
