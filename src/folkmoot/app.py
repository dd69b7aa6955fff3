"""Builds the house: store → doors → one ASGI application."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from folkmoot import erasing, pages
from folkmoot.auth.identities import Identities, Outside
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.published import NotPublished, parse_keys
from folkmoot.auth.publisher import publisher_app, publisher_path
from folkmoot.auth.secrets import check_password, password_stamp
from folkmoot.auth.tokens import GRAPH_AUDIENCES, AnyOrigin, TrustedIssuer, Validator
from folkmoot.config import DatabaseAway, Settings, SettingWrong
from folkmoot.graph.app import VERSION, GraphDoor
from folkmoot.graph.limits import parse_limits
from folkmoot.graph.notifications import Notifications
from folkmoot.graph.room import Room
from folkmoot.graph.streaming import Streams
from folkmoot.graph.surface import PERMISSIONS
from folkmoot.graph.uploading import PATH as UPLOADS
from folkmoot.graph.uploading import UploadDoor
from folkmoot.metrics import PATH as METRICS
from folkmoot.metrics import Measuring
from folkmoot.model import Application, Person, SignIn
from folkmoot.notify.engine import Notifier
from folkmoot.outgoing import Outgoing, private_network
from folkmoot.readiness import HEALTH, READY, healthz, readyz
from folkmoot.store import everywhere, migrate, retention
from folkmoot.store.db import Snapshot, Store
from folkmoot.store.retention import Sweeper
from folkmoot.telemetry import Telemetry
from folkmoot.telemetry import telemetry as telemetry_of
from folkmoot.traffic import noted

ISSUER_KEY: Final = "issuer-key.pem"  # in the data directory
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Origins:
    """Under which origins clients may reach the server, and which one a request used.

    Only known ones are repeated in answers: a Host header is the client's word, and would otherwise end up in links.
    """

    def __init__(self, settings: Settings) -> None:
        self.https = f"https://localhost{_port(settings.https_port, 443)}" if settings.https_port else None
        self.http = f"http://localhost{_port(settings.http_port, 80)}" if settings.http_port else None
        public = settings.public_url.rstrip("/") if settings.public_url else None
        self.canonical = public or self.https or self.http or ""
        known = [
            (scheme, f"{name}{_port(port, default)}")
            for scheme, port, default in (("https", settings.https_port, 443), ("http", settings.http_port, 80))
            if port
            for name in _LOOPBACK_NAMES
        ]
        self.all = frozenset((f"{scheme}://{host}" for scheme, host in known)) | {self.canonical}
        self._by_request: dict[tuple[str, bytes], str] = (
            {} if public else {(scheme, host.encode()): f"{scheme}://{host}" for scheme, host in known}
        )
        self._roots = {key: origin + VERSION for key, origin in self._by_request.items()}
        self._root = self.canonical + VERSION

    def of(self, scheme: str, host: bytes) -> str:
        """The origin that a request used, as far as it is a known one."""
        return self._by_request.get((scheme, host), self.canonical)

    def root(self, scope: Mapping[str, Any], host: bytes) -> str:
        """The service root of the Graph door under that origin."""
        return self._roots.get((scope["scheme"], host), self._root)


def _port(port: int, default: int) -> str:
    return "" if port == default else f":{port}"


class StoredDirectory:
    """The issuer's view of the directory (see `auth.directory.Directory`)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def person(self, name: str) -> SignIn | None:
        return (await self._known(lambda s: everywhere.person_by_address(s, name)))[0]

    async def person_by_id(self, oid: str) -> SignIn | None:
        return (await self._known(lambda s: everywhere.person(s, oid)))[0]

    async def people(self) -> Sequence[SignIn]:
        return [_sign_in(person, None) for person in await self._store.read(everywhere.people)]

    async def authenticate(self, name: str, password: str) -> SignIn | None:
        person, kept = await self._known(lambda s: everywhere.person_by_address(s, name))
        if kept is None or not await asyncio.to_thread(check_password, kept, password):
            return None
        return person

    async def _known(self, find: Callable[[Snapshot], Person | None]) -> tuple[SignIn | None, str | None]:
        """Who is found, and the stored hash of their password."""

        def read(snapshot: Snapshot) -> tuple[SignIn | None, str | None]:
            person = find(snapshot)
            if person is None:
                return None, None
            kept = everywhere.password_hash(snapshot, person.id)
            return _sign_in(person, kept), kept

        return await self._store.read(read)

    async def application(self, client_id: str) -> Application | None:
        return await self._store.read(lambda s: everywhere.application(s, client_id))


