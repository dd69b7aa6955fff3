"""A client of a stream of changes inside the test's process: it reads what is sent when it likes, or never."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.harness import Client

PATIENCE = 10  # seconds, for what must happen at once


@dataclass
class Event:
    """An event as a browser would dispatch it; `id` is the last one that was said by then."""

    name: str
    data: Any
    id: str


@dataclass
class Follower:
    """Reads `text/event-stream` (WHATWG HTML §9.2.6), from whatever feeds it."""

    events: list[Event] = field(default_factory=list)
    last_id: str = ""
    retry: int = 0
    comments: int = 0
    _rest: str = ""
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if self._data:
                self.events.append(Event(self._name or "message", json.loads("\n".join(self._data)), self.last_id))
            self._name, self._data = "", []
        elif not name:
            self.comments += 1
        elif name == "id":
            self.last_id = value
        elif name == "retry":
            self.retry = int(value)
        elif name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)


class Connection(Follower):
    """A request to the application that goes on: `status` and `headers` first, then events as they come.

    While it does not `take`, it is a client that does not read.
    """

    def __init__(
        self, client: Client, path: str, headers: Iterable[tuple[str, str]] = (), application: Any = None
    ) -> None:
        super().__init__()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False
        self.take = asyncio.Event()
        self.take.set()
        self.aborted = False
        self._news = asyncio.Condition()
        self._left = asyncio.Event()
        path, _, query = path.partition("?")
        given = [("host", "localhost:8443"), ("authorization", f"Bearer {client.token}"), *headers]
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "https",
            "path": unquote(f"/v1.0{path}"),
            "raw_path": f"/v1.0{path}".encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in given],
            "extensions": {"folkmoot.abort": self._abort},
        }
        self._asked = False
        self._task = asyncio.ensure_future(self._run(application or client.graph.application, scope))

    async def _run(self, application: Any, scope: dict[str, Any]) -> None:
        try:
            await application(scope, self._receive, self._send)
        finally:
            async with self._news:
                self._news.notify_all()

    async def __aenter__(self) -> Connection:
        await self.until(lambda: self.status > 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def until(self, condition: Any) -> None:
        """Wait until what came makes it so."""
        async with asyncio.timeout(PATIENCE), self._news:
            while not condition():
                assert not self._task.done(), (self.status, self.body, self._task.result())
                await self._news.wait()

    async def got(self, count: int) -> list[Event]:
        """The first events, once there are so many."""
        await self.until(lambda: len(self.events) >= count)
        return self.events[:count]

    async def end(self) -> None:
        """Wait until the server has ended it."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self._task)

    async def leave(self) -> None:
        """Close the connection."""
        self._left.set()
        self.take.set()
        await self.end()

    def _abort(self) -> None:
        self.aborted = True
        self._left.set()
        self.take.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.take.wait()
        async with self._news:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message.get("body", b"")
                if self.status == 200:
                    self.feed(message.get("body", b"").decode())
                self.ended = not message.get("more_body", False)
            self._news.notify_all()
