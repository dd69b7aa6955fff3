"""Short reads on PostgreSQL: several statements in one message, on a connection in pipeline mode."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Integer, Text, bindparam, literal, select

from folkmoot.store import postgres, postgres_pipe
from folkmoot.store.db import Asked, Snapshot, Statement
from folkmoot.store.postgres_access import Access, Door
from folkmoot.store.postgres_pipe import Pipe

T = TypeVar("T")

_VALUES = "SELECT %(n)s::bigint + 1, %(text)s::text, %(none)s::text, %(yes)s::boolean, %(text)s::text || '%%'"
_GIVEN = {"n": 2**40, "text": "nine €", "none": None, "yes": True}
_BROKEN: Asked = ("SELECT 1 / %(zero)s::int", {"zero": 0})


def with_pipe(url: str, function: Callable[[Pipe], Awaitable[T]]) -> T:
    """What `function` gives, on a connection of its own."""

    async def run() -> T:
        connection = await Door(url, Access()).open_on_loop()
        try:
            return await function(Pipe(connection))
        finally:
            await connection.close()

    return asyncio.run(run())


def number(n: int) -> Asked:
    return "SELECT %(n)s::int", {"n": n}


def test_values_go_and_come_as_the_driver_has_them(fresh_database: str) -> None:
    found = with_pipe(fresh_database, lambda pipe: pipe.ask([(_VALUES, _GIVEN), number(7)]))
    assert found == [[(2**40 + 1, "nine €", None, True, "nine €%")], [(7,)]]


def test_what_fails_spoils_what_comes_after_it_and_nothing_else(fresh_database: str) -> None:
    async def ask(pipe: Pipe) -> tuple[Sequence[Any], Sequence[Any]]:
        return await pipe.ask([number(1), _BROKEN, number(2)]), await pipe.ask([number(2), number(3)])

    (first, *failed), afterwards = with_pipe(fresh_database, ask)
    assert first == [(1,)]
    assert [type(each) for each in failed] == [psycopg.errors.DivisionByZero] * 2
    assert afterwards == [[(2,)], [(3,)]]


def test_an_answer_and_a_question_larger_than_any_buffer(fresh_database: str) -> None:
    text = "é" * 3_000_000
    found = with_pipe(fresh_database, lambda pipe: pipe.ask([("SELECT %(text)s::text", {"text": text})]))
    assert found == [[(text,)]]


def test_old_prepared_statements_make_room_for_new_ones(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pipe, "PREPARED", 2)

    async def ask(pipe: Pipe) -> tuple[list[Any], Any]:
        asked: list[Asked] = [(f"SELECT %(n)s::int + {add}", {"n": add}) for add in (1, 2, 3, 1, 2, 3)]
        return await pipe.ask(asked), await pipe.ask([("SELECT count(*) FROM pg_prepared_statements", {})])

    found, kept = with_pipe(fresh_database, ask)
    assert found == [[(2 * add,)] for add in (1, 2, 3, 1, 2, 3)]
    assert kept == [[(2,)]]


def test_a_statement_that_the_server_has_lost_is_prepared_anew(fresh_database: str) -> None:
    async def ask(pipe: Pipe) -> Any:
        return [await pipe.ask([each]) for each in (number(1), ("DEALLOCATE ALL", {}), number(2))]

    assert with_pipe(fresh_database, ask) == [[[(1,)]], [[]], [[(2,)]]]


def test_a_connection_that_is_ended_says_so(fresh_database: str) -> None:
    async def ask(pipe: Pipe) -> Any:
        return await pipe.ask([("SELECT pg_terminate_backend(pg_backend_pid())", {}), number(1)])

    with pytest.raises(psycopg.OperationalError):
        with_pipe(fresh_database, ask)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_over_tcp_that_was_ended_meanwhile_says_so(
    fresh_database: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The question meets a reset, and the server's last word is still to be read: the server's loop tells that once."""
    ended = asyncio.Event()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await connected(fresh_database)
        asking = asyncio.create_task(pass_on(reader, to_server))
        await pass_on(from_server, writer)
        asking.cancel()
        for each in (to_server, writer):
            each.close()
            await each.wait_closed()
        ended.set()

    async def ask() -> None:
        async with await asyncio.start_server(between, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            url = make_conninfo(fresh_database, host=host, port=port, sslmode="disable")
            connection = await Door(url, Access()).open_on_loop()
            try:
                pipe = Pipe(connection)
                process: Any = await pipe.ask([("SELECT pg_backend_pid()", {})])
                with psycopg.connect(fresh_database) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", [process[0][0][0]])
                async with asyncio.timeout(20):
                    await ended.wait()
                    with pytest.raises(psycopg.OperationalError):
                        await pipe.ask([number(1)])
            finally:
                await connection.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams to the server of `url`, whether it is on a socket of this machine or not."""
    given = conninfo_to_dict(url)
    host, port = str(given["host"]), str(given.get("port", 5432))
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, int(port))


def test_a_connection_that_broke_does_not_look_away_for_the_next_one(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next socket has its number, and may be waited for before whoever asked hears that his connection broke."""
    opened: list[socket.socket] = []
    heard = asyncio.Event()
    taken = Pipe._taken

    def broken(self: Pipe) -> bool:
        number = self._pgconn.socket
        try:
            return taken(self)
        except psycopg.Error:
            asyncio.get_running_loop().call_soon(open_next, number)
            raise

    def open_next(number: int) -> None:
        one, other = socket.socketpair()
        opened.extend((one, other))
        here, there = (one, other) if one.fileno() == number else (other, one)
        assert here.fileno() == number, "another took the number; this shows nothing"
        asyncio.get_running_loop().add_reader(here, heard.set)
        there.send(b"!")

    async def ask(pipe: Pipe) -> None:
        with pytest.raises(psycopg.OperationalError):
            await pipe.ask([("SELECT pg_terminate_backend(pg_backend_pid())", {})])
        async with asyncio.timeout(20):
            await heard.wait()
        for each in opened:
            asyncio.get_running_loop().remove_reader(each)

    monkeypatch.setattr(Pipe, "_taken", broken)
    try:
        with_pipe(fresh_database, ask)
    finally:
        for each in opened:
            each.close()


_PARAMETER = bindparam("n", type_=Integer)
_FIRST = Statement(select(_PARAMETER + 1))
_SECOND = Statement(select(_PARAMETER + 2, literal("two", Text)))


def test_what_was_expected_comes_with_what_is_asked_before_it(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = []
    ask = Pipe.ask

    async def counted(self: Pipe, asked: Sequence[Asked]) -> Any:
        messages.append(len(asked))
        return await ask(self, asked)

    monkeypatch.setattr(Pipe, "ask", counted)

    def read(snapshot: Snapshot) -> list[Any]:
        snapshot.expect(_SECOND, n=20)
        return [snapshot.all(_FIRST, n=1), snapshot.all(_SECOND, n=20), snapshot.all(_SECOND, n=21)]

    store = postgres.PostgresStore(fresh_database, time.time)
    try:
        found = asyncio.run(store.read(read, quick=True))
    finally:
        store.close()
    assert found == [[(2,)], [(22, "two")], [(23, "two")]]
    assert messages == [2, 1]
