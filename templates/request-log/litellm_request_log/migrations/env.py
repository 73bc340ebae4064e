"""How Alembic runs the migrations: in the transaction that `migrate` has begun."""

from alembic import context

from litellm_request_log.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
