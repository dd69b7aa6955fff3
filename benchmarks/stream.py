"""Three hundred streams of one group at once: how long until each hears of a post, and what they hold in memory."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

import msgspec

from benchmarks import tenant
from benchmarks.fill import fill
from benchmarks.measure import Failed
from benchmarks.servers import Databases, server, token
from folkmoot.config import Settings

STREAMS, POSTS = 300, 100
PAUSE = 0.02  # seconds between two posts, so that each is told by itself
PATIENCE = 120.0
EVENTS = 3  # of a reply: the post, its thread, its conversation


class _Streams:
    """Reads all of them, and notes how long after a post was asked for each event of it came."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._at = (host, port)
        self._key = key
        self.begun: list[float] = []
        self.lags: list[float] = []
        self._all = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open one, and read it until it is cancelled. Returns once it is answered."""
        reader, writer = await asyncio.open_connection(*self._at)
        head = (
            f"GET /v1.0/groups/{tenant.GROUP}/changes HTTP/1.1\r\nhost: localhost:{self._at[1]}\r\n"
            f"authorization: Bearer {self._key}\r\n"
            "prefer: folkmoot.profile=extended\r\naccept: text/event-stream\r\n\r\n"
        )
        writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer.split(b"\r\n")[0]:
            raise Failed(f"stream: {answer[:200]!r}")
        await reader.readuntil(b"\n\n")  # where it begins
        self._tasks.append(asyncio.create_task(self._read(reader, writer)))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = 0
        while heard < POSTS * EVENTS:
            if (await reader.readline()).startswith(b"data: "):
                self.lags.append(time.perf_counter() - self.begun[heard // EVENTS])
                heard += 1
        if len(self.lags) == STREAMS * POSTS * EVENTS:
            self._all.set()
        await self._all.wait()
        writer.close()

    async def reply(self, thread: str) -> None:
        """Post one reply after the other."""
        reader, writer = await asyncio.open_connection(*self._at)
        body = b'{"post":{"body":{"contentType":"text","content":"A word to all."}}}'
        head = (
            f"POST /v1.0/groups/{tenant.GROUP}/threads/{thread}/reply HTTP/1.1\r\nhost: localhost:{self._at[1]}\r\n"
            f"authorization: Bearer {self._key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        for _ in range(POSTS):
            self.begun.append(time.perf_counter())
            writer.write(head.encode() + body)
            if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202"):
                raise Failed("stream: a reply was refused")
            await asyncio.sleep(PAUSE)
        writer.close()

    async def all_heard(self) -> None:
        """Wait until every stream has told of every post. Raises `TimeoutError`."""
        async with asyncio.timeout(PATIENCE):
            await self._all.wait()


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Open the streams, post, and print how late each event was."""
    place = made.new()
    threads = fill(Settings(data=str(place.data), database=place.url), 10, 10)
    with server(place) as running:
        key, before = token(place), running.memory()

        async def measured() -> tuple[_Streams, tuple[float, float]]:
            streams = _Streams("127.0.0.1", running.port, key)
            for _ in range(STREAMS):
                await streams.open()
            opened = running.memory()
            await streams.reply(threads[0])
            await streams.all_heard()
            return streams, opened

        streams, opened = asyncio.run(measured())
        after = running.memory()
    lags = sorted(streams.lags)
    found = {
        "database": made.kind,
        "streams": STREAMS,
        "events": len(lags),
        "p50_ms": statistics.median(lags) * 1000,
        "p99_ms": lags[int(len(lags) * 0.99)] * 1000,
        "kb_each": (opened[1] - before[1]) * 1024 / STREAMS,
        "own_mb": (before[1], opened[1], after[1]),
    }
    print(
        f"stream, {made.kind}, {STREAMS} streams, {POSTS} posts: {len(lags):,} events, "
        f"lag p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms; "
        f"{found['kb_each']:.0f} kB a stream; own memory before, open, after "
        f"{before[1]:.0f}, {opened[1]:.0f}, {after[1]:.0f} MB",
        flush=True,
    )
    return [msgspec.to_builtins(found)]
