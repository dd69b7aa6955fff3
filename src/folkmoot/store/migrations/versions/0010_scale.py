"""What a million posts need: indexes and tables laid out for them; and whose code works with a schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from folkmoot.store.migrations.online import create_index

revision = "0010"
down_revision = "0009"
# The oldest revision whose code works with what this makes (see `store.migrate`). A house test looks that this is so.
works_from = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


WITH_ATTACHMENTS = {"sqlite_where": sa.text("has_attachments = 1"), "postgresql_where": sa.text("has_attachments")}
LOCKED = {"sqlite_where": sa.text("is_locked = 1"), "postgresql_where": sa.text("is_locked")}


def upgrade() -> None:
    """Bring a database of 0009 to this."""
    op.create_table(
        "sign_ins",
        sa.Column("code_hash", TEXT, nullable=False),
        sa.Column("user_code", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("given", JSON, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code_hash", name="sign_ins_pkey"),
        if_not_exists=True,
    )
    op.create_index("sign_ins_user_code_idx", "sign_ins", ["user_code"], if_not_exists=True)
    op.create_index("sign_ins_expires_at_idx", "sign_ins", ["expires_at"], if_not_exists=True)
    op.create_table(
        "schema_compatibility",
        sa.Column("works_from", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("works_from", name="schema_compatibility_pkey"),
        if_not_exists=True,
    )
    # What lists are filtered and ordered by; the beginning of a topic, since PostgreSQL's indexes hold no long texts.
    for table in ("conversations", "threads"):
        create_index(f"{table}_topic_idx", table, ["group_id", sa.text("substr(topic, 1, 100)"), "id"])
        create_index(f"{table}_attachments_idx", table, ["group_id", "id"], **WITH_ATTACHMENTS)
    create_index("threads_locked_idx", "threads", ["group_id", "id"], **LOCKED)
    create_index("posts_attachments_idx", "posts", ["group_id", "thread_id", "received_at", "id"], **WITH_ATTACHMENTS)
