"""What the protocol's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import DATABASES, Workshop
from tests.protocol.library import Library, fill

_filled: dict[str, Library] = {}


@pytest.fixture(params=DATABASES)
def library(workshop: Workshop, request: pytest.FixtureRequest) -> Iterator[Library]:
    """A filled server, once on each database, which every test leaves as it was."""
    database = request.param
    if database not in _filled:
        graph, _ = workshop.open(database)
        _filled[database] = fill(graph)
    found = _filled[database]
    now = found.graph.clock.now
    yield found
    found.graph.clock.now = now
    assert found.graph.changes() == [], "a test changed what others read"
