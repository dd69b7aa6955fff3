"""Whether work costs the same at a million posts as at ten thousand: the same requests to two filled databases in turn.

Both hold groups by a power law; a fifth of the posts' number are threads of the first group, a twentieth are posts of
one thread in it. What is asked is asked of that group and that thread. A line says the p50 of each and their ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg

from benchmarks.load import Job, Load
from benchmarks.measure import Failed
from benchmarks.paging import FLAT
from benchmarks.servers import GIVEN, Databases, Place, server, token
from folkmoot.config import Settings
from folkmoot.filling.plan import Wish
from folkmoot.filling.run import Filled, fill

SMALL = 10_000
_LARGE = 1_000_000
_DEEP = 5_000  # the page that is asked for beside the first, or the last but one where there are fewer
NOTHING = "nothing-has-this"
_PREFER = "folkmoot.profile=extended"


@dataclass(frozen=True)
class Question:
    """A request below the first group. `{thread}` is the long thread, `{post}` its first post, `{some}` a short thread.

    `deep`: a later page is asked for as well. `linear`: no index answers it, so that it costs what the collection
    holds; it is shown and not judged (docs/manual/graph.md says which these are).
    """

    name: str
    path: str
    deep: bool = False
    linear: bool = False


def _filter(collection: str, text: str, *, deep: bool = False, linear: bool = False) -> Question:
    return Question(f"{collection}?$filter={text}", f"{collection}?$filter={quote(text)}", deep, linear)


def _order(collection: str, text: str, *, deep: bool = False, linear: bool = False) -> Question:
    return Question(f"{collection}?$orderby={text}", f"{collection}?$orderby={quote(text)}", deep, linear)


def _search(collection: str, text: str) -> Question:
    return Question(f"{collection}?$search={text}", f"{collection}?$search={quote(text)}")


POSTS = "threads/{thread}/posts"
_MOMENT = "2025-12-20T00:00:00Z"  # of the last blocks of the first group
_PROPERTY = quote(
    "singleValueExtendedProperties/any(ep:ep/id eq 'String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Ticket' "
    "and ep/value eq '77')",
    safe="{}",
)
QUESTIONS: tuple[Question, ...] = (
    Question("group", ""),
    Question("group?$select=unseenCount", "?$select=unseenConversationsCount,unseenMessagesCount"),
    Question("members", "members"),
    Question("/groups", "/groups"),
    Question("conversations", "conversations", deep=True),
    Question("threads", "threads", deep=True),
    Question("posts of a thread of 50,000", POSTS, deep=True),
    Question("posts of a short thread", "threads/{some}/posts"),
    Question("thread", "threads/{thread}"),
    Question("thread?$expand=posts", "threads/{thread}?$expand=posts($top=5)"),
    Question("conversations?$expand=threads", "conversations?$expand=threads"),
    Question("post", f"{POSTS}/{{post}}"),
    Question("attachments", f"{POSTS}/{{post}}/attachments"),
    Question("posts?$expand=extensions", f"{POSTS}?$expand=extensions"),
    _order("conversations", "lastDeliveredDateTime desc", deep=True),
    _order("threads", "lastDeliveredDateTime desc", deep=True),
    _order("threads", "lastDeliveredDateTime"),
    _order("conversations", "topic", deep=True),
    _order("threads", "topic desc"),
    _order("conversations", "hasAttachments desc", linear=True),
    _order("threads", "isLocked desc,lastDeliveredDateTime desc", linear=True),
    _order(POSTS, "receivedDateTime desc", deep=True),
    _order(POSTS, "createdDateTime desc", linear=True),
    _order(POSTS, "from/emailAddress/name", linear=True),
    _filter("conversations", f"lastDeliveredDateTime ge {_MOMENT}"),
    _filter("conversations", "lastDeliveredDateTime ge 2020-01-01T00:00:00Z", deep=True),
    _filter("conversations", "lastDeliveredDateTime ge 2027-01-01T00:00:00Z"),
    _filter("conversations", "lastDeliveredDateTime le 2023-06-01T00:00:00Z"),
    _filter("conversations", "hasAttachments eq true"),
    _filter("conversations", f"topic eq '{NOTHING}'"),
    _filter("conversations", f"startswith(topic,'{NOTHING}')"),
    _filter("conversations", "startswith(topic,'Question')"),
    _filter("conversations", "contains(topic,'contract')"),
    _filter("conversations", f"contains(topic,'{NOTHING}')", linear=True),
    _filter("conversations", f"uniqueSenders/any(s:s eq '{NOTHING}')", linear=True),
    _filter("conversations", "uniqueSenders/any(s:s eq 'Adele Vance')"),
    _filter("threads", f"lastDeliveredDateTime ge {_MOMENT}"),
    _filter("threads", "lastDeliveredDateTime ge 2027-01-01T00:00:00Z"),
    _filter("threads", "isLocked eq true"),
    _filter("threads", "hasAttachments eq true"),
    _filter("threads", f"topic eq '{NOTHING}'"),
    _filter(POSTS, f"receivedDateTime ge {_MOMENT}"),
    _filter(POSTS, "receivedDateTime ge 2027-01-01T00:00:00Z"),
    _filter(POSTS, "hasAttachments eq true"),
    _filter(POSTS, "from/emailAddress/address eq 'AdeleV@contoso.onmicrosoft.com'"),
    _filter(POSTS, f"from/emailAddress/address eq '{NOTHING}@example.org'", linear=True),
    _filter(POSTS, "extensions/any(f:f/id eq 'com.example.ticket')"),
    _filter(POSTS, f"extensions/any(f:f/id eq '{NOTHING}')", linear=True),
    Question(f"{POSTS}?$filter=singleValueExtendedProperties/any(…)", f"{POSTS}?$filter={_PROPERTY}"),
    _search("conversations", "contract"),
    _search("conversations", '"meet in the workshop"'),
    _search("conversations", "from:adele handbook"),
    _search("conversations", "subject:greenhouse"),
    _search("conversations", "7002"),
    _search("conversations", NOTHING.replace("-", "")),
    _search(POSTS, "contract"),
    _search("threads", "contract hasAttachments:true"),
    Question("conversations?$search=contract&$orderby=relevance", "conversations?$search=contract&$orderby=relevance"),
    Question("conversations/delta", "conversations/delta", deep=True),
    Question("posts/delta of the group", "posts/delta", deep=True),
    Question("posts/delta of the thread", f"{POSTS}/delta", deep=True),
    Question("conversations/delta?$deltatoken=latest", "conversations/delta?$deltatoken=latest"),
)


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Fill both databases, ask everything of each in turn, and mark what is not flat."""
    large = options.posts or _LARGE
    asked = [q for q in QUESTIONS if re.search(options.question or "", _named(q))]
    found = []
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(_side(made, posts, options)) for posts in (SMALL, large)]
        load = stack.enter_context(Load())
        print(f"\n{'FLAT, ' + made.kind:86}{SMALL:>10,}{large:>12,}  ratio")
        for question in asked:
            for page in ("1", "deep") if question.deep else ("1",):
                requests = [side.request(question, deep=page == "deep", top=options.page) for side in sides]
                line = _line(load, question, page, sides, requests, options)
                found.append({"database": made.kind, "small": SMALL, "large": large, **line})
    return found


