"""Open extensions and extended properties of posts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def _of_a_post(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["group_id", "post_id"],
        ["posts.group_id", "posts.id"],
        name=f"{table}_group_id_post_id_fkey",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "extensions",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("folded", TEXT, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("data", TEXT, nullable=False),
        _of_a_post("extensions"),
        sa.PrimaryKeyConstraint("group_id", "post_id", "folded", name="extensions_pkey"),
    )
    op.create_table(
        "single_values",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("thread_id", GUID, nullable=False),
        sa.Column("given", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("start", TEXT, nullable=False),
        sa.Column("whole", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        _of_a_post("single_values"),
        sa.PrimaryKeyConstraint("group_id", "post_id", "key", name="single_values_pkey"),
    )
    op.create_index("single_values_value_idx", "single_values", ["group_id", "thread_id", "key", "start", "post_id"])
    op.create_index("single_values_whole_idx", "single_values", ["group_id", "thread_id", "key", "whole", "post_id"])
    op.create_table(
        "multi_values",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("given", TEXT, nullable=False),
        sa.Column("value", JSON, nullable=False),
        _of_a_post("multi_values"),
        sa.PrimaryKeyConstraint("group_id", "post_id", "key", name="multi_values_pkey"),
    )


def downgrade() -> None:
    """Who goes back takes the database along."""
    raise NotImplementedError("restore a backup to go back")
