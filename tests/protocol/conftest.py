"""What the protocol's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import DATABASES, Database, Graph, Workshop
from tests.protocol.library import Library, fill

_filled: dict[str, Library] = {}


@pytest.fixture(params=DATABASES)
def library(workshop: Workshop, request: pytest.FixtureRequest) -> Iterator[Library]:
    """A filled server, once on each database, which every test leaves as it was."""
    yield from _left_alone(workshop, request.param)


@pytest.fixture
def any_library(workshop: Workshop) -> Iterator[Library]:
    """A filled server on one database: for what is settled before a database is asked, or in the same words on each."""
    yield from _left_alone(workshop, "sqlite")


@pytest.fixture
def any_graph(workshop: Workshop) -> Graph:
    """A server with the seeded tenant on one database: for what is settled before a database is asked."""
    return workshop.graph("sqlite")


def _left_alone(workshop: Workshop, database: Database) -> Iterator[Library]:
    if database not in _filled:
        graph, _ = workshop.open(database)
        _filled[database] = fill(graph)
    found = _filled[database]
    now = found.graph.clock.now
    yield found
    found.graph.clock.now = now
    assert found.graph.changes() == [], "a test changed what others read"
