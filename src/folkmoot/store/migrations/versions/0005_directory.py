"""What delta of groups and users reads, unique names, and what a deleted user had."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GUID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add the tables and columns."""
    op.add_column("users", sa.Column("held", JSON, nullable=True))
    op.create_index("users_deleted_idx", "users", ["deleted_at"])
    op.add_column("groups", sa.Column("unique_name", TEXT, nullable=True))
    op.create_index("groups_unique_name_key", "groups", ["unique_name"], unique=True)
    op.create_index("groups_deleted_idx", "groups", ["deleted_at"])
    sequence = op.create_table(
        "directory_sequence",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="directory_sequence_pkey"),
    )
    op.bulk_insert(sequence, [{"id": 1, "seq": 0}])
    op.create_table(
        "directory_changes",
        sa.Column("seq", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("object_type", TEXT, nullable=False),
        sa.Column("object_id", GUID, nullable=False),
        sa.Column("aspect", TEXT, nullable=False),
        sa.Column("related", GUID, nullable=True),
        sa.PrimaryKeyConstraint("seq", name="directory_changes_pkey"),
    )
    op.create_index("directory_changes_object_idx", "directory_changes", ["object_type", "seq", "object_id"])
    op.create_index("directory_changes_related_idx", "directory_changes", ["related", "seq"])
    op.create_index("directory_changes_at_idx", "directory_changes", ["at"])
