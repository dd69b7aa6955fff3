"""Longer reads on a streaming standby, while it has all that was committed before they were asked for.

Whoever was answered that something is stored must find it, whichever server process answered and whichever is asked. So
the primary says how far its log is on disk, which a commit waits for before it is answered, and the standby is asked
whether it has replayed that. It costs a short round trip on the primary; what it saves there is the read. Source:
PostgreSQL, "Hot Standby" and "Recovery Information Functions".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from folkmoot.observe import log
from folkmoot.store.postgres_access import Connection, Row

T = TypeVar("T")
Ask = Callable[[Connection], T]

# Seconds that a read waits for a standby which is a little behind; more, and the primary is asked.
_WAIT = 0.1
_STEP = 0.005
# Seconds for which one that is far behind, or cannot be reached, is left alone.
_REST_BEHIND = 1.0
_REST_GONE = 5.0

# The timeline goes up at each failover: a standby that was ahead of the one which was promoted has another past, and
# its positions say nothing. It tells its timeline from the first restart point on.
_MARK = (
    b"SELECT pg_current_wal_flush_lsn()::text, "
    b"('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::int, "
    b"(SELECT system_identifier FROM pg_control_system())"
)
_HAS = (
    b"SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn, "
    b"(SELECT timeline_id FROM pg_control_checkpoint()) = %s "
    b"AND (SELECT system_identifier FROM pg_control_system()) = %s"
)


class _Behind(Exception):
    """The standby has not replayed what the read must find."""


class Replica:
    """Decides for each read whether the standby may answer it. Shared by the threads that read."""

    def __init__(self) -> None:
        self._rests_until = 0.0
        self._said = ""

    @property
    def rests(self) -> bool:
        """Whether it is left alone for now."""
        return time.monotonic() < self._rests_until

    @staticmethod
    def mark(primary: Connection) -> Row:
        """How far the primary's log is on disk."""
        return primary.execute(_MARK).fetchall()[0]

    def read(self, mark: Row, standby: Callable[[Ask[T]], T], read: Ask[T]) -> tuple[bool, T | None]:
        """Whether the standby answered, and what. `standby` runs a function with a connection to it, `read` reads.

        Errors of the standby are no errors of the read, which is run again elsewhere: it is left alone for a while.
        """

        def ask(connection: Connection) -> T:
            self._wait(connection, mark)
            return read(connection)

        try:
            answer = standby(ask)
        except _Behind:
            return False, None
        except psycopg.Error as error:
            self._rest(_REST_GONE, f"cannot be used ({type(error).__name__})")
            return False, None
        self._said = ""
        return True, answer

    def _wait(self, connection: Connection, mark: Row) -> None:
        """Return when it has all up to the mark, or raise `_Behind`."""
        deadline = time.monotonic() + _WAIT
        while True:
            has, same = connection.execute(_HAS, mark).fetchall()[0]
            if not same:
                self._rest(_REST_GONE, "is none of this database, or has not followed the last failover yet")
                raise _Behind
            if has:
                return
            if time.monotonic() > deadline:
                self._rest(_REST_BEHIND, "is behind")
                raise _Behind
            time.sleep(_STEP)

    def _rest(self, seconds: float, why: str) -> None:
        self._rests_until = time.monotonic() + seconds
        if why != self._said:
            log.warning("the replica %s; the primary answers longer reads meanwhile", why)
            self._said = why
