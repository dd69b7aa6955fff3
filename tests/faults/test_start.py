"""A start that cannot be: one line that says why and what to do, and status 1."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest

from folkmoot import server
from folkmoot.store import migrate
from tests.faults.clients import AT_ONCE, PATIENCE, running
from tests.server import folkmoot, free_port


def refused(*arguments: str) -> str:
    """The one line with which `folkmoot` refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "folkmoot", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    *before, last = done.stderr.splitlines()
    assert last.startswith("folkmoot: "), done.stderr
    assert all(line.startswith("INFO ") for line in before), done.stderr
    return last


def ports() -> tuple[str, ...]:
    return ("--https-port", str(free_port()), "--http-port", str(free_port()))


@pytest.mark.parametrize("command", ["serve", "migrate", "token"])
@pytest.mark.parametrize("data", ["/dev/null/data", "/sys/folkmoot"])
def test_a_data_directory_that_cannot_be_written_is_named(command: str, data: str) -> None:
    """Neither is writable for anybody, the superuser among them."""
    assert data in refused(command, "--data", data, *ports())


def test_a_database_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "folkmoot.db").mkdir()
    assert "folkmoot.db" in refused("serve", "--data", str(tmp_path), *ports())


def test_a_database_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "folkmoot.db").write_text("Dear diary, " * 1000)
    assert "folkmoot.db" in refused("serve", "--data", str(tmp_path), *ports())
    assert (tmp_path / "folkmoot.db").read_text() == "Dear diary, " * 1000


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EACCES, "CAP_NET_BIND_SERVICE"), (errno.EADDRINUSE, "stop what uses it")]
)
def test_a_port_that_cannot_be_had_comes_with_what_helps(
    monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    """Whether the system refuses a low port is for the one who runs this to say; so it is said for it here."""

    def bind(_: socket.socket, __: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", bind)
    for host, named in (("127.0.0.1", "127.0.0.1:443"), ("::", "[::]:443")):
        with pytest.raises(server.PortTaken, match=rf"{re.escape(named)} .*{remedy}.*--https-port"):
            server.listen(host, 443, "--https-port")


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_database_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path, command: str) -> None:
    port = free_port()
    said = refused(
        command, "--data", str(tmp_path), "--database", f"postgresql://me:s3cret@127.0.0.1:{port}/moot", *ports()
    )
    assert str(port) in said
    assert "s3cret" not in said


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_database_of_a_newer_release_is_left_alone(tmp_path: Path, command: str, fresh_database: str) -> None:
    migrate.upgrade(fresh_database)
    with psycopg.connect(fresh_database) as link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
        link.execute("UPDATE schema_compatibility SET works_from = '9998'")
    said = refused(command, "--data", str(tmp_path), "--database", fresh_database, *ports())
    assert "newer release" in said


def test_a_second_server_on_the_same_port_names_the_option(tmp_path: Path) -> None:
    with running(tmp_path / "first") as first:
        for option in ("--https-port", "--http-port"):
            scheme = option[2:].partition("-")[0]
            taken = first.server.facts[f"{scheme}Url"].rpartition(":")[2]
            other = "--http-port" if scheme == "https" else "--https-port"
            said = refused("serve", "--data", str(tmp_path / "second"), option, taken, other, str(free_port()))
            assert option in said
            assert f":{taken}" in said
        connection = HTTPConnection("127.0.0.1", first.port, timeout=AT_ONCE)
        connection.request("GET", "/v1.0/me")
        assert connection.getresponse().status == 401
        connection.close()


def test_a_first_start_that_was_killed_can_be_made_again(tmp_path: Path) -> None:
    """Killed as soon as there is a database file: in the middle of making the schema, or before, or after."""
    for number in range(3):
        data = tmp_path / str(number)
        process = subprocess.Popen([sys.executable, "-m", "folkmoot", "migrate", "--data", str(data)])
        while not (data / "folkmoot.db").exists() and process.poll() is None:
            pass
        process.kill()
        process.wait()
        assert "revision" in folkmoot("migrate", "--data", str(data))
