"""What a write costs in processor time: of the server's event loop, of its other threads, and of PostgreSQL.

Processor time says the same on a busy machine as on a quiet one, so it is what a change is judged by. Server and floor
take turns, as in `measure`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks import measure
from benchmarks.fill import fill
from benchmarks.load import Job, Load
from benchmarks.servers import Databases, Place, Running, floor, server, token
from benchmarks.workloads import WORKLOADS, Target
from folkmoot.config import Settings

_POSTS_EACH = 25
_TICK = 1e6 / os.sysconf("SC_CLK_TCK")


class Cost(msgspec.Struct):
    """Microseconds of processor time for each answer."""

    loop: float = 0.0
    threads: float = 0.0
    database: float = 0.0

    @property
    def process(self) -> float:
        """Of the server's process."""
        return self.loop + self.threads

    @property
    def whole(self) -> float:
        """Of the server and of PostgreSQL."""
        return self.process + self.database


class Line(msgspec.Struct):
    """One workload at one number of connections."""

    database: str
    workload: str
    connections: int
    server: Cost
    floor: Cost


def run(load: Load, made: Databases, options: argparse.Namespace, names: list[str]) -> list[Line]:
    """Measure and print each line."""
    place = made.new()
    threads = fill(Settings(data=str(place.data), database=place.url), (options.posts or 25_000) // 25, _POSTS_EACH)
    other = made.new(like=place)
    found = []
    print(f"\n{made.kind.upper()}: µs of processor time for each answer, and the floor's")
    print(f"{'':20}{'conn':>5}{'loop':>8}{'threads':>8}{'database':>9}{'sum':>7}{'floor':>8}{'database':>9}{'sum':>7}")
    with server(place) as real, floor(other) as least:
        key = token(place)
        sides = [
            (running, Target(running.port, key, threads, options.page), where)
            for running, where in ((real, place), (least, other))
        ]
        for name in names:
            for connections in options.connections:
                rounds: list[list[Cost]] = [[], []]
                for _ in range(options.rounds):
                    for side, (running, target, where) in enumerate(sides):
                        one = _round(load, running, target, where, name, connections, options.seconds)
                        rounds[side].append(one)
                # The cheapest: what else the machine does makes processor time dearer, and never cheaper.
                costs = [min(each, key=lambda cost: cost.whole) for each in rounds]
                line = Line(made.kind, name, connections, *costs)
                found.append(line)
                mine, its = costs
                print(
                    f"{name:20}{connections:>5}{mine.loop:>8.0f}{mine.threads:>8.0f}{mine.database:>9.0f}"
                    f"{mine.whole:>7.0f}{its.process:>8.0f}{its.database:>9.0f}{its.whole:>7.0f}",
                    flush=True,
                )
    return found


def _round(
    load: Load, running: Running, target: Target, where: Place, name: str, connections: int, seconds: float
) -> Cost:
    workload = WORKLOADS[name]
    before = _spent(running, where)
    job = Job(
        port=target.port,
        requests=workload.requests(target),
        status=workload.status,
        least=workload.least,
        connections=connections,
        seconds=seconds,
    )
    driven: Any = load.drive(job)
    if driven.problems:
        raise measure.Failed(f"{name}: {'; '.join(driven.problems)}")
    return Cost(*((b - a) / driven.answered for a, b in zip(before, _spent(running, where), strict=True)))


def _spent(running: Running, place: Place) -> list[float]:
    pid = running.process.pid
    by_thread = {int(task.name): _time(task / "stat") for task in Path(f"/proc/{pid}/task").iterdir()}
    loop = by_thread.pop(pid)
    # A thread that ended takes its time out of this sum; those that serve requests live as long as the server.
    return [loop, sum(by_thread.values()), 0.0 if place.url is None else _database(place.url)]


def _database(url: str) -> float:
    with psycopg.connect(url) as link:
        row = link.execute("SELECT current_setting('data_directory')").fetchone()
        assert row is not None
        postmaster = int(Path(row[0], "postmaster.pid").read_text().split()[0])
        own = link.info.backend_pid
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == postmaster and int(stat.parent.name) != own:
            total += (int(fields[11]) + int(fields[12])) * _TICK
    return total


def _time(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK
