"""Who is told of changes: subscriptions, their cursors and deliveries; and what a change was part of.

Also, lists of senders without those who were deleted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Create the tables and add the columns. What the log has already stays without a parent: nobody followed it."""
    op.add_column("sequences", sa.Column("changed_at", sa.BigInteger(), nullable=True))
    op.create_index("sequences_changed_at_idx", "sequences", ["changed_at"])
    op.add_column("changes", sa.Column("parent", GUID, nullable=True))
    gone_thread = sa.text("noun = 'thread' AND kind = 'deleted'")
    op.create_index(
        "changes_gone_threads_idx",
        "changes",
        ["group_id", "item"],
        sqlite_where=gone_thread,
        postgresql_where=gone_thread,
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", GUID, nullable=False),
        sa.Column("application", TEXT, nullable=False),
        sa.Column("creator", GUID, nullable=False),
        sa.Column("creator_kind", TEXT, nullable=False),
        sa.Column("resource", TEXT, nullable=False),
        sa.Column("watched", TEXT, nullable=False),
        sa.Column("group_id", GUID, nullable=True),
        sa.Column("parent", GUID, nullable=True),
        sa.Column("change_type", TEXT, nullable=False),
        sa.Column("notification_url", TEXT, nullable=False),
        sa.Column("lifecycle_url", TEXT, nullable=True),
        sa.Column("client_state", TEXT, nullable=True),
        sa.Column("include_resource_data", sa.Boolean(), nullable=False),
        sa.Column("certificate", TEXT, nullable=True),
        sa.Column("certificate_id", TEXT, nullable=True),
        sa.Column("tls_version", TEXT, nullable=True),
        sa.Column("url_app_id", TEXT, nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("reminded_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("missed_at", sa.BigInteger(), nullable=True),
        sa.Column("by_grant", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="subscriptions_pkey"),
    )
    op.create_index("subscriptions_creator_idx", "subscriptions", ["creator", "application", "id"])
    op.create_index("subscriptions_application_idx", "subscriptions", ["application", "id", "expires_at"])
    op.create_index("subscriptions_group_idx", "subscriptions", ["group_id"])
    op.create_index("subscriptions_expires_idx", "subscriptions", ["expires_at"])
    for column in ("notification_url", "lifecycle_url", "paused_at", "missed_at"):
        op.create_index(f"subscriptions_{column}_idx", "subscriptions", [column])
    op.create_table(
        "subscription_cursors",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("subscription_id", GUID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "subscription_id", name="subscription_cursors_pkey"),
    )
    op.create_index("subscription_cursors_subscription_idx", "subscription_cursors", ["subscription_id"])
    op.create_table(
        "endpoints",
        sa.Column("url", TEXT, nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", sa.Double(), nullable=True),
        sa.Column("retry_at", sa.Double(), nullable=True),
        sa.Column("leased_by", TEXT, nullable=True),
        sa.Column("leased_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("url", name="endpoints_pkey"),
    )
    op.create_table(
        "deliveries",
        sa.Column("subscription_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("endpoint", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("group_id", GUID, nullable=True),
        sa.Column("first_seq", sa.BigInteger(), nullable=True),
        sa.Column("last_seq", sa.BigInteger(), nullable=True),
        sa.Column("notifications", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("subscription_id", "id", name="deliveries_pkey"),
    )
    op.create_index("deliveries_at_idx", "deliveries", ["at"])
    op.add_column("groups", sa.Column("held", JSON, nullable=True))
    op.create_index("senders_object_idx", "senders", ["object_id"])
    _forget_deleted_senders()


def _forget_deleted_senders() -> None:
    """Take out of the lists of senders who is not there any more, and let each group know what it has then."""
    op.execute(
        "DELETE FROM senders WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = object_id AND deleted_at IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM groups WHERE groups.group_id = object_id AND deleted_at IS NULL)"
    )
    for verdict in ("accepted", "rejected"):
        op.execute(
            f"UPDATE groups SET has_{verdict}_senders = EXISTS (SELECT 1 FROM senders WHERE senders.group_id = "  # noqa: S608
            f"groups.group_id AND verdict = '{verdict}') WHERE has_{verdict}_senders"
        )
