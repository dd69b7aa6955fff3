"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.faults.clients import Running, running
from tests.harness import DATABASES


@pytest.fixture(params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A started server that one test has for itself, once on each database."""
    if request.param == "sqlite":
        with running(tmp_path / "data") as found:
            yield found
    else:
        with postgres.fresh() as url, running(tmp_path / "data", url) as found:
            yield found
