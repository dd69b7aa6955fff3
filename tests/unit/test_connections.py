"""What clients send and do not read is counted by what it holds, and bounded, over real connections."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from folkmoot.auth import certificates
from folkmoot.connections import MAX_HEAD_BYTES, Allowance, Guard, Protocol
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
            ws="none",
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


async def closing(scope: Any, receive: Any, send: Any) -> None:
    answer = Answer(200, bytes(LENGTH), headers=(("Connection", "close"),))
    await send_answer(answer, "r", "c", scope, send)


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


def test_there_is_no_room_for_both(tls: Path | None, caplog: pytest.LogCaptureFixture) -> None:
    async def work(guard: Watched, connect: Connect) -> None:
        readers = []
        for _ in range(2):
            readers.append((await connect())[0])
            await guard.waits.wait()
        found = await asyncio.gather(*(each.read() for each in readers), return_exceptions=True)
        whole = [each for each in found if isinstance(each, bytes) and len(each) > LENGTH]
        assert len(whole) == 1, "the other is cut off"
        assert guard.unsent == 0

    serve(closing, Allowance(max_unsent_bytes=LENGTH * 3 // 2), work, tls)
    assert "1 connections were cut off" in caplog.text


def test_those_are_cut_off_who_took_nothing_for_longest() -> None:
    cut: list[int] = []

    class Waiting:
        counted = 0

        def __init__(self, number: int) -> None:
            self.transport = SimpleNamespace(abort=lambda: cut.append(number))

    async def work() -> None:
        guard = Guard(Allowance(max_unsent_bytes=100))
        several: list[Any] = [Waiting(number) for number in range(4)]
        for each in several[:3]:
            guard.full(each, 30)
        guard.emptied(several[0])  # it takes a piece, and waits again
        guard.full(several[0], 30)
        assert cut == []
        guard.full(several[3], 30)
        await asyncio.sleep(0)
        assert cut == [1, 2]
        assert guard.unsent == 60

    asyncio.run(work())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say how long the body was."""
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send_answer(Answer(200, b"%d" % length), "r", "c", scope, send)


def head(size: int, *lines: bytes, many: bool = False) -> bytes:
    """A head of so many bytes, of which most are in one line, or in `many`."""
    found = b"POST / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(line + b"\r\n" for line in lines)
    while many and len(found) < size - 100:
        found += b"A: b\r\n"
    found += b"X: "
    return found + b"a" * (size - len(found) - 4) + b"\r\n\r\n"


