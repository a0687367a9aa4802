"""The service's tables, beside those of the studies: on PostgreSQL in a schema of their own, ``pitprop``.

Alembic brings them up to date (`migrated`); what a version changed stands in ``migrations/versions``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import sqlalchemy
from pitprop.addresses import safe
from pitprop.locks import one_maker
from pitprop.messages import _, packed, unpacked
from pitprop.study import database
from sqlalchemy import BigInteger, Column, Dialect, Engine, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import JSON, TypeDecorator

SCHEMA = "pitprop"
VERSION = "pitprop_version"
"""The table of Alembic: Optuna and MLflow have their own, of its usual name."""
READS = "pitprop_reads"
Ident = BigInteger().with_variant(Integer, "sqlite")


class Worded(TypeDecorator[str]):
    """A text that is told in the language of who reads it, if it is a message; kept as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As JSON."""
        return None if value is None else json.dumps(packed(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text, or the message."""
        return None if value is None else cast(str, unpacked(json.loads(value)))


class Body(TypeDecorator[Mapping[str, Any]]):
    """What is said of an event, with messages as its texts; values of parameters are the searchers' own, and none."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> Any:
        """With messages as JSON holds them."""
        return packed(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Mapping[str, Any] | None:
        """With messages as such."""
        return None if value is None else {name: one if name == "params" else unpacked(one) for name, one in value.items()}


metadata = MetaData()
"""Tables are named ``pitprop_searches`` and so on; in a schema of their own where the database has such."""

SEARCHES = Table(
    "pitprop_searches",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(100), nullable=False),
    Column("name", String(200), nullable=False),
    Column("study", String(255), nullable=False, unique=True),
    Column("question", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("source", Text, nullable=False),  # the file of a space of the catalogue, empty for one that was sent
    Column("overrides", JSON, nullable=False),
    Column("task", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Worded, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("wants", Integer, nullable=False),
    Column("cpus", Float, nullable=False),
    Column("gpus", Float, nullable=False),
    Column("share", Integer, nullable=False),
    Column("used", Float, nullable=False),  # worker seconds
    Column("service", String(64)),
    Column("token", BigInteger, nullable=False),
    Column("lease", Float, nullable=False),
    Column("host", String(255), nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("retry_at", Float, nullable=False),
    Column("tailed", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("progress", JSON),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("changed", Float, nullable=False),
    Column("language", String(8), nullable=False),  # in which people are told outside how it went
    Column("request_key", String(200)),
    Column("request_digest", String(64), nullable=False),
    UniqueConstraint("owner", "request_key", name="pitprop_searches_request"),
    Index("pitprop_searches_state", "state"),
    Index("pitprop_searches_created", "created", "id"),
)

EVENTS = Table(
    "pitprop_events",
    metadata,
    Column("search", String(32), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("body", Body, nullable=False),
)

TOKENS = Table(
    "pitprop_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("owner", String(100), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("revoked", Float),
)

UPLOADS = Table(
    "pitprop_uploads",
    metadata,
    Column("owner", String(100), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created", Float, nullable=False),
)

AUDIT = Table(
    "pitprop_audit",
    metadata,
    Column("id", Ident, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("owner", String(100), nullable=False),
    Column("action", String(32), nullable=False),
    Column("search", String(32)),
    Column("detail", Text, nullable=False),
)


NOTICES = Table(
    "pitprop_notices",
    metadata,
    Column("id", Ident, primary_key=True, autoincrement=True),
    Column("search", String(32), nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("target", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", Float, nullable=False),  # when it is to be sent, or taken by another service
    Index("pitprop_notices_due", "due"),
)


def schema_of(engine: Engine) -> str | None:
    """The schema in which our tables stand; None where the database has no such thing."""
    return SCHEMA if engine.dialect.name == "postgresql" else None


def opened(url: str) -> Engine:
    """The database at ``url`` with our tables as they are now, Optuna's among them; `DatabaseError` if it cannot be used.

    Of SQLite a transaction that is begun takes the right to write at once: one that read first could not get it any more.
    """
    database.connect(url).engine.dispose()
    path = database.sqlite_path(url)
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if path is not None else {"pool_pre_ping": True}
    engine = sqlalchemy.create_engine(url, pool_size=10, max_overflow=40, **options)
    engine = engine.execution_options(schema_translate_map={None: schema_of(engine)})
    if path is not None:
        sqlalchemy.event.listen(engine, "connect", _plain)
        sqlalchemy.event.listen(engine, "begin", _immediate)
    try:
        with one_maker(url):
            migrated(engine)
    except DBAPIError as error:
        raise database.DatabaseError(
            _("no tables can be made in the database {url}: {database}").format(url=safe(url), database=database.reason(error))
        ) from error
    return engine


def _plain(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself
    connection.execute("PRAGMA synchronous=NORMAL")


def _immediate(connection: Any) -> None:
    if not connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def reading(engine: Engine) -> Engine:
    """The same database for statements that only read, each by itself: none holds up who writes."""
    alone = {READS: True} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
    return engine.execution_options(**alone)


def migrated(engine: Engine, to: str = "head") -> None:
    """Brings our tables up to a revision, the newest, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with engine.begin() as connection, _quiet():
        if (schema := schema_of(engine)) is not None:
            connection.execute(sqlalchemy.text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, to)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import logging

    logger = logging.getLogger("alembic")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
