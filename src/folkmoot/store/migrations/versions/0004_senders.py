"""Accepted and rejected senders, what each person set for a group, and the group's switches for mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and tables."""
    for name in (
        "allow_external_senders",
        "auto_subscribe_new_members",
        "hide_from_address_lists",
        "hide_from_outlook_clients",
        "has_accepted_senders",
        "has_rejected_senders",
    ):
        op.add_column("groups", sa.Column(name, sa.Boolean(), nullable=True))
    op.create_table(
        "senders",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("object_id", GUID, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("object_type", TEXT, nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "object_id", name="senders_pkey"),
    )
    op.create_index("senders_verdict_idx", "senders", ["group_id", "verdict", "object_id"])
    op.create_table(
        "preferences",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("person_id", GUID, nullable=False),
        sa.Column("is_subscribed", sa.Boolean(), nullable=True),
        sa.Column("is_favorite", sa.Boolean(), nullable=True),
        sa.Column("seen_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "person_id", name="preferences_pkey"),
    )
