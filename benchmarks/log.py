"""What the change log costs a write: the server beside itself without the log, in turn.

    python -m benchmarks.log serve …    the server without it: versions and the group's number stay, nothing is told

The second server is no product: what it writes, no follower ever hears of.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from benchmarks import measure
from benchmarks.fill import fill
from benchmarks.load import Load
from benchmarks.servers import Databases, server, server_without_log, token
from benchmarks.workloads import WORKLOADS, Target
from folkmoot.config import Settings
from folkmoot.store import changes
from folkmoot.store.db import Tx

_POSTS_EACH = 25
TENTH = 0.9


def run(load: Load, made: Databases, options: argparse.Namespace) -> list[measure.Line]:
    """Measure and print each writing line."""
    place = made.new()
    threads = fill(Settings(data=str(place.data), database=place.url), 1_000, _POSTS_EACH)
    other = made.new(like=place)
    found = []
    print(f"\n{made.kind.upper()}: the log\n{'':20}{'conn':>5}{'req/s':>9}{'without':>9}{'ratio':>7}")
    with server(place) as real, server_without_log(other) as silent:
        key, its = token(place), token(other)
        sides = (Target(real.port, key, threads, options.page), Target(silent.port, its, threads, options.page))
        for name, workload in WORKLOADS.items():
            if not workload.writes:
                continue
            for connections in options.connections:
                line = measure.line(
                    load,
                    made.kind,
                    name,
                    workload,
                    connections,
                    sides,
                    (real, silent),
                    options.seconds,
                    options.rounds,
                    [0, 0],
                )
                found.append(line)
                print(
                    f"{name:20}{connections:>5}{line.server.rate:>9,.0f}{line.floor.rate:>9,.0f}{line.ratio:>7.2f}"
                    + ("" if line.ratio >= TENTH else f"   <- below {TENTH}"),
                    flush=True,
                )
    return found


def _flush(tx: Tx) -> Iterable[str]:
    """`changes.flush`, which writes no change and names no group in which one happened."""
    for group, lines in tx.log.items():
        tx.run(changes._ADVANCE, g=group, new_seq=tx.heads[group], new_changed_at=lines[-1][changes._AT])
    tx.log.clear()
    return ()


if __name__ == "__main__":
    from folkmoot import cli

    changes.flush = _flush
    cli.main()
