"""`$search`: what is found, in which order, page by page, and how it goes with the other options."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import quote

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, delete, select

from folkmoot.graph import searching
from folkmoot.graph.plan import _PLANS
from folkmoot.store import db, migrate
from folkmoot.store import schema as s
from folkmoot.store.db import Statement
from tests.harness import GROUP, Answer, Client, Graph
from tests.protocol.library import Library
from tests.protocol.shapes import refused

CONVERSATIONS = f"/groups/{GROUP['SalesAndMarketing']}/conversations"
THREADS = f"/groups/{GROUP['SalesAndMarketing']}/threads"


def ask(client: Client, path: str, text: str, more: str = "") -> Answer:
    return client.get(f"{path}?$search={quote(text)}{more}")


def topics(client: Client, text: str, more: str = "") -> list[str]:
    """The topics of the conversations that are found."""
    return [item["topic"] for item in ask(client, CONVERSATIONS, text, more).value]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("launch", ["launch PLAN", "Launch plan", "Launch plan"]),
        ('"launch"', ["launch PLAN", "Launch plan", "Launch plan"]),
        ("LAUNCH may", ["Launch plan"]),
        ('"launch may"', ["Launch plan"]),  # Graph quotes the whole expression: words, not a phrase
        (r'"\"launch may\""', []),
        (r'"\"launch in may\""', ["Launch plan"]),
        ('"launch in" OR "sonnig"', ["launch PLAN", "Grüße aus Köln — 日本語 🙂", "Launch plan"][1:]),
        ("laun*", ["launch PLAN", "Launch plan", "Launch plan"]),
        ("launch -case", ["Launch plan", "Launch plan"]),
        ("launch NOT (case OR another)", ["Launch plan"]),
        ("-case launch -another", ["Launch plan"]),
        ("(-case -another) launch", ["Launch plan"]),
        ("launch -(case -another)", ["Launch plan", "Launch plan"]),
        ("grusse", ["Grüße aus Köln — 日本語 🙂"]),
        ("koln GRÜßE", ["Grüße aus Köln — 日本語 🙂"]),
        ("日本", ["Grüße aus Köln — 日本語 🙂"]),
        ("本語", ["Grüße aus Köln — 日本語 🙂"]),
        ("語", ["Grüße aus Köln — 日本語 🙂"]),
        ("本日", []),
        ("from:megan launch", ["Launch plan", "Launch plan"]),
        ("from:lynner@contoso.onmicrosoft.com", ["Talk", "Grüße aus Köln — 日本語 🙂"]),
        ('from:"Lynne Robbins" -talk', ["Grüße aus Köln — 日本語 🙂"]),
        ("subject:launch", ["launch PLAN", "Launch plan", "Launch plan"]),
        ("subject:case", []),
        ("subject:launch subject:plan", ["launch PLAN", "Launch plan", "Launch plan"]),
        ("subject:laun* OR subject:talk", ["Talk", "launch PLAN", "Launch plan", "Launch plan"]),
        ("subject:budget", ["Grüße aus Köln — 日本語 🙂"]),
        ("subject:budget -subject:grüße", []),  # of each post both are topics
        ("body:launch", ["Launch plan"]),
        ("budget", ["Grüße aus Köln — 日本語 🙂"]),  # the topic of one of its threads
        ("b", ["O'Brien's 100% _wild%"]),
        ("p", []),  # a tag
        ("o'brien", ["O'Brien's 100% _wild%"]),
        ("received>=2026-11-24 launch", []),
        ("received:2026-11-23 launch another", ["Launch plan"]),
        ("received<2026-11-23", []),
        ("received>2026-11-24 received<2026-11-23", []),
        ("hasAttachments:true -talk", ["O'Brien's 100% _wild%"]),
        ("hasAttachments:true OR case", ["Talk", "O'Brien's 100% _wild%", "launch PLAN"]),
        ("launch NOT (received<2026-11-24 OR hasAttachments:true)", []),
    ],
)
def test_conversations(library: Library, text: str, found: list[str]) -> None:
    assert topics(library.as_("AdeleV"), text) == found
    # The same by the index alone, and counted.
    assert sorted(topics(library.as_("AdeleV"), text, "&$orderby=topic")) == sorted(found)
    assert sorted(topics(library.as_("AdeleV"), text, "&$orderby=relevance")) == sorted(found)
    count = ask(library.as_("AdeleV"), f"{CONVERSATIONS}/$count", text)
    assert count.text == str(len(found))


def test_threads(library: Library) -> None:
    extended = library.graph.as_app("extended")
    assert [item["topic"] for item in ask(extended, THREADS, "subject:part").value] == [
        f"Part {n:02}" for n in range(24, 0, -1)
    ] + ["Parts"][:0]
    below = f"{library.parts.conversation_path}/threads"
    found = ask(extended, below, '"subject:part body:part"').value
    assert [item["topic"] for item in found][:2] == ["Part 24", "Part 23"]
    assert ask(extended, f"{below}/$count", "isaiah").text == str(len(ask(extended, below, "from:isaiah").value))
    # Another thread of the conversation is not found by the conversation's topic.
    assert [item["topic"] for item in ask(extended, THREADS, "budget").value] == ["Budget 2027"]
    assert [item["topic"] for item in ask(extended, THREADS, "grüße").value] == ["Grüße aus Köln — 日本語 🙂"]


@pytest.mark.parametrize("road", ["direct", "through"])
def test_posts(library: Library, road: str) -> None:
    extended = library.graph.as_app("extended")
    path = f"{library.talk.thread_path(road)}/posts"
    found = [item["body"]["content"] for item in ask(extended, path, "post -from:lynne").value]
    assert found[0] in ("post 29", "post 28", "post 27")
    numbers = [int(content.strip("</i>").split()[-1]) for content in found]
    assert numbers == sorted(numbers, reverse=True)
    assert [item["body"]["content"] for item in ask(extended, path, '"post 11"').value] == ["post 11"]
    assert ask(extended, path, "subject:talk", "&$top=50").ids == ask(extended, path, "post", "&$top=50").ids
    assert ask(extended, path, "launch").value == []


@pytest.mark.parametrize("path", [THREADS, "thread", "posts"])
def test_a_strict_application_searches_conversations_only(library: Library, path: str) -> None:
    path = {
        "thread": f"{library.launch.conversation_path}/threads",
        "posts": f"{library.launch.thread_path()}/posts",
    }.get(path, path)
    for who in (library.as_("AdeleV"), library.graph.as_app("daemon")):
        for tail in ("", "/$count"):
            refused(ask(who, path + tail, "launch"), 400, "ErrorInvalidUrlQuery", "$search")
    assert ask(library.graph.as_app("extended"), path, "launch").status == 200


def test_nothing_of_another_group_is_found(library: Library) -> None:
    assert topics(library.as_("DiegoS"), "private") == []
    lidia = library.as_("LidiaH")
    assert [item["topic"] for item in ask(lidia, f"/groups/{GROUP['Mark8']}/conversations", "all").value] == ["Mark 8"]
    refused(ask(lidia, f"/groups/{GROUP['HR']}/conversations", "private"), 403, "ErrorAccessDenied", None)


def test_with_the_other_options(library: Library) -> None:
    adele = library.as_("AdeleV")
    answer = ask(adele, CONVERSATIONS, "launch", "&$filter=topic eq 'Launch plan'&$select=topic&$count=true&$top=1")
    assert [sorted(item) for item in answer.value] == [["id", "topic"]]
    assert answer.json["@odata.count"] == 2
    assert topics(adele, "launch", "&$orderby=lastDeliveredDateTime desc&$top=1") == ["Launch plan"]
    assert topics(adele, "launch", "&$skip=1") == ["Launch plan", "Launch plan"]
    expanded = ask(adele, CONVERSATIONS, "launch", "&$expand=threads($select=topic)").value
    assert [thread["topic"] for item in expanded for thread in item["threads"]] == [item["topic"] for item in expanded]
    refused(ask(adele, CONVERSATIONS, "launch", "&$expand=threads($search=x)"), 400, "ExpandNotSupported", "$expand")


def test_the_best_come_first_when_asked(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    for number in range(30):
        adele.start(f"Topic {number}", "walrus " * (number % 10 + 1) + "filler " * 30)
        graph.clock.advance(1)
    best = adele.start("Walrus", "walrus walrus walrus", group="SalesAndMarketing")
    adele.start("Last", "one walrus among " + "many other words " * 30)
    path = f"{CONVERSATIONS}?$search=walrus&$top=7&$orderby=relevance"
    pages = list(adele.pages(path))
    ids = [item["id"] for page in pages for item in page]
    assert ids[0] == best.conversation
    assert [len(page) for page in pages] == [7, 7, 7, 7, 4]
    assert len(set(ids)) == 32
    assert adele.get(f"{CONVERSATIONS}?$search=walrus&$orderby=relevance desc&$skip=30").ids == ids[30:]
    refused(adele.get(f"{path},topic"), 400, "ErrorInvalidUrlQuery", "$orderby")
    refused(adele.get(f"{CONVERSATIONS}?$orderby=relevance"), 400, "ErrorInvalidUrlQuery", "$orderby")


@pytest.mark.parametrize(
    "text", ["launch", '"launch plan"', "launch hasAttachments:false", "laun* received>2026-01-01"]
)
def test_the_best_are_the_same_whether_words_are_common_or_rare(
    library: Library, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """PostgreSQL looks for common words in the newest posts, and for rare ones in its index."""
    found = []
    for sample in (0, 10**6):
        monkeypatch.setattr(searching, "SAMPLE", sample)
        found.append(topics(library.as_("AdeleV"), text, "&$orderby=relevance"))
    assert found[0] == found[1] != []


@pytest.mark.parametrize("walk", [1, 7, 1_000])
@pytest.mark.parametrize("few", [0, 2_000])
def test_pages_neither_lose_nor_repeat(graph: Graph, monkeypatch: pytest.MonkeyPatch, walk: int, few: int) -> None:
    """Whichever way a page is found, while others are posted."""
    for name in ("WALK", "WINDOW", "AT_ONCE", "SOME", "LONG", "MATCHES", "RUN", "BESIDE"):
        monkeypatch.setattr(searching, name, walk)
    _PLANS.clear()  # which may hold another LONG
    monkeypatch.setattr(searching, "FEW", few)
    adele, megan, extended = graph.as_("AdeleV"), graph.as_("MeganB"), graph.as_app("extended")
    talk = adele.start("Talk", "walrus 0")
    for number in range(1, 20):
        adele.start(f"{number}", "walrus" if number % 3 else "seal")
        adele.reply(talk, f"walrus {number}" if number % 4 else "seal")
        graph.clock.advance(number % 2)
    whole = adele.get(f"{CONVERSATIONS}?$search=walrus&$top=999").ids

    def post() -> None:
        megan.start("New", "walrus")
        megan.reply(talk, "walrus")

    pages = list(adele.pages(f"{CONVERSATIONS}?$search=walrus&$top=3", post))
    assert [item["id"] for page in pages for item in page] == whole
    assert len(whole) == 1 + 19 - 6
    assert adele.get(f"{CONVERSATIONS}?$search=walrus&$top=4&$skip={len(pages) + 5}").ids == whole[6:10]
    posts = f"{talk.thread_path()}/posts?$search=walrus"
    before = extended.get(f"{posts}&$top=999").ids
    assert [item["id"] for item in extended.everything(f"{posts}&$top=4")] == before
    assert len(before) == 20 - 4 + len(pages) - 1


def test_no_row_is_looked_at_twice_and_none_where_the_index_has_fewer(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word in one of the newest items looks common, and is not."""
    for name, value in {"WALK": 2, "WINDOW": 2, "FEW": 1}.items():
        monkeypatch.setattr(searching, name, value)
    adele = graph.as_("AdeleV")
    for number in range(30):
        adele.start(f"{number}", "walrus" if number in (0, 1, 2, 29) else "seal")
    walked: list[tuple[int, bool]] = []
    every = db.Snapshot.all

    def noting(snapshot: db.Snapshot, statement: db.Statement, **parameters: object) -> list[db.Row]:
        rows = every(snapshot, statement, **parameters)
        if isinstance(walk := parameters.get("walk"), int):
            walked.append((walk, "k0" in parameters))
        if isinstance(start := parameters.get("start"), int):
            walked.append((len(rows), start > 0))
        return rows

    monkeypatch.setattr(db.Snapshot, "all", noting)
    whole = adele.get(f"{CONVERSATIONS}?$search=walrus&$select=topic").value
    assert [item["topic"] for item in whole if item["topic"].isdigit()] == ["29", "2", "1", "0"]
    # SQLite's index has them in order; PostgreSQL looks at eight times as many behind the first two.
    assert walked == ([(4, False)] if graph.database == "sqlite" else [(1, False), (15, True)])


