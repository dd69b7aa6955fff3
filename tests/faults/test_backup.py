"""A backup that is taken while sixteen clients write: everything of one moment, whole, in either database again."""

from __future__ import annotations

from pathlib import Path

from tests.faults.busy import BusyCrowd
from tests.faults.clients import CLIENTS, Memory, Running, tokens
from tests.faults.truth import check
from tests.server import folkmoot


def test_a_backup_under_load_holds_one_moment(served: Running, tmp_path: Path) -> None:
    memory, before = Memory(), Memory()
    with BusyCrowd(served.port, tokens(served.data), memory, "Meanwhile"):
        memory.wait_for_more(6 * CLIENTS)
        with memory.changed:
            before.acknowledged, before.files = dict(memory.acknowledged), set(memory.files)
        where = ("--data", str(served.data), *(("--database", served.database) if served.database else ()))
        seen = len(memory.acknowledged)
        said = folkmoot("backup", str(tmp_path / "b.zip"), *where)
        assert "verified" in said
        memory.wait_for(lambda: len(memory.acknowledged) > seen)  # nobody waited for it
    folkmoot("restore", "--log-goes-on", str(tmp_path / "b.zip"), "--data", str(tmp_path / "restored"))
    # What was acknowledged before it began is in it; what was tried by its end may be.
    before.tried, before.tried_files, before.sent_with = memory.tried, memory.tried_files, memory.sent_with
    before.tried_deletions = memory.tried_deletions
    check(tmp_path / "restored", None, before)
