"""Whether delta costs the same wherever it is: the first page of 100,000 posts, one in the middle, the last, and later.

Later: a delta link when nothing has changed, and one since when all of the posts were written.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from http.client import HTTPConnection
from typing import Any

import msgspec
from sqlalchemy import delete, insert

from benchmarks import tenant
from benchmarks.fill import fill
from benchmarks.load import Job, Load
from benchmarks.measure import Failed
from benchmarks.paging import FLAT, below_group
from benchmarks.servers import Databases, Place, server, token
from benchmarks.workloads import Target
from folkmoot import lab
from folkmoot.app import open_store
from folkmoot.config import Settings
from folkmoot.graph import ids
from folkmoot.graph.content_delta import State
from folkmoot.graph.delta import token as token_of
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx

_PREFER = "folkmoot.profile=extended"
_CHUNK = 1000


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Follow one thread, and the whole group, and measure some of the pages."""
    place, posts = made.new(), options.posts or 100_000
    threads = fill(Settings(data=str(place.data), database=place.url), 1, posts)
    _log(place, threads[0], posts)
    found = []
    with server(place) as running, Load() as load:
        target = Target(running.port, token(place), threads, options.page)
        for path in (f"threads/{threads[0]}/posts", "posts"):
            found += _measure(load, made.kind, target, path, posts, options)
    return found


def _log(place: Place, thread: str, posts: int) -> None:
    """Have the log tell of the posts and of nothing else: one line each."""
    settings = Settings(data=str(place.data), database=place.url)
    append = Statement(insert(s.changes))
    at = _id(thread)
    with contextlib.closing(open_store(settings)) as store:
        every = Statement(s.posts.select().with_only_columns(s.posts.c.id).order_by(s.posts.c.id))
        store.write_here(lambda tx: tx.run(Statement(delete(s.changes).where(s.changes.c.group_id == tenant.GROUP))))
        created = [row[0] for row in store.read_here(lambda snapshot: snapshot.all(every))]
        for start in range(0, posts, _CHUNK):

            def add(tx: Tx, start: int = start) -> None:
                for number, post in enumerate(created[start : start + _CHUNK], start + 1):
                    tx.run(append, group_id=tenant.GROUP, seq=number, at=tx.now, kind="created", noun="post", item=post,
                           by=lab.PEOPLE[0].id, parent=at)  # fmt: skip

            store.write_here(add)


def _measure(
    load: Load, kind: str, target: Target, path: str, posts: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    links, idle, seen = _walk(target, f"{path}/delta")
    feed, parent = ("group.posts.delta", None) if path == "posts" else ("posts.delta", _id(target.threads[0]))
    nothing = State("done", 0, 0, target.page, None, None, None, None)
    since = token_of(nothing, f"delta {feed} {tenant.GROUP} {parent}")
    behind = _extended(target.request("GET", f"{path}/delta?$deltatoken={since}"))
    if seen != posts:
        raise Failed(f"delta: {seen} posts were on the pages, not {posts}")
    wanted = {"1": links[0], "middle": links[len(links) // 2], "last": links[-1], "idle": idle, "behind": behind}
    taken: dict[str, list[float]] = {name: [] for name in wanted}
    for _ in range(options.rounds):
        for name, request in wanted.items():
            job = Job(port=target.port, requests=[request], status=200, least=300, seconds=options.seconds)
            found = load.drive(job)
            if found.problems:
                raise Failed(f"delta: {found.problems[0]}")
            taken[name].append(found.p50)
    p50 = {name: statistics.median(each) for name, each in taken.items()}
    pages = [p50[name] for name in ("1", "middle", "last")]
    note = "" if max(pages) <= FLAT * min(pages) else "   <- not flat"
    whose = "a group" if path == "posts" else "a thread"
    shown = "   ".join(f"{name}: {ms:.2f} ms" for name, ms in p50.items())
    print(f"delta, {kind}, {posts:,} posts of {whose}, {len(links):,} pages, p50: {shown}{note}", flush=True)
    return [{"database": kind, "followed": whose, "posts": posts, "page": name, "p50": ms} for name, ms in p50.items()]


def _walk(target: Target, path: str) -> tuple[list[str], str, int]:
    """The request for every page, that for the delta link at the end, and how many posts were on the pages."""
    connection = HTTPConnection("127.0.0.1", target.port)
    headers = {"authorization": f"Bearer {target.token}", "host": f"localhost:{target.port}", "prefer": _PREFER}
    requests: list[str] = []
    seen: set[str] = set()
    link = f"{path}?$top={target.page}"
    while True:
        request = target.request("GET", link)
        connection.request("GET", request.split(" ")[1], headers=headers)
        with connection.getresponse() as response:
            page = msgspec.json.decode(response.read())
        if "error" in page:
            raise Failed(f"delta: {page['error']}")
        requests.append(_extended(request))
        seen.update(post["id"] for post in page["value"])
        if "@odata.deltaLink" in page:
            connection.close()
            done = target.request("GET", below_group(page["@odata.deltaLink"]))
            return requests, _extended(done), len(seen)
        link = below_group(page["@odata.nextLink"])


def _id(thread: str) -> str:
    return ids.read_thread_id(thread, tenant.GROUP)


def _extended(request: str) -> str:
    return request.replace("accept:", f"prefer: {_PREFER}\r\naccept:", 1)
