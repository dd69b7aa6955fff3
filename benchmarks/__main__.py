"""`python -m benchmarks`: what Folkmoot does in a second, beside the least that could do it. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import msgspec

from benchmarks import (
    attachments,
    cost,
    delta,
    flat,
    instructions,
    lists,
    log,
    machine,
    measure,
    notify,
    paging,
    profiling,
    slow,
    soak,
    stream,
)
from benchmarks.fill import fill
from benchmarks.load import Load
from benchmarks.servers import Databases, Kind, Place, databases, floor, server, token
from benchmarks.workloads import WORKLOADS, Target
from folkmoot.config import Settings

_POSTS_EACH = 25  # in each thread: a page of twenty, and a next link
_MEMORY = 100  # megabytes that a server which was just started may take


def main() -> None:
    """Run what the options say; exits with 1 when an answer was wrong or a write was lost."""
    options = _options()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="folkmoot-bench-", dir=options.folder)))
        if options.profile:
            with databases(options.database or "sqlite", folder) as made:
                profiling.run(options.profile, made, options)
            return
        began = time.monotonic()
        facts = machine.facts(folder)
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
        load = stack.enter_context(Load())
        results: dict[str, Any] = {
            "machine": facts,
            "lines": [],
            "paging": [],
            "delta": [],
            "lists": [],
            "flat": [],
            "log": [],
            "cost": [],
            "instructions": [],
            "attachments": [],
            "notify": [],
            "stream": [],
            "slow-readers": [],
            "soak": [],
            "processes": [],
        }
        wanted = options.only or [*WORKLOADS]
        try:
            for kind in [options.database] if options.database else get_args(Kind):
                with databases(kind, folder) as made:
                    if set(wanted) & set(WORKLOADS):
                        _compare(load, made, options, [name for name in WORKLOADS if name in wanted], results)
                    if "paging" in wanted:
                        results["paging"] += paging.run(made, options)
                    if "log" in wanted:
                        results["log"] += log.run(load, made, options)
                    if "cost" in wanted:
                        writes = [name for name in WORKLOADS if WORKLOADS[name].writes]
                        results["cost"] += cost.run(load, made, options, writes)
                    if "instructions" in wanted:
                        lines = [name for name in WORKLOADS if not name.startswith("search-")]
                        results["instructions"] += instructions.run(load, made, options, lines)
                    if "delta" in wanted:
                        results["delta"] += delta.run(made, options)
                    if "lists" in wanted:
                        results["lists"] += lists.run(made, options)
                    if "flat" in wanted:
                        results["flat"] += flat.run(made, options)
                    if {"attachment-up", "attachment-down"} & set(wanted):
                        results["attachments"] += attachments.run(made, options)
                    if "notify" in wanted:
                        results["notify"] += notify.run(made, options)
                    if "stream" in wanted:
                        results["stream"] += stream.run(made, options)
                    if "slow-readers" in wanted:
                        results["slow-readers"] += slow.run(made, options)
                    if "soak" in wanted:
                        results["soak"] += soak.run(made, options)
        except measure.Failed as failure:
            sys.exit(f"FAILED  {failure}")
        print(f"\n{time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=[
            *WORKLOADS,
            "paging",
            "delta",
            "flat",
            "instructions",
            "lists",
            "log",
            "cost",
            "notify",
            "slow-readers",
            "soak",
            "stream",
            *attachments.NAMES,
        ],
        help="this one; may be repeated",
    )
    parser.add_argument("--database", choices=get_args(Kind), help="this one (default: each)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32], metavar="N", help="(default: 1 32)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of the server (default: 1)")
    parser.add_argument("--seconds", type=float, default=0.7, metavar="S", help="of each round (default: 0.7)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each side (default: 5)")
    parser.add_argument("--page", type=int, default=20, metavar="N", help="items on a page (default: 20)")
    parser.add_argument(
        "--posts",
        type=int,
        metavar="N",
        help="posts in the database (default: 25000; paging, delta: 100000, in one thread; flat: 1000000)",
    )
    parser.add_argument("--question", metavar="PATTERN", help="flat: ask only what has a name like this")
    parser.add_argument(
        "--filled", type=Path, metavar="DIR", help="flat: keep the filled databases there, and use them"
    )
    parser.add_argument("--minutes", type=float, default=20, metavar="N", help="of the soak (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there as well")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="put the databases there (default: the system's)")
    parser.add_argument("--profile", choices=[*WORKLOADS], help="print where the server's time goes, and do no more")
    return parser.parse_args()


def _compare(load: Load, made: Databases, options: argparse.Namespace, names: list[str], results: Any) -> None:
    """Every line of one database."""
    first, later = _start_up(made)
    place = made.new()
    settings = Settings(data=str(place.data), database=place.url)
    threads = fill(settings, (options.posts or 25_000) // _POSTS_EACH, _POSTS_EACH)
    floor_place = made.new(like=place)
    before = measure.counts(place)
    with server(place, workers=options.workers) as real, floor(floor_place) as least:
        started = real.memory()
        key = token(place)
        sides = (Target(real.port, key, threads, options.page), Target(least.port, key, threads, options.page))
        _head(made.kind, load, place, sides)
        answered, writes = [0, 0], [0, 0]
        for name in names:
            for connections in options.connections:
                count = writes if WORKLOADS[name].writes else answered
                line = measure.line(
                    load,
                    made.kind,
                    name,
                    WORKLOADS[name],
                    connections,
                    sides,
                    (real, least),
                    options.seconds,
                    options.rounds,
                    count,
                )
                results["lines"].append(line)
                _show(line)
        loaded = real.memory()
    for name, where, number in (("server", place, writes[0]), ("floor", floor_place, writes[1])):
        measure.check_durable(name, before, where, number)
    process = {
        "database": made.kind,
        "first_start_s": round(first, 2),
        "later_start_s": round(later, 2),
        "rss_mb_started": round(started[0], 1),
        "own_mb_started": round(started[1], 1),
        "rss_mb_loaded": round(loaded[0], 1),
        "own_mb_loaded": round(loaded[1], 1),
    }
    results["processes"].append(process)
    _show_process(process, writes)


def _start_up(made: Databases) -> tuple[float, float]:
    """Seconds to the first answer: with nothing there, and once more."""
    place = made.new()
    with server(place) as running:
        first = running.seconds
    with server(place) as running:
        return first, running.seconds


def _head(kind: str, load: Load, place: Place, sides: tuple[Target, Target]) -> None:
    print(f"\n{kind.upper()}" + (f" {place.numbers('SHOW server_version_num')[0]}" if place.url else ""))
    ceiling = measure.ceiling(load, sides[1])
    print(f"the load drives {ceiling.rate:,.0f} requests/s of an empty answer, with {ceiling.cpu:.0%} of a core")
    for path in measure.differences(*sides):
        print(f"NOTE  the floor's page of {path} is not the server's")
    print(
        f"{'':20}{'conn':>5}{'req/s':>9}{'floor':>9}{'ratio':>7}{'p50 ms':>9}{'floor':>8}{'p99 ms':>9}{'floor':>8}"
        f"{'cpu µs':>9}{'floor':>8}"
    )


def _show(line: measure.Line) -> None:
    real, least = line.server, line.floor
    notes = f"   <- {'; '.join(line.notes)}" if line.notes else ""
    print(
        f"{line.workload:20}{line.connections:>5}{real.rate:>9,.0f}{least.rate:>9,.0f}{line.ratio:>7.2f}"
        f"{real.p50:>9.2f}{least.p50:>8.2f}{real.p99:>9.2f}{least.p99:>8.2f}{real.spent:>9.0f}{least.spent:>8.0f}"
        f"{notes}",
        flush=True,
    )


def _show_process(process: dict[str, Any], writes: list[int]) -> None:
    print(
        f"start to first answer {process['first_start_s']} s, later {process['later_start_s']} s; "
        f"memory {process['rss_mb_started']} MB ({process['own_mb_started']} its own), "
        f"after the load {process['rss_mb_loaded']} MB ({process['own_mb_loaded']})"
        + ("" if process["rss_mb_started"] < _MEMORY else f"   <- not below {_MEMORY} MB")
    )
    if any(writes):
        print(f"all {writes[0]:,} writes that were answered are stored (floor: {writes[1]:,})")


if __name__ == "__main__":
    main()
