"""The whole server inside the test's process: a store of its own, the application on it, and clients with tokens.

    def test_it(graph: Graph): graph.as_("AdeleV").get(...)       a seeded tenant that only this test has
    def test_it(library: Library): library.as_("AdeleV").get(...)  a filled one that tests read together and leave alone

Nothing listens and nothing waits: requests go straight into the ASGI application, and time moves when a test says so.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from base64 import b64encode, urlsafe_b64decode
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

import httpx
import msgspec
import psycopg
from sqlalchemy import select

from folkmoot import app, lab
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.minting import mint
from folkmoot.config import Settings
from folkmoot.model import Application, Caller, Delivery, GroupDraft, SignIn, Subscription
from folkmoot.ops import access, deleted, directory
from folkmoot.outgoing import Outgoing, Reply, Unanswered
from folkmoot.store import changes, deliveries, migrate, schema, subscriptions
from folkmoot.store.db import Statement, Store, Tx
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from tests import postgres
from tests.citus.twin import split

Database = Literal["sqlite", "postgresql"]
DATABASES: tuple[Database, ...] = ("sqlite", "postgresql")

ORIGIN = "https://localhost:8443"
ROOT = f"{ORIGIN}/v1.0"
DOMAIN = Settings().domain
START = int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp())
JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

GROUP = {group.nick: group.id for group in lab.GROUPS}
PERSON = {person.nick: person.id for person in lab.PEOPLE}
NAME = {each.nick: each.name for each in (*lab.PEOPLE, *lab.GROUPS)}

# A group of Adele's that was deleted before the tests began, and can be restored.
ABANDONED = "f01d0000-0000-4000-8000-00000000ab01"
APPLICATIONS = lab.APPLICATIONS


def address(nick: str) -> str:
    """The mail address of a seeded person or group."""
    return f"{nick}@{DOMAIN}"


def recipient(nick: str) -> dict[str, Any]:
    """A seeded person or group as a recipient on the wire."""
    return {"emailAddress": {"name": NAME[nick], "address": address(nick)}}


KEPT = "Com.Contoso.Kept"


def open_extension(name: str = KEPT, /, **data: Any) -> dict[str, Any]:
    """An open extension as a client sends it."""
    return {"@odata.type": "#microsoft.graph.openTypeExtension", "extensionName": name, **data}


def file_attachment(data: bytes = b"Hello", **more: Any) -> dict[str, Any]:
    """A file as a client sends it."""
    content = b64encode(data).decode()
    return {"@odata.type": "#microsoft.graph.fileAttachment", "name": "hello.txt", "contentBytes": content, **more}


def iso(seconds: float) -> str:
    """A moment as the wire writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Clock:
    """The time, in seconds since the epoch; it stands still unless it is moved."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Endpoints(Outgoing):
    """Other people's servers: each repeats the token of a validation, unless `answers` has something for its URL.

    What is sent to them is kept in `asked`, URL by URL.
    """

    def __init__(self) -> None:
        super().__init__(development=True)
        self.asked: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.answers: dict[str, Reply | Unanswered] = {}

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply:
        self.asked.append((url, content, headers))
        answer = self.answers.get(url.partition("?")[0])
        if isinstance(answer, Unanswered):
            raise answer
        given = parse_qs(urlsplit(url).query).get("validationToken", [""])[0]
        return answer or Reply(200, "text/plain", given.encode(), 1)


@dataclass(frozen=True)
class Answer:
    """What the server sent back."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON and say so."""
        assert self.headers["content-type"].startswith("application/json"), self
        return msgspec.json.decode(self.content)

    @property
    def text(self) -> str:
        """The body, which must be plain text and say so."""
        assert self.headers["content-type"].startswith("text/plain"), self
        return self.content.decode()

    @property
    def value(self) -> list[Any]:
        """The items of a collection."""
        assert self.status == 200, self
        found: list[Any] = self.json["value"]
        return found

    @property
    def ids(self) -> list[str]:
        """The ids of a collection's items."""
        return [item["id"] for item in self.value]

    @property
    def error(self) -> dict[str, Any]:
        """The error of a refusal."""
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of a refusal."""
        return self.status, self.error["code"]

    @property
    def target(self) -> str | None:
        """The property, option or clause that a refusal names."""
        found: str | None = self.error.get("target")
        return found


@dataclass(frozen=True)
class Place:
    """A conversation, a thread of it, a post of that and perhaps what hangs on it: ids as the wire has them.

    Paths take a `road`: "direct" is `/groups/{g}/threads/{t}…`, "through" leads through the conversation.
    """

    group: str
    conversation: str
    thread: str
    post: str
    attachment: str = ""
    extension: str = ""

    @property
    def group_path(self) -> str:
        return f"/groups/{self.group}"

    @property
    def conversation_path(self) -> str:
        return f"{self.group_path}/conversations/{quote(self.conversation)}"

    def thread_path(self, road: str = "direct") -> str:
        return f"{self.above(road)}/threads/{quote(self.thread)}"

    def post_path(self, road: str = "direct") -> str:
        return f"{self.thread_path(road)}/posts/{quote(self.post)}"

    def extension_path(self, road: str = "direct") -> str:
        return f"{self.post_path(road)}/extensions/{quote(self.extension)}"

    def attachment_path(self, road: str = "direct") -> str:
        return f"{self.post_path(road)}/attachments/{quote(self.attachment)}"

    def above(self, road: str) -> str:
        """What a thread's path begins with."""
        return self.group_path if road == "direct" else self.conversation_path

    def context(self, road: str, *below: str) -> str:
        """The context URL of `below` this place, such as `threads`; the ids come from the place."""
        key = {"threads": self.thread, "posts": self.post, "attachments": self.attachment}
        path = f"groups('{self.group}')"
        if road == "through":
            path += f"/conversations('{quote(self.conversation)}')"
        for number, name in enumerate(below, 1):
            path += f"/{name}"
            if number < len(below):
                path += f"('{quote(key[name])}')"
        return f"{ROOT}/$metadata#{path}"


