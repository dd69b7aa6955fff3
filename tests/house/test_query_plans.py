"""What a server asks of its database is answered by an index: no table is looked through, nothing is put in order.

Every question that benchmarks/flat.py asks, but for those of which it says that no index answers them, is asked of a
filled server, the usual writes are made, and each statement that ran is explained by the database. SQLite says what it
would do; PostgreSQL is told to avoid sequential scans and sorts wherever it can, so that what is left has no index.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from benchmarks.flat import NOTHING, QUESTIONS, Question
from folkmoot.config import Settings
from folkmoot.filling.plan import Wish
from folkmoot.filling.run import Filled, fill
from folkmoot.graph.plan import _PLANS
from folkmoot.store import db
from tests.harness import Client, Graph

WISH = Wish(posts=900, groups=3, hot_threads=120, long_thread=60, people=20)
_EXTENDED = {"Prefer": "folkmoot.profile=extended"}

# What may be looked through or put in order: a part of the statement, the step of its plan, and why it costs the same
# at any size, or what is asked for has that size.
SMALL = (
    ("AS unseen", "", "4,000 changes are looked at, or 1,000 posts, and never more"),
    ("FROM groups \nWHERE", "SCAN groups USING INDEX", "walked along its key from where the page begins"),
    ("AS MATERIALIZED", "", "what the index of words found; of what is ranked, 1,000 posts at most"),
    ("json_each(:found)", "ORDER BY", "the items of a page, which the index of words found"),
    ("AS some", "", "what the index of words found, so many rows and not all"),
    ("row_number() OVER", "", "each of the posts that go with a thread is written down"),
    (", 1, 100)", "RIGHT PART OF ORDER BY", "topics that begin with the same hundred characters"),
    ("WITH those AS", "", "the keys of what is in a range of an index, where a walk would look at more rows"),
    (", 1, 100)", "Incremental Sort", "topics that begin with the same hundred characters"),
)

# Filters that hold for few, or for nothing.
SPARSE = [
    each
    for each in QUESTIONS
    if "$filter" in each.name and not each.linear and any(few in each.name for few in (NOTHING, "2027", "any(…)"))
]
WALKED = ("conversations", "threads", "posts")

Ran = dict[str, Mapping[str, Any]]


@contextlib.contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ran]:
    """The texts of the statements that run meanwhile, each with the parameters of its first run."""
    found: Ran = {}

    def note(snapshot: db.Snapshot, statement: db.Statement, parameters: Mapping[str, Any]) -> None:
        text, defaults = statement.compiled(snapshot.dialect)
        found.setdefault(text, {**defaults, **parameters})

    every, run = db.Snapshot.all, db.Tx.run

    def all_noted(snapshot: db.Snapshot, statement: db.Statement, **parameters: Any) -> Any:
        note(snapshot, statement, parameters)
        return every(snapshot, statement, **parameters)

    def run_noted(tx: db.Tx, statement: db.Statement, **parameters: Any) -> None:
        note(tx, statement, parameters)
        run(tx, statement, **parameters)

    with monkeypatch.context() as patch:
        patch.setattr(db.Snapshot, "all", all_noted)
        patch.setattr(db.Tx, "run", run_noted)
        yield found


def explained(graph: Graph, ran: Ran) -> Iterator[tuple[str, str]]:
    """Each statement, and what is wrong with its plan; nothing where nothing is."""
    store: Any = graph.store
    if graph.database == "sqlite":
        with contextlib.closing(sqlite3.connect(store._path)) as file:
            for text, parameters in ran.items():
                steps = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
                for step in steps:
                    if step.startswith("USE TEMP B-TREE") or (step.startswith("SCAN") and "VIRTUAL" not in step):
                        yield text, step
        return
    with psycopg.connect(store._url) as link:
        link.execute(b"SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
        for text, parameters in ran.items():
            with link.transaction(force_rollback=True):
                (plan,) = link.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), parameters).fetchone() or ("[]",)
            for node in _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
                if node["Node Type"] in ("Seq Scan", "Sort", "Incremental Sort"):
                    yield text, f"{node['Node Type']} {node.get('Relation Name', node.get('Sort Key'))}"


def walks(graph: Graph, ran: Ran) -> Iterator[tuple[str, str]]:
    """Each statement that goes along all that a group or a thread holds, with the step of its plan that does."""
    store: Any = graph.store
    if graph.database == "sqlite":
        with contextlib.closing(sqlite3.connect(store._path)) as file:
            for text, parameters in ran.items():
                for *_, step in file.execute(f"EXPLAIN QUERY PLAN {text}", parameters):
                    if re.fullmatch(rf"S\w+ ({'|'.join(WALKED)}) .*\(group_id=\?( AND thread_id=\?)?\)", step):
                        yield text, step
        return
    with psycopg.connect(store._url) as link:
        link.execute(b"SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
        # How the few are joined is the planner's choice, and of so little data it may read all.
        for text, parameters in ((each, ran[each]) for each in ran if not each.startswith("WITH few")):
            with link.transaction(force_rollback=True):
                (plan,) = link.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), parameters).fetchone() or ("[]",)
            for node in _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
                found = set(re.findall(r"(\w+|\)) (?:=|>|<)", node.get("Index Cond", "")))
                if node.get("Relation Name") in WALKED and found and found <= {"group_id", "thread_id"}:
                    yield text, f"{node['Node Type']} {node['Index Cond']}"


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def ask(client: Client, filled: Filled, question: Question, names: Mapping[str, str]) -> None:
    """Ask a question, and for the page that follows."""
    path = question.path
    for name, id in names.items():
        path = path.replace(name, id)
    if not path.startswith("/"):
        path = f"/groups/{filled.group}{path if path[:1] in ('', '?') else f'/{path}'}"
    answer = client.get(path, **_EXTENDED)
    assert answer.status == 200, (question.name, answer)
    if question.deep:
        answer = client.get(f"{path}{'&' if '?' in path else '?'}$top=5", **_EXTENDED)
        assert client.get(answer.json["@odata.nextLink"], **_EXTENDED).status == 200


def filled_for(graph: Graph) -> Filled:
    """What the database of `graph` was filled with."""
    store: Any = graph.store
    settings = Settings(data=graph.settings.data, database=getattr(store, "_url", None))
    if graph.database == "sqlite":
        settings = Settings(data=str(store._path.parent))
    return fill(settings, WISH, processes=0)


def write(client: Client, group: str) -> None:
    """The usual writes, and what they undo."""
    place = client.start(group=group)
    place = client.attach(client.extend(client.reply(place, to_post=True)))
    assert client.delete(place.attachment_path()).status == 204
    assert client.patch(place.thread_path(), {"isLocked": True}).status == 200
    assert client.patch(place.thread_path(), {"isLocked": False}).status == 200
    assert client.delete(place.thread_path()).status == 204
    assert client.post(f"/groups/{group}/resetUnseenCount").status == 200


def test_an_index_answers_everything(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = filled_for(graph)
    adele = graph.as_("AdeleV")
    long = f"/groups/{filled.group}/threads/{filled.thread}"
    names = {
        "{thread}": filled.thread or "",
        "{some}": adele.get(f"/groups/{filled.group}/threads?$top=1").value[0]["id"],
        "{post}": adele.get(f"{long}/posts?$top=1").value[0]["id"],
    }
    _PLANS.clear()
    with recorded(monkeypatch) as ran:
        for question in QUESTIONS:
            if not question.linear:
                ask(adele, filled, question, names)
        write(adele, filled.group)
    assert len(ran) > 80
    assert [each for each in explained(graph, ran) if not may_be(*each)] == []
    assert list(explained(graph, {"SELECT id FROM posts ORDER BY content": {}})), "what has no index would not be found"


def test_what_holds_for_few_is_not_walked_to(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index gives the few; nothing goes along the group to see whether there is another."""
    filled = filled_for(graph)
    adele = graph.as_("AdeleV")
    _PLANS.clear()
    with recorded(monkeypatch) as ran:
        for question in SPARSE:
            ask(adele, filled, question, {"{thread}": filled.thread or ""})
    assert len(SPARSE) >= 7
    assert list(walks(graph, ran)) == []
    with recorded(monkeypatch) as ran:
        linear = next(each for each in QUESTIONS if each.linear and "contains(topic" in each.name)
        ask(adele, filled, linear, {})
    assert list(walks(graph, ran)), "a walk would not be found"


