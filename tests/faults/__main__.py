"""`python -m tests.faults`: rounds of faults under full load, as many as wanted, on each database; counts are printed.

A round that finds anything lost, half written or untrue ends the run with what it found.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.faults import rounds
from tests.faults.clients import Memory, Running, running
from tests.postgres_server import Server, private_server

# Anew after so many rounds: looking at everything would take longer each time.
_FRESH = 25
Fault = Callable[[Running, Server | None, Memory, int], Iterator[int]]


def _kill(served: Running, _: Server | None, memory: Memory, count: int) -> Iterator[int]:
    return rounds.kills(served, memory, count)


def _crash(served: Running, database: Server | None, memory: Memory, count: int) -> Iterator[int]:
    if database is None:
        return iter(())
    return rounds.crashes(served, database, memory, count)


def _full(served: Running, database: Server | None, memory: Memory, count: int) -> Iterator[int]:
    return rounds.fills(served, database, memory, count)


FAULTS: dict[str, tuple[tuple[str, ...], Fault]] = {
    "kill": (("sqlite", "postgresql"), _kill),
    "crash": (("postgresql",), _crash),
    "full": (("sqlite", "postgresql"), _full),
}


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, metavar="N", help="of each fault (default: 200)")
    parser.add_argument("--fault", choices=FAULTS, action="append", help="this one; may be repeated (default: each)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="this one (default: each)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="put the databases there (default: the system's)")
    options = parser.parse_args()
    # Servers are started again and again; what is compiled for one serves the next.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(tempfile.gettempdir()) / "folkmoot-faults-compiled"))
    for fault in options.fault or FAULTS:
        kinds, run = FAULTS[fault]
        for kind in kinds:
            if options.database in (None, kind):
                _run(fault, kind, run, options.rounds, options.folder)


def _run(fault: str, kind: str, run: Fault, wanted: int, folder: Path | None) -> None:
    began = time.monotonic()
    done = posts = files = deletions = changes = 0
    while done < wanted:
        with ExitStack() as stack:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="folkmoot-faults-", dir=folder)))
            database = stack.enter_context(private_server(segment=1)) if kind == "postgresql" else None
            served = stack.enter_context(running(data, database.url if database else None))
            memory = Memory()
            try:
                for _ in run(served, database, memory, min(_FRESH, wanted - done)):
                    done += 1
                    if sys.stderr.isatty():
                        print(f"\r{fault} on {kind}: round {done} of {wanted}", end="", file=sys.stderr)
            except BaseException:
                print(f"{fault} on {kind}: ended in round {done + 1} of {wanted}", file=sys.stderr)
                raise
            posts += len(memory.acknowledged)
            files += len(memory.files)
            deletions += len(memory.deletions)
            changes += sum(map(len, memory.tried_values.values()))
    taken = time.monotonic() - began
    print(
        f"{fault} on {kind}: {done} rounds in {taken:.0f} s; all {posts:,} posts, {files:,} files and {deletions:,} "
        f"deletions of files that were acknowledged are so, the last of {changes:,} changes of each thing is, and "
        "nothing is half written",
        flush=True,
    )


if __name__ == "__main__":
    main()
