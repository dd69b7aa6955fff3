"""A server that is killed while sixteen clients post: what it acknowledged is there, once, and everything agrees."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.faults.clients import AT_ONCE, CLIENTS, GROUPS, ROUNDS, Crowd, Memory, Running, ask, running, tokens, until
from tests.faults.truth import check
from tests.postgres_server import Server, private_server


def some_posts() -> int:
    """How many more posts until the blow: another number each time."""
    return random.randint(CLIENTS, 300)  # noqa: S311


def test_what_was_acknowledged_survives_a_kill(served: Running) -> None:
    memory, keys = Memory(), tokens(served.data)
    for number in range(ROUNDS):
        crowd = Crowd(served.port, keys, memory, f"Round {number}")
        memory.wait_for_more(some_posts())
        served.kill()
        crowd.join()
        served.start_again()
        check(served.data, served.database, memory)
    assert memory.others == []
    with Crowd(served.port, keys, memory, "Afterwards"):
        memory.wait_for_more(CLIENTS)
    check(served.data, served.database, memory)


@pytest.fixture
def database() -> Iterator[Server]:
    with private_server() as found:
        yield found


def test_what_was_acknowledged_survives_a_crash_of_postgresql(database: Server, tmp_path: Path) -> None:
    """The server stays up: it says 503 and when to try again while its database is away, and finds it again."""
    memory = Memory()
    with running(tmp_path / "data", database.url) as served:
        key, path = tokens(served.data)[0], f"/groups/{GROUPS[0]}/threads"

        def read() -> tuple[int, str | None]:
            with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as connection:
                answer = ask(connection, "GET", path, key)
                return answer.status, answer.retry_after

        with Crowd(served.port, tokens(served.data), memory, "Meanwhile"):
            for _ in range(ROUNDS):
                memory.wait_for_more(some_posts())
                assert memory.others == []
                database.crash()
                memory.wait_for(lambda: len(memory.others) > 5 * CLIENTS)
                assert [read() for _ in range(5)] == [(503, "1")] * 5
                database.start()
                memory.wait_for_more(CLIENTS)
                until(lambda: read() == (200, None))
                assert [each for each in memory.others if not said_so(*each)] == []
                memory.others.clear()
        check(served.data, served.database, memory)


def said_so(status: int, retry_after: str | None, content: bytes) -> bool:
    """Whether an answer says that the database is away, or that it went away while it committed."""
    return (status, retry_after) == (503, "1") or (status == 500 and b"Look before you try again" in content)
