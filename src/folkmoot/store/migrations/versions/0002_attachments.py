"""Attachments, their content, and upload sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
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
        "attachments",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("thread_id", GUID, nullable=False),
        sa.Column("conversation_id", GUID, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("content_type", TEXT, nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("is_inline", sa.Boolean(), nullable=False),
        sa.Column("content_id", TEXT, nullable=True),
        sa.Column("content_location", TEXT, nullable=True),
        sa.Column("link", JSON, nullable=True),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "id", name="attachments_pkey"),
        _of_a_post("attachments"),
    )
    op.create_index("attachments_post_idx", "attachments", ["group_id", "post_id", "id"])
    op.create_index("attachments_thread_idx", "attachments", ["group_id", "thread_id", "is_inline"])
    op.create_index("attachments_conversation_idx", "attachments", ["group_id", "conversation_id", "is_inline"])
    op.create_table(
        "blobs",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("blob_id", GUID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "blob_id", "at", name="blobs_pkey"),
        _of_a_post("blobs"),
    )
    op.create_index("blobs_post_idx", "blobs", ["group_id", "post_id"])
    op.create_table(
        "uploads",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("secret_hash", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("content_type", TEXT, nullable=False),
        sa.Column("is_inline", sa.Boolean(), nullable=False),
        sa.Column("content_id", TEXT, nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("turn", GUID, nullable=True),
        sa.Column("opened_by", GUID, nullable=False),
        sa.Column("by_app", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "id", name="uploads_pkey"),
        _of_a_post("uploads"),
    )
    op.create_index("uploads_expiry_idx", "uploads", ["group_id", "expires_at"])
    op.create_index("uploads_post_idx", "uploads", ["group_id", "post_id"])
    if op.get_bind().dialect.name == "postgresql":
        # Files are mostly compressed already; trying to compress each part again would cost more than writing it.
        op.execute("ALTER TABLE blobs ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Drop them, newest first."""
    for table in ("uploads", "blobs", "attachments"):
        op.drop_table(table)
