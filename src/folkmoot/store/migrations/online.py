"""Indexes on tables that are large and in use: PostgreSQL makes them beside the writers, not in their way.

    online.create_index("posts_new_idx", "posts", ["group_id", "new"])

It ends the migration's transaction and begins another, so what stands before it in a migration must bear being done
twice (`if_not_exists=True`): a migration that is cut short begins anew. Where all is done in one transaction and nobody
else is there (a restore), it is a plain index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from alembic.config import Config
from sqlalchemy import text

_INVALID = text(
    "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:name))",
)


# An attribute of Alembic's configuration.
WHOLE = "whole"


def in_one_transaction(config: Config | None) -> bool:
    """Whether the migrations are run in the caller's transaction."""
    return config is not None and bool(config.attributes.get(WHOLE))


def create_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """Make the index `name`, if it is not there yet. `options` are those of `op.create_index`.

    Source: PostgreSQL, CREATE INDEX, "Building Indexes Concurrently": not within a transaction, and one that was cut
    short leaves an index behind that is kept up to date and never used.
    """
    connection = op.get_bind()
    if connection.dialect.name != "postgresql" or in_one_transaction(op.get_context().config):
        op.create_index(name, table, columns, if_not_exists=True, **options)
        return
    broken = connection.execute(_INVALID, {"name": name}).scalar()
    with _however_long():
        if broken:
            op.drop_index(name, postgresql_concurrently=True, if_exists=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)


def drop_index(name: str) -> None:
    """Drop the index `name`, if it is still there; like `create_index`, without keeping anybody waiting."""
    if op.get_bind().dialect.name != "postgresql" or in_one_transaction(op.get_context().config):
        op.drop_index(name, if_exists=True)
        return
    with _however_long():
        op.drop_index(name, postgresql_concurrently=True, if_exists=True)


@contextmanager
def _however_long() -> Iterator[None]:
    """Outside of a transaction, and waiting for others as long as it takes."""
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        yield
        op.execute("RESET statement_timeout")
        op.execute("RESET lock_timeout")
