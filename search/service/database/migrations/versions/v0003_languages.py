"""Reasons that are told in the language of who reads them, and the language in which people are told outside."""

import json

import sqlalchemy as sa
from alembic import context, op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the language, and keeps reasons as JSON; those that were written stay in the language that they were written in."""
    schema = context.config.attributes["schema"]
    language = sa.Column("language", sa.String(8), nullable=False, server_default="en")
    op.add_column("pitprop_searches", language, schema=schema)
    ident, reason = sa.column("id", sa.String), sa.column("reason", sa.Text)
    searches = sa.table("pitprop_searches", ident, reason, schema=schema)
    for search, said in op.get_bind().execute(sa.select(ident, reason).select_from(searches)).all():
        op.execute(sa.update(searches).where(ident == search).values(reason=json.dumps(said)))
