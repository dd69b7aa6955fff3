"""An index of those extended properties that are numbers, in place of one that held all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from folkmoot.store import planner
from folkmoot.store.migrations.online import create_index, drop_index

revision = "0012"
down_revision = "0011"
# The oldest revision whose code works with what this makes (see `store.migrate`). A house test looks that this is so.
works_from = "0009"
branch_labels = None
depends_on = None

NUMBERS = {"sqlite_where": sa.text("whole IS NOT NULL"), "postgresql_where": sa.text("whole IS NOT NULL")}


def upgrade() -> None:
    """Bring a database of 0011 to this."""
    columns = ["group_id", "thread_id", "key", "whole", "post_id"]
    create_index("single_values_number_idx", "single_values", columns, **NUMBERS)
    drop_index("single_values_whole_idx")  # expands: the new index answers what this one did
    if op.get_bind().dialect.name == "sqlite":
        planner.tell(op.get_bind().connection.driver_connection)