ROADS = ("direct", "through")


class Client:
    """Somebody with an access token, or with none."""

    def __init__(self, graph: Graph, token: str | None, mail: str = "") -> None:
        self.graph = graph
        self.token = token
        self.mail = mail

    def send(
        self, method: str, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. `path` is below the version, or a whole URL as in a next link."""
        url = path if path.startswith("https://") else f"{ROOT}{path}"
        given = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return self.graph.send(method, url, content, given | dict(headers or {}))

    def get(self, path: str, **headers: str) -> Answer:
        """GET. Header names are written with underscores."""
        return self.send("GET", path, headers=_spelt(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST `body` as JSON; bytes go as they are, still as JSON."""
        return self.with_body("POST", path, body, headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        """PATCH `body` as JSON."""
        return self.with_body("PATCH", path, body, headers)

    def delete(self, path: str, **headers: str) -> Answer:
        """DELETE."""
        return self.send("DELETE", path, headers=_spelt(headers))

    def together(self, requests: Iterable[tuple[str, str, Any]]) -> list[Answer]:
        """Several requests (method, path, body) at once, as from as many clients."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent = [
            self.graph.asking(method, f"{ROOT}{path}", None if body is None else msgspec.json.encode(body), headers)
            for method, path, body in requests
        ]

        async def all_of_them() -> list[Answer]:
            return list(await asyncio.gather(*sent))

        return self.graph.loop.run(all_of_them())

    def pages(self, path: str, between: Callable[[], object] = lambda: None) -> Iterator[list[Any]]:
        """The items of each page, following next links; `between` happens before each link is followed."""
        link: str | None = path
        while link is not None:
            # As clients send it that ask the directory for more than its index has; elsewhere it says nothing.
            answer = self.get(link, ConsistencyLevel="eventual")
            yield answer.value
            link = answer.json.get("@odata.nextLink")
            if link is not None:
                between()

    def everything(self, path: str) -> list[Any]:
        """The items of all pages."""
        return [item for page in self.pages(path) for item in page]

    def with_body(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        """Any method with a body as JSON, or none; header names as keyword arguments spell them or as they are."""
        content = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        kind = {} if content is None else {"Content-Type": "application/json"}
        return self.send(method, path, content=content, headers=kind | _spelt(headers))

    # ── what tests say often ─────────────────────────────────────────────────────────────────────────────────────────

    def start(
        self, topic: str = "Launch", content: str = "Hello", *, group: str = "SalesAndMarketing", **post: Any
    ) -> Place:
        """Start a conversation and find its thread and post. `group` is a nick; `post` are more of its properties."""
        id = GROUP.get(group, group)
        first = {"body": {"contentType": "text", "content": content}, **post}
        made = self.post(f"/groups/{id}/conversations", {"topic": topic, "threads": [{"posts": [first]}]})
        assert made.status == 201, made
        thread = made.json["threads"][0]["id"]
        return self.newest(Place(id, made.json["id"], thread, ""))

    def reply(self, place: Place, content: str = "Yes", *, to_post: bool = False, **post: Any) -> Place:
        """Reply to the thread or to the post of `place`, and find the new post."""
        path = place.post_path() if to_post else place.thread_path()
        body = {"post": {"body": {"contentType": "text", "content": content}, **post}}
        answer = self.post(f"{path}/reply", body)
        assert answer.status == 202, answer
        return self.newest(place)

    def extend(self, place: Place, name: str = KEPT, /, **data: Any) -> Place:
        """Add an extension to the post of `place`."""
        answer = self.post(f"{place.post_path()}/extensions", open_extension(name, **data))
        assert answer.status == 201, answer
        return replace(place, extension=name)

    def attach(self, place: Place, data: bytes = b"Hello", **more: Any) -> Place:
        """Add a file to the post of `place`, and tell it apart."""
        answer = self.post(f"{place.post_path()}/attachments", file_attachment(data, **more))
        assert answer.status == 201, answer
        return replace(place, attachment=answer.json["id"])

    def newest(self, place: Place) -> Place:
        """The same thread with its newest post."""
        posts = self.everything(f"{place.thread_path()}/posts?$select=id")
        return Place(place.group, place.conversation, place.thread, posts[-1]["id"])


def _spelt(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class Graph:
    """A running server."""

    store: Store
    clock: Clock
    application: Any = field(repr=False)
    key: SigningKey = field(repr=False)
    settings: Settings = field(repr=False)
    loop: asyncio.Runner = field(repr=False)
    endpoints: Endpoints = field(default_factory=Endpoints, repr=False)
    _http: httpx.AsyncClient = field(init=False, repr=False)
    _tokens: dict[tuple[object, ...], str] = field(default_factory=dict, repr=False)
    _seen: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(self.application))
        self.changes()

    @property
    def database(self) -> Database:
        return self.store.dialect

    # ── who asks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def as_(self, nick: str, *, scopes: Iterable[str] = lab.PUBLIC_CLIENT.scopes, **more: Any) -> Client:
        """A seeded person, signed in with delegated permissions."""
        person = SignIn(oid=PERSON[nick], upn=address(nick), name=NAME[nick], mail=address(nick))
        return self.signed_in(person, scopes=scopes, **more)

    def signed_in(self, person: SignIn, *, scopes: Iterable[str] = lab.PUBLIC_CLIENT.scopes, **more: Any) -> Client:
        """Any person at all, as the issuer would vouch for."""
        return Client(self, self.token("publicClient", person, scopes, **more), person.mail)

    def as_app(self, name: str, *, roles: Iterable[str] | None = None, **more: Any) -> Client:
        """A client application by itself: by its name in the lab."""
        return Client(self, self.token(name, None, APPLICATIONS[name].roles if roles is None else roles, **more))

    def nobody(self, token: str | None = None) -> Client:
        """Somebody without a token, or with one that the test made."""
        return Client(self, token)

    def token(
        self,
        application: str,
        person: SignIn | None,
        permissions: Iterable[str],
        *,
        personal: bool = False,
        lifetime: int = 30 * 86_400,
        key: SigningKey | None = None,
    ) -> str:
        """An access token of the development issuer."""
        asked = (application, person, tuple(permissions), personal, lifetime, self.clock.now, key)
        if asked not in self._tokens:
            registered = APPLICATIONS[application]
            self._tokens[asked] = mint(
                key or self.key,
                base=ORIGIN,
                tenant_id=self.settings.tenant_id,
                application=Application(
                    id=registered.id,
                    name=registered.name,
                    principal=lab.principal(registered),
                    secret_hash=registered.secret,
                    roles=registered.roles,
                    scopes=registered.scopes,
                    profile=registered.profile,
                ),
                person=person,
                permissions=asked[2],
                lifetime=lifetime,
                now=self.clock.now,
                personal=personal,
            )
        return self._tokens[asked]

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        """One request by way of httpx."""
        return self.loop.run(self.asking(method, url, content, headers))

    async def asking(
        self, method: str, url: str, content: bytes | AsyncIterable[bytes] | None, headers: Mapping[str, str]
    ) -> Answer:
        """The same, for those who wait on the event loop."""
        got = await self._http.request(method, url, content=content, headers=headers)
        return Answer(got.status_code, got.headers, got.content)

    def send_raw(
        self,
        method: str,
        raw_path: bytes,
        query: bytes = b"",
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
        parts: Iterable[bytes] = (),
    ) -> Answer:
        """One request past every client that would tidy it up, as the HTTP server hands it on; a body in `parts`."""
        return self.loop.run(_raw(self.application, method, raw_path, query, list(headers), list(parts)))

    def changes(self) -> list[str]:
        """What the change log tells since the last look, in each group's order: `created post`, `updated thread`, …"""
        found = []
        for group, seq, kind, noun in self.store.read_here(lambda snapshot: snapshot.all(_CHANGES)):
            if seq > self._seen.get(group, 0):
                assert seq == self._seen.get(group, 0) + 1, "the change log has a gap"
                self._seen[group] = seq
                found.append(f"{kind} {noun}")
        return found

    def forget(self) -> None:
        """Take whatever the change log holds as seen."""
        self._seen.clear()
        self.changes()

    def subscribed(self, token: str | None, *, group: str = "SalesAndMarketing", **more: Any) -> str:
        """The id of a subscription of whoever has the token, to a group's conversations; it is added where it is not.

        Its creation asks nobody, so that it may stand in a store that tests read together.
        """
        claims = {} if token is None else _claims(token)
        creator, application = claims.get("oid", PERSON["AdeleV"]), claims.get("appid", lab.PUBLIC_CLIENT.id)
        id = str(uuid5(NAMESPACE_URL, f"{creator} {application} {group} {sorted(more.items())}"))
        given = {
            "id": id,
            "application": application,
            "creator": creator,
            "creator_kind": "app" if claims.get("idtyp") == "app" else "person",
            "resource": f"groups/{GROUP[group]}/conversations",
            "watched": "conversation",
            "group": GROUP[group],
            "parent": None,
            "change_types": ("created",),
            "notification_url": "https://hooks.example/notify",
            "lifecycle_url": None,
            "client_state": "secret",
            "include_resource_data": False,
            "certificate": None,
            "certificate_id": None,
            "tls_version": "v1_2",
            "url_app_id": None,
            "expires_at": (START + 2 * 86_400) * 1_000_000,
            "created_at": START * 1_000_000,
            **more,
        }

        def add(tx: Tx) -> None:
            if subscriptions.one(tx, id) is None:
                subscriptions.add(tx, Subscription(**given), group=given["group"], seq=0)

        self.loop.run(self.store.write(add))
        return id

    def delivered(self, subscription: str, *, number: int = 0, **more: Any) -> str:
        """The id of an attempt to tell a subscription of its group's newest conversation; added where it is not."""
        id: str = more.pop("id", str(uuid5(NAMESPACE_URL, f"{subscription} {number}")))

        def add(tx: Tx) -> None:
            if deliveries.one(tx, subscription, id) is not None:
                return
            asked = subscriptions.one(tx, subscription)
            assert asked is not None
            group = asked.group or GROUP["SalesAndMarketing"]
            log = changes.since(tx, group, 0, 100_000)
            seq = max((each.seq for each in log if (each.kind, each.noun) == ("created", "conversation")), default=None)
            given = {
                "subscription": subscription,
                "id": id,
                "at": tx.instant,
                "endpoint": asked.notification_url,
                "kind": "notification",
                "group": group,
                "first_seq": seq,
                "last_seq": seq,
                "notifications": 1,
                "status": 202,
                "milliseconds": 12,
                "error": None,
                **more,
            }
            deliveries.add(tx, Delivery(**given))

        self.loop.run(self.store.write(add))
        return id

    def run(self, statement: Statement, **parameters: Any) -> None:
        """Change the store behind the server's back: for states that no request of today can bring about."""
        self.loop.run(self.store.write(lambda tx: tx.run(statement, **parameters)))

    def close(self) -> None:
        """Let go of the store."""
        self.loop.run(self._http.aclose())
        self.store.close()


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


_CHANGES = Statement(
    select(schema.changes.c.group_id, schema.changes.c.seq, schema.changes.c.kind, schema.changes.c.noun).order_by(
        schema.changes.c.group_id, schema.changes.c.seq
    )
)


async def _raw(
    application: Any, method: str, raw_path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], parts: list[bytes]
) -> Answer:
    sent: list[dict[str, Any]] = []
    waiting = parts or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"localhost:8443"), *((name.lower(), value) for name, value in headers)],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 8443),
    }
    await application(scope, receive, send)
    start, *bodies = sent
    content = b"".join(message.get("body", b"") for message in bodies)
    return Answer(start["status"], httpx.Headers(start["headers"]), content)


