"""Tells SQLite's planner how large the tables are (see `store.planner`)."""

from __future__ import annotations

from alembic import op

from folkmoot.store import planner

revision = "0011"
down_revision = "0010"
# The oldest revision whose code works with what this makes (see `store.migrate`). A house test looks that this is so.
works_from = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of 0010 to this."""
    if op.get_bind().dialect.name == "sqlite":
        planner.tell(op.get_bind().connection.driver_connection)
