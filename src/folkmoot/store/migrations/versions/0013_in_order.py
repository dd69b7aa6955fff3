"""Searches in the order of conversations: the numbers of SQLite's words (see `store.search`), PostgreSQL's index."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from folkmoot.observe import log
from folkmoot.store.migrations.online import create_index
from folkmoot.store.schema import INDEXED_POSTS_ON_SQLITE, POST_WORDS_ON_SQLITE
from folkmoot.store.search import ATTACHED, OPTIMIZE_WORDS, add_rows, number

revision = "0013"
down_revision = "0012"
# The oldest revision whose code works with what this makes (see `store.migrate`). A house test looks that this is so.
works_from = "0009"
# What it writes into `post_words` on SQLite would be in no table.
works_from_on = {"sqlite": "0013"}
branch_labels = None
depends_on = None

_BATCH = 1_000
_TOLD = 100_000


def upgrade() -> None:
    """Bring a database of 0012 to this."""
    if op.get_bind().dialect.name == "postgresql":
        columns = ["group_id", "conversation_id", "id"]
        create_index("threads_found_idx", "threads", columns, postgresql_where=sa.text("has_attachments"))
        return
    file: Any = op.get_bind().connection.driver_connection
    file.execute("ALTER TABLE post_words RENAME TO post_words_before")
    file.execute(INDEXED_POSTS_ON_SQLITE)
    file.execute(POST_WORDS_ON_SQLITE)
    ordered = file.execute("SELECT rowid FROM post_words_before ORDER BY conversation_id DESC, rowid DESC")
    one = (
        "SELECT coalesce(p.version, 0), w.conversation_id, w.thread_id, w.post_id, "  # noqa: S608  (a word of our own)
        f"w.words || CASE WHEN p.has_attachments THEN ' {ATTACHED}' ELSE '' END, w.group_id FROM post_words_before w "
        "LEFT JOIN posts p ON p.group_id = w.group_id AND p.id = w.post_id WHERE w.rowid = ?"
    )
    done = 0
    while numbers := ordered.fetchmany(_BATCH):
        found = [file.execute(one, each).fetchone() for each in numbers]
        add_rows(file, [(number(row[0], version), *row) for version, *row in found])
        done += len(found)
        if done % _TOLD == 0:
            log.info("the words of %s posts are in order", f"{done:,}")
    # Nobody can be there who needs it: `works_from_on`.
    file.execute("DROP TABLE post_words_before")  # expands: PostgreSQL has no such table
    file.execute(OPTIMIZE_WORDS)