def go_on(graph: Graph) -> None:
    """Set the clock after the last id that was made: the store's ids ascend though the clock was set back."""
    last = graph.store.ids.new(0)
    graph.clock.now = int(last[:8] + last[9:13], 16) // 1000 + 1


@pytest.mark.parametrize("beside", [0, 100])
@pytest.mark.parametrize("moments", [0, 1])
def test_a_long_conversation_hides_no_other(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, beside: int, moments: int
) -> None:
    """Whether others began in the same millisecond, and some of its threads later, or not."""
    monkeypatch.setattr(searching, "MATCHES", 2)
    monkeypatch.setattr(searching, "BESIDE", beside)
    _PLANS.clear()
    go_on(graph)
    adele, extended = graph.as_("AdeleV"), graph.as_app("extended")
    old = adele.start("Old", "walrus")
    graph.clock.advance(moments)
    talk = adele.start("Talk", "seal")
    others = [adele.start(f"Other {number}", "walrus" if number % 2 else "seal") for number in range(6)]
    graph.clock.advance(moments)
    new = adele.start("New", "walrus")
    graph.clock.advance(1)
    late = {"topic": "Late", "posts": [{"body": {"content": "walrus"}}]}
    threads = [adele.post(f"{talk.conversation_path}/threads", late).json["id"] for _ in range(3)]
    for number in range(40):
        adele.reply(talk, f"walrus {number}")
    adele.reply(old, "walrus")
    found = [new, *(others[number] for number in (5, 3, 1)), talk, old]
    for size in (1, 2, 20):
        paged = adele.everything(f"{CONVERSATIONS}?$search=walrus&$top={size}")
        assert [item["id"] for item in paged] == [place.conversation for place in found]
        paged = extended.everything(f"{THREADS}?$search=walrus&$top={size}")
        ours = [*(place.thread for place in found[:4]), *reversed(threads), talk.thread, old.thread]
        assert [item["id"] for item in paged] == ours
    counted = adele.get(f"{CONVERSATIONS}?$search=walrus&$filter=topic eq 'Talk'&$count=true&$top=1")
    assert counted.ids == [talk.conversation]
    assert counted.json["@odata.count"] == 1