def _line(
    load: Load, question: Question, page: str, sides: list[_Side], requests: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.rounds):
        for side, request, each in zip(sides, requests, taken, strict=True):
            job = Job(port=side.port, requests=[request], status=200, seconds=options.seconds, warm=0.0)
            measured = load.drive(job)
            if measured.problems:
                raise Failed(f"flat, {_named(question)}: {measured.problems[0]}")
            each.append(measured.p50)
    small, large = map(statistics.median, taken)
    ratio = statistics.median(b / a for a, b in zip(*taken, strict=True))
    note = "   (linear)" if question.linear else "   <- not flat" if ratio > FLAT else ""
    name = _named(question) + (", a deep page" if page == "deep" else "")
    print(f"{name:86}{small:>10.2f}{large:>12.2f}{ratio:>7.2f}{note}", flush=True)
    return {"question": name, "small_p50": small, "large_p50": large, "ratio": ratio, "linear": question.linear}


def _named(question: Question) -> str:
    return question.name.replace("threads/{thread}/posts", "posts")


# ── the databases and their servers ──────────────────────────────────────────────────────────────────────────────────


class _Side:
    """A server on a filled database."""

    def __init__(self, port: int, key: str, filled: Filled) -> None:
        self.port = port
        self._key = key
        self._filled = filled
        self._names = {"{thread}": filled.thread or ""}
        self._names["{some}"] = self._json(self._url("threads?$top=1"))["value"][0]["id"]
        self._names["{post}"] = self._json(self._url(f"{POSTS}?$top=1"))["value"][0]["id"]

    def request(self, question: Question, *, deep: bool, top: int) -> str:
        """What is sent for a question."""
        url = self._url(question.path)
        before = url.partition("?")[0].rstrip("/").rpartition("/")[2]
        if before in ("conversations", "threads", "posts", "delta", "groups", "members") and "deltatoken" not in url:
            url += f"{'&' if '?' in url else '?'}$top={top}"
        if deep:
            url = self._deep(url, top)
        self._json(url)  # once before it is measured
        return "\r\n".join([f"GET {url} HTTP/1.1", *(f"{n}: {v}" for n, v in self._headers().items()), "", ""])

    def _deep(self, url: str, top: int) -> str:
        """The link to page 5,000, or to the last but one where there are fewer."""
        if "/delta" in url:
            # Its links cannot be skipped to: the fortieth will do.
            for _ in range(40):
                page = self._json(url)
                if "@odata.nextLink" not in page:
                    break
                url = page["@odata.nextLink"].partition(f":{self.port}")[2]
            return url
        counted = self._json(f"{url}&$count=true")["@odata.count"]
        skip = min((_DEEP - 1) * top, counted - 2 * top)
        link: str = self._json(f"{url}&$skip={skip - top}")["@odata.nextLink"]
        return link.partition(f":{self.port}")[2]

    def _url(self, path: str) -> str:
        for name, id in self._names.items():
            path = path.replace(name, id)
        if path.startswith("/"):
            return f"/v1.0{path}"
        return f"/v1.0/groups/{self._filled.group}{path if path[:1] in ('', '?') else f'/{path}'}"

    def _headers(self) -> dict[str, str]:
        return {"host": f"localhost:{self.port}", "authorization": f"Bearer {self._key}", "prefer": _PREFER}

    def _json(self, url: str) -> Any:
        # Anew each time: between two of these a connection would have been idle for too long.
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", url, headers=self._headers())
            found = msgspec.json.decode(connection.getresponse().read())
        if "error" in found:
            raise Failed(f"flat, {url}: {found['error']}")
        return found


@contextlib.contextmanager
def _side(made: Databases, posts: int, options: argparse.Namespace) -> Iterator[_Side]:
    place = made.new() if options.filled is None else _kept(made, posts, options.filled)
    wish = Wish(posts=posts, hot_threads=posts // 5, long_thread=posts // 20)
    print(f"filling {posts:,} posts, {made.kind}", flush=True)
    filled = fill(Settings(data=str(place.data), database=place.url), wish)
    with server(place, environment={"FOLKMOOT_CHANGES_DAYS": "0"}) as running:
        yield _Side(running.port, token(place), filled)


def _kept(made: Databases, posts: int, folder: Path) -> Place:
    """A database that stays for the next run; on a PostgreSQL server of one's own."""
    data = folder / f"{made.kind}-{posts}"
    data.mkdir(parents=True, exist_ok=True)
    if made.kind == "sqlite":
        return Place(made.kind, data)
    admin = os.environ.get(GIVEN)
    if admin is None:
        raise Failed(f"--filled keeps PostgreSQL's databases on a server that {GIVEN} names")
    name = f"folkmoot_flat_{posts}"
    with psycopg.connect(admin, autocommit=True) as administrator:
        if administrator.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
    return Place(made.kind, data, made.url_of(name))
