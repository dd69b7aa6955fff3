"""Whom the names of outside issuers mean."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "identities",
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("object_id", GUID, nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "kind", "subject", name="identities_pkey"),
    )
    op.create_index("identities_object_id_idx", "identities", ["object_id"])


def downgrade() -> None:
    """There is no way back that keeps what was linked."""
    raise NotImplementedError("restore a backup to go back")
