"""A thousand subscriptions and ten thousand changes: how long until subscribers know, how many notifications a second,
and what it costs to have nothing to tell.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import threading
import time
from collections import defaultdict
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import tenant
from benchmarks.measure import Failed
from benchmarks.servers import Databases, Place, Running, server, token
from folkmoot import app, lab
from folkmoot.config import Settings
from folkmoot.model import Caller, GroupDraft
from folkmoot.ops import directory
from folkmoot.store import subscriptions
from folkmoot.store.changes import head
from folkmoot.store.db import Tx
from tests.notifying import subscription

GROUPS, SUBSCRIPTIONS, ENDPOINTS = 100, 1_000, 50
CHANGES = 10_000  # a reply is three: the post, its thread, its conversation
CLIENTS = 8
IDLE_SECONDS = 15.0
PATIENCE = 300.0


class Listener:
    """Takes notifications, and remembers when each came: by group, in their order."""

    def __init__(self) -> None:
        self.came: dict[str, list[float]] = defaultdict(list)
        self.ids: set[str] = set()
        self.count = 0
        self.last = 0.0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def forget(self) -> None:
        """Begin to count anew."""
        self.came.clear()
        self.ids.clear()
        self.count = 0

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()

    async def _serve(self) -> None:
        made = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = made.sockets[0].getsockname()[1]
        self._ready.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(header.partition(b"content-length:")[2].split(b"\r\n")[0])
                value = msgspec.json.decode(await reader.readexactly(length))["value"]
                self.last = time.perf_counter()
                for each in value:
                    self.came[each["subscriptionId"]].append(self.last)
                    self.ids.add(each["id"])
                self.count += len(value)
                writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one database."""
    place, listener = made.new(), Listener()
    posts = CHANGES // 3
    with server(place) as running:
        groups = _groups(place)
        key = token(place)
        threads = _threads(running.port, key, groups)
        wanted = _subscribe(place, groups, listener.port)
        time.sleep(6.0)  # the look that finds the new ones
        before = _cpu(running)
        time.sleep(IDLE_SECONDS)
        idle = (_cpu(running) - before) / IDLE_SECONDS
        started = running.memory()[0]
        answered = _post(running.port, key, threads, posts)
        expected = sum(len(answered[group]) for group, _ in wanted.values())
        _wait(listener, expected)
        lags = sorted(
            came - answered[group][number]
            for id, (group, _) in wanted.items()
            for number, came in enumerate(listener.came[id])
        )
        repeated = listener.count - len(listener.ids)
        memory = running.memory()[0]
    listener.forget()
    _set_back(place, wanted)
    with server(place) as running:
        began = time.perf_counter()
        _wait(listener, expected)
        seconds = listener.last - began
        peak = running.memory()[0]
    found = {
        "database": made.kind,
        "subscriptions": SUBSCRIPTIONS,
        "changes": 3 * posts,
        "notifications": expected,
        "repeated": repeated,
        "lag_p50_ms": 1000 * statistics.median(lags),
        "lag_p99_ms": 1000 * lags[len(lags) * 99 // 100],
        "backlog_per_s": expected / seconds,
        "rss_mb": [started, memory, peak],
        "idle_cpu": idle,
    }
    print(
        f"notify, {made.kind}: {SUBSCRIPTIONS:,} subscriptions, {3 * posts:,} changes, {expected:,} notifications; "
        f"lag p50 {found['lag_p50_ms']:.0f} ms, p99 {found['lag_p99_ms']:.0f} ms; "
        f"a backlog at {expected / seconds:,.0f}/s; memory {started:.0f} MB idle, {memory:.0f} after, "
        f"{peak:.0f} after the backlog; idle {idle:.2%} of a core; "
        f"{repeated} told twice",
        flush=True,
    )
    return [found]


def _groups(place: Place) -> list[str]:
    settings = Settings(data=str(place.data), database=place.url)
    root = Caller(kind="app", oid=lab.GROUPS[0].id, tenant="", application="", permissions=frozenset())
    made: list[str] = []

    def verb(tx: Tx) -> None:
        made.clear()
        for number in range(GROUPS):
            made.append(tx.new_id())
            draft = GroupDraft(
                id=made[-1],
                display_name=f"Group {number}",
                mail_nickname=f"bench{number}",
                mail_enabled=True,
                security_enabled=False,
                group_types=("Unified",),
                owners=(tenant.PERSON,),
                members=(tenant.PERSON,),
            )
            directory.create_group(tx, root, draft, settings.domain)

    with closing(app.open_store(settings)) as store:
        store.write_here(verb)
    return made


def _ask(connection: HTTPConnection, key: str, path: str, body: Any, status: int) -> Any:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request("POST", f"/v1.0{path}", msgspec.json.encode(body), headers)
    with connection.getresponse() as response:
        answer = response.read()
    if response.status != status:
        raise Failed(f"POST {path}: {response.status} {answer[:200]!r}")
    return msgspec.json.decode(answer) if answer else None


def _threads(port: int, key: str, groups: list[str]) -> dict[str, str]:
    post = {"body": {"contentType": "html", "content": tenant.CONTENT}}
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        return {
            group: _ask(
                connection,
                key,
                f"/groups/{group}/conversations",
                {"topic": tenant.TOPIC, "threads": [{"posts": [post]}]},
                201,
            )["threads"][0]["id"]
            for group in groups
        }


def _subscribe(place: Place, groups: list[str], port: int) -> dict[str, tuple[str, int]]:
    """Subscription → its group and the number of the group's last change by now."""
    settings = Settings(data=str(place.data), database=place.url)
    wanted: dict[str, tuple[str, int]] = {}

    def verb(tx: Tx) -> None:
        for number in range(SUBSCRIPTIONS):
            group = groups[number % GROUPS]
            url = f"http://127.0.0.1:{port}/{number % ENDPOINTS}"
            each = subscription(number, group, now=time.time(), notification_url=url, creator=tenant.PERSON)
            wanted[each.id] = (group, head(tx, group))
            subscriptions.add(tx, each, group=group, seq=wanted[each.id][1])

    with closing(app.open_store(settings)) as store:
        store.write_here(verb)
    return wanted


def _set_back(place: Place, wanted: dict[str, tuple[str, int]]) -> None:
    """As if nobody had been told of anything."""
    from sqlalchemy import bindparam, update

    from folkmoot.store import schema as s
    from folkmoot.store.db import Statement

    back = Statement(
        update(s.subscription_cursors)
        .where(
            s.subscription_cursors.c.group_id == bindparam("g"),
            s.subscription_cursors.c.subscription_id == bindparam("which"),
        )
        .values(seq=bindparam("old"))
    )

    def verb(tx: Tx) -> None:
        for id, (group, seq) in wanted.items():
            tx.run(back, g=group, which=id, old=seq)

    with closing(app.open_store(Settings(data=str(place.data), database=place.url))) as store:
        store.write_here(verb)


def _post(port: int, key: str, threads: dict[str, str], posts: int) -> dict[str, list[float]]:
    """Reply in all threads in turn; by group, when each reply was answered."""
    answered: dict[str, list[float]] = {group: [] for group in threads}
    body = {"post": {"body": {"contentType": "html", "content": tenant.CONTENT}}}
    groups, failures = [*threads], list[Exception]()

    def client(number: int) -> None:
        mine = groups[number::CLIENTS]
        share = posts // CLIENTS + (number < posts % CLIENTS)
        try:
            with closing(HTTPConnection("127.0.0.1", port)) as connection:
                for turn in range(share):
                    group = mine[turn % len(mine)]
                    _ask(connection, key, f"/groups/{group}/threads/{threads[group]}/reply", body, 202)
                    answered[group].append(time.perf_counter())
        except Exception as error:
            failures.append(error)

    crew = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    if failures:
        raise Failed(f"notify: {failures[0]!r}")
    return answered


def _wait(listener: Listener, expected: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(listener.ids) < expected:
        if time.monotonic() > deadline:
            raise Failed(f"notify: {len(listener.ids)} of {expected} notifications came")
        time.sleep(0.02)


def _cpu(running: Running) -> float:
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
