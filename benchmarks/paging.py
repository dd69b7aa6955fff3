"""Whether a page costs the same wherever it is: the first, the five-hundredth and the last of a long thread."""

from __future__ import annotations

import argparse
import statistics
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.fill import fill
from benchmarks.load import Job, Load
from benchmarks.measure import Failed
from benchmarks.servers import Databases, server, token
from benchmarks.workloads import Target
from folkmoot.config import Settings

_PAGES = (1, 500)
FLAT = 1.5  # the dearest page may cost so many times the cheapest before a line is flagged


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Walk one thread by its next links and measure some of its pages."""
    place, posts = made.new(), options.posts or 100_000
    threads = fill(Settings(data=str(place.data), database=place.url), 1, posts)
    with server(place) as running, Load() as load:
        target = Target(running.port, token(place), threads, options.page)
        paths, seen = _walk(target)
        if seen != posts:
            raise Failed(f"paging: {seen} posts were on the pages, not {posts}")
        wanted = [page for page in _PAGES if page < len(paths)] + [len(paths)]
        taken: dict[int, list[float]] = {page: [] for page in wanted}
        rates: dict[int, list[float]] = {page: [] for page in wanted}
        for _ in range(options.rounds):
            for page in wanted:
                job = Job(port=target.port, requests=[paths[page - 1]], status=200, least=1000, seconds=options.seconds)
                found = load.drive(job)
                if found.problems:
                    raise Failed(f"paging: {found.problems[0]}")
                taken[page].append(found.p50)
                rates[page].append(found.rate)
    p50 = {page: statistics.median(each) for page, each in taken.items()}
    note = "" if max(p50.values()) <= FLAT * min(p50.values()) else "   <- not flat"
    shown = "   ".join(f"page {page:,}: {ms:.2f} ms" for page, ms in p50.items())
    print(f"paging, {made.kind}, {posts:,} posts in a thread, p50: {shown}{note}", flush=True)
    return [
        {"database": made.kind, "posts": posts, "page": page, "p50": p50[page], "rate": statistics.median(rates[page])}
        for page in wanted
    ]


def _walk(target: Target) -> tuple[list[str], int]:
    """The request for every page, by following next links, and how many posts were on them."""
    connection = HTTPConnection("127.0.0.1", target.port)
    headers = {"authorization": f"Bearer {target.token}", "host": f"localhost:{target.port}"}
    path: str | None = f"threads/{target.threads[0]}/posts?$top={target.page}"
    requests: list[str] = []
    seen: set[str] = set()
    while path is not None:
        requests.append(target.request("GET", path))
        connection.request("GET", requests[-1].split(" ")[1], headers=headers)
        with connection.getresponse() as response:
            page = msgspec.json.decode(response.read())
        if "error" in page:
            raise Failed(f"paging: {page['error']}")
        seen.update(post["id"] for post in page["value"])
        link = page.get("@odata.nextLink")
        path = None if link is None else below_group(link)
    connection.close()
    return requests, len(seen)


def below_group(link: str) -> str:
    """A link of an answer, as a path below the group."""
    parts = urlsplit(link)
    return f"{parts.path.split('/', 4)[4]}?{parts.query}"
