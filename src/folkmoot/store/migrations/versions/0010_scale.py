"""What a million posts need: indexes and tables laid out for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


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
