"""The power goes in the middle of a group commit: what was acknowledged is there, and nothing is there by halves.

SQLite's log is on disk up to where it ended when a commit was acknowledged (`synchronous = FULL`); of what was written
after that the disk may hold any part, or something else. So the log is cut, torn and spoilt at places of every kind
beyond what was acknowledged, and each such disk is started from. PostgreSQL is crashed in `rounds.crashes`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select

from folkmoot import lab
from folkmoot.config import Settings
from folkmoot.model import AttachmentDraft, Caller, PostDraft, ThreadDraft
from folkmoot.ops import access, conversations
from folkmoot.store import integrity, migrate
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx
from folkmoot.store.sqlite import SqliteStore, SqliteWriter
from tests.faults.clients import ROUNDS
from tests.harness import GROUP, PERSON, Clock

ADELE = Caller(kind="person", oid=PERSON["AdeleV"], tenant="", application="", permissions=frozenset())
COMMITS = 6
TOGETHER = 5


def started(text: str, group: str) -> Callable[[Tx], str]:
    """What starts a conversation with a file."""
    file = AttachmentDraft(
        kind="file", name=f"{text}.bin", content_type="text/plain", is_inline=False, data=bytes(9_000)
    )
    draft = ThreadDraft(
        topic=None, post=PostDraft(content_type="text", content=text, preview=text, attachments=(file,))
    )
    return lambda tx: conversations.start(tx, access.enter(tx, ADELE, group), text, draft)


def many_commits(store: SqliteStore) -> list[tuple[int, set[str]]]:
    """Group commits, one after another: where the log ended when each was acknowledged, and what was by then."""
    log = store._path.with_name("folkmoot.db-wal")
    acknowledged: set[str] = set()
    found = [(log.stat().st_size, set(acknowledged))]

    async def together(number: int) -> None:
        texts = [f"Commit {number}, post {n}" for n in range(TOGETHER)]
        groups = [GROUP[("SalesAndMarketing", "Mark8")[n % 2]] for n in range(TOGETHER)]
        await asyncio.gather(*(store.write(started(text, of)) for text, of in zip(texts, groups, strict=True)))
        acknowledged.update(texts)

    for number in range(COMMITS):
        asyncio.run(together(number))
        found.append((log.stat().st_size, set(acknowledged)))
    return found


def torn(chance: random.Random, log: bytes, durable: int) -> bytes:
    """What a disk may hold of the log, of which so many bytes were brought to it."""
    cut = chance.randint(durable, len(log))
    match chance.randrange(4):
        case 0:  # it ends anywhere
            return log[:cut]
        case 1:  # the file was made longer, and its sectors not written yet
            return log[:cut] + bytes(len(log) - cut)
        case 2:  # sectors in any order: some are there, some are not
            rest = [log[at : at + 512] if chance.random() < 0.7 else bytes(512) for at in range(cut, len(log), 512)]
            return log[:cut] + b"".join(rest)
        case _:  # something else stands there
            return log[:cut] + chance.randbytes(len(log) - cut)


def in_order(there: set[str], commits: list[tuple[int, set[str]]]) -> bool:
    """Whether what is there has nothing of a commit before which another is not whole."""
    sets = [posts for _, posts in commits]
    return all(before <= there for before, after in pairwise(sets) if there & (after - before))


def test_every_acknowledged_post_survives_a_torn_log(tmp_path: Path) -> None:
    file, chance = tmp_path / "folkmoot.db", random.Random(7)  # noqa: S311  (only varies where the log is torn)
    migrate.upgrade(file)
    with closing(SqliteStore(file, Clock())) as store:
        asyncio.run(lab.seed(store, Settings()))
        writer = store.writers[0]
        assert isinstance(writer, SqliteWriter)
        # Nothing goes from the log into the file while this is looked at, but for what is there already.
        writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer._connection.execute("PRAGMA wal_autocheckpoint = 0")
        commits = many_commits(store)
        database, log = file.read_bytes(), file.with_name("folkmoot.db-wal").read_bytes()
    assert commits[-1][0] == len(log) > commits[1][0]
    texts = Statement(select(s.posts.c.content))
    survived = 0
    for number in range(12 * ROUNDS):
        durable, acknowledged = commits[number % len(commits)]
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "folkmoot.db").write_bytes(database)
        (folder / "folkmoot.db-wal").write_bytes(torn(chance, log, durable))
        with closing(SqliteStore(folder / "folkmoot.db", Clock())) as store:
            there = {row[0] for row in store.read_here(lambda snapshot: snapshot.all(texts))}
            assert acknowledged <= there, "an acknowledged post is lost"
            assert in_order(there, commits), "something is there, and something earlier is lost"
            assert [wrong for of in integrity.every_group(store) for wrong in integrity.of_group(store, of)[1]] == []
            survived += len(there) - len(acknowledged)

            store.write_here(started(f"Afterwards {number}", GROUP["Mark8"]))
            with closing(SqliteStore(folder / "folkmoot.db", Clock())) as again:
                assert len(again.read_here(lambda snapshot: snapshot.all(texts))) == len(there) + 1
    assert survived, "no commit was ever cut off behind what was acknowledged"
