"""`folkmoot lab fill`: rows as the verbs would have written them, and a server that works on them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from folkmoot import app, cli
from folkmoot.config import Settings
from folkmoot.filling import content, run
from folkmoot.filling.plan import Plan, Unfit, Wish
from folkmoot.filling.run import fill
from folkmoot.mime import html
from folkmoot.model import (
    AttachmentDraft,
    Caller,
    ExtensionDraft,
    PostDraft,
    Recipient,
    SingleValueDraft,
    ThreadDraft,
)
from folkmoot.ops import access, conversations, posts, threads
from folkmoot.refusals import Refusal
from folkmoot.store import rows as stored
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Store, Tx
from tests import postgres
from tests.harness import DATABASES, Client, Database, Graph

# Two parts of the long thread, some hot ones, and conversations with two threads.
WISH = Wish(posts=1_900, hot_threads=40, long_thread=1_020, groups=3, people=30)
_JSON = {"unique_senders", "to_recipients", "cc_recipients", "new_participants", "categories", "link"}


@contextlib.contextmanager
def place(database: Database, folder: Path) -> Iterator[Settings]:
    """An empty database."""
    if database == "sqlite":
        yield Settings(data=str(folder))
        return
    with postgres.fresh() as url:
        yield Settings(data=str(folder), database=url)


def settings_of(graph: Graph) -> Settings:
    """Where a test's server has its database."""
    store: Any = graph.store
    if graph.database == "sqlite":
        return Settings(data=str(store._path.parent))
    return Settings(data=graph.settings.data, database=store._url)


