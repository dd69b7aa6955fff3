"""Where the server's time goes under one workload: `folkmoot serve` under cProfile, each thread by itself.

As a program: python -m benchmarks.profiling FILE serve OPTIONS…
"""

from __future__ import annotations

import argparse
import cProfile
import marshal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.fill import fill
from benchmarks.load import Job, Load
from benchmarks.servers import Databases, server, token
from benchmarks.workloads import WORKLOADS, Target
from folkmoot.config import Settings

_SHOWN = 35

# (file, line, name) → (calls that were not recursive, all calls, own seconds, seconds with what it called, callers)
_Stats = dict[tuple[str, int, str], tuple[int, int, float, float, Any]]


def run(name: str, made: Databases, options: argparse.Namespace) -> None:
    """Run one workload and print the functions that took most, thread by thread."""
    place = made.new()
    threads = fill(Settings(data=str(place.data), database=place.url), (options.posts or 25_000) // 25, 25)
    workload, connections = WORKLOADS[name], options.connections[-1]
    with server(place, profile=place.data / "profile") as running, Load() as load:
        target = Target(running.port, token(place), threads, options.page)
        job = Job(
            port=target.port,
            requests=workload.requests(target),
            status=workload.status,
            connections=connections,
            seconds=options.seconds * options.rounds,
        )
        answers = load.drive(job).answered
    print(f"{name} on {made.kind}, {connections} connections, {answers:,} answers.")
    print("The profiler makes calls dearer than they are, and what waits for the interpreter's lock is charged for it.")
    for file in sorted(place.data.glob("profile.*")):
        stats: _Stats = marshal.loads(file.read_bytes())  # noqa: S302  (our own child wrote it)
        # Threads that did nothing worth knowing are left out.
        if sum(each[1] for each in stats.values()) > 20 * answers:
            _show(file.suffix[1:], stats, answers)


def _show(thread: str, stats: _Stats, answers: int) -> None:
    for title, place in (("by their own time", 2), ("by their time with what they called", 3)):
        print(f"\nthread {thread}, {title}\n{'own µs':>9}{'all µs':>9}{'calls':>8}  per answer")
        ordered = sorted(stats.items(), key=lambda item: item[1][place], reverse=True)
        for (file, line, function), (_, calls, own, total, _) in ordered[:_SHOWN]:
            where = function if file == "~" else f"{_short(file)}:{line} {function}"
            print(f"{own / answers * 1e6:9.1f}{total / answers * 1e6:9.1f}{calls / answers:8.2f}  {where}")


def _short(file: str) -> str:
    for start in ("site-packages/", "src/", f"python{sys.version_info[0]}.{sys.version_info[1]}/"):
        _, found, after = file.rpartition(start)
        if found:
            return after
    return file


def _main() -> None:
    """Run `folkmoot` with what follows the file's name, and write a profile per thread beside that file."""
    file, sys.argv[1:] = Path(sys.argv[1]), sys.argv[2:]

    def profiled(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            profile: Any = cProfile.Profile()
            try:
                return profile.runcall(function, *arguments)
            finally:
                profile.create_stats()
                file.with_suffix(f".{name}").write_bytes(marshal.dumps(profile.stats))

        return call

    from folkmoot import cli, server

    running = threading.Thread.run

    def run(self: threading.Thread) -> None:
        profiled(self.name, running)(self)

    threading.Thread.run = run  # type: ignore[method-assign]
    server.run = profiled("loop", server.run)
    cli.main()


if __name__ == "__main__":
    _main()