def test_an_extended_property_is_found_by_its_value_whatever_that_is(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the plan serves any value: with other indexes PostgreSQL goes through all that have the property."""
    store: Any = graph.store
    filled = filled_for(graph)
    _PLANS.clear()
    question = next(each for each in QUESTIONS if "singleValue" in each.name)
    with recorded(monkeypatch) as ran:
        ask(graph.as_("AdeleV"), filled, question, {"{thread}": filled.thread or ""})
    (probe,) = (text for text in ran if "single_values.start" in text and text.startswith("SELECT count(*)"))
    if graph.database == "sqlite":
        with contextlib.closing(sqlite3.connect(store._path)) as file:
            plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {probe}", ran[probe])]
    else:
        with psycopg.connect(store._url) as link:
            link.execute(
                b"SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off"
            )
            link.execute(b"ANALYZE single_values")
            cursor = psycopg.ClientCursor(link)
            names = list(ran[probe])
            numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", probe)
            link.execute(f"PREPARE probe AS {numbered}".encode())
            given = cursor.mogrify(",".join(["%s"] * len(names)), list(ran[probe].values()))
            plan = [row[0] for row in link.execute(f"EXPLAIN EXECUTE probe({given})".encode())]
    assert any("single_values_value_idx" in step for step in plan), plan


def may_be(text: str, step: str) -> bool:
    """Whether a step of a statement's plan is one of those above."""
    return any(part in text and which in step for part, which, _ in SMALL)
