"""A program that is notified: an HTTP server of the test's own, which can be told to misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select

from folkmoot.graph import ids
from folkmoot.store import schema as s
from folkmoot.store import subscriptions
from folkmoot.store.changes import head
from folkmoot.store.db import Statement, Store
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from tests.faults.clients import PATIENCE
from tests.notifying import subscription

Mode = Literal["well", "failing", "hanging"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # With the usual 5 the system drops what comes at once on a busy machine, and tries again after seconds: that is an
    # endpoint which is slow, and is left alone for a minute after each POST.
    request_queue_size = 128


class Listener:
    """Answers at `/NAME` as its mode says; `taken` is what it answered with a 2xx, by name and in that order."""

    def __init__(self) -> None:
        self.modes: dict[str, Mode] = defaultdict(lambda: "well")
        self.taken: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.refused: dict[str, int] = defaultdict(int)
        self.held: dict[str, int] = defaultdict(int)
        self.changed = threading.Condition()
        self.port = 0
        self._thread: threading.Thread
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                listener.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away: connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def become(self, name: str, mode: Mode) -> None:
        """From now on answer at a name in this way. What hangs there breaks."""
        with self.changed:
            self.modes[name] = mode
            self.changed.notify_all()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        name = request.path.strip("/")
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self.changed:
            if self.modes[name] == "hanging":
                self.held[name] += 1
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.modes[name] != "hanging", PATIENCE)
                self.held[name] -= 1
                request.close_connection = True
                return
            status = 500 if self.modes[name] == "failing" else 202
            if status == 202:
                self.taken[name] += body["value"]
            else:
                self.refused[name] += 1
            self.changed.notify_all()
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something that comes in is so."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), {name: len(of) for name, of in self.taken.items()}

    def told(self, name: str) -> set[str]:
        """The ids of the notifications that a name took."""
        return {each["id"] for each in self.taken[name]}


def opened(data: Path, database: str | None) -> Store:
    """A server's database, past the server."""
    return SqliteStore(data / "folkmoot.db", float) if database is None else PostgresStore(database, float)


def subscribe(data: Path, database: str | None, groups: Sequence[str], urls: Sequence[str], creator: str) -> None:
    """Have each URL told of the posts that are created in each group from now on."""
    with closing(opened(data, database)) as store:
        for number, (group, url) in enumerate((group, url) for group in groups for url in urls):
            wanted = subscription(number, group, now=time.time(), notification_url=url, creator=creator)
            seq = store.read_here(lambda snapshot, group=group: head(snapshot, group))  # type: ignore[misc]
            store.write_here(
                lambda tx, wanted=wanted, group=group, seq=seq: subscriptions.add(tx, wanted, group=group, seq=seq)  # type: ignore[misc]
            )


def logged(data: Path, database: str | None) -> dict[str, list[str]]:
    """The id on the wire of each post that was created, by group and in the order of the log."""
    c = s.changes.c
    created = select(c.group_id, c.parent, c.item).where(c.noun == "post", c.kind == "created")
    with closing(opened(data, database)) as store:
        rows = store.read_here(lambda snapshot: snapshot.all(Statement(created.order_by(c.group_id, c.seq))))
    found: dict[str, list[str]] = defaultdict(list)
    for group, thread, post in rows:
        found[group].append(ids.post_id(group, thread, post))
    return found


def check_told(listener: Listener, name: str, truth: dict[str, list[str]]) -> None:
    """What a name was told is what happened: all of it, and in each group in its order. Some may be told again."""
    listener.wait_for(lambda: len(listener.told(name)) >= sum(map(len, truth.values())))
    told: dict[str, list[str]] = defaultdict(list)
    for each in listener.taken[name]:
        group = each["resource"].split("'")[1]
        if each["resourceData"]["id"] not in told[group]:
            told[group].append(each["resourceData"]["id"])
    assert told == truth
