"""Everything at once for as long as one likes: is memory flat, and is it as fast in the end as it was in the beginning?

Clients on kept connections each send their next request when the last was answered: posts, replies with and without
files, uploads, pages of conversations and posts, `$filter`, `$search`, delta and batches. Beside them streams listen,
and subscribers are told. Any answer that is not as it must be ends the run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import time
from base64 import b64encode
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from benchmarks import tenant
from benchmarks.fill import fill
from benchmarks.measure import Failed
from benchmarks.notify import Listener
from benchmarks.servers import Databases, Place, Running, server, token
from folkmoot import app
from folkmoot.config import Settings
from folkmoot.store import subscriptions
from folkmoot.store.changes import head
from tests.notifying import subscription

CLIENTS, STREAMS, SUBSCRIBERS = 24, 10, 5
SAMPLES = 20
_POSTS, _EACH = 20_000, 25
_UPLOAD = 600_000
# What the second half may be above the first after a warm-up: memory in megabytes and as a share, times as a share.
_MORE_MEMORY, _MORE_SHARE, _SLOWER = 24.0, 0.15, 0.5
# Of the memory that a process has of its own; what is mapped of the database's file is the system's.
_WARM = 0.25
_PATIENCE = 30.0


@dataclass
class Sample:
    """Some seconds of the run: answers a second, milliseconds, megabytes."""

    at: float
    rate: float
    p50: float
    p99: float
    worst: float
    rss: float
    own: float
    cpu: float


class _Client:
    """One kept connection."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """Send a request, and return the body of the answer. Raises `Failed` for anything but success."""
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        lines = [f"{method} {path} HTTP/1.1", f"host: localhost:{self.port}"]
        if "range" not in headers:
            lines += [f"authorization: Bearer {self.key}", "prefer: folkmoot.profile=extended"]
            lines += ["content-type: application/json"] if content else []
        else:
            lines.append(f"content-range: {headers['range']}")
        lines.append(f"content-length: {len(content)}")
        self._writer.write("\r\n".join((*lines, "", "")).encode() + content)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        found = await self._reader.readexactly(length)
        if answer[9:10] != b"2":
            raise Failed(f"soak: {method} {path[:120]}: {answer[:40]!r} {found[:300]!r}")
        return found

    def close(self) -> None:
        self._writer.close()


class _Soak:
    """The load, and what is measured of it."""

    def __init__(self, port: int, key: str, threads: list[str]) -> None:
        self.port, self.key, self.threads = port, key, threads
        self.times: list[float] = []
        self.counts: Counter[str] = Counter()
        self.events = 0
        self._group = f"/v1.0/groups/{tenant.GROUP}"
        self._post = {"body": {"contentType": "html", "content": tenant.CONTENT}}
        self._file = b64encode(random.Random(1).randbytes(20_000)).decode()

    async def client(self, number: int) -> None:
        """One client, until it is cancelled."""
        chance = random.Random(number)
        ways = (
            (10, self._start), (20, self._reply), (4, self._reply_with_file), (1, self._upload), (25, self._posts),
            (15, self._conversations), (5, self._filter), (5, self._search), (5, self._delta), (5, self._batch),
        )  # fmt: skip
        weights = [weight for weight, _ in ways]
        client = _Client(self.port, self.key)
        await client.connect()
        try:
            while True:
                way = chance.choices(ways, weights)[0][1]
                begun = time.perf_counter()
                await way(client, chance)
                self.times.append(time.perf_counter() - begun)
                self.counts[way.__name__.strip("_")] += 1
        finally:
            client.close()

    def _thread(self, chance: random.Random) -> str:
        return f"{self._group}/threads/{quote(chance.choice(self.threads))}"

    async def _start(self, client: _Client, _: random.Random) -> None:
        await client.ask(
            "POST", f"{self._group}/conversations", {"topic": "Soak", "threads": [{"posts": [self._post]}]}
        )

    async def _reply(self, client: _Client, chance: random.Random) -> None:
        await client.ask("POST", f"{self._thread(chance)}/reply", {"post": self._post})

    async def _reply_with_file(self, client: _Client, chance: random.Random) -> None:
        file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "soak.bin", "contentBytes": self._file}
        await client.ask("POST", f"{self._thread(chance)}/reply", {"post": {**self._post, "attachments": [file]}})

    async def _upload(self, client: _Client, chance: random.Random) -> None:
        made = {"topic": "Upload", "threads": [{"posts": [self._post]}]}
        answer = msgspec.json.decode(await client.ask("POST", f"{self._group}/conversations", made))
        posts = f"{self._group}/threads/{quote(answer['threads'][0]['id'])}/posts"
        post = msgspec.json.decode(await client.ask("GET", posts))["value"][0]["id"]
        item = {"AttachmentItem": {"attachmentType": "file", "name": "up.bin", "size": _UPLOAD}}
        path = f"{posts}/{quote(post)}/attachments/createUploadSession"
        url = urlsplit(msgspec.json.decode(await client.ask("POST", path, item))["uploadUrl"]).path
        await client.ask("PUT", url, chance.randbytes(_UPLOAD), range=f"bytes 0-{_UPLOAD - 1}/{_UPLOAD}")

    async def _posts(self, client: _Client, chance: random.Random) -> None:
        await client.ask("GET", f"{self._thread(chance)}/posts?$top=20")

    async def _conversations(self, client: _Client, _: random.Random) -> None:
        await client.ask("GET", f"{self._group}/conversations?$top=20")

    async def _filter(self, client: _Client, chance: random.Random) -> None:
        await client.ask("GET", f"{self._thread(chance)}/posts?$filter=hasAttachments%20eq%20false&$top=5")

    async def _search(self, client: _Client, _: random.Random) -> None:
        await client.ask("GET", f"{self._group}/conversations?$search={tenant.RARE}&$top=5")

    async def _delta(self, client: _Client, _: random.Random) -> None:
        await client.ask("GET", f"{self._group}/threads/delta()?$deltatoken=latest")

    async def _batch(self, client: _Client, chance: random.Random) -> None:
        paths = [self._thread(chance).removeprefix("/v1.0") for _ in range(4)]
        requests = [{"id": str(n), "method": "GET", "url": f"{path}/posts?$top=5"} for n, path in enumerate(paths)]
        await client.ask("POST", "/v1.0/$batch", {"requests": requests})

    async def stream(self) -> None:
        """Listen to the group until it is cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        lines = (
            f"GET {self._group}/changes HTTP/1.1",
            f"host: localhost:{self.port}",
            f"authorization: Bearer {self.key}",
        )
        more = "prefer: folkmoot.profile=extended", "accept: text/event-stream", "", ""
        writer.write("\r\n".join((*lines, *more)).encode())
        try:
            if b" 200 " not in await reader.readline():
                raise Failed("soak: no stream")
            while line := await reader.readline():
                self.events += line.startswith(b"data: ")
            raise Failed("soak: a stream ended")
        finally:
            writer.close()


