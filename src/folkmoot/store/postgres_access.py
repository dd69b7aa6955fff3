"""How PostgreSQL is reached: connections with the settings that each needs, and what its errors mean.

Behind a pooler in transaction mode nothing may be kept in a session: no prepared statements, no SET, no LISTEN. What a
connection has from the start otherwise is then said anew in each transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Literal

import msgspec
import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format

from folkmoot import observe
from folkmoot.observe import log
from folkmoot.refusals import Busy, StorageFull, TooSlow

Row = tuple[Any, ...]
Connection = psycopg.Connection[Row]
AsyncConnection = psycopg.AsyncConnection[Row]

# Seconds until a host that answers nothing is given up: each host of the URL in turn (libpq, connect_timeout).
_CONNECT_SECONDS = 5
_LONG_SECONDS = 0.5
# A host that went away without a word is noticed after some twenty seconds, and not after two hours.
_ALIVE = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


# A short read goes to its rows by a key, whatever the key is. PostgreSQL thinks that one plan for all keys is dearer
# than one for each, since it does not know how few rows a page has, and would plan anew each time: at a million posts
# that takes longer than the read.
_ONE_PLAN = b", set_config('plan_cache_mode', 'force_generic_plan', false)"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of `config.Settings` that begin with `database_`; seconds of 0 are without end."""

    direct: str | None = None
    replica: str | None = None
    pooled: bool = False
    writers: int = 4
    readers: int = 8
    long_readers: int = 4
    statement_seconds: float = 30
    lock_seconds: float = 10
    idle_seconds: float = 60

    def settings(self, *, local: bool) -> str:
        """An expression list that puts the limits in force, for the session or for one transaction."""
        # A commit is answered when it is on disk, whatever the database's default; a stricter one is left as it is.
        commit = "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on' ELSE "
        values = {
            "statement_timeout": f"'{round(self.statement_seconds * 1000)}'",
            "lock_timeout": f"'{round(self.lock_seconds * 1000)}'",
            "idle_in_transaction_session_timeout": f"'{round(self.idle_seconds * 1000)}'",
            "synchronous_commit": f"{commit}current_setting('synchronous_commit') END",
        }
        scope = "true" if local else "false"
        return ", ".join(f"set_config('{name}', {value}, {scope})" for name, value in values.items())


# GUIDs and JSON reach Python as the text that the wire sends, by the driver's own (compiled) loader of text.
_AS_TEXT = psycopg.adapters.get_loader(psycopg.adapters.types["text"].oid, Format.TEXT)


def configure(connection: Connection | AsyncConnection) -> None:
    """Set up one connection: uuid and jsonb come as text."""
    assert _AS_TEXT is not None  # noqa: S101  (every driver loads text)
    for name in ("uuid", "jsonb"):
        connection.adapters.register_loader(name, _AS_TEXT)


class Unreachable(psycopg.OperationalError):
    """No connection could be made."""


Role = Literal["primary", "replica"]


class Door:
    """Opens connections to one database, which several servers may make up (a URL with several hosts).

    Only a server that takes writes will do for the primary: one that was demoted, or not promoted yet, would answer
    reads with what was true before. While a host answers nothing, most who come are told so at once rather than after
    another wait.
    """

    def __init__(self, url: str, access: Access, role: Role = "primary", *, pooled: bool | None = None) -> None:
        given = conninfo_to_dict(url)
        self.access = access
        self.pooled = access.pooled if pooled is None else pooled
        wanted = {**_ALIVE, "target_session_attrs": "read-write" if role == "primary" else "any"}
        self._url = make_conninfo(url, **{name: value for name, value in wanted.items() if name not in given})
        self._options: dict[str, Any] = {"autocommit": True}
        if self.pooled:
            self._options["prepare_threshold"] = None
        self._settings = f"SELECT pg_backend_pid(), {access.settings(local=False)}".encode()
        self._closed_until = 0.0
        self._said = False

    def open(self) -> Connection:
        """A connection for a thread. Raises `Unreachable`."""
        with self._trying():
            connection: Connection = psycopg.connect(self._url, **self._options)
            configure(connection)
            observe.meter.connected(connection)
            if not self.pooled:
                self._look(connection, connection.execute(self._settings).fetchall())
        return connection

    async def open_on_loop(self) -> AsyncConnection:
        """A connection for the event loop, on which short reads are planned once. Raises `Unreachable`."""
        with self._trying():
            connection: AsyncConnection = await psycopg.AsyncConnection.connect(self._url, **self._options)
            configure(connection)
            observe.meter.connected(connection)
            if not self.pooled:
                settings = self._settings + _ONE_PLAN
                self._look(connection, await (await connection.execute(settings)).fetchall())
        return connection

    def _look(self, connection: Connection | AsyncConnection, found: list[Row]) -> None:
        """Say so, once, where a pooler stands between: it gives process numbers of its own (PgBouncer)."""
        if found[0][0] != connection.info.backend_pid and not self._said:
            self._said = True
            log.warning(
                "a pooler stands before the database: unless it keeps sessions (session mode), set database_pooled"
            )

    def _trying(self) -> AbstractContextManager[None]:
        if time.monotonic() < self._closed_until:
            raise Unreachable("it could not be reached a moment ago")
        return _Trying(self._failed)

    def _failed(self, seconds: float) -> None:
        # Refused connections cost little, and the next may succeed; what took long is not asked for by everybody.
        if seconds > _LONG_SECONDS:
            self._closed_until = time.monotonic() + min(seconds / 2, 2.0)


class _Trying:
    def __init__(self, failed: Callable[[float], None]) -> None:
        self._failed = failed
        self._began = time.monotonic()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, psycopg.Error):
            self._failed(time.monotonic() - self._began)
            raise Unreachable(str(error)) from error


# ── what errors mean ─────────────────────────────────────────────────────────────────────────────────────────────────


def refusal(error: Exception) -> Exception:
    """The refusal that a database's error means to a caller, or the error itself."""
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
        return StorageFull()
    # Where a quota or a limit on files is in the way, PostgreSQL has no code of its own for it.
    if isinstance(error, errors.InternalError_) and "could not extend file" in str(error):
        return StorageFull()
    if isinstance(error, errors.QueryCanceled):
        log.warning("PostgreSQL ended a statement: %s", str(error).partition("\n")[0])
        return TooSlow()
    if isinstance(error, _PASSING):
        log.warning("PostgreSQL refused: %s", type(error).__name__)
        return Busy()
    return error


def counted(doing: Literal["read", "write"], error: Exception) -> Exception:
    """The refusal that an error means, counted where the database could not do it."""
    found = refusal(error)
    if isinstance(found, Busy):
        observe.meter.database_failed(doing)
    return found


# After these another try may succeed, perhaps with another server. LockNotAvailable is an OperationalError.
_PASSING = (
    psycopg.OperationalError,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)


def may_be_tried_again(error: BaseException) -> bool:
    """Whether what was undone with this error may succeed at once when all of it is run again.

    Not after a wait that was limited: it would only wait once more, and hold up those behind it.
    """
    waited = (Unreachable, errors.QueryCanceled, errors.LockNotAvailable, errors.DiskFull, errors.OutOfMemory)
    return isinstance(error, _PASSING) and not isinstance(error, waited)


def wrong_server(error: BaseException) -> bool:
    """Whether this server does not take writes (any more): the connection must be left for another one."""
    return isinstance(error, errors.ReadOnlySqlTransaction)
