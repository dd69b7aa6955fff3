"""The words of each post, and those of the posts that are there already."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from folkmoot.store.db import Dialect
from folkmoot.store.search import body_words, indexed

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

GUID = postgresql.UUID(as_uuid=False)

_BATCH = 1_000
_NO_ID = "00000000-0000-0000-0000-000000000000"
_POSTS = """
    SELECT p.group_id, p.conversation_id, p.thread_id, p.id, t.topic, c.topic, p.content_type, p.content,
           p.from_name, p.from_address, p.sender_name, p.sender_address
    FROM posts p
    JOIN threads t ON t.group_id = p.group_id AND t.id = p.thread_id
    JOIN conversations c ON c.group_id = p.group_id AND c.id = p.conversation_id
    WHERE (p.group_id, p.id) > (:group_id, :id)
    ORDER BY p.group_id, p.id
    LIMIT :batch
"""
_ADD = "INSERT INTO post_words (group_id, conversation_id, thread_id, post_id, words) VALUES "


def upgrade() -> None:
    """Create the index and fill it."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE post_words USING fts5(group_id UNINDEXED, conversation_id UNINDEXED, "
            "thread_id UNINDEXED, post_id UNINDEXED, words, tokenize = 'ascii')"
        )
        _fill(connection, "sqlite")
        return
    op.create_table(
        "post_words",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("conversation_id", GUID, nullable=False),
        sa.Column("thread_id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "conversation_id", "thread_id", "post_id", name="post_words_pkey"),
    )
    _fill(connection, "postgresql")
    # An index is made faster at once than row by row.
    op.create_index("post_words_words_idx", "post_words", ["words"], postgresql_using="gin")


def _fill(connection: Any, dialect: Dialect) -> None:
    guid, words = ("UUID", "TSVECTOR") if dialect == "postgresql" else ("TEXT", "TEXT")
    posts = _POSTS.replace("(:group_id, :id)", f"(CAST(:group_id AS {guid}), CAST(:id AS {guid}))")
    ids = ", ".join(f"CAST(:{name} AS {guid})" for name in ("group_id", "conversation_id", "thread_id", "post_id"))
    add = sa.text(f"{_ADD}({ids}, CAST(:words AS {words}))")
    at = {"group_id": _NO_ID, "id": _NO_ID}
    while found := connection.execute(sa.text(posts), {**at, "batch": _BATCH}).fetchall():
        connection.execute(
            add,
            [
                indexed(
                    dialect,
                    group=str(group),
                    conversation=str(conversation),
                    thread=str(thread),
                    post=str(post),
                    topics=(topic, of_conversation),
                    authors=authors,
                    body=body_words(content_type, content),
                    attached=False,  # 0013 looks for those, and numbers
                    version=0,
                )
                for group, conversation, thread, post, topic, of_conversation, content_type, content, *authors in found
            ],
        )
        at = {"group_id": str(found[-1][0]), "id": str(found[-1][3])}
