"""A server that is killed while sixteen clients post: what it acknowledged is there, once, and everything agrees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import rounds
from tests.faults.busy import BusyCrowd
from tests.faults.clients import CLIENTS, ROUNDS, Memory, Running, running, tokens
from tests.faults.truth import check
from tests.harness import DATABASES
from tests.postgres_server import Server, private_server


def test_what_was_acknowledged_survives_a_kill(served: Running) -> None:
    memory = Memory()
    for _ in rounds.kills(served, memory, ROUNDS):
        pass
    with BusyCrowd(served.port, tokens(served.data), memory, "Afterwards"):
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
        for _ in rounds.crashes(served, database, memory, ROUNDS):
            pass


@pytest.mark.parametrize("kind", DATABASES)
def test_what_was_acknowledged_survives_a_full_disk(kind: str, tmp_path: Path) -> None:
    memory = Memory()
    with ExitStack() as stack:
        database = stack.enter_context(private_server(segment=1)) if kind == "postgresql" else None
        served = stack.enter_context(running(tmp_path / "data", None if database is None else database.url))
        for _ in rounds.fills(served, database, memory, ROUNDS):
            pass
