"""Every statement over what belongs to a group names the group, wherever in it a table stands.

Each row of the surface is asked, and all SQL that runs meanwhile is looked at. What crosses groups is the directory:
the statements of `store/everywhere.py`, and those of the directory's feeds. So do those of `store/subscriptions.py`,
for subscriptions belong to a subscriber and may be about many groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from folkmoot.graph.plan import _PLANS, Plan
from folkmoot.ops import directory
from folkmoot.store import (
    changes,
    deliveries,
    edits,
    endpoints,
    everywhere,
    extensions,
    followed,
    grants,
    lanes,
    places,
    replays,
    retention,
    rows,
    schema,
    search,
    subscriptions,
    watch,
)
from folkmoot.store.db import Statement
from tests.harness import Client, Graph
from tests.protocol.rows import EVERYTHING, REQUESTS

# Tables of a group's own: where group_id leads the key.
OWN = {table.name for table in schema.meta.tables.values() if next(iter(table.primary_key.columns)).name == "group_id"}

_PLACE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO|,)\s+(\w+)(?:\s+AS\s+(\w+))?", re.IGNORECASE)

QUERIES = (
    "$filter=threads/any(t:t/isLocked) or threads/$count gt 1 or topic eq 'x'",
    "$expand=threads($expand=posts($expand=inReplyTo;$filter=hasAttachments))&$top=1",
    "$expand=threads($expand=posts($expand=extensions($filter=id eq 'x'),singleValueExtendedProperties("
    "$filter=id eq 'String 0x4001'),multiValueExtendedProperties($filter=id eq 'StringArray 0x4001')))",
    "$expand=threads($expand=posts($filter=extensions/any(f:f/id eq 'x') or singleValueExtendedProperties/any(ep:"
    "ep/id eq 'String 0x4001' and ep/value eq 'x') or multiValueExtendedProperties/any(ep:ep/id eq "
    "'StringArray 0x4001')))",
    "$orderby=topic desc,hasAttachments&$top=1&$skip=1&$count=true",
    "$search=hello&$top=1&$count=true",
    "$search=hello OR received>2026-01-01 hasAttachments:false&$orderby=topic&$top=1",
    "$search=hello&$orderby=relevance&$top=1",
)


def unnamed(text: str) -> list[str]:
    """The places in a statement where a group's table stands without its group."""
    found = []
    for table, alias in _PLACE.findall(text):
        if table in OWN:
            name = alias or table
            given = rf"\b{name}\.group_id (?:=|IN) |\b{name}\.group_id\b[^)]*\) (?:=|IN) "
            inserted = rf"INSERT INTO {name} \([^)]*\bgroup_id\b"
            # A word that every post of the group has, and no other.
            word = rf"\b{name}\.words MATCH '\"†g' \|\| replace\(:g, "
            if not any(re.search(each, text) for each in (given, inserted, word)):
                found.append(f"{name} in {text}")
    return found


def statements(module: Any) -> Iterator[Statement]:
    """The statements that a module holds."""
    for value in vars(module).values():
        each = value.values() if isinstance(value, dict) else [value]
        yield from (statement for statement in each if isinstance(statement, Statement))


def of_plan(plan: Plan) -> Iterator[Statement]:
    """The statements of a plan and of what it expands."""
    yield from (plan.count, *plan._pages.values())
    for branch in plan.branches:
        yield from of_plan(branch.plan)


def everything_asked(graph: Graph, client: Client) -> None:
    """Each row once, reads first and deletions last, and lists with options."""
    order = ("GET", "POST", "PATCH", "DELETE")
    for request in sorted(REQUESTS, key=lambda request: order.index(request.method)):
        place = graph.as_("AdeleV").start()
        graph.as_("AdeleV").reply(place, to_post=True)
        who = graph.as_("admin", scopes=EVERYTHING) if "user" in request.row else client
        assert request.send(who, place).status < 405
        if request.row == "GET group/conversations":
            for query in QUERIES:
                for path in client.pages(f"{request.path(place)}?{query}"):
                    assert path is not None
        if request.row == "DELETE group":
            return


@pytest.fixture
def run(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> set[Statement]:
    """The statements that run while every row is asked."""
    seen: set[Statement] = set()
    compiled = Statement.compiled

    def noting(statement: Statement, dialect: Any) -> Any:
        seen.add(statement)
        return compiled(statement, dialect)

    _PLANS.clear()
    monkeypatch.setattr(Statement, "compiled", noting)
    everything_asked(graph, graph.as_("AdeleV", scopes=EVERYTHING))
    monkeypatch.undo()
    return seen


def test_every_statement_names_the_group(graph: Graph, run: set[Statement]) -> None:
    of_directory = {s for plan in _PLANS.values() if plan.feed.directory for s in of_plan(plan)}
    exempt = of_directory | set(statements(everywhere)) | set(statements(subscriptions))
    looked_at = [statement for statement in run - exempt if statement.expression is not None]
    assert len(looked_at) > 30
    texts = [statement.compiled(graph.database)[0] for statement in looked_at]
    assert [place for text in texts for place in unnamed(text)] == []


@pytest.mark.parametrize(
    "module",
    [rows, changes, directory, edits, extensions, followed, grants, replays, search],
    ids=lambda module: module.__name__,
)
def test_so_do_those_that_were_not_run(module: Any) -> None:
    for statement in statements(module):
        assert unnamed(statement.compiled("postgresql")[0]) == []


@pytest.mark.parametrize(
    "module", [deliveries, endpoints, lanes, places, retention, watch], ids=lambda module: module.__name__
)
def test_followers_cross_groups_by_numbers_alone(module: Any) -> None:
    """Which groups changed, and how far each subscriber was told, is asked of all groups at once; content never is."""
    for statement in statements(module):
        for place in unnamed(statement.compiled("postgresql")[0]):
            assert place.partition(" ")[0] in ("sequences", "subscription_cursors"), place


def test_a_statement_that_does_not_would_be_found() -> None:
    assert unnamed("SELECT posts.id FROM posts WHERE posts.id = %(id)s")
    assert unnamed("SELECT 1 FROM threads AS t JOIN posts ON posts.thread_id = t.id WHERE t.group_id = %(g)s")
    assert unnamed("UPDATE threads SET topic=%(x)s WHERE threads.id = %(id)s")
    assert unnamed("INSERT INTO posts (id) VALUES (%(id)s)")
    assert not unnamed("SELECT 1 FROM users WHERE users.id = %(id)s")
    assert not unnamed("DELETE FROM threads WHERE threads.group_id = %(g)s")
