"""What the server counted, for Prometheus to fetch: how much, and never of whom.

The library (`prometheus_client`) is loaded when the server has started, not before. With several worker processes the
parent sets PROMETHEUS_MULTIPROC_DIR before it starts them; then each keeps its numbers in files there, and whichever is
asked answers for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import resource
from collections.abc import Callable
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import func, select
from starlette.responses import Response

from folkmoot import observe
from folkmoot.observe import Meter
from folkmoot.refusals import Refusal
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Store

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PATH = "/metrics"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
_SAMPLE_SECONDS = 1.0  # between two looks at what is under way, where another process may be asked for it
_READ_SECONDS = 1.0  # that a database may take, before its numbers are left out

_REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_LAGS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 14400)
# RFC 9110 §9 and RFC 5789; a client can make up others without end.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_NEWEST = Statement(select(func.max(s.sequences.c.changed_at)))


def gone(pid: int) -> None:
    """A worker process has ended: what was under way in it is no more. What it counted stays counted."""
    if _SHARED in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class PrometheusMeter(Meter):
    """Counts with the library; children of labels are looked up once."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        # Values that several processes share are in files, and are read from there.
        self.shared = os.environ.get(_SHARED)
        self.registry = CollectorRegistry()
        kept = None if self.shared else self.registry

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, registry=kept)

        def histogram(name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, says, labels, buckets=buckets, registry=kept)

        def gauge(name: str, says: str, *labels: str, mode: Literal["livesum", "mostrecent"] = "livesum") -> Gauge:
            return Gauge(name, says, labels, registry=kept, multiprocess_mode=mode)

        self._requests = counter(
            "folkmoot_requests_total", "HTTP requests, by what was answered.", "operation", "method", "status"
        )
        self._seconds = histogram(
            "folkmoot_request_seconds", "From a request until its answer began.", _REQUESTS, "operation", "method"
        )
        self._answered: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._counted_items: dict[tuple[str, str, int], Callable[[float], None]] = {}
        self._items = counter("folkmoot_batch_items_total", "Requests within batches.", "operation", "method", "status")
        self.under_way = {
            "requests": gauge("folkmoot_requests_in_progress", "HTTP requests under way, streams among them."),
            "streams": gauge("folkmoot_streams_open", "Streams of changes that clients follow."),
            "uploads": gauge("folkmoot_uploads_in_progress", "Ranges of attachments that are coming in."),
        }
        self.queue = gauge("folkmoot_writer_queue", "Writes that wait for a writer.")
        self._batches = histogram("folkmoot_commit_writes", "Writes that were committed together.", _BATCHES)
        self._commits = histogram(
            "folkmoot_commit_seconds", "From a transaction's beginning until it was on disk.", _COMMITS
        )
        self._undone = counter("folkmoot_rollbacks_total", "Transactions with writes that were undone.")
        self.connections = gauge("folkmoot_database_connections", "Open connections to PostgreSQL.")
        self._connected = counter("folkmoot_database_connects_total", "Connections to PostgreSQL that were made.")
        self._failed = counter(
            "folkmoot_database_errors_total", "Times that the database could not be reached, or broke off.", "doing"
        )
        self.reads = counter("folkmoot_database_reads_total", "Times that the database was read.", "kind")
        self._seen_reads: dict[str, int] = {}
        self.newest = gauge(
            "folkmoot_change_log_newest_timestamp_seconds", "When the newest change was.", mode="mostrecent"
        )
        self._swept = gauge(
            "folkmoot_retention_timestamp_seconds", "When the change log was last swept.", mode="mostrecent"
        )
        self._removed = counter("folkmoot_change_log_removed_total", "Changes that retention removed.")
        posts = counter("folkmoot_notification_posts_total", "POSTs to subscribers, by what came of them.", "outcome")
        self._posts = {name: posts.labels(name).inc for name in ("delivered", "refused", "unanswered")}
        told = counter("folkmoot_notifications_total", "Notifications that were told, or given up.", "outcome")
        self._told = {name: told.labels(name).inc for name in ("delivered", "dropped")}
        self._post_seconds = histogram(
            "folkmoot_notification_post_seconds", "How long POSTs to subscribers took.", _LAGS
        )
        self._lag = histogram("folkmoot_notification_lag_seconds", "From a change until its subscriber knew.", _LAGS)
        self._build = gauge("folkmoot_build_info", "Which release runs.", "version", "python", mode="mostrecent")
        if self.shared:
            # The library tells of its own process alone.
            self._memory = gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
            self._processor = counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
        else:
            ProcessCollector(registry=self.registry)
        self._processor_seen = 0.0

    def answered(self, operation: str, method: str, status: int, seconds: float) -> None:
        found = self._answered.get((operation, method, status))
        if found is None:
            named = method if method in _METHODS else "other"
            found = (
                self._requests.labels(operation, named, status).inc,
                self._seconds.labels(operation, named).observe,
            )
            if named == method:
                self._answered[operation, method, status] = found
        found[0]()
        found[1](seconds)

    def items(self, operation: str, method: str, status: int, count: int) -> None:
        found = self._counted_items.get((operation, method, status))
        if found is None:
            # Methods of a batch's items are known ones.
            found = self._counted_items[operation, method, status] = self._items.labels(operation, method, status).inc
        found(count)

    def committed(self, writes: int, seconds: float) -> None:
        self._batches.observe(writes)
        self._commits.observe(seconds)

    def rolled_back(self) -> None:
        self._undone.inc()

    def connected(self, connection: Any) -> None:
        observe.connections.add(connection)
        self._connected.inc()

    def database_failed(self, doing: Literal["read", "write", "connect"]) -> None:
        self._failed.labels(doing).inc()

    def swept(self, now: float, removed: int) -> None:
        self._swept.set(now)
        self._removed.inc(removed)

    def posted(self, outcome: Literal["delivered", "refused", "unanswered"], seconds: float) -> None:
        self._posts[outcome]()
        self._post_seconds.observe(seconds)

    def notified(self, outcome: Literal["delivered", "dropped"], count: int) -> None:
        if count:
            self._told[outcome](count)

    def lagged(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def sample(self, store: Store) -> None:
        """Look at what is not counted as it happens."""
        self._build.labels(*_release()).set(1)
        for name, gauge in self.under_way.items():
            gauge.set(observe.under_way[name])
        self.queue.set(sum(writer.waiting for writer in store.writers))
        self.connections.set(sum(not connection.closed for connection in list(observe.connections)))
        for kind, count in list(observe.reads.items()):
            self.reads.labels(kind).inc(count - self._seen_reads.get(kind, 0))
            self._seen_reads[kind] = count
        if self.shared:
            self._memory.set(_resident())
            used = resource.getrusage(resource.RUSAGE_SELF)
            self._processor.inc(used.ru_utime + used.ru_stime - self._processor_seen)
            self._processor_seen = used.ru_utime + used.ru_stime


@lru_cache(maxsize=1)
def meter() -> PrometheusMeter:
    """The meter of this process, which counts from now on."""
    made = PrometheusMeter()
    observe.meter = made
    return made


class Measuring:
    """Counts, from `start` on. As an ASGI application it answers with that (text exposition format 0.0.4)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the event loop that is running; it ends with the loop."""
        if meter().shared:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            meter().sample(self._store)
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from prometheus_client import generate_latest

        found = meter()
        found.sample(self._store)
        with contextlib.suppress(Refusal, TimeoutError):
            async with asyncio.timeout(_READ_SECONDS):
                row = await self._store.read(lambda snapshot: snapshot.one(_NEWEST), quick=True)
            if row is not None and row[0] is not None:
                found.newest.set(row[0])
        content = await asyncio.to_thread(lambda: generate_latest(_registry(found)))
        await Response(content, media_type=_TYPE, headers={"Cache-Control": "no-store"})(scope, receive, send)


def _registry(found: PrometheusMeter) -> CollectorRegistry:
    if not found.shared:
        return found.registry
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, found.shared)  # type: ignore[no-untyped-call]
    return registry


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say (proc(5))."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


@lru_cache(maxsize=1)
def _release() -> tuple[str, str]:
    """Which release runs, and on which Python. Looked up when somebody asks: a start would wait 10 ms for it."""
    return metadata.version("folkmoot"), platform.python_version()
