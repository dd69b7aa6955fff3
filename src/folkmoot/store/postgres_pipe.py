"""Short reads on a connection of the event loop, by libpq's pipeline mode instead of the driver's cursors.

A cursor's `execute` costs several times what the statement does: a lock, generators, an event, two registrations with
the loop. Here several statements go out in one message and are waited for once. Values are adapted by the driver's own
(compiled) `Transformer`, so what may be asked, and what comes back, is the same.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from folkmoot.store.db import Asked, Row
from folkmoot.store.postgres_pipeline import numbered

# Prepared statements that a connection keeps: short reads differ in `$select` and in the place of a next link only.
PREPARED = 200
# Errors of a statement that the server has lost, or whose plan no longer fits: prepared anew, it is run after all.
_STALE = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.FeatureNotSupported)


class Pipe:
    """A connection in pipeline mode, for one reader at a time. It is of no use to anybody else from then on."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._pgconn = connection.pgconn
        # The socket that the loop looks at meanwhile, and what is set when it takes bytes again.
        self._watched: int | None = None
        self._writable = asyncio.Event()
        self._encoding = connection.info.encoding
        self._adapt = Transformer(connection)
        # Behind a pooler the next statement may be another session's.
        self._prepares = connection.prepare_threshold is not None
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._made = 0
        # What is still to come, in its order, True for what tells nothing; and what has come.
        self._expected: deque[bool] = deque()
        self._found: list[list[Row] | psycopg.Error] = []
        self._error: psycopg.Error | None = None
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()

    async def ask(self, asked: Sequence[Asked]) -> list[list[Row] | psycopg.Error]:
        """The rows of each statement; the error of the first that fails, for it and for those after it.

        Raises `psycopg.OperationalError` when the connection broke. Whoever stops waiting before it is done must close
        the connection: answers would be taken for those of the next statement.
        """
        found = await self._ask(asked)
        return await self._ask(asked) if any(isinstance(each, _STALE) for each in found) else found

    async def _ask(self, asked: Sequence[Asked]) -> list[list[Row] | psycopg.Error]:
        loop = asyncio.get_running_loop()
        self._expected.clear()
        self._found, self._error = [], None
        for text, parameters in asked:
            self._send(text, parameters)
        self._pgconn.pipeline_sync()
        done: asyncio.Future[None] = loop.create_future()
        self._watched = self._pgconn.socket
        loop.add_reader(self._watched, self._readable, loop, done)
        try:
            while not done.done() and self._pgconn.flush():
                self._writable.clear()
                loop.add_writer(self._watched, self._writable.set)
                await self._writable.wait()
                if self._watched is not None:
                    loop.remove_writer(self._watched)
            await done
        finally:
            self._look_away(loop)
        if any(isinstance(each, psycopg.Error) for each in self._found):
            # What was being prepared may or may not be there.
            self._names.clear()
        return self._found

    def _send(self, text: str, parameters: Mapping[str, Any]) -> None:
        query, names = numbered(text)
        adapt, pgconn = self._adapt, self._pgconn
        values = adapt.dump_sequence([parameters[name] for name in names], [PyFormat.AUTO] * len(names))
        types, encodings = adapt.types or (), adapt.formats
        if not self._prepares:
            pgconn.send_query_params(query, values, types, encodings)
        else:
            name = self._names.get((query, types))
            if name is None:
                if len(self._names) >= PREPARED:
                    oldest = next(iter(self._names))
                    pgconn.send_query_params(b"DEALLOCATE " + self._names.pop(oldest), None)
                    self._expected.append(True)
                self._made += 1
                name = self._names[query, types] = b"_reads_%d" % self._made
                pgconn.send_prepare(name, query, types)
                self._expected.append(True)
            pgconn.send_query_prepared(name, values, encodings)
        self._expected.append(False)

    def _look_away(self, loop: asyncio.AbstractEventLoop) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            loop.remove_reader(watched)
            loop.remove_writer(watched)
        self._writable.set()

    def _readable(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
        """Take what has come; `done` when all has, or when the connection broke.

        libpq closes the socket of a connection that broke, and the next that is opened has its number. So the loop
        looks away now: whoever waits for `done` comes later, and would make it look away from the other one.

        uvloop calls once and never again where the other end has reset the connection, as a server's does that has gone
        while nobody asked. So what was still to be read, such as its last word, is read to the end in that one call.
        """
        broke: psycopg.Error | None = None
        try:
            while not self._taken():
                if not self._over():
                    return
        except psycopg.Error as error:
            broke = self._error or error
        self._look_away(loop)
        if done.done():
            return
        if broke is None:
            done.set_result(None)
        else:
            done.set_exception(broke)

    def _over(self) -> bool:
        """Whether nothing can come any more but what is here already, and the connection's end."""
        look = select.poll()
        look.register(self._pgconn.socket, 0)
        return bool(look.poll(0))

    def _taken(self) -> bool:
        pgconn = self._pgconn
        pgconn.consume_input()
        between = False
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                if between:
                    break
                between = True
                continue
            between = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                return True
            self._take(result)
        if pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection is lost")
        return False

    def _take(self, result: PGresult) -> None:
        quiet = self._expected.popleft()
        if result.status == ExecStatus.TUPLES_OK:
            self._adapt.set_pgresult(result)
            self._found.append(self._adapt.load_rows(0, result.ntuples, tuple))
            return
        if result.status == ExecStatus.FATAL_ERROR and self._error is None:
            self._error = error_from_result(result, encoding=self._encoding)
        if not quiet:
            self._found.append([] if self._error is None else self._error)
