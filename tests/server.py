"""A started server: `folkmoot serve` in a process of its own, on free ports, for tests over real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_SECONDS = 120  # on a machine that has much else to do


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def folkmoot(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What a `folkmoot` command prints. Raises CalledProcessError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "folkmoot", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
    )
    return done.stdout


@dataclass
class Server:
    """A running server. `facts` is what `folkmoot lab facts` says of it."""

    process: subprocess.Popen[str]
    options: tuple[str, ...]
    facts: dict[str, Any]
    printed: str
    https: str = field(init=False)
    http: str = field(init=False)
    ca: Path = field(init=False)

    def __post_init__(self) -> None:
        self.https, self.http = self.facts["httpsUrl"], self.facts["httpUrl"]
        self.ca = Path(self.facts["caFile"])

    def token(self, *arguments: str) -> str:
        """`folkmoot token` for this server."""
        return folkmoot("token", *self.options, *arguments).strip()

    def kill(self) -> None:
        """As a power cut would end it: SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._close()

    def stop(self) -> int:
        """As an operator would end it: SIGTERM. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=20)
        self._close()
        return status

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def start(
    data: Path,
    *,
    database: str | None = None,
    https_port: int = 0,
    http_port: int = 0,
    facts: dict[str, Any] | None = None,
    **env: str,
) -> Server:
    """Start a server on `data` and return once it answers. Ports are chosen where none are given.

    `facts` are those of a server that was on the same data and ports before, which then need not be asked for.

    Applications may ask for more than the cloud would let them, unless `env` says otherwise.
    """
    ports = ("--https-port", str(https_port or free_port()), "--http-port", str(http_port or free_port()))
    options = ("--data", str(data), *ports, *(("--database", database) if database else ()))
    process = subprocess.Popen(
        [sys.executable, "-m", "folkmoot", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "FOLKMOOT_STRICT_LIMITS": "off", **env},
    )
    printed = _until_ready(process)
    if facts is None:
        facts = json.loads(folkmoot("lab", "facts", *options))
    return Server(process, options, facts, printed)


def _until_ready(process: subprocess.Popen[str]) -> str:
    """Read what the server prints up to the end of the curl line, which it prints once it answers."""
    assert process.stdout is not None
    deadline = time.monotonic() + READY_SECONDS
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("  -d '"):
            return printed
        if time.monotonic() > deadline:
            break
    process.kill()
    process.wait()
    raise AssertionError(f"the server did not start:\n{printed}")


_HOLDER = (
    "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); file.execute('SELECT 1 FROM posts').fetchall();"
    "print(flush=True); sys.stdin.read()"
)


@contextmanager
def held_open(database: Path) -> Iterator[None]:
    """Another process has the database open, as a server has it that does nothing at the moment."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(database)], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate()
