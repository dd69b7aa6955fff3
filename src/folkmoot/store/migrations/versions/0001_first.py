"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "addresses",
        sa.Column("address", TEXT, nullable=False),
        sa.Column("object_type", TEXT, nullable=False),
        sa.Column("object_id", GUID, nullable=False),
        sa.PrimaryKeyConstraint("address", name="addresses_pkey"),
    )
    op.create_index("addresses_object_id_idx", "addresses", ["object_id"])
    op.create_table(
        "applications",
        sa.Column("id", GUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("principal", GUID, nullable=False),
        sa.Column("secret_hash", TEXT, nullable=True),
        sa.Column("roles", JSON, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("profile", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="applications_pkey"),
    )
    op.create_table(
        "changes",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("noun", TEXT, nullable=False),
        sa.Column("item", GUID, nullable=False),
        sa.Column("by", GUID, nullable=True),
        sa.PrimaryKeyConstraint("group_id", "seq", name="changes_pkey"),
    )
    op.create_table(
        "conversations",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("last_delivered_at", sa.BigInteger(), nullable=False),
        sa.Column("unique_senders", JSON, nullable=False),
        sa.Column("preview", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "id", name="conversations_pkey"),
    )
    op.create_index("conversations_last_delivered_idx", "conversations", ["group_id", "last_delivered_at", "id"])
    op.create_table(
        "groups",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("display_name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("mail", TEXT, nullable=False),
        sa.Column("mail_nickname", TEXT, nullable=False),
        sa.Column("mail_enabled", sa.Boolean(), nullable=False),
        sa.Column("security_enabled", sa.Boolean(), nullable=False),
        sa.Column("group_types", JSON, nullable=False),
        sa.Column("visibility", TEXT, nullable=False),
        sa.Column("classification", TEXT, nullable=True),
        sa.Column("preferred_language", TEXT, nullable=True),
        sa.Column("theme", TEXT, nullable=True),
        sa.Column("membership_rule", TEXT, nullable=True),
        sa.Column("membership_rule_processing_state", TEXT, nullable=True),
        sa.Column("is_assignable_to_role", sa.Boolean(), nullable=True),
        sa.Column("proxy_addresses", JSON, nullable=False),
        sa.Column("resource_behavior_options", JSON, nullable=False),
        sa.Column("resource_provisioning_options", JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("group_id", name="groups_pkey"),
    )
    op.create_table(
        "memberships",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("object_id", GUID, nullable=False),
        sa.Column("object_type", TEXT, nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "role", "object_id", name="memberships_pkey"),
    )
    op.create_table(
        "object_groups",
        sa.Column("object_id", GUID, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("group_id", GUID, nullable=False),
        sa.PrimaryKeyConstraint("object_id", "role", "group_id", name="object_groups_pkey"),
    )
    op.create_table(
        "sequences",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="sequences_pkey"),
    )
    op.create_table(
        "users",
        sa.Column("id", GUID, nullable=False),
        sa.Column("user_principal_name", TEXT, nullable=False),
        sa.Column("display_name", TEXT, nullable=False),
        sa.Column("given_name", TEXT, nullable=True),
        sa.Column("surname", TEXT, nullable=True),
        sa.Column("mail", TEXT, nullable=True),
        sa.Column("mail_nickname", TEXT, nullable=True),
        sa.Column("job_title", TEXT, nullable=True),
        sa.Column("mobile_phone", TEXT, nullable=True),
        sa.Column("office_location", TEXT, nullable=True),
        sa.Column("preferred_language", TEXT, nullable=True),
        sa.Column("department", TEXT, nullable=True),
        sa.Column("usage_location", TEXT, nullable=True),
        sa.Column("user_type", TEXT, nullable=False),
        sa.Column("business_phones", JSON, nullable=False),
        sa.Column("other_mails", JSON, nullable=False),
        sa.Column("proxy_addresses", JSON, nullable=False),
        sa.Column("account_enabled", sa.Boolean(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("password_hash", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
    )
    op.create_table(
        "threads",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("conversation_id", GUID, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("last_delivered_at", sa.BigInteger(), nullable=False),
        sa.Column("unique_senders", JSON, nullable=False),
        sa.Column("preview", TEXT, nullable=False),
        sa.Column("is_locked", sa.Boolean(), nullable=False),
        sa.Column("to_recipients", JSON, nullable=False),
        sa.Column("cc_recipients", JSON, nullable=False),
        sa.Column("started_by", GUID, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id", "conversation_id"],
            ["conversations.group_id", "conversations.id"],
            name="threads_group_id_conversation_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "id", name="threads_pkey"),
    )
    op.create_index("threads_conversation_idx", "threads", ["group_id", "conversation_id", "id"])
    op.create_index("threads_last_delivered_idx", "threads", ["group_id", "last_delivered_at", "id"])
    op.create_table(
        "posts",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("conversation_id", GUID, nullable=False),
        sa.Column("thread_id", GUID, nullable=False),
        sa.Column("in_reply_to", GUID, nullable=True),
        sa.Column("author", GUID, nullable=True),
        sa.Column("from_name", TEXT, nullable=True),
        sa.Column("from_address", TEXT, nullable=True),
        sa.Column("sender_name", TEXT, nullable=True),
        sa.Column("sender_address", TEXT, nullable=True),
        sa.Column("content_type", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("new_participants", JSON, nullable=False),
        sa.Column("categories", JSON, nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id", "thread_id"],
            ["threads.group_id", "threads.id"],
            name="posts_group_id_thread_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "id", name="posts_pkey"),
    )
    op.create_index("posts_thread_idx", "posts", ["group_id", "thread_id", "received_at", "id"])
    op.create_table(
        "forwards",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("post_id", GUID, nullable=False),
        sa.Column("forwarded_by", GUID, nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.Column("to_recipients", JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id", "post_id"],
            ["posts.group_id", "posts.id"],
            name="forwards_group_id_post_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "id", name="forwards_pkey"),
    )
    op.create_index("forwards_post_idx", "forwards", ["group_id", "post_id"])


def downgrade() -> None:
    """There is nothing before the first."""
    raise NotImplementedError("restore a backup to go back")
