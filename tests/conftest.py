"""What every test may use."""

from __future__ import annotations

import pytest

from tests import postgres


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(postgres, "folkmoot-postgres")