async def _soak(soak: _Soak, running: Running, minutes: float) -> list[Sample]:
    tasks = [asyncio.create_task(soak.client(number)) for number in range(CLIENTS)]
    tasks += [asyncio.create_task(soak.stream()) for _ in range(STREAMS)]
    samples: list[Sample] = []
    began = time.perf_counter()
    length = minutes * 60 / SAMPLES
    cpu, silent = _cpu(running), 0.0
    try:
        for number in range(1, SAMPLES + 1):
            left = began + number * length - time.perf_counter()
            failed, _ = await asyncio.wait(tasks, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
            for each in failed:
                each.result()
            taken, soak.times = sorted(soak.times), []
            silent = 0.0 if taken else silent + length
            if silent > _PATIENCE:
                raise Failed(f"soak: nothing was answered in {silent:.0f} s")
            if not taken:
                continue
            rss, own = running.memory()
            now = _cpu(running)
            sample = Sample(
                at=number * length / 60,
                rate=len(taken) / length,
                p50=taken[len(taken) // 2] * 1000,
                p99=taken[len(taken) * 99 // 100] * 1000,
                worst=taken[-1] * 1000,
                rss=rss,
                own=own,
                cpu=(now - cpu) / len(taken) * 1e6,
            )
            cpu = now
            samples.append(sample)
            print(
                f"{sample.at:>8.1f}{sample.rate:>9,.0f}{sample.p50:>9.1f}{sample.p99:>9.1f}{sample.worst:>9.0f}"
                f"{sample.rss:>9.1f}{sample.own:>9.1f}{sample.cpu:>10.0f}",
                flush=True,
            )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return samples


def _cpu(running: Running) -> float:
    """Seconds of processor time that the server has taken."""
    fields = open(f"/proc/{running.process.pid}/stat").read().rpartition(")")[2].split()  # noqa: SIM115, PTH123
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def verdict(samples: list[Sample]) -> list[str]:
    """What is not flat. A line is drawn through what each figure is after the warm-up; its rise over that time counts.

    A rise of the processor time for each request tells a slower server from a machine that has other things to do.
    """
    after = samples[int(len(samples) * _WARM) :]
    rises = {name: rise([getattr(each, name) for each in after]) for name in ("own", "p50", "p99", "cpu")}
    middle = {name: statistics.median(getattr(each, name) for each in after) for name in rises}
    found = []
    if rises["own"] > max(_MORE_MEMORY, _MORE_SHARE * middle["own"]):
        found.append(f"its own memory rose by {rises['own']:.0f} MB")
    for name, says in (("p50", "the median"), ("p99", "the 99th percentile"), ("cpu", "processor time a request")):
        if rises[name] > _SLOWER * middle[name]:
            found.append(f"{says} rose by {rises[name] / middle[name]:.0%}")
    return found


def rise(values: list[float]) -> float:
    """By how much the straight line that fits best (least squares) rises from the first value to the last."""
    if len(values) < 2:
        return 0.0
    slope = statistics.linear_regression(range(len(values)), values).slope
    return slope * (len(values) - 1)


def _subscribe(place: Place, port: int) -> None:
    with closing(app.open_store(Settings(data=str(place.data), database=place.url))) as store:
        for number in range(SUBSCRIBERS):
            url = f"http://127.0.0.1:{port}/{number}"
            wanted = subscription(number, tenant.GROUP, now=time.time(), notification_url=url, creator=tenant.PERSON)

            def add(tx: Any, wanted: Any = wanted) -> None:
                subscriptions.add(tx, wanted, group=tenant.GROUP, seq=head(tx, tenant.GROUP))

            store.write_here(add)


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Soak a server, print a table, and say whether it is flat."""
    place = made.new()
    settings = Settings(data=str(place.data), database=place.url)
    threads = fill(settings, (options.posts or _POSTS) // _EACH, _EACH)
    listener = Listener()
    _subscribe(place, listener.port)
    heads = ("minute", "req/s", "p50 ms", "p99 ms", "worst", "RSS MB", "own MB", "µs/req")
    print(f"\n{made.kind.upper()} soak: {CLIENTS} clients, {STREAMS} streams, {SUBSCRIBERS} subscribers")
    print("".join(f"{head:>{10 if head == 'µs/req' else 9 if n else 8}}" for n, head in enumerate(heads)))
    with server(place) as running:
        soak = _Soak(running.port, token(place), threads)
        samples = asyncio.run(_soak(soak, running, options.minutes))
    wrong = verdict(samples)
    total = sum(soak.counts.values())
    told = f"{total:,} requests, {soak.events:,} events to streams, {listener.count:,} notifications"
    print(f"{told}: " + ("; ".join(f"NOT FLAT, {each}" for each in wrong) if wrong else "flat"))
    figures = [msgspec.to_builtins(each) for each in samples]
    return [{"database": made.kind, "samples": figures, "counts": dict(soak.counts), "wrong": wrong}]
