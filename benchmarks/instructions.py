"""How many instructions an answer takes, of the server and of the floor, as valgrind's callgrind counts them.

They are the same on every machine and however busy it is, but for a hundredth, by which runs differ. They say nothing
of the kernel, of waiting, and of how fast a processor is with them.

As a program: python -m benchmarks.instructions serve OPTIONS…
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import msgspec

from benchmarks import measure
from benchmarks.fill import fill
from benchmarks.load import Job, Load
from benchmarks.servers import Databases, Place, Running, floor, server, token
from benchmarks.workloads import WORKLOADS, Target
from folkmoot.config import Settings

_POSTS_EACH = 25
_WARM, _COUNTED = 5.0, 10.0  # seconds


class Line(msgspec.Struct):
    """Instructions for each answer of one workload."""

    database: str
    workload: str
    connections: int
    server: float
    floor: float


def run(load: Load, made: Databases, options: argparse.Namespace, names: list[str]) -> list[Line]:
    """Count and print each line. Raises `measure.Failed` without valgrind, or for a wrong answer."""
    if shutil.which("valgrind") is None:
        raise measure.Failed("instructions are counted by valgrind, which is not installed here")
    first = made.new()
    threads = fill(Settings(data=str(first.data), database=first.url), (options.posts or 5_000) // 25, _POSTS_EACH)
    print(f"\n{made.kind.upper()}: thousands of instructions for each answer")
    print(f"{'':20}{'conn':>5}{'server':>9}{'floor':>9}{'ratio':>7}", flush=True)
    found = []
    for name in names:
        for connections in options.connections:
            counts = []
            for which in ("server", "floor"):
                place = made.new(like=first)
                with _watched(which, place) as running:
                    target = Target(running.port, token(place), threads, options.page)
                    answered = _count(load, running, target, name, connections)
                total = re.search(r"^totals: (\d+)", (place.data / "callgrind").read_text(), re.MULTILINE)
                if total is None:
                    raise measure.Failed(f"{name}: callgrind wrote no total")
                counts.append(int(total[1]) / answered)
            line = Line(made.kind, name, connections, *counts)
            found.append(line)
            print(
                f"{name:20}{connections:>5}{line.server / 1000:>9,.0f}{line.floor / 1000:>9,.0f}"
                f"{line.floor / line.server:>7.2f}",
                flush=True,
            )
    return found


@contextlib.contextmanager
def _watched(which: str, place: Place) -> Iterator[Running]:
    under = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={place.data / 'callgrind'}")
    side = server(place, module="benchmarks.instructions", under=under)
    with side if which == "server" else floor(place, under=under) as running:
        yield running


def _count(load: Load, running: Running, target: Target, name: str, connections: int) -> int:
    """Have some answers counted. Returns how many."""
    workload, answered = WORKLOADS[name], 0
    for counted in (False, True):
        _control(running, counted)
        job = Job(
            port=target.port,
            requests=workload.requests(target),
            status=workload.status,
            connections=connections,
            seconds=_COUNTED if counted else _WARM,
        )
        measured = load.drive(job)
        _control(running, False)
        if measured.problems:
            raise measure.Failed(f"{name}: {measured.problems[0]}")
        answered = measured.answered
    return answered


def _control(running: Running, on: bool) -> None:
    command = ["callgrind_control", "-i", "on" if on else "off", str(running.process.pid)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _main() -> None:
    """Run `folkmoot` so that what it does a few times a second, whatever is asked, is not done with every answer."""
    from folkmoot.cli import main
    from folkmoot.notify import engine
    from folkmoot.store import watch

    setattr(engine, "TOGETHER_SECONDS", 1e6)  # noqa: B010  (a constant)
    setattr(watch, "TOGETHER_SECONDS", 1e6)  # noqa: B010
    main(sys.argv[1:])


if __name__ == "__main__":
    _main()