def _sign_in(person: Person, kept: str | None) -> SignIn:
    """`kept` is the stored hash of the person's password."""
    return SignIn(
        oid=person.id,
        upn=person.upn,
        name=person.name,
        mail=person.mail or person.upn,
        enabled=person.enabled,
        password=password_stamp(kept),
    )


def database(settings: Settings) -> Path | str:
    """What migrations work on: the database file, or the URL that leads past a pooler."""
    if settings.database is None:
        return Path(settings.data) / "folkmoot.db"
    return settings.database_direct or settings.database


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """Say which setting is to blame where the database cannot be used at all."""
    if settings.database is None:
        import sqlite3

        from sqlalchemy.exc import DBAPIError

        try:
            yield
        except (sqlite3.DatabaseError, DBAPIError) as error:
            file = Path(database(settings))
            why = str(error)
            if file.exists() and not os.access(file, os.R_OK | os.W_OK):
                why = "this user may not read and write it; `folkmoot doctor` says what to do"
            raise DatabaseAway(f"The database file {file} cannot be used: {why}.", target="data") from error
        return
    import psycopg
    from sqlalchemy.exc import OperationalError, ProgrammingError

    try:
        yield
    except (psycopg.OperationalError, OperationalError) as error:
        said = " ".join(str(error).split())
        raise DatabaseAway(f"The database cannot be reached: {said}", target="database") from error
    except (psycopg.ProgrammingError, ProgrammingError) as error:
        found = error.orig if isinstance(error, ProgrammingError) else error
        if not isinstance(found, (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)):
            raise
        raise DatabaseAway(
            f"The database does not let its role do what is needed: {found.diag.message_primary}. The role has to "
            "own the database, or the schema that search_path names.",
            target="database",
        ) from error


def migrated(settings: Settings, patience: float = migrate.PATIENCE) -> None:
    """Bring the database that the settings name to the schema of this release (see `migrate.upgrade`)."""
    Path(settings.data).mkdir(parents=True, exist_ok=True, mode=0o700)
    with reaching(settings):
        migrate.upgrade(database(settings), patience)


def open_store(settings: Settings, clock: Callable[[], float] = time.time, *, upgrade: bool = True) -> Store:
    """Open the database that the settings name; unless `upgrade` is False, brought to the schema of this release."""
    if upgrade:
        migrated(settings)
    store = _open(settings, clock)
    for line in store.writers:
        line.limit = settings.max_waiting_writes
    return store


def _open(settings: Settings, clock: Callable[[], float]) -> Store:
    if settings.database is None:
        from folkmoot.store.sqlite import SqliteStore

        with reaching(settings):
            return SqliteStore(Path(settings.data) / "folkmoot.db", clock, settings.database_statement_seconds)
    from folkmoot.store.postgres import PostgresStore
    from folkmoot.store.postgres_access import Access

    return PostgresStore(
        settings.database,
        clock,
        Access(
            direct=settings.database_direct,
            replica=settings.database_replica,
            pooled=settings.database_pooled,
            writers=settings.database_writers,
            readers=settings.database_readers,
            long_readers=settings.database_long_readers,
            statement_seconds=settings.database_statement_seconds,
            lock_seconds=settings.database_lock_seconds,
            idle_seconds=settings.database_idle_seconds,
        ),
    )


