"""How far to look: a minute in `make test`, the same examples each time; as far as one likes by `make conform`."""

from __future__ import annotations

import pytest

from tests.conformance import effort


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", type=int, help="requests to each operation, and walks; other ones each time")
    parser.addoption("--steps", type=int, help="steps of each walk; Hypothesis ends one after some hundred")


def pytest_configure(config: pytest.Config) -> None:
    # Where all tests run, these options are not known: this file is read too late for that.
    effort.examples = config.getoption("--examples", None)
    effort.steps = config.getoption("--steps", None)
