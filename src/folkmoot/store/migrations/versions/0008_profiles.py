"""Grants of permissions in one group, and the answers that an Idempotency-Key brings back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the two tables."""
    op.create_table(
        "permission_grants",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("id", GUID, nullable=False),
        sa.Column("client_app_id", GUID, nullable=False),
        sa.Column("client_id", GUID, nullable=False),
        sa.Column("resource_app_id", GUID, nullable=False),
        sa.Column("permission_type", TEXT, nullable=False),
        sa.Column("permission", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "id", name="permission_grants_pkey"),
    )
    op.create_index(
        "permission_grants_client_idx", "permission_grants", ["group_id", "client_app_id", "permission"], unique=True
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("group_id", GUID, nullable=False),
        sa.Column("key_hash", TEXT, nullable=False),
        sa.Column("application", TEXT, nullable=False),
        sa.Column("caller", GUID, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("headers", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "key_hash", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_created_idx", "idempotency_keys", ["group_id", "created_at"])
