"""Lists that ask for more than a page: filtered, with what is below them, and found by what programs keep with posts.

There is no floor for these: what the least would be is a question of the plan. A line says what the server does alone.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import bindparam, select

from benchmarks import tenant
from benchmarks.fill import fill
from benchmarks.load import Job, Load
from benchmarks.measure import Failed
from benchmarks.servers import Databases, server, token
from benchmarks.workloads import Target
from folkmoot.app import open_store
from folkmoot.config import Settings
from folkmoot.graph import ids
from folkmoot.model import SingleValueDraft
from folkmoot.store import extensions
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx

_POSTS_EACH = 25
_THREADS = 64  # that are asked for, and whose posts have something kept with them
_NAME = "Com.Contoso.Deal"
_KEY = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Deal"
_POSTS = Statement(
    select(s.posts.c.id)
    .where(s.posts.c.group_id == bindparam("g"), s.posts.c.thread_id == bindparam("t"))
    .order_by(s.posts.c.received_at, s.posts.c.id)
)
_DATA = '{"company":"Wingtip Toys","value":500050,"stage":"won","tags":["a","b"]}'


@dataclass(frozen=True)
class Query:
    """A request below the group, or one for each thread; `least` is the smallest body of a right answer."""

    name: str
    path: str
    least: int


QUERIES = (
    Query(
        "get-conversations?$filter",
        "conversations?$top=20&$filter="
        + quote("lastDeliveredDateTime ge 2023-11-14T22:13:20Z and contains(topic,'launch') and not hasAttachments"),
        5_000,
    ),
    Query("get-conversations?$filter, none found", "conversations?$top=20&$filter=" + quote("topic eq 'nothing'"), 100),
    Query("get-threads?$expand=posts", "threads?$top=20&$expand=posts($top=5)", 50_000),
    Query("get-thread?$expand=posts", "threads/{thread}?$expand=posts", 10_000),
    Query("get-posts?$expand=extensions", "threads/{thread}/posts?$top=20&$expand=extensions", 20_000),
    Query(
        "get-posts?$expand=extensions($filter)",
        "threads/{thread}/posts?$top=20&$expand=" + quote(f"extensions($filter=id eq '{_NAME}')"),
        20_000,
    ),
    Query(
        "get-posts?$filter=extensions",
        "threads/{thread}/posts?$top=20&$filter=" + quote(f"extensions/any(f:f/id eq '{_NAME}')"),
        10_000,
    ),
    Query(
        "get-posts?$filter=value",
        "threads/{thread}/posts?$filter="
        + quote(f"singleValueExtendedProperties/any(ep: ep/id eq '{_KEY}' and ep/value eq '7')"),
        1_000,
    ),
)


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure each query at each number of connections."""
    place = made.new()
    settings = Settings(data=str(place.data), database=place.url)
    threads = fill(settings, (options.posts or 25_000) // _POSTS_EACH, _POSTS_EACH)[:_THREADS]
    _keep(settings, threads)
    found = []
    with server(place) as running, Load() as load:
        target = Target(running.port, token(place), threads, options.page)
        print(f"\n{'LISTS, ' + made.kind:42}{'conn':>5}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'kB':>7}")
        for query in QUERIES:
            paths = [query.path.replace("{thread}", id) for id in threads] if "{thread}" in query.path else [query.path]
            for connections in options.connections:
                job = Job(
                    port=target.port,
                    requests=[target.request("GET", path) for path in paths],
                    status=200,
                    least=query.least,
                    connections=connections,
                    seconds=options.seconds,
                )
                rounds = [load.drive(job) for _ in range(options.rounds)]
                for problem in (problem for each in rounds for problem in each.problems):
                    raise Failed(f"{query.name}: {problem}")
                line = {
                    "database": made.kind,
                    "query": query.name,
                    "connections": connections,
                    "rate": statistics.median(each.rate for each in rounds),
                    "p50": statistics.median(each.p50 for each in rounds),
                    "p99": statistics.median(each.p99 for each in rounds),
                    "size": statistics.median(each.size for each in rounds),
                }
                found.append(line)
                print(
                    f"{query.name:42}{connections:>5}{line['rate']:>9,.0f}{line['p50']:>9.2f}{line['p99']:>9.2f}"
                    f"{line['size'] / 1000:>7.0f}",
                    flush=True,
                )
    return found


def _keep(settings: Settings, threads: list[str]) -> None:
    """Keep an extension and an extended property, its number in the thread, with each post of `threads`."""
    store = open_store(settings)
    try:
        for thread in (ids.read_thread_id(each, tenant.GROUP) for each in threads):

            def keep(tx: Tx, thread: str = thread) -> None:
                for number, (post,) in enumerate(tx.all(_POSTS, g=tenant.GROUP, t=thread)):
                    tx.run(
                        extensions.ADD,
                        group_id=tenant.GROUP,
                        id=tx.new_id(),
                        post_id=post,
                        name=_NAME,
                        folded=_NAME.lower(),
                        data=_DATA,
                    )
                    draft = SingleValueDraft(_KEY, _KEY, str(number))
                    extensions.add_single(tx, tenant.GROUP, thread, post, draft)

            store.write_here(keep)
    finally:
        store.close()
