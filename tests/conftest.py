"""What every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres
from tests.citus import recording, twin
from tests.citus.judging import verdicts
from tests.harness import DATABASES, Database, Graph, Workshop


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(postgres, "folkmoot-postgres")
    recording.begin()
    if twin.wanted():
        twin.everywhere()


@pytest.fixture(scope="session", autouse=True)
def _each_statement_goes_to_one_node() -> Iterator[None]:
    """When the run ends: what the storage layer said is as Citus needs it, or it is a crossing with a reason."""
    yield
    wrong = verdicts(list(recording.unclaimed()))
    if wrong:
        pytest.fail("Name the group in these, or give the reason in tests/citus/crossings.py:\n" + "\n".join(wrong))


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