def table(store: Store, name: str) -> list[dict[str, Any]]:
    """The rows of a table, in the order of its keys; JSON as what it says."""
    found = s.meta.tables[name]
    rows = store.read_here(lambda snapshot: snapshot.all(Statement(select(found).order_by(*found.primary_key.columns))))
    names = [column.name for column in found.columns]
    return [
        {n: json.loads(v) if n in _JSON and v is not None else v for n, v in zip(names, row, strict=True)}
        for row in rows
    ]


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Given:
    """The ids of a filled database, to be given once more."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def clock(self) -> float:
        return 0.0

    def new(self, now: float, after: str | None = None) -> str:
        return self.ids.pop(0)


def _recipients(value: Any) -> tuple[Recipient, ...]:
    return msgspec.convert(value, tuple[Recipient, ...])


def _by_post(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {
        post: list(each) for post, each in groupby(sorted(rows, key=lambda r: r["post_id"]), lambda r: r["post_id"])
    }


class Filling:
    """What a filled database holds, as what was done: each post with its thread, and what began with it."""

    def __init__(self, store: Store) -> None:
        self.tables = {name: table(store, name) for name in (*content.COLUMNS, "sequences")}
        one = {name: {r["id"]: r for r in self.tables[name]} for name in ("conversations", "threads", "posts")}
        self.conversations, self.threads, self.posts = one["conversations"], one["threads"], one["posts"]
        self.attachments = _by_post(self.tables["attachments"])
        self.data = {row["blob_id"]: row["data"] for row in self.tables["blobs"]}
        self.extensions = _by_post(self.tables["extensions"])
        self.values = _by_post(self.tables["single_values"])
        self.joining = {  # who joined each thread later
            thread: [r["emailAddress"]["address"] for post in each for r in post["new_participants"]]
            for thread, each in groupby(
                sorted(self.tables["posts"], key=lambda r: r["thread_id"]), lambda r: r["thread_id"]
            )
        }

    def draft(self, post: dict[str, Any]) -> PostDraft:
        """The post as the door would have handed it on, made of its body alone."""
        markup = post["content_type"] == "html"
        assert not markup or html.clean(post["content"]) == post["content"]
        preview = html.preview_of_html if markup else html.preview_of_text
        return PostDraft(
            content_type=post["content_type"],
            content=post["content"],
            preview=preview(post["content"]),
            new_participants=_recipients(post["new_participants"]),
            categories=tuple(post["categories"]),
            extensions=tuple(
                ExtensionDraft(row["name"], json.loads(row["data"])) for row in self.extensions.get(post["id"], ())
            ),
            single_values=tuple(
                SingleValueDraft(row["key"], row["given"], row["value"]) for row in self.values.get(post["id"], ())
            ),
            attachments=tuple(
                AttachmentDraft(
                    kind=row["kind"],
                    name=row["name"],
                    content_type=row["content_type"],
                    is_inline=row["is_inline"],
                    content_id=row["content_id"],
                    data=bytes(self.data.get(row["id"], b"")),
                    link=None if row["link"] is None else msgspec.json.encode(row["link"]).decode(),
                )
                for row in self.attachments.get(post["id"], ())
            ),
        )


def again(store: Store, there: Filling) -> None:
    """Post everything once more, by the verbs, each at its time."""
    begun: set[str] = set()
    given = Given()

    def post_all(tx: Tx) -> None:
        tx._ids = given  # type: ignore[assignment]
        for change in there.tables["changes"]:
            if (change["kind"], change["noun"]) != ("created", "post"):
                continue
            post = there.posts[change["item"]]
            tx.begin(change["at"])
            caller = Caller(kind="person", oid=change["by"], tenant="", application="", permissions=frozenset())
            thread = there.threads[post["thread_id"]]
            hung = [
                row["id"] for name in ("extensions", "attachments") for row in getattr(there, name).get(post["id"], ())
            ]
            given.ids = [post["id"], *hung]
            draft = there.draft(post)
            if thread["id"] in begun:
                to = stored.post(tx, post["group_id"], post["in_reply_to"]) if post["in_reply_to"] else None
                posts.reply(tx, access.enter_thread(tx, caller, post["group_id"], thread["id"]), draft, to)
            else:
                begun.add(thread["id"])
                given.ids.insert(0, thread["id"])
                standing = access.enter(tx, caller, post["group_id"])
                conversation = there.conversations[thread["conversation_id"]]
                later = there.joining[thread["id"]]
                to_recipients = tuple(
                    r for r in _recipients(thread["to_recipients"])[1:] if r.email_address.address not in later
                )
                started = ThreadDraft(
                    topic=thread["topic"],
                    post=draft,
                    to_recipients=to_recipients,
                    cc_recipients=_recipients(thread["cc_recipients"]),
                )
                if conversation["id"] == thread["id"]:
                    conversations.start(tx, standing, conversation["topic"], started)
                else:
                    known = stored.conversation(tx, post["group_id"], conversation["id"])
                    assert known is not None
                    threads.start(tx, standing, known, started)
            assert given.ids == []

    store.write_here(post_all)


@pytest.mark.parametrize("database", DATABASES)
def test_rows_are_those_that_the_verbs_write(database: Database, tmp_path: Path) -> None:
    with place(database, tmp_path / "filled") as settings, place(database, tmp_path / "again") as other:
        fill(settings, WISH, processes=0)
        run.seed_directory(other, Plan(WISH, other.domain))
        with contextlib.closing(app.open_store(settings)) as store, contextlib.closing(app.open_store(other)) as second:
            there = Filling(store)
            assert len(there.posts) == WISH.posts
            assert any(t["id"] != t["conversation_id"] for t in there.tables["threads"])
            again(second, there)
            for name, rows in there.tables.items():
                assert set(content.COLUMNS.get(name, rows[0])) == set(rows[0]), "a column is not filled"
                if name == "sequences":
                    rows = [row for row in rows if row["seq"] > 1]
                    assert rows == [row for row in table(second, name) if row["seq"] > 1]
                else:
                    assert _spaced(rows) == _spaced(table(second, name)), name


def _spaced(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`rows` with one blank between words that are indexed, where there may be several."""
    return [row | {"words": " ".join(row["words"].split())} if "words" in row else row for row in rows]


