"""Notices that are to be sent outside."""

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table."""
    schema = context.config.attributes["schema"]
    op.create_table(
        "pitprop_notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("search", sa.String(32), nullable=False),
        sa.Column("event", sa.BigInteger, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        schema=schema,
    )
    op.create_index("pitprop_notices_due", "pitprop_notices", ["due"], schema=schema)
