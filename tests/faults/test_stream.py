"""Streams of real servers: of two on one database, of hundreds of clients, and of one that stops."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

from tests import postgres
from tests.faults.clients import AT_ONCE, GROUPS, PATIENCE, Running, ask, running, tokens
from tests.protocol.following import Follower

CLIENTS = 300
PATH = f"/v1.0/groups/{GROUPS[0]}/changes"


class Following(Follower):
    """A stream over a socket."""

    async def begin(self, port: int, token: str) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        self._writer.write(f"{head}Prefer: folkmoot.profile=extended\r\n\r\n".encode())
        assert (await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await self.until(lambda: self.last_id != "")

    async def until(self, condition: object) -> None:
        """Read until what came makes it so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # type: ignore[operator]
                assert await self._chunk(), "the stream ended"

    async def end(self) -> None:
        """Read until the server has ended it, in order."""
        async with asyncio.timeout(AT_ONCE):
            while await self._chunk():
                pass
        self._writer.close()

    async def _chunk(self) -> bool:
        size = int(await self._reader.readline(), 16)
        self.feed((await self._reader.readexactly(size + 2))[:-2].decode())
        return size > 0


def start(port: int, token: str) -> str:
    with closing(HTTPConnection("127.0.0.1", port, timeout=AT_ONCE)) as connection:
        body = {"topic": "Stream", "threads": [{"posts": [{"body": {"content": "x"}}]}]}
        answer = ask(connection, "POST", f"/groups/{GROUPS[0]}/conversations", token, body)
        assert answer.status == 201, answer.content
        return str(answer.json["id"])


def told(stream: Follower) -> list[str]:
    return [event.data["resourceData"]["id"] for event in stream.events if event.name == "created"]


def memory(server: Running) -> int:
    """Bytes of the server's own memory."""
    status = Path(f"/proc/{server.server.process.pid}/status").read_text()
    found = re.search(r"(?m)^RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def test_what_one_server_commits_streams_of_another_tell(tmp_path: Path) -> None:
    """And when the one that wrote is killed, and another takes its place."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres.fresh())
        one = stack.enter_context(running(tmp_path / "one", url))
        two = stack.enter_context(running(tmp_path / "two", url))
        (here, *_), (there, *_) = tokens(one.data), tokens(two.data)

        async def test() -> None:
            stream = Following()
            await stream.begin(two.port, there)
            began = time.monotonic()
            made = await asyncio.to_thread(start, one.port, here)
            await stream.until(lambda: made in told(stream))
            assert time.monotonic() - began < 4, "a look at the log found it, and no hint"
            await asyncio.to_thread(one.kill)
            await asyncio.to_thread(one.start_again)
            again = await asyncio.to_thread(start, one.port, here)
            await stream.until(lambda: again in told(stream))
            assert len(told(stream)) == len(set(told(stream))) == 6
            assert await asyncio.to_thread(two.stop) == 0
            await stream.end()

        asyncio.run(test())


def test_hundreds_follow_at_little_memory_and_hold_no_stop_up(tmp_path: Path) -> None:
    with running(tmp_path / "data") as served:
        token = tokens(served.data)[0]

        async def test() -> None:
            streams = [Following() for _ in range(CLIENTS)]
            await streams[0].begin(served.port, token)
            before = memory(served)
            for stream in streams[1:]:
                await stream.begin(served.port, token)
            opened = memory(served)
            made = [await asyncio.to_thread(start, served.port, token) for _ in range(5)]
            for stream in streams:
                await stream.until(lambda: len(told(stream)) == 15)  # noqa: B023
                assert [each for each in told(stream) if each in made] == made
            assert (opened - before) / CLIENTS < 100_000, "bytes for each stream"
            assert memory(served) - opened < 10_000_000, "bytes for what was told"
            stopping = asyncio.create_task(asyncio.to_thread(served.stop))
            for stream in streams:
                await stream.end()
            assert await stopping == 0

        asyncio.run(test())
