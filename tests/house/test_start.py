"""A start loads what answering needs, and no more, for somebody waits for it (docs/why/performance.md, "The start")."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from folkmoot import cli
from tests.postgres import fresh
from tests.server import free_port

# The whole start, up to the moment at which it would answer.
PROGRAM = """
import gc, json, sys
from folkmoot import cli, server
server.run = lambda *_: print(json.dumps({"collects": gc.isenabled(), "loaded": sorted(sys.modules)}))
cli.main(sys.argv[1:])
"""
# What migrates, is asked for seldom, tells others, or is started when the server answers.
LATER = {
    "alembic",
    "email.headerregistry",
    "folkmoot.filling",
    "folkmoot.graph.model",
    "folkmoot.graph.openapi",
    "folkmoot.mime.items",
    "folkmoot.odata.csdl",
    "folkmoot.store.archive",
    "folkmoot.store.indexes",
    "folkmoot.store.integrity",
    "httpcore",
    "jinja2",
    "opentelemetry",
    "prometheus_client",
    "tomllib",
    "xml.etree",
}
# Of its own commands a start loads `serve`, and what that takes from others.
COMMANDS = {"folkmoot.commands.serving", "folkmoot.commands.tokens", "folkmoot.commands.operating"}
# What serves the other database.
OTHER = {
    "sqlite": {"psycopg", "sqlalchemy.dialects.postgresql", "folkmoot.store.postgres"},
    "postgresql": {"sqlalchemy.dialects.sqlite", "folkmoot.store.sqlite"},
}


@pytest.fixture(params=list(OTHER))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The kind of database, and the options that name it."""
    if request.param == "sqlite":
        yield request.param, ("--data", str(tmp_path))
    else:
        with fresh() as url:
            yield request.param, ("--data", str(tmp_path), "--database", url)


def started(options: tuple[str, ...]) -> Any:
    """What a start says of itself."""
    command = [sys.executable, "-c", PROGRAM, "serve", *options, "--http-port", "0", "--https-port", str(free_port())]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(said.splitlines()[0])


def test_a_start_loads_nothing_that_can_wait(place: tuple[str, tuple[str, ...]]) -> None:
    kind, options = place
    started(options)  # which makes the tables
    found = started(options)
    loaded = {part for module in found["loaded"] for part in (module, *parents(module))}
    assert loaded & (LATER | OTHER[kind]) == set()
    assert {module for module in loaded if module.startswith("folkmoot.commands.")} == COMMANDS
    assert found["collects"]


def parents(module: str) -> Iterator[str]:
    while module := module.rpartition(".")[0]:
        yield module


def test_every_command_is_found_by_its_name() -> None:
    assert commands(cli._parser()) == set(cli._COMMANDS)
    for command in cli._COMMANDS:
        assert command in commands(cli._parser(command))


def commands(parser: argparse.ArgumentParser) -> set[str]:
    [family] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return set(family.choices)