# ── starting one ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Workshop:
    """What the servers of a run share: the signing key, the event loop, and the seeded databases that are copied.

    One server for each database serves test after test: its rows are put back before each, which takes a few
    milliseconds where a new database and a new application would take some hundred.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Tests ask for more than the cloud would let them; those of limits set their own.
        self.settings = Settings(data=str(folder), strict_limits="off")
        self.key = app.development_key(self.settings)
        self.loop = asyncio.Runner()
        self._open = ExitStack()
        self._served: dict[tuple[Database, bool], tuple[Graph, Callable[[], None]]] = {}

    def graph(self, database: Database, *, twin: bool = False) -> Graph:
        """The server for one test after another, with the seeded tenant in it and nothing else.

        `twin`: its tables are in parts by group (see `tests.citus.twin`).
        """
        if (database, twin) not in self._served:
            self._served[database, twin] = self.open(database, twin=twin)
        served, reset = self._served[database, twin]
        reset()
        served.clock.now = START
        served.endpoints.asked.clear()
        served.endpoints.answers.clear()
        served.forget()
        return served

    def open(self, database: Database, *, twin: bool = False) -> tuple[Graph, Callable[[], None]]:
        """A server of its own until the end of the run, and what puts its rows back."""
        return self._open.enter_context(self.server(database, twin=twin))

    @contextmanager
    def server(self, database: Database, *, twin: bool = False) -> Iterator[tuple[Graph, Callable[[], None]]]:
        """A server of its own on a copy of the seeded database, and what puts its rows back."""
        clock = Clock()
        with _seeded_postgres(twin) if database == "postgresql" else _seeded_sqlite(self.folder) as (connect, reset):
            store = connect(clock)
            endpoints = Endpoints()
            application = app.build(self.settings, store, clock, outgoing=endpoints)
            graph = Graph(store, clock, application, self.key, self.settings, self.loop, endpoints)
            try:
                yield graph, reset
            finally:
                graph.close()

    def close(self) -> None:
        """Stop the servers."""
        self._open.close()
        self.loop.close()


_TABLES = [table.name for table in schema.meta.sorted_tables]
# On SQLite `post_words` is an index of another table, and is made anew from that.
_SQLITE_TABLES = [name if name != "post_words" else "indexed_posts" for name in _TABLES]


def _emptied(tables: Sequence[str]) -> str:
    return "; ".join(f"DELETE FROM {name}" for name in reversed(tables))  # noqa: S608  (our own tables' names)


def _refilled(tables: Sequence[str]) -> str:
    return "; ".join(f"INSERT INTO {name} SELECT * FROM seeded.{name}" for name in tables)  # noqa: S608


_EMPTY, _REFILL = _emptied(_TABLES), _refilled(_TABLES)
_EMPTY_SQLITE = _emptied(_SQLITE_TABLES)
_REFILL_SQLITE = f"{_refilled(_SQLITE_TABLES)}; INSERT INTO post_words (post_words) VALUES ('rebuild')"  # noqa: S608

Opened = tuple[Callable[[Clock], Store], Callable[[], None]]


@contextmanager
def _seeded_postgres(twin: bool) -> Iterator[Opened]:
    template = postgres.template("seeded_twin", _seed_twin) if twin else postgres.template("seeded", _seed_postgres)
    with postgres.fresh(template) as url, psycopg.connect(url) as connection:

        def reset() -> None:
            connection.execute(f"BEGIN; {_EMPTY}; {_REFILL}; COMMIT".encode())

        connection.autocommit = True
        yield lambda clock: PostgresStore(url, clock), reset


def _seed_twin(url: str) -> None:
    migrate.upgrade(url)
    split(url)
    _seed_postgres(url)


def _seed_postgres(url: str) -> None:
    migrate.upgrade(url)
    _seed(PostgresStore(url, Clock()))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA seeded")
        for name in _TABLES:
            connection.execute(f"CREATE TABLE seeded.{name} AS TABLE {name}".encode())


@contextmanager
def _seeded_sqlite(folder: Path) -> Iterator[Opened]:
    seeded = folder / "seeded.db"
    if not seeded.exists():
        draft = folder / "draft.db"
        migrate.upgrade(draft)
        _seed(SqliteStore(draft, Clock()))
        draft.rename(seeded)
    with TemporaryDirectory(dir=folder) as own:
        file = Path(own) / "folkmoot.db"
        shutil.copyfile(seeded, file)
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("ATTACH ? AS seeded", [str(seeded)])

            def reset() -> None:
                connection.executescript(f"BEGIN; {_EMPTY_SQLITE}; {_REFILL_SQLITE}; COMMIT")

            yield lambda clock: SqliteStore(file, clock), reset


def _seed(store: Store) -> None:
    try:
        asyncio.run(lab.seed(store, Settings()))
        store.write_here(_abandon)
    finally:
        store.close()


def _abandon(tx: Tx) -> None:
    """Make and delete a group."""
    root = Caller(kind="app", oid=ABANDONED, tenant="", application="", permissions=frozenset())
    draft = GroupDraft(
        id=ABANDONED,
        display_name="Abandoned",
        mail_nickname="abandoned",
        mail_enabled=True,
        security_enabled=False,
        group_types=("Unified",),
        owners=(PERSON["AdeleV"],),
        members=(PERSON["AdeleV"],),
    )
    directory.create_group(tx, root, draft, DOMAIN)
    deleted.delete_group(tx, access.enter(tx, root, ABANDONED))
