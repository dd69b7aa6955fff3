"""A thread's pipeline: statements sent to PostgreSQL one after the other, and read when somebody needs an answer.

The driver's own pipeline asks the system at each statement whether anything has come, and makes the server begin at
once with the first: two calls into the kernel and a change of process for each. Here libpq gathers what is sent until
something is waited for. Values are adapted and rows are loaded by the driver's own (compiled) transformer.

Source: libpq, "Pipeline Mode"; psycopg 3, `psycopg.pq`.
"""

from __future__ import annotations

import re
import select
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, PipelineStatus
from psycopg.pq.abc import PGresult

Row = tuple[Any, ...]

# Statements that a connection keeps prepared; those of the verbs are fewer.
_PREPARED = 512
# An answer that takes longer may wait for somebody else's lock.
_LATE_MS = 2
_PARAMETER = re.compile(r"%\((?P<name>\w+)\)s|%%")


class Sent:
    """A statement that was sent, and what came back: of the end of a part, the first error up to there."""

    __slots__ = ("done", "error", "result")

    def __init__(self) -> None:
        self.done = False
        self.error: psycopg.Error | None = None
        self.result: PGresult | None = None


class Pipeline:
    """The pipeline of `connection`, a context: what was sent within it is done when it ends, or its first error raised.

    After an error the server passes over what follows until the context ends. A transaction is the caller's to begin
    and to end. `meanwhile` is called when all is sent, and when an answer is late.

    Instead of a context: `begin`, several parts that each end with `cut` and are waited for by `comes`, and `end`.
    """

    def __init__(self, connection: psycopg.Connection[Row], meanwhile: Callable[[], None] = lambda: None) -> None:
        self.connection = connection
        self._meanwhile = meanwhile
        self._libpq = connection.pgconn
        self._values = Transformer(connection)
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._fresh: list[tuple[str, tuple[int, ...]]] = []
        self._named = 0
        self._waiting: deque[Sent] = deque()
        self._error: psycopg.Error | None = None
        self._is_cut = True
        self._poll = select.poll()

    def __enter__(self) -> Pipeline:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.cut()
            self._meanwhile()
            self.end()
        except psycopg.Error:
            if error is None:
                raise

    def lives(self) -> bool:
        """Whether the server has not ended the connection meanwhile, as far as it has said. Only while nothing is on
        its way."""
        try:
            self._poll.register(self._libpq.socket, select.POLLIN)
            while self._poll.poll(0):
                self._libpq.consume_input()
        except psycopg.Error:
            self.connection.close()
        return not self.connection.closed

    def begin(self) -> None:
        """Enter pipeline mode, where it is not entered."""
        if self._libpq.pipeline_status == PipelineStatus.OFF:
            self._waiting.clear()
            self._fresh.clear()
            self._error = None
            self._is_cut = True
            self._libpq.enter_pipeline_mode()

    def cut(self) -> Sent:
        """End a part: after an error the server passes over what follows until there."""
        try:
            self._libpq.pipeline_sync()
            cut = self._expect()
            self._is_cut = True
            self._send()
        except psycopg.Error:
            self.connection.close()
            raise
        return cut

    def end(self) -> None:
        """Wait for all that was sent, and leave pipeline mode. Raises the first error there was."""
        try:
            if not self._is_cut:
                self.cut()
            if self._waiting:
                self._receive(self._waiting[-1])
            if self._libpq.pipeline_status != PipelineStatus.OFF:
                self._libpq.exit_pipeline_mode()
        except psycopg.Error:
            self.connection.close()
            raise
        if self._error is not None:
            # Those that were prepared behind what failed are not.
            for key in self._fresh:
                self._prepared.pop(key, None)
            raise self._error

    def comes(self, cut: Sent, bell: int | None = None) -> bool:
        """Wait until a part is done, or `bell` can be read, which is False. Raises the first error up to its end."""
        try:
            done = self._receive(cut, bell)
        except psycopg.Error:
            self.connection.close()
            raise
        if cut.error is not None:
            raise cut.error
        return done

    def send(self, text: str, parameters: Mapping[str, Any] | None = None) -> Sent:
        """Send a statement with parameters by name (`%(name)s`). What it gives is had by `rows`."""
        query, names = numbered(text)
        values = None
        types: tuple[int, ...] = ()
        if parameters and names:
            given = [parameters[name] for name in names]
            values = self._values.dump_sequence(given, [PyFormat.TEXT] * len(given))
            types = self._values.types or ()
        if self.connection.prepare_threshold is None:
            self._libpq.send_query_params(query, values, types)
            return self._expect()
        key = (text, types)
        name = self._prepared.get(key)
        if name is None:
            name = self._prepare(key, query)
        self._libpq.send_query_prepared(name, values)
        sent = self._expect()
        if len(self._prepared) > _PREPARED:
            self._forget()
        return sent

    def rows(self, sent: Sent) -> list[Row]:
        """The rows of a statement that was sent; raises the first error of those up to it."""
        if not sent.done:
            self._libpq.send_flush_request()
            self._receive(sent)
        if self._error is not None:
            raise self._error
        assert sent.result is not None  # noqa: S101  (there is an error otherwise)
        self._values.set_pgresult(sent.result)
        return self._values.load_rows(0, sent.result.ntuples, tuple)

    def all_rows(self, sent: Sequence[Sent]) -> list[list[Row]]:
        """The rows of each of several statements. The last is waited for first, and with it all of them at once."""
        return [self.rows(each) for each in reversed(sent)][::-1]

    def _prepare(self, key: tuple[str, tuple[int, ...]], query: bytes) -> bytes:
        self._named += 1
        name = self._prepared[key] = f"folkmoot_{self._named}".encode()
        self._fresh.append(key)
        self._libpq.send_prepare(name, query, key[1])
        self._expect()
        return name

    def _forget(self) -> None:
        """Let go of the statement that was prepared first. Never in front of a BEGIN, which would find that the
        transaction that it is to describe has begun (libpq, "Pipeline Mode": an implicit one begins with the first)."""
        oldest = self._prepared.pop(next(iter(self._prepared)))
        self._libpq.send_query_params(b"DEALLOCATE " + oldest, None)
        self._expect()

    def _expect(self) -> Sent:
        self._is_cut = False
        sent = Sent()
        self._waiting.append(sent)
        return sent

    def _receive(self, last: Sent, bell: int | None = None) -> bool:
        """Read what comes until `last` is answered, or `bell` can be read, which is False."""
        libpq = self._libpq
        self._send()
        while not last.done:
            while libpq.is_busy():
                if bell is None:
                    self._wait(select.POLLIN)
                elif not self._hears(bell):
                    return False
                libpq.consume_input()
            result = libpq.get_result()
            if result is None:  # the end of one statement's results
                self._waiting.popleft().done = True
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:  # which no such end follows
                cut = self._waiting.popleft()
                cut.done, cut.error = True, self._error
            elif result.status == ExecStatus.FATAL_ERROR:
                if self._error is None:
                    self._error = error_from_result(result, encoding=self.connection.info.encoding)
                    # A statement that the server has lost, or whose plan no longer fits, is prepared anew.
                    if isinstance(
                        self._error, psycopg.errors.InvalidSqlStatementName | psycopg.errors.FeatureNotSupported
                    ):
                        self._prepared.clear()
            else:
                self._waiting[0].result = result
        return True

    def _send(self) -> None:
        while self._libpq.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            self._libpq.consume_input()

    def _hears(self, bell: int) -> bool:
        """Wait for the server (True) or for `bell`."""
        both = select.poll()
        both.register(self._libpq.socket, select.POLLIN)
        both.register(bell, select.POLLIN)
        return any(ready != bell for ready, _ in both.poll())

    def _wait(self, event: int) -> None:
        self._poll.register(self._libpq.socket, event)
        if not self._poll.poll(_LATE_MS):
            self._meanwhile()
            self._poll.poll()


@lru_cache(maxsize=1024)
def numbered(text: str) -> tuple[bytes, tuple[str, ...]]:
    """A statement with parameters by number, as libpq takes it, and their names in that order."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found["name"]
        return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    return _PARAMETER.sub(number, text).encode(), tuple(numbers)
