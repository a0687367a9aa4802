"""Runs the migrations on the connection that `pitprop.service.database.tables` gives."""

from alembic import context
from pitprop.service.database.tables import VERSION, metadata

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION, version_table_schema=schema)
with context.begin_transaction():
    context.run_migrations()
