"""What Alembic runs around the steps; `upgrade.py` hands it a connection inside a transaction."""

from alembic import context

from roundhouse.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a column: batch mode copies the table instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
