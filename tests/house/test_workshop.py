"""What holds of the workshop: the pins, and the PostgreSQL that the tests use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import psycopg
import pytest

from tests.postgres import fresh, private_server, template

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"
FUZZING = ROOT / "requirements-fuzz.txt"
LOCK = ROOT / "tests" / "clients" / "javascript" / "package-lock.json"


def declared() -> tuple[set[str], set[str]]:
    """The names that pyproject.toml asks for: the server's and the workshop's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9-]", line)[0] for line in wanted}

    server = names(project["project"]["dependencies"] + groups["build"])
    return server, server | names(groups["dev"])


def pinned(file: Path) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", file.read_text()))


@pytest.mark.parametrize("file", [REQUIREMENTS, DEVELOPMENT, FUZZING, LOCK], ids=lambda file: file.name)
def test_pins_name_no_address(file: Path) -> None:
    assert "://" not in file.read_text()


def test_whatever_is_asked_for_is_pinned() -> None:
    server, workshop = declared()
    assert server - set(pinned(REQUIREMENTS)) == set()
    assert workshop - set(pinned(DEVELOPMENT)) == set()


def test_the_workshop_runs_what_the_server_runs() -> None:
    assert pinned(REQUIREMENTS).items() - pinned(DEVELOPMENT).items() == set()


def test_a_fresh_database_is_empty(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        assert connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").fetchall() == []


def test_a_template_is_built_once_and_copied() -> None:
    built = []

    def build(url: str) -> None:
        built.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")

    for _ in range(2):
        with fresh(template("workshop", build)) as url, psycopg.connect(url) as connection:
            assert connection.execute("DELETE FROM note RETURNING text").fetchall() == [("kept",)]
    assert len(built) == 1


def test_a_durable_server_keeps_what_it_committed_through_a_crash() -> None:
    with private_server(durable=True) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")
        server.crash()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT text FROM note").fetchall() == [("kept",)]
