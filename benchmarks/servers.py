"""Databases and server processes to measure: made, started, looked at, stopped."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from tests.postgres_server import private_server
from tests.server import folkmoot, free_port

Kind = Literal["sqlite", "postgresql"]
GIVEN = "FOLKMOOT_TEST_POSTGRESQL"  # a PostgreSQL server to use instead of our own
_READY_SECONDS = 60.0


# ── databases ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Place:
    """Where a server keeps what it knows: its data directory, and its database if that is not a file in there."""

    kind: Kind
    data: Path
    url: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `folkmoot` that name it."""
        return ("--data", str(self.data), *(("--database", self.url) if self.url else ()))

    @property
    def database(self) -> str:
        """The database file, or the URL."""
        return self.url or str(self.data / "folkmoot.db")

    def numbers(self, *queries: str) -> list[int]:
        """What each query, which gives one number, gives."""
        if self.url is None:
            with contextlib.closing(sqlite3.connect(self.database)) as file:
                return [int(file.execute(query).fetchone()[0]) for query in queries]
        with psycopg.connect(self.url) as link:
            return [int(row[0]) for query in queries if (row := link.execute(query.encode()).fetchone())]


class Databases:
    """Makes databases of one kind in `folder`, on the PostgreSQL server at `admin` where that is the kind."""

    def __init__(self, kind: Kind, folder: Path, admin: str | None) -> None:
        self.kind = kind
        self._folder = folder
        self._admin = admin
        self._made: list[str] = []

    def new(self, like: Place | None = None) -> Place:
        """An empty one, or a copy of one that nobody has open."""
        data = self._folder / f"{self.kind}-{uuid.uuid4().hex[:8]}"
        data.mkdir()
        if self._admin is None:
            if like is not None:
                shutil.copy(like.database, data / "folkmoot.db")
            return Place(self.kind, data)
        name = f"folkmoot_bench_{uuid.uuid4().hex[:12]}"
        template = "template0" if like is None or like.url is None else _name(like.url)
        with psycopg.connect(self._admin, autocommit=True) as administrator:
            administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        self._made.append(name)
        return Place(self.kind, data, _url(self._admin, name))

    def url_of(self, name: str) -> str | None:
        """Where the database of that name is; None where databases are files."""
        return None if self._admin is None else _url(self._admin, name)

    def drop(self) -> None:
        """Drop those that were made on a server; files go with their folder."""
        if self._admin is not None:
            with psycopg.connect(self._admin, autocommit=True) as administrator:
                for name in self._made:
                    administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@contextlib.contextmanager
def databases(kind: Kind, folder: Path) -> Iterator[Databases]:
    """Databases of `kind`, on a durable PostgreSQL server where that is the kind."""
    with contextlib.ExitStack() as stack:
        admin = None
        if kind == "postgresql":
            admin = os.environ.get(GIVEN) or stack.enter_context(private_server(durable=True)).url
        found = Databases(kind, folder, admin)
        stack.callback(found.drop)
        yield found


def _url(admin: str, name: str) -> str:
    parts = re.fullmatch(r"(\w+://[^/?]*)(?:/[^?]*)?(\?.*)?", admin)
    if parts is None:
        raise ValueError(f"{GIVEN} must be a URL: postgresql://user@host:port/database")
    return f"{parts[1]}/{name}{parts[2] or ''}"


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Running:
    """A server process that answers on `port`. `seconds` passed between its start and its first answer."""

    process: subprocess.Popen[bytes]
    port: int
    seconds: float

    def memory(self) -> tuple[float, float]:
        """Resident megabytes, and how many of them are its own (not files mapped into it); of its workers, too."""
        pid = self.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        resident = own = 0.0
        for each in (pid, *workers):
            status = Path(f"/proc/{each}/status").read_text()
            found = dict(re.findall(r"(?m)^(VmRSS|RssAnon):\s+(\d+) kB", status))
            resident += int(found["VmRSS"]) / 1024
            own += int(found["RssAnon"]) / 1024
        return resident, own

    def spent(self) -> float:
        """Seconds of processor time that its threads and its workers have taken so far, as the scheduler counts."""
        pid = self.process.pid
        processes = (pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        tasks = (task for each in processes for task in Path(f"/proc/{each}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def stop(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


@contextlib.contextmanager
def server(
    place: Place,
    *,
    profile: Path | None = None,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    module: str = "folkmoot",
    under: Sequence[str] = (),
) -> Iterator[Running]:
    """`folkmoot serve` on `place`; under the profiler when there is a file for what that finds.

    `environment`: what is set beside what is set here; `module`: the program; `under`: the command that runs it.
    """
    how = [module] if profile is None else ["benchmarks.profiling", str(profile)]
    with _serving(how, place, "--workers", str(workers), environment=environment, under=under) as running:
        yield running


@contextlib.contextmanager
def server_without_log(place: Place) -> Iterator[Running]:
    """The server that writes no change log (see `log`)."""
    with _serving(["benchmarks.log"], place) as running:
        yield running


@contextlib.contextmanager
def _serving(
    module: Sequence[str],
    place: Place,
    *options: str,
    environment: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> Iterator[Running]:
    port = free_port()
    ports = ["--http-port", str(port), "--https-port", str(free_port())]
    command = [*under, sys.executable, "-m", *module, "serve", *place.options, *ports, *options]
    with _running(command, port, place, environment) as running:
        yield running


@contextlib.contextmanager
def floor(place: Place, under: Sequence[str] = ()) -> Iterator[Running]:
    """The floor on `place`; `under` as `server` has it."""
    port = free_port()
    command = [*under, sys.executable, "-m", "benchmarks.floor", str(port), place.kind, place.database]
    with _running(command, port, place) as running:
        yield running


def token(place: Place) -> str:
    """A person's token for the server on `place`."""
    return folkmoot("token", *place.options).strip()


@contextlib.contextmanager
def _running(
    command: Sequence[str], port: int, place: Place, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    log = place.data / "output"
    with log.open("ab") as output:
        start = time.perf_counter()
        # What is installed has been compiled once: the second start finds it so, whatever is set here.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        # What the server can do is measured, not what the cloud would let one application do.
        env |= {"FOLKMOOT_STRICT_LIMITS": "off", **(environment or {})}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)
    try:
        if not _answers(process, port, start + _READY_SECONDS):
            raise RuntimeError(f"{' '.join(command)} did not answer:\n{log.read_text()}")
        running = Running(process, port, time.perf_counter() - start)
        yield running
        running.stop()
    finally:
        process.kill()
        process.wait()


def _answers(process: subprocess.Popen[bytes], port: int, deadline: float) -> bool:
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_READY_SECONDS) as probe:
                probe.sendall(b"GET /v1.0/groups HTTP/1.1\r\nhost: localhost\r\n\r\n")
                if probe.recv(16).startswith(b"HTTP/1.1 "):
                    return True
        except OSError:
            time.sleep(0.002)
    return False