def development_key(settings: Settings) -> SigningKey:
    """The development issuer's key, made on first use. Never there in production."""
    if settings.mode != "development":
        raise SettingWrong("The development issuer is there in development mode only.", target="mode")
    return _kept_key(Path(settings.data) / ISSUER_KEY)


@lru_cache(maxsize=2)  # several ask for it at a start
def _kept_key(file: Path) -> SigningKey:
    return SigningKey.load_or_create(file)


def notification_key(settings: Settings) -> SigningKey:
    """The key that signs validation tokens of notifications: the development issuer's, or one for this alone.

    Made in the data directory on first use, unless `notification_key` names the one that several servers share.
    """
    if settings.mode == "development":
        return development_key(settings)
    if settings.notification_key is None:
        return _kept_key(Path(settings.data) / "notification-key.pem")
    return _given_key(Path(settings.notification_key))


@lru_cache(maxsize=1)
def _given_key(file: Path) -> SigningKey:
    try:
        return SigningKey(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingWrong(f"notification_key cannot be used: {error}.", target="notification_key") from error


def notifications(settings: Settings, clock: Callable[[], float] = time.time) -> Notifications:
    """What those who subscribed are sent."""
    origin = Origins(settings).canonical
    development = settings.mode == "development"
    path = f"/{settings.tenant_id}/v2.0" if development else publisher_path(settings.tenant_id)
    if settings.notification_key is not None:
        # Wrong settings are refused at the start, not when somebody is to be notified.
        notification_key(settings)
    return Notifications(
        tenant=settings.tenant_id,
        root=origin + VERSION,
        issuer=origin + path,
        sign=lambda claims: notification_key(settings).sign(claims),
        clock=clock,
    )


def notifier(settings: Settings, store: Store, outgoing: Outgoing, clock: Callable[[], float] = time.time) -> Notifier:
    """What notifies those who subscribed. To be started with the server, and stopped before the store is closed."""
    return Notifier(store, notifications(settings, clock), outgoing, clock=clock)


def outgoing_of(settings: Settings) -> Outgoing:
    """What sends to URLs that clients name."""
    return Outgoing(
        development=settings.mode == "development",
        networks=tuple(private_network(network) for network in settings.webhook_networks),
    )


def traced(settings: Settings, store: Store, outgoing: Outgoing) -> Telemetry | None:
    """What traces requests, and from now on `store` and `outgoing`, too; None where the settings name no place."""
    made = telemetry_of(settings)
    if made is not None:
        made.watch_store(store)
        made.watch_outgoing(outgoing)
    return made


def measuring(settings: Settings, store: Store) -> Measuring | None:
    """What counts for Prometheus, once it is started; None where nobody may ask."""
    return Measuring(store) if settings.metrics or settings.mode == "development" else None


def sweepers(settings: Settings, store: Store) -> list[Sweeper]:
    """What removes old changes and deliveries, what was erased, and uploads left behind, once they are started."""
    old = partial(retention.sweep, changes_days=settings.changes_days, deliveries_days=settings.deliveries_days)
    return [Sweeper(store, old, retention.EVERY), Sweeper(store, erasing.sweep, erasing.EVERY)]


def identities(settings: Settings, store: Store, clock: Callable[[], float] = time.time) -> Identities:
    """Whose tokens are taken: in development our own issuer's, and in either mode those of the outside issuers."""
    development = settings.mode == "development"
    own = None
    if development:
        key = development_key(settings)
        trusted = TrustedIssuer(AnyOrigin(f"/{settings.tenant_id}/v2.0"), GRAPH_AUDIENCES, key.key_set)
        own = Validator([trusted], clock)
    for name, trust in settings.issuers.items():
        if trust.jwks_file is not None:
            try:
                parse_keys(Path(trust.jwks_file).read_bytes())
            except (OSError, NotPublished) as error:
                named = f"issuers.{name}.jwks_file"
                raise SettingWrong(f"{named} cannot be used: {error}.", target=named) from error
    outside = [
        Outside(trust, clock, domain=settings.domain, loopback_http=development) for trust in settings.issuers.values()
    ]
    return Identities(store, own, outside, tenant=settings.tenant_id)


def build(
    settings: Settings,
    store: Store,
    clock: Callable[[], float] = time.time,
    *,
    who: Identities | None = None,
    outgoing: Outgoing | None = None,
    streams: Streams | None = None,
    telemetry: Telemetry | None = None,
) -> Any:
    """The ASGI application.

    `who`: the `identities` of the same settings, for those who also `start` them. `outgoing`: what others who send to
    clients' URLs share with it. `streams`: those of the store, for those who also `close` them. `telemetry`: where
    requests are traced to.
    """
    origins = Origins(settings)
    web: Starlette | None = None
    if settings.mode == "development":
        # Production has no use for them.
        from folkmoot.auth.issuer import issuer_app
        from folkmoot.signing_in import StoredSignIns

        key = development_key(settings)
        web = issuer_app(
            directory=StoredDirectory(store),
            key=key,
            tenant_id=settings.tenant_id,
            tenant_domain=settings.domain,
            audience_hosts=lambda: _hosts(origins),
            base_url=lambda request: _origin(origins, request),
            clock=clock,
            sign_ins=StoredSignIns(store),
            permissions=PERMISSIONS,
        )
    room = Room(settings.max_bodies_bytes)
    door = GraphDoor(
        store,
        who or identities(settings, store, clock),
        outgoing or outgoing_of(settings),
        notifications(settings, clock),
        root=origins.root,
        domain=settings.domain,
        max_body=settings.max_body_bytes,
        max_attachment=settings.max_attachment_bytes,
        limits={
            "strict": parse_limits(settings.strict_limits),
            "extended": parse_limits(settings.extended_limits),
        },
        max_requests=settings.max_requests,
        room=room,
        development=settings.mode == "development",
        streams=streams,
    )
    uploads = UploadDoor(store, root=origins.root, room=room)
    publisher = publisher_app(
        key=lambda: notification_key(settings), origin=origins.canonical, tenant_id=settings.tenant_id
    )
    publishes = publisher_path(settings.tenant_id) + "/" if web is None else None
    if web is not None:
        # What is no page either is refused as Graph refuses.
        web.router.default = door
    home, health, ready = map(_looked_at, (pages.home(settings, origins.canonical), healthz, readyz(store)))
    measured = measuring(settings, store)
    metrics = None if measured is None else _looked_at(measured)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path == "/":
            await home(scope, receive, send)
        elif path == HEALTH:
            await health(scope, receive, send)
        elif path == READY:
            await ready(scope, receive, send)
        elif path == METRICS and metrics is not None:
            await metrics(scope, receive, send)
        elif path.startswith(UPLOADS):
            await uploads(scope, receive, send)
        elif publishes is not None and path.startswith(publishes):
            await publisher(scope, receive, send)
        elif web is not None and not path.startswith(f"{VERSION}/"):
            await web(scope, receive, send)
        else:
            await door(scope, receive, send)

    if metrics is None and telemetry is None and not settings.access_log:
        return application
    return noted(application, log=settings.access_log, telemetry=telemetry)


_not_allowed: Final = PlainTextResponse("method not allowed\n", 405, {"Allow": "GET, HEAD"})


def _looked_at(application: Any) -> Any:
    """`application` (ASGI), which is no resource of Graph, for GET and HEAD alone (RFC 9110 §15.5.6)."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        allowed = scope["method"] in ("GET", "HEAD")
        await (application if allowed else _not_allowed)(scope, receive, send)

    return answer


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _origin(origins: Origins, request: Request) -> str:
    return origins.of(request.scope["scheme"], request.headers.get("host", "").encode("latin-1"))


def _hosts(origins: Origins) -> frozenset[str]:
    return frozenset(urlsplit(origin).hostname or "" for origin in origins.all)
