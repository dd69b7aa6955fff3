"""Indexes on tables that are large and in use: PostgreSQL makes them beside the writers, not in their way.

    online.create_index("posts_new_idx", "posts", ["group_id", "new"])

It ends the migration's transaction and begins another, so what stands before it in a migration must bear being done
twice (`if_not_exists=True`): a migration that is cut short begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import text

_INVALID = text(
    "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:name))",
)


def create_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """Make the index `name`, if it is not there yet. `options` are those of `op.create_index`.

    Source: PostgreSQL, CREATE INDEX, "Building Indexes Concurrently": not within a transaction, and one that was cut
    short leaves an index behind that is kept up to date and never used.
    """
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        op.create_index(name, table, columns, if_not_exists=True, **options)
        return
    broken = connection.execute(_INVALID, {"name": name}).scalar()
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        if broken:
            op.drop_index(name, postgresql_concurrently=True, if_exists=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)
        op.execute("RESET statement_timeout")
        op.execute("RESET lock_timeout")
