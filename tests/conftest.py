"""What every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres
from tests.harness import DATABASES, Database, Graph, Workshop


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(postgres, "folkmoot-postgres")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """What the servers of a run share."""
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    yield made
    made.close()


@pytest.fixture(params=DATABASES)
def graph(workshop: Workshop, request: pytest.FixtureRequest) -> Graph:
    """A server with the seeded tenant and nothing else in it; once on each database."""
    database: Database = request.param
    return workshop.graph(database)