def said(application: Any, *packets: bytes, tls: Path | None = None) -> list[tuple[int, bytes]]:
    """The answers to what is sent after a first request, until the server ends the connection."""
    found: list[tuple[int, bytes]] = []

    async def work(guard: Watched, connect: Connect) -> None:
        guard.start()
        reader, writer = await connect()

        async def send() -> None:
            for each in packets:
                writer.write(each)
                await writer.drain()

        sending = asyncio.create_task(send())
        everything = await reader.read(-1)
        await sending
        while everything:
            lines, _, everything = everything.partition(b"\r\n\r\n")
            length = int(lines.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            found.append((int(lines.split()[1]), everything[:length]))
            everything = everything[length:]

    serve(application, Allowance(), work, tls)
    return found


CLOSE = b"Connection: close"
SMALL = head(200)
CHUNKED = head(200, b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(("more", "cut_off"), [(b"", True), (b"x" * 20_000, False)], ids=["nothing", "slowly"])
def test_a_body_that_stops_coming_is_not_waited_for(more: bytes, cut_off: bool) -> None:
    """However much of it came before, and however fast."""

    received = asyncio.Event()
    wanted = 1_000_000

    async def work(guard: Watched, connect: Connect) -> None:
        nonlocal wanted
        reader, writer = await connect()
        await reader.readuntil(b"\r\n\r\n0")
        (connection,) = guard.connections
        writer.write(head(200, b"Content-Length: 2000000") + bytes(wanted))
        await received.wait()
        guard.now += 25
        if more:
            received.clear()
            wanted += len(more)
            writer.write(more)
            await received.wait()
        guard.now += 15
        connection.look(guard.now)
        if cut_off:
            assert b" 408 " in (await reader.read(-1)).split(b"\r\n")[0]
        else:
            writer.write(bytes(2_000_000 - wanted))
            assert (await reader.readuntil(b"2000000")).startswith(b"HTTP/1.1 200")

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        came = 0

        async def noting() -> Any:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came >= wanted:
                received.set()
            return message

        await echo(scope, noting, send)

    serve(noted, Allowance(receive_seconds=30), work, None)


@pytest.mark.parametrize("many", [False, True], ids=["line", "lines"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_a_head_of_as_many_bytes_as_may_be_is_taken_and_one_more_is_not(many: bool, cut: bool) -> None:
    for more, expected in ((0, 200), (1, 431)):
        sent = head(MAX_HEAD_BYTES + more, CLOSE, many=many)
        packets = [sent[:10], sent[10:20_000], sent[20_000:]] if cut else [sent]
        assert [status for status, _ in said(echo, *packets)] == [200, expected]


@pytest.mark.parametrize(
    "packets",
    [
        [head(MAX_HEAD_BYTES + 1) + SMALL],
        [head(MAX_HEAD_BYTES + 10)[:-2]],
        [b"GET /" + b"a" * MAX_HEAD_BYTES],
        [b"GET / HTTP/1.1\r\nX: ", *[b"a" * 1_000_000] * 20],
        [b"GET / HTTP/1.1\r\n", *[b"A: b\r\n" * 100_000] * 20],
        [b"GET / HTTP/1.1\r\nX:", *[b" " * 1_000_000] * 20],
    ],
    ids=["more-comes", "unfinished", "path", "line", "lines", "spaces"],
)
def test_a_head_that_is_too_large_is_refused(tls: Path | None, packets: list[bytes]) -> None:
    """The client learns it, however much it has still sent."""
    [(first, _), (status, body)] = said(echo, *packets, tls=tls)
    assert (first, status) == (200, 431)
    error = json.loads(body)["error"]
    assert (error["code"], list(error["innerError"])) == (
        "RequestHeaderFieldsTooLarge",
        ["date", "request-id", "client-request-id"],
    )


@pytest.mark.parametrize(
    "packets",
    [
        [CHUNKED + b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"],
        [CHUNKED + b"1\r\nx\r\n0\r\n", *[b"A: b\r\n" * 20_000] * 20],
        [CHUNKED + b"1\r\nx\r\n0\r\nX: ", *[b"a" * 1_000_000] * 20],
        [CHUNKED + b"1;x=", *[b"a" * 1_000_000] * 20],
    ],
    ids=["whole", "lines", "line", "extension"],
)
def test_trailers_are_of_the_head(packets: list[bytes]) -> None:
    assert [status for status, _ in said(echo, *packets)] == [200, 431]


def test_requests_before_one_that_is_too_large_are_answered_first() -> None:
    packets = [SMALL + SMALL + head(MAX_HEAD_BYTES + 1) + SMALL]
    assert [status for status, _ in said(echo, *packets)] == [200, 200, 200, 431]


def test_a_body_is_not_counted_as_head() -> None:
    """Nor is what came before a head in the same packet."""
    length = 3_000_000
    body = b"x" * length
    chunk = b"%x\r\n%b\r\n" % (length, body)
    sent = head(60_000, b"Content-Length: %d" % length) + body
    sent += head(60_000, b"Transfer-Encoding: chunked") + chunk + b"1\r\nx\r\n" * 100_000 + b"0\r\nX: a\r\n\r\n"
    sent += SMALL * 1_000 + head(MAX_HEAD_BYTES, CLOSE)
    answers = said(echo, sent)
    assert {status for status, _ in answers} == {200}
    assert [int(body) for _, body in answers] == [0, length, length + 100_000, *[0] * 1_001]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"GET / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nConnection: close\r\n", 200),
        (b"GET / HTTP/1.0\r\n", 200),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: Chunked \r\n", 200),
    ],
)
def test_a_request_names_one_host_and_no_coding_that_is_unknown(lines: bytes, expected: int) -> None:
    sent = lines + b"\r\n0\r\n\r\n"
    for packets in ([sent], [lines, sent[len(lines) :]]):
        assert [status for status, _ in said(echo, *packets)] == [200, expected]


def test_blanks_around_a_value_are_none_of_it() -> None:
    async def told(scope: Any, receive: Any, send: Any) -> None:
        values = [value for name, value in scope["headers"] if name == b"content-range"]
        await send_answer(Answer(200, msgspec.json.encode([value.decode() for value in values])), "r", "c", scope, send)

    lines = (b"Content-Range: \t bytes 0-1/2 \t", b"content-range:a b", b"Content-Range:  ", CLOSE)
    assert said(told, head(300, *lines)) == [(200, b"[]"), (200, b'["bytes 0-1/2","a b",""]')]


def test_a_trailer_is_no_header_of_the_request() -> None:
    trailers = b"Host: a\r\nExpect: 100-continue\r\n\r\n"
    packets = [head(200, b"Transfer-Encoding: chunked") + b"0\r\n" + trailers, head(200, CLOSE)]
    assert [status for status, _ in said(echo, *packets)] == [200, 200, 200]


def test_another_protocol_that_is_asked_for_is_not_heeded(caplog: pytest.LogCaptureFixture) -> None:
    """The connection goes on in HTTP/1.1, and nobody is told to install anything."""

    async def work(guard: Watched, connect: Connect) -> None:
        reader, writer = await connect()
        for lines in (b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b""):
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n0")
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n0")

    serve(echo, Allowance(), work, None)
    assert caplog.text == ""


@pytest.mark.parametrize("cut", [None, "head", "body"])
@pytest.mark.parametrize(
    "lines", [b"Content-Length: 4\r\n\r\nbody", b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"]
)
def test_the_body_of_a_request_that_asks_for_another_protocol_is_its_body(lines: bytes, cut: str | None) -> None:
    """Java's HttpClient asks for HTTP/2 so with each request over plain HTTP, and `curl --http2`."""
    asking = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAE\r\n"
    sent = (
        b"POST / HTTP/1.1\r\nHost: a\r\n" + asking + lines + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    at = {None: 0, "head": sent.index(b"Upgrade"), "body": sent.index(b"body") + 2}[cut]
    assert said(echo, *filter(None, (sent[:at], sent[at:])))[1:] == [(200, b"4"), (200, b"0")]
