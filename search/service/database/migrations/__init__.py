"""The versions of the service's tables, as Alembic runs them."""
