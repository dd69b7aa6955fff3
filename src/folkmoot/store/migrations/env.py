"""Alembic's entry: run the migrations on the connection that `folkmoot.store.migrate` hands over."""

from typing import Any

from alembic import context
from sqlalchemy import delete, insert

from folkmoot.store import indexes  # noqa: F401  (they complete `meta`)
from folkmoot.store.migrations.online import in_one_transaction
from folkmoot.store.schema import meta, schema_compatibility


def note(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Keep, in the migration's own transaction, whose code works with what it made."""
    script = step.up_revision
    if script.revision >= "0010":  # which made the table
        ctx.connection.execute(delete(schema_compatibility))
        on = getattr(script.module, "works_from_on", {})
        works_from = on.get(ctx.dialect.name, script.module.works_from)
        ctx.connection.execute(insert(schema_compatibility).values(works_from=works_from))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=meta,
    render_as_batch=True,
    transaction_per_migration=not in_one_transaction(context.config),
    on_version_apply=note,
)
with context.begin_transaction():
    context.run_migrations()
