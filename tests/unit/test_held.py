"""What a batch holds back and writes together, and the pipeline that takes it to PostgreSQL."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, select
from sqlalchemy import text as sql

from folkmoot import lab
from folkmoot.model import Caller, PostDraft, ThreadDraft
from folkmoot.ops import access, conversations, posts, threads
from folkmoot.refusals import NotFound
from folkmoot.store import postgres_pipeline, rows, search
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx
from folkmoot.store.postgres import connect
from folkmoot.store.postgres_pipeline import Pipeline
from tests import postgres
from tests.harness import Graph
from tests.unit.test_store import together

GROUP = next(group.id for group in lab.GROUPS if group.visibility == "Public")
SECOND = next(group.id for group in lab.GROUPS if group.visibility == "Private")
ADELE = Caller(kind="person", oid=lab.PEOPLE[0].id, tenant="", application="", permissions=frozenset())
ALEX = Caller(kind="person", oid=lab.PEOPLE[1].id, tenant="", application="", permissions=frozenset())

_p, _c, _x = s.posts.c, s.conversations.c, s.changes.c
OF_THREAD = Statement(
    select(_p.id, _p.content, _p.version)
    .where(_p.group_id == bindparam("g"), _p.thread_id == bindparam("t"))
    .order_by(_p.received_at, _p.id)
)
SENDERS = Statement(select(_c.unique_senders, _c.preview).where(_c.group_id == bindparam("g"), _c.id == bindparam("c")))
NUMBERED = Statement(sql("SELECT rowid, conversation_id FROM post_words WHERE words MATCH 'walrus' ORDER BY rowid"))
CHECK = Statement(sql("INSERT INTO post_words (post_words, rank) VALUES ('integrity-check', 1)"))
LOG = Statement(select(_x.seq).where(_x.group_id == bindparam("g")).order_by(_x.seq))


def draft(text: str) -> PostDraft:
    return PostDraft(content_type="text", content=text, preview=text)


def started(graph: Graph) -> str:
    def verb(tx: Tx) -> str:
        standing = access.enter(tx, ADELE, GROUP)
        return conversations.start(tx, standing, "Launch", ThreadDraft(topic=None, post=draft("first")))

    return graph.store.write_here(verb)


def replied(thread: str, text: str, caller: Caller = ADELE) -> Callable[[Tx], str]:
    return lambda tx: posts.reply(tx, access.enter_thread(tx, caller, GROUP, thread), draft(text))


def contents(snapshot: Snapshot, thread: str) -> list[str]:
    return [row[1] for row in snapshot.all(OF_THREAD, g=GROUP, t=thread)]


def test_a_batch_of_any_size_is_stored_in_its_order(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = started(graph)
    kind = type(graph.store.write_here(lambda tx: tx))
    ran: list[str] = []
    run = kind._run

    def noting(tx: Any, text: str, parameters: Any) -> None:
        ran.append(text)
        run(tx, text, parameters)

    monkeypatch.setattr(kind, "_run", noting)
    texts = [f"reply {number}" for number in range(45)]
    made = together(graph.store, *(replied(thread, text) for text in texts))
    stored = graph.store.read_here(lambda snapshot: snapshot.all(OF_THREAD, g=GROUP, t=thread))
    assert [row[0] for row in stored[1:]] == made
    assert [row[1] for row in stored] == ["first", *texts]
    seqs = [row[0] for row in graph.store.read_here(lambda snapshot: snapshot.all(LOG, g=GROUP))]
    assert seqs == [*range(1, len(seqs) + 1)]
    assert {row[2] for row in stored} < set(seqs)
    # 45 = 32 + 8 + 4 + 1 posts, as many rows of words, 135 changes; the thread, its conversation and the number once.
    assert len(ran) <= 4 + 4 + 7 + 2 + 1
    found = graph.as_("AdeleV").get(f"/groups/{GROUP}/conversations?$search=reply")
    assert len(found.value) == 1


def test_what_is_held_back_is_seen_by_whoever_reads(graph: Graph) -> None:
    thread = started(graph)

    def verb(tx: Tx) -> list[str]:
        replied(thread, "second")(tx)
        seen = contents(tx, thread)
        replied(thread, "third")(tx)
        return seen + contents(tx, thread)

    assert graph.store.write_here(verb) == ["first", "second", "first", "second", "third"]


def test_threads_of_one_conversation_bring_it_on_together(graph: Graph) -> None:
    first = started(graph)

    def begun(tx: Tx) -> str:
        standing = access.enter(tx, ADELE, GROUP)
        conversation = rows.conversation(tx, GROUP, first)
        assert conversation is not None
        return threads.start(tx, standing, conversation, ThreadDraft(topic="Other", post=draft("other")))

    other = graph.store.write_here(begun)
    together(graph.store, replied(first, "by Adele"), replied(other, "by Alex", ALEX), replied(first, "last"))
    senders, preview = graph.store.read_here(lambda snapshot: snapshot.all(SENDERS, g=GROUP, c=first))[0]
    assert json.loads(senders) == [lab.PEOPLE[0].name, lab.PEOPLE[1].name]
    assert preview == "last"


def test_a_thread_is_answered_in_the_batch_in_which_it_began(graph: Graph) -> None:
    made: list[str] = []

    def begin(tx: Tx) -> None:
        standing = access.enter(tx, ADELE, GROUP)
        made.append(conversations.start(tx, standing, "Launch", ThreadDraft(topic=None, post=draft("first"))))

    together(graph.store, begin, lambda tx: replied(made[-1], "second")(tx))
    assert graph.store.read_here(lambda snapshot: contents(snapshot, made[-1])) == ["first", "second"]


def test_a_row_that_the_database_refuses_is_undone_alone(graph: Graph) -> None:
    thread = started(graph)

    def broken(tx: Tx) -> None:
        replied(thread, "never")(tx)
        tx.add(rows.POSTS, GROUP, **{**dict.fromkeys(rows.POSTS.columns), "id": tx.new_id()})

    def refused(tx: Tx) -> None:
        raise NotFound

    results = together(graph.store, replied(thread, "second"), broken, refused, replied(thread, "third"))
    assert isinstance(results[1], Exception)
    assert isinstance(results[2], NotFound)
    assert graph.store.read_here(lambda snapshot: contents(snapshot, thread)) == ["first", "second", "third"]


# ── the pipeline of PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    with postgres.fresh() as url, connect(url) as connection:
        yield Pipeline(connection)


ECHO = "SELECT %(text)s::text, %(number)s + 1, %(flag)s::boolean, %(none)s::text, %(text)s || '%%'"


@pytest.mark.parametrize("prepares", [True, False])
def test_values_arrive_as_they_were_sent(pipeline: Pipeline, prepares: bool) -> None:
    if not prepares:
        pipeline.connection.prepare_threshold = None
    for text in ("a", "Ümläut '; --", ""):
        with pipeline:
            sent = pipeline.send(ECHO, {"text": text, "number": 2**40, "flag": True, "none": None})
            assert pipeline.rows(sent) == [(text, 2**40 + 1, True, None, f"{text}%")]
    prepared = pipeline.connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert prepared == (int(prepares),)


def test_an_error_is_raised_and_the_pipeline_goes_on(pipeline: Pipeline) -> None:
    def divide() -> None:
        with pipeline:
            pipeline.send("SELECT 1 / %(by)s::int", {"by": 0})
            pipeline.send("SELECT 1")

    def look_nowhere() -> None:
        with pipeline:
            pipeline.send("SELECT 2")
            pipeline.rows(pipeline.send("SELECT 1 FROM nowhere"))

    for fails, error in ((divide, psycopg.errors.DivisionByZero), (look_nowhere, psycopg.errors.UndefinedTable)):
        with pytest.raises(error):
            fails()
    with pipeline:
        first, second = pipeline.send("SELECT 1"), pipeline.send("SELECT 2")
        assert (pipeline.rows(second), pipeline.rows(first)) == ([(2,)], [(1,)])


def test_few_statements_stay_prepared(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pipeline, "_PREPARED", 3)
    for round in range(2):
        with pipeline:
            for number in range(5):
                assert pipeline.rows(pipeline.send(f"SELECT {number}, {round}")) == [(number, round)]
    assert pipeline.connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (3,)


def test_a_transaction_begins_where_others_are_forgotten(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when its beginning was forgotten, and is prepared anew."""
    monkeypatch.setattr(postgres_pipeline, "_PREPARED", 3)
    for count in (1, 5, 1, 5):
        with pipeline:
            pipeline.send("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for number in range(count):
                assert pipeline.rows(pipeline.send(f"SELECT {number}, {count}")) == [(number, count)]
            pipeline.send("ROLLBACK")
    assert pipeline.connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (3,)


@pytest.mark.parametrize("graph", ["sqlite"], indirect=True)
def test_words_are_numbered_as_conversations_began(graph: Graph) -> None:
    """Of all groups in one go: FTS5 would write what it has to the disk before each number that is less. Here all posts
    want the same number among those of their conversation."""
    old, new = (f"019a0000-000{number}-7000-8000-000000000000" for number in (1, 2))
    other = "019a0000-0002-7abc-8000-000000000000"  # began in the same millisecond
    last = "ffffffff-ffff-4fff-bfff-ffffffffffff"  # an id that is not time-ordered
    rows = [
        (GROUP, new), (GROUP, old), (SECOND, last), (SECOND, other), (GROUP, new), (SECOND, new), (SECOND, old),
    ]  # fmt: skip

    def add(tx: Tx) -> list[tuple[Any, ...]]:
        for times in range(2):
            for number, (group, conversation) in enumerate(rows):
                post = f"{times}{number:07}-0000-7000-8000-000000000000"
                names = {"group": group, "conversation": conversation, "thread": conversation, "post": post}
                search.add(tx, **names, topics=("", ""), authors=(), body="walrus", attached=False, version=7)
            tx.let_go()
        return tx.all(NUMBERED)

    found = graph.store.write_here(add)
    assert Counter(conversation for _, conversation in found) == {old: 4, new: 6, other: 2, last: 2}
    numbers = [number for number, _ in found]
    assert [conversation for _, conversation in found] == sorted(
        (conversation for _, conversation in found), key=search.first
    )
    assert [conversation for _, conversation in found][:2] == [last] * 2
    assert found[-1][1] == old
    assert numbers == sorted(set(numbers))
    for number, conversation in found:
        moment = search.moment(number)
        assert moment.first == search.first(conversation) <= number < moment.end <= 2**63
        assert moment.since <= conversation < moment.until
    # What failed has left nothing behind in the index.
    graph.store.write_here(lambda tx: tx.run(CHECK))
