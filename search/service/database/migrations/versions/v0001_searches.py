"""The first tables: searches, their events, tokens, uploads and the audit log."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    schema = context.config.attributes["schema"]
    op.create_table(
        "pitprop_searches",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("study", sa.String(255), nullable=False, unique=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("space", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("overrides", sa.JSON, nullable=False),
        sa.Column("task", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("wants", sa.Integer, nullable=False),
        sa.Column("cpus", sa.Float, nullable=False),
        sa.Column("gpus", sa.Float, nullable=False),
        sa.Column("share", sa.Integer, nullable=False),
        sa.Column("used", sa.Float, nullable=False),
        sa.Column("service", sa.String(64)),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("lease", sa.Float, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("restarts", sa.Integer, nullable=False),
        sa.Column("retry_at", sa.Float, nullable=False),
        sa.Column("tailed", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("progress", sa.JSON),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("ended", sa.Float),
        sa.Column("changed", sa.Float, nullable=False),
        sa.Column("request_key", sa.String(200)),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.UniqueConstraint("owner", "request_key", name="pitprop_searches_request"),
        schema=schema,
    )
    op.create_index("pitprop_searches_state", "pitprop_searches", ["state"], schema=schema)
    op.create_index("pitprop_searches_created", "pitprop_searches", ["created", "id"], schema=schema)
    op.create_table(
        "pitprop_events",
        sa.Column("search", sa.String(32), primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        schema=schema,
    )
    op.create_table(
        "pitprop_tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("revoked", sa.Float),
        schema=schema,
    )
    op.create_table(
        "pitprop_uploads",
        sa.Column("owner", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        schema=schema,
    )
    op.create_table(
        "pitprop_audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("search", sa.String(32)),
        sa.Column("detail", sa.Text, nullable=False),
        schema=schema,
    )
