"""Judges a statement as Citus would: whether it goes to one node, or to all, or is refused.

    judge = Judge(url)                       a database that is a twin
    judge.crossing(text, parameters)         what is wrong with it, or None

The twin's planner says which partitions a statement looks into (docs/why/citus.md). What it cannot say is read from the
text (`faults`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from folkmoot.store.distribution import COLUMN, KINDS
from tests import postgres
from tests.citus import crossings, twin
from tests.citus.twin import SPLIT

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_PART = re.compile(rf"({'|'.join(SPLIT)})_(\d+)")
_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO|,)\s+(\w+)\b", re.IGNORECASE)
_VOLATILE = re.compile(r"\b(?:clock_timestamp|gen_random_uuid|random|uuid_generate_v\d|nextval|timeofday)\s*\(", re.I)
_IN_CONFLICT = re.compile(r"\bDO UPDATE SET\b(.*)", re.IGNORECASE | re.DOTALL)
_WRITES = re.compile(r"^\s*(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_WRITES_WITHIN = re.compile(r"\(\s*(?:INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\b", re.IGNORECASE)
_INSERT = re.compile(r"^\s*INSERT INTO (\w+) \(([^)]*)\)", re.IGNORECASE)
_LOCKS = re.compile(r"\bFOR (?:NO KEY )?UPDATE\b(?: OF (\w+))?", re.IGNORECASE)

# Rows are judged with these many choices of ids: two ids of eight partitions share one now and then, not each time.
ROUNDS = 3


class Judge:
    """Asks a twin. Close it."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        # With the values at hand, as Citus plans: a plan for any values would look into every partition.
        self._connection.execute("SET plan_cache_mode = force_custom_plan")

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def crossing(self, text: str, parameters: Mapping[str, Any]) -> str | None:
        """Why a statement would not go to one node; None when it does."""
        for turn in range(ROUNDS):
            parts = self.parts(text, _others(parameters, Random(turn)))  # noqa: S311  (the same ids in every run)
            if len(parts) > 1:
                return f"looks into partitions {', '.join(map(str, sorted(parts)))}"
        return None

    def parts(self, text: str, parameters: Mapping[str, Any]) -> set[int]:
        """The numbers of the partitions that are planned to be looked into, of all tables."""
        row = self._connection.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), parameters).fetchone()
        assert row is not None
        return set(_planned(row[0]))


def _others(parameters: Mapping[str, Any], source: Random) -> dict[str, Any]:
    """The parameters with other ids, the same one for the same one."""
    names: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        return names.setdefault(found[0], str(UUID(int=source.getrandbits(128), version=4)))

    return {key: _UUID.sub(other, value) if isinstance(value, str) else value for key, value in parameters.items()}


def _planned(node: Any) -> Iterator[int]:
    if isinstance(node, list):
        for each in node:
            yield from _planned(each)
    elif isinstance(node, dict):
        found = _PART.fullmatch(node.get("Relation Name", ""))
        if found is not None:
            yield int(found[2])
        for each in node.values():
            yield from _planned(each)


def tables(text: str) -> set[str]:
    """The tables that a statement names."""
    return {name for name in _TABLE.findall(text) if name in KINDS}


def faults(text: str) -> list[str]:
    """What Citus refuses of a statement, or answers otherwise than PostgreSQL, and its text shows."""
    found = []
    kinds = {KINDS[name] for name in tables(text)}
    beside = kinds - {"reference"}
    if len(beside) > 1:
        found.append(f"joins tables that lie apart: {', '.join(sorted(beside))}")
    if "local" in kinds and "reference" in kinds:
        found.append("joins a local table with what lies on every node")
    if sum(KINDS[name] == "single" for name in tables(text)) > 1:
        found.append("joins two tables of one part each, which may lie on different nodes")
    conflict = _IN_CONFLICT.search(text)
    if conflict is not None and re.search(r"\bnow\(\)|\(\s*SELECT\b", conflict[1], re.IGNORECASE):
        found.append("has now() or a subquery in DO UPDATE SET")
    if re.match(r"\s*UPDATE\b", text, re.IGNORECASE) or conflict is not None:
        found += (f"has {name}…) in UPDATE" for name in _VOLATILE.findall(text))
    if re.match(r"\s*(?:WITH|SELECT)\b", text, re.IGNORECASE) and _WRITES_WITHIN.search(text):
        found.append("writes within WITH")
    if re.search(r"\bMERGE\s+INTO\b", text, re.IGNORECASE):
        found.append("has MERGE")
    found += (f"has {name}" for name in re.findall(r"\b(?:xmax|ctid)\b", text, re.IGNORECASE))
    inserted = _INSERT.match(text)
    if inserted is not None and inserted[1] in SPLIT:
        columns = [name.strip() for name in inserted[2].split(",")]
        if COLUMN not in columns:
            found.append(f"inserts without {COLUMN}")
    found += _locks(text)
    return found


def _locks(text: str) -> Iterator[str]:
    """A row of a reference table is on every node: it is locked by writing it, not by reading it."""
    for which in _LOCKS.findall(text):
        for name in [which] if which else tables(text):
            if KINDS.get(name) == "reference":
                yield f"locks a row of {name}, which has one on each node"


def verdicts(recorded: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What is wrong with statements that were recorded; those that may cross groups are judged by their text alone."""
    if not recorded:
        return []
    may = crossings.texts()
    found = [(text, fault) for text, _ in recorded for fault in faults(text)]
    with postgres.fresh(twin.template()) as url, Judge(url) as judge:
        for text, parameters in recorded:
            if text not in may and (crossing := judge.crossing(text, parameters)) is not None:
                found.append((text, crossing))
    return [f"- {fault}: {' '.join(text.split())[:2000]}" for text, fault in found]
