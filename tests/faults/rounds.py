"""Rounds of faults under full load, each followed by a look at everything that is stored.

`python -m tests.faults` runs as many as it is told to, and the tests a few of each.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

from tests.faults.busy import BusyCrowd
from tests.faults.clients import AT_ONCE, CLIENTS, GROUPS, Memory, Running, ask, tokens, until
from tests.faults.truth import check
from tests.postgres_server import Server


def some_posts() -> int:
    """How many more posts until the blow: another number each time."""
    return random.randint(CLIENTS, 200)  # noqa: S311


def kills(served: Running, memory: Memory, rounds: int) -> Iterator[int]:
    """Kill the server in the middle of its work, and start it again."""
    keys = tokens(served.data)
    for number in range(rounds):
        crowd = BusyCrowd(served.port, keys, memory, f"Round {number}")
        memory.wait_for_more(some_posts())
        served.kill()
        crowd.join()
        assert memory.others == [], memory.others[:3]
        check(served.data, served.database, memory)
        served.start_again()
        yield number


def crashes(served: Running, database: Server, memory: Memory, rounds: int) -> Iterator[int]:
    """Crash PostgreSQL under a server that stays up: it says 503 and when to try again, and finds it again."""
    keys, path = tokens(served.data), f"/groups/{GROUPS[0]}/threads"

    def read() -> tuple[int, str | None]:
        with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as connection:
            answer = ask(connection, "GET", path, keys[0])
            return answer.status, answer.retry_after

    for number in range(rounds):
        with BusyCrowd(served.port, keys, memory, f"Round {number}"):
            memory.wait_for_more(some_posts())
            assert memory.others == [], memory.others[:3]
            database.crash()
            memory.wait_for(lambda: len(memory.others) > 5 * CLIENTS)
            assert [read() for _ in range(5)] == [(503, "1")] * 5
            database.start()
            memory.wait_for_more(CLIENTS)
            until(lambda: read() == (200, None))
            unlike = [each for each in memory.others if not said_so(*each)]
            assert unlike == [], unlike[:3]
        memory.others.clear()
        check(served.data, served.database, memory)
        yield number


def fills(served: Running, database: Server | None, memory: Memory, rounds: int) -> Iterator[int]:
    """Leave the database no room in the middle of the work (SQLite: for its log), and then give it some again.

    By the limit on the size of files, which any user may set for processes of their own that run.
    """
    keys, pid, log = tokens(served.data), served.server.process.pid, served.data / "folkmoot.db-wal"
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def limit(room: int | None) -> None:
        if database is not None:
            database.limit(room)
            return
        size = hard if room is None else log.stat().st_size + room
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

    for number in range(rounds):
        with BusyCrowd(served.port, keys, memory, f"Round {number}"):
            memory.wait_for_more(some_posts())
            assert memory.others == [], memory.others[:3]
            limit(random.randint(0, 100_000))  # noqa: S311
            memory.wait_for(lambda: len(memory.others) > 2 * CLIENTS)
            limit(None)
            memory.wait_for_more(CLIENTS)
        unlike = [each for each in memory.others if each[:2] != (503, "1") and each[0] != 507]
        assert unlike == [], unlike[:3]
        memory.others.clear()
        check(served.data, served.database, memory)
        yield number


def said_so(status: int, retry_after: str | None, content: bytes) -> bool:
    """Whether an answer says that the database is away, or that it went away while it committed."""
    return (status, retry_after) == (503, "1") or (status == 500 and b"Look before you try again" in content)
