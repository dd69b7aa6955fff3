"""Alembic's entry: run the migrations on the connection that `folkmoot.store.migrate` hands over."""

from alembic import context

from folkmoot.store.schema import meta

context.configure(connection=context.config.attributes["connection"], target_metadata=meta, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