def test_a_long_conversation_leaves_room_among_the_best(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANKED": 60, "TOGETHER": 20, "ENOUGH": 10}.items():
        monkeypatch.setattr(searching, name, value)
    _PLANS.clear()
    go_on(graph)
    adele, extended = graph.as_("AdeleV"), graph.as_app("extended")
    best = adele.start("Walrus", "walrus walrus walrus")
    graph.clock.advance(1)
    talk = adele.start("Talk", "seal")
    for number in range(80):
        adele.reply(talk, f"a walrus, and {number} other words")
        graph.clock.advance(1)
    if graph.database == "sqlite":
        assert adele.get(f"{CONVERSATIONS}?$search=walrus&$orderby=relevance").ids == [
            best.conversation,
            talk.conversation,
        ]
    # Within a thread there is nothing else to make room for.
    assert len(extended.get(f"{talk.thread_path()}/posts?$search=walrus&$orderby=relevance&$top=100").ids) == 60


def test_posts_are_found_by_the_attachments_that_they_have_now(graph: Graph) -> None:
    adele, extended = graph.as_("AdeleV"), graph.as_app("extended")
    place = adele.start("Walrus", "tusks")
    adele.start("Seal", "tusks")
    assert topics(adele, "tusks hasAttachments:true") == []
    held = adele.attach(place)
    inline = adele.attach(place, isInline=True)
    for text in ("tusks hasAttachments:true", "hasAttachments:true"):
        for more in ("", "&$orderby=relevance"):
            assert topics(adele, text, more) == ["Walrus"]
    assert ask(extended, THREADS, "tusks hasAttachments:true").ids == [place.thread]
    assert len(ask(extended, f"{place.thread_path()}/posts", "tusks hasAttachments:true").ids) == 1
    assert topics(adele, "tusks hasAttachments:false") == ["Seal"]
    assert adele.patch(place.thread_path(), {"topic": "Narwhal"}).status == 200
    assert topics(adele, "subject:walrus hasAttachments:true") == ["Walrus"]  # of the conversation
    assert ask(extended, THREADS, "narwhal hasAttachments:true").ids == [place.thread]
    assert adele.delete(held.attachment_path()).status == 204
    assert topics(adele, "tusks hasAttachments:true") == []
    assert topics(adele, "tusks hasAttachments:false") == ["Seal", "Walrus"]
    assert adele.delete(inline.attachment_path()).status == 204
    index_is_true(graph)


def test_a_token_belongs_to_its_search(library: Library) -> None:
    adele = library.as_("AdeleV")
    link = adele.get(f"{CONVERSATIONS}?$search=launch&$top=1").json["@odata.nextLink"]
    for other in ("plan", "launch&$orderby=relevance", "launch&$orderby=topic"):
        refused(adele.get(link.replace("search=launch", f"search={other}")), 400, "ErrorInvalidUrlQuery", "$skiptoken")


def everywhere(client: Client, text: str) -> list[list[str]]:
    return [ask(client, path, text).ids for path in (CONVERSATIONS, THREADS)]


def test_what_is_deleted_is_found_no_more(graph: Graph) -> None:
    adele, extended = graph.as_("AdeleV"), graph.as_app("extended")
    place = adele.start("Walrus", "tusks")
    other = adele.post(f"{place.conversation_path}/threads", {"topic": "Walrus", "posts": [{"body": {"content": "x"}}]})
    adele.reply(place, "whiskers")
    keep = adele.start("Seal", "walrus")
    assert adele.delete(place.thread_path()).status == 204
    assert everywhere(extended, "tusks OR whiskers") == [[], []]
    assert everywhere(extended, "walrus") == [[keep.conversation, place.conversation], [keep.thread, other.json["id"]]]
    assert adele.delete(place.conversation_path).status == 204
    assert everywhere(extended, "walrus") == [[keep.conversation], [keep.thread]]
    assert adele.delete(keep.thread_path()).status == 204
    assert everywhere(extended, "walrus") == [[], []]
    index_is_true(graph)


def test_a_renamed_thread_is_found_by_its_new_topic(graph: Graph) -> None:
    adele, extended = graph.as_("AdeleV"), graph.as_app("extended")
    place = adele.start("Walrus", "tusks")
    for number in range(3):
        adele.reply(place, f"reply {number}")
    assert adele.patch(place.thread_path(), {"topic": "Narwhal"}).status == 200
    assert ask(extended, THREADS, "narwhal reply from:adele").ids == [place.thread]
    assert ask(extended, THREADS, "walrus").ids == []
    assert ask(extended, THREADS, "tusks").ids == [place.thread]
    # The conversation keeps its topic.
    assert everywhere(extended, "narwhal")[0] == everywhere(extended, "subject:walrus")[0] == [place.conversation]
    index_is_true(graph)


def test_a_refused_post_leaves_nothing_behind(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Walrus", "tusks")
    adele.patch(place.thread_path(), {"isLocked": True})
    body = {"post": {"body": {"contentType": "text", "content": "whiskers"}}}
    assert graph.as_("AlexW").post(f"{place.thread_path()}/reply", body).status == 403
    assert topics(adele, "whiskers") == []
    index_is_true(graph)


def test_long_posts_are_found_by_their_beginning(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    adele.start("Long", "first " + "x" * 5_000 + " " + " ".join(f"w{n}" for n in range(20_000)))
    adele.start(
        "Wide", " ".join("字" * 60 + f"{n}" for n in range(3_000)) + " " + " ".join("é" * 64 for _ in range(9_000))
    )
    adele.start("Same", "the " * 30_000 + "end")
    assert topics(adele, "first w14000") == topics(adele, "x" * 64) == topics(adele, "x" * 1_900) == ["Long"]
    assert topics(adele, "w19999") == []
    assert topics(adele, "字字字 subject:wide") == ["Wide"]
    assert topics(adele, r'"\"the the\""') == ["Same"]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (" ", "empty"),
        ('""', "position 2"),
        ("(a", "position 1"),
        ("a)", "position 2"),
        ("a OR", "position 5"),
        ('a "b', "position 3"),
        ("a to:b", "position 3"),
        ('"a to:b"', "position 4"),
        ("received>soon", "position 1"),
        ("received>=2026-02-30", "position 1"),
        ("hasAttachments:maybe", "position 1"),
        ("from>a", "position 6"),
        ("!!", "position 1"),
        ("(" * 30 + "a" + ")" * 30, "position"),
        (" ".join("a" * 60), "position"),
        ("a" * 2_001, "longer"),
        (" ".join(f"(hasAttachments:true OR received>2026-01-0{n} OR a{n})" for n in range(1, 6)), "alternatives"),
    ],
)
def test_what_cannot_be_read(library: Library, text: str, position: str) -> None:
    answer = ask(library.as_("AdeleV"), CONVERSATIONS, text)
    refused(answer, 400, "ErrorInvalidUrlQuery", "$search")
    assert position in answer.error["message"]


@pytest.mark.parametrize(
    "text",
    [
        "'",
        "a' OR 1=1",
        "a:* & b",
        "\\",
        "a\\",
        '"a\\"',
        "†g",
        "NEAR(a b)",
        "a ^ b",
        "{a b}",
        "\x01",
        "-",
        "*",
        "a <-> b",
    ],
)
def test_nothing_in_it_is_taken_for_the_databases_own_language(library: Library, text: str) -> None:
    for clause in (text, f'"{text}"', f"subject:{text}", f"-{text}"):
        assert ask(library.as_("AdeleV"), CONVERSATIONS, clause).status in (200, 400), clause


_INDEXED = Statement(select(s.post_words.c.post_id, s.post_words.c.words).order_by(s.post_words.c.post_id))
_POSTED = Statement(select(s.posts.c.id).order_by(s.posts.c.id))


def index_is_true(graph: Graph) -> None:
    """Each post is indexed once, and nothing else is."""
    indexed, posted = graph.store.read_here(lambda snapshot: (snapshot.all(_INDEXED), snapshot.all(_POSTED)))
    assert [row[0] for row in indexed] == [row[0] for row in posted]
    assert all(row[1] for row in indexed)


def test_the_migrations_index_what_is_there(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    adele = graph.as_("AdeleV")
    place = adele.attach(adele.start("Größe", "one", group="Mark8"))
    adele.patch(place.thread_path(), {"topic": "Renamed"})
    for number in range(5):
        adele.reply(place, f"reply {number} 日本語")
    adele.start("HTML", body={"contentType": "html", "content": "<p>It &amp; <b>that</b></p>"})
    before = indexed(graph)
    store: Any = graph.store
    sqlite = graph.database == "sqlite"
    first, in_order = (
        import_module(f"folkmoot.store.migrations.versions.{name}") for name in ("0006_search", "0013_in_order")
    )
    monkeypatch.setattr(first, "_BATCH", 3)
    engine = create_engine(migrate.sqlite_url(store._path)) if sqlite else migrate.postgres_engine(store._url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            if sqlite:
                connection.exec_driver_sql("DROP TABLE post_words")
                connection.exec_driver_sql("DROP TABLE indexed_posts")
                first.upgrade()
                in_order.upgrade()
            else:
                connection.execute(delete(s.post_words))
                first._fill(connection, "postgresql")
    engine.dispose()
    assert indexed(graph) == before
    assert topics(adele, "html that") == ["HTML"]
    assert ask(graph.as_app("extended"), f"/groups/{GROUP['Mark8']}/threads", "renamed hasAttachments:true").ids == [
        place.thread
    ]


def indexed(graph: Graph) -> list[tuple[str, list[str]]]:
    """The posts that are indexed, and their words."""
    rows = graph.store.read_here(lambda snapshot: snapshot.all(_INDEXED))
    return [(post, sorted(words.split())) for post, words in rows]


def test_the_index_holds_what_was_posted(library: Library) -> None:
    index_is_true(library.graph)