# ── the server on them ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_server_answers_as_the_posts_say(graph: Graph) -> None:
    filled = fill(settings_of(graph), WISH, processes=0)
    adele, group = graph.as_("AdeleV"), f"/groups/{filled.group}"
    conversations = adele.everything(f"{group}/conversations?$top=100")
    assert len(conversations) > 50
    for conversation in conversations[:25]:
        path = f"{group}/conversations/{conversation['id']}/threads"
        below = adele.everything(path)
        posts = [adele.everything(f"{path}/{thread['id']}/posts?$top=200") for thread in below]
        for thread, said in zip(below, posts, strict=True):
            assert_sums_up(thread, said)
        assert_sums_up(conversation, sorted((p for each in posts for p in each), key=lambda p: p["receivedDateTime"]))
    long = adele.get(f"{group}/threads/{filled.thread}").json
    assert_sums_up(long, adele.everything(f"{group}/threads/{filled.thread}/posts?$top=500"))

    with_files = adele.get(f"{group}/threads?$filter=hasAttachments eq true&$top=1&$expand=posts").value[0]
    post = next(post for post in with_files["posts"] if post["hasAttachments"])
    path = f"{group}/threads/{with_files['id']}/posts/{post['id']}"
    file = adele.get(f"{path}/attachments").value[0]
    assert len(adele.get(f"{path}/attachments/{file['id']}/$value").content) == file["size"]

    begun = conversations[-1]
    word = begun["topic"].rpartition(" ")[2]
    found = adele.everything(f'{group}/conversations?$search="{word}"&$top=100')
    assert begun["id"] in {conversation["id"] for conversation in found}

    thread = with_files["id"]
    seen, link = followed(adele, f"{group}/threads/{thread}/posts/delta")
    assert len(seen) == len(adele.everything(f"{group}/threads/{thread}/posts"))
    assert adele.post(f"{group}/threads/{thread}/reply", {"post": {"body": {"content": "And now?"}}}).status == 202
    assert len(followed(adele, link)[0]) == 1
    after = adele.get(f"{group}/threads/{thread}").json
    assert after["preview"] == "And now?"
    assert "Adele Vance" in after["uniqueSenders"]


def followed(client: Client, link: str) -> tuple[list[Any], str]:
    """What delta gives from a link on, and the link for the next time."""
    found: list[Any] = []
    while True:
        page = client.get(link, Prefer="folkmoot.profile=extended")
        found += page.value
        if "@odata.deltaLink" in page.json:
            return found, page.json["@odata.deltaLink"]
        link = page.json["@odata.nextLink"]


def assert_sums_up(whole: dict[str, Any], posts: list[dict[str, Any]]) -> None:
    """A thread or conversation tells of its posts what they say themselves."""
    last = posts[-1]
    assert whole["lastDeliveredDateTime"] == last["receivedDateTime"]
    assert set(whole["uniqueSenders"]) == {post["from"]["emailAddress"]["name"] for post in posts}
    assert whole["hasAttachments"] == any(post["hasAttachments"] for post in posts)
    body = last["body"]
    preview = html.preview_of_html if body["contentType"] == "html" else html.preview_of_text
    assert whole["preview"] == preview(body["content"])


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = Settings(data=str(tmp_path / "whole")), Settings(data=str(tmp_path / "parts"))
    fill(whole, WISH, processes=0)
    monkeypatch.setattr(run, "_COMMIT", 200)
    said: list[str] = []

    def stop(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(parts, WISH, processes=0, progress=stop)
    with contextlib.closing(sqlite3.connect(tmp_path / "parts" / "folkmoot.db")) as file:
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
        assert file.execute("SELECT count(*) FROM posts").fetchone() != (0,)
    gone_on = fill(parts, WISH, processes=0)
    assert 0 < gone_on.written < WISH.posts
    assert fill(parts, WISH, processes=0).written == 0
    with contextlib.closing(app.open_store(whole)) as one, contextlib.closing(app.open_store(parts)) as other:
        for name in (*content.COLUMNS, "sequences", "groups"):
            assert table(one, name) == table(other, name), name


def test_where_somebody_has_written_nothing_is_filled(graph: Graph) -> None:
    settings, wish = settings_of(graph), Wish(posts=300, groups=1)
    filled = fill(settings, wish, processes=0)
    graph.run(Statement(s.sequences.update().values(seq=s.sequences.c.seq - 5)))
    with pytest.raises(Unfit, match="Somebody has written"):
        fill(settings, wish, processes=0)
    assert filled.written == 300


def test_the_command_makes_rows_in_other_processes_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    for data, processes in ((one, "1"), (other, "0")):
        cli.main(["lab", "fill", "--posts", "60", "--json", "--data", data, "--processes", processes])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["written"] == 60
    assert told[0]["group"] == told[1]["group"]
    with contextlib.ExitStack() as stack:
        stores = [stack.enter_context(contextlib.closing(app.open_store(Settings(data=d)))) for d in (one, other)]
        assert table(stores[0], "posts") == table(stores[1], "posts")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--posts", "0"], "--posts must be"),
        (["--posts", "10", "--long-thread", "20"], "more than --posts"),
        (["--posts", "10", "--groups", "0"], "--groups must be"),
    ],
)
def test_what_does_not_go_together_is_refused(options: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=says):
        cli.main(["lab", "fill", *options, "--data", str(tmp_path)])


def test_production_is_not_filled(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="development"):
        fill(Settings(mode="production", data=str(tmp_path)), WISH)
