"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import statistics
import time
from pathlib import Path


def facts(folder: Path) -> dict[str, str | int | float]:
    """The machine, and what `folder` costs to write to."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fsync_ms": round(fsync(folder), 3),
    }


def _cpu() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        found = re.search(r"(?m)^model name\s*:\s*(.+)$", lines.read())
    return found[1] if found else platform.machine()


def fsync(folder: Path, times: int = 200) -> float:
    """The median milliseconds to append a page to a file and have it on disk."""
    file = folder / "fsync"
    taken = []
    with file.open("wb", buffering=0) as target:
        for _ in range(times):
            start = time.perf_counter()
            target.write(b"\0" * 4096)
            os.fdatasync(target.fileno())
            taken.append(time.perf_counter() - start)
    file.unlink()
    return statistics.median(taken) * 1000
