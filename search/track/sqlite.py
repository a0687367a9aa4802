"""A SQLite store: made whole or not at all, and looked at before it is opened.

MLflow makes a new store by some fifty migrations, which take seconds, or a minute on a busy machine, and leave one that it cannot
open again if they are killed; what they make ships in mlflow.sql.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import sqlite3
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pitprop.addresses import sqlite_file, sqlite_url

_VERSION = "alembic_version"
TABLES = Path(__file__).with_name("mlflow.sql")
"""The tables of MLflow as statements (`docs/build_store.py`)."""
MIGRATIONS = "store/db_migrations/versions"
"""Where in MLflow they lie."""
_HOLDINGS = {
    "runs": "select count(*) from runs",
    "experiments": "select count(*) from experiments where experiment_id != 0",
    "registered_models": "select count(*) from registered_models",
}
_log = logging.getLogger("pitprop.track")


class BrokenStore(Exception):
    """A store that MLflow cannot open and that holds something: the text says what is wrong with it."""


def make(path: Path) -> None:
    """Makes the store at ``path`` unless there is one; for one process at a time (`pitprop.locks.one_maker`).

    One that is broken and holds nothing, as one whose maker was killed, is renamed, and a new one made. `BrokenStore` if it
    holds something.
    """
    if path.exists() and path.stat().st_size:
        trouble, holds = look(path)
        if not trouble:
            return
        if holds:
            raise BrokenStore(trouble)
        aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        _log.warning("%s is broken (%s) and holds nothing: it is now called %s, and a new one is made", path, trouble, aside)
        path.replace(aside)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    gone = [Path(f"{path}-{kind}") for kind in ("wal", "shm", "journal")]  # of a store that is not there any more
    for left in (*gone, new, Path(f"{new}-journal")):
        left.unlink(missing_ok=True)
    _fill(new)
    # Readers, such as the UI, and our writing do not wait for each other then.
    with contextlib.closing(sqlite3.connect(new)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    new.replace(path)


@contextlib.contextmanager
def no_folder_named_by(uri: str) -> Iterator[None]:
    """Removes the folder again that MLflow makes beside the right one, called as the path is quoted in the URL."""
    path = Path(uri.removeprefix("sqlite:///")) if sqlite_file(uri) else None
    made = [folder for folder in path.parents if not folder.exists()] if path and path != sqlite_file(uri) else []
    try:
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # it is not there, or holds something
                folder.rmdir()


def _fill(path: Path) -> None:
    """Makes MLflow's tables: from the statements that ship, if they are those of the MLflow that is installed."""
    if known():
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(TABLES.read_text(encoding="utf-8"))
    else:
        migrate(path)


def known() -> bool:
    """Whether the MLflow that is installed has the tables that ship."""
    return f"'{head()}'" in TABLES.read_text(encoding="utf-8")


@cache
def head() -> str:
    """The version of the tables of the MLflow that is installed: of its migrations the one that no other follows.

    Read from their files, since MLflow, which would say so, takes more than a second to import.
    """
    spec = importlib.util.find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    texts = [path.read_text(encoding="utf-8") for path in (Path(spec.origin).parent / MIGRATIONS).glob("*.py")]
    revisions = [dict(re.findall(r'^(revision|down_revision) = "(\w+)"', text, re.MULTILINE)) for text in texts]
    (last,) = {str(one["revision"]) for one in revisions if one} - {one.get("down_revision") for one in revisions}
    return last


def migrate(path: Path) -> None:
    """Makes MLflow's tables by its fifty migrations."""
    import sqlalchemy
    from mlflow.store.db import utils

    # As MLflow's store does when it is first opened. It writes nothing else, so that no other copy of it has to be closed.
    engine = sqlalchemy.create_engine(sqlite_url(path), poolclass=sqlalchemy.NullPool)
    utils._initialize_tables(engine)  # type: ignore[no-untyped-call]
    engine.dispose()


def look(path: Path) -> tuple[str, bool]:
    """What is wrong with the store, empty if nothing is; and whether it holds anything, as far as can be said."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
            tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
            versions = database.execute("select version_num from alembic_version").fetchall() if _VERSION in tables else []
            holds = any(database.execute(query).fetchone()[0] for table, query in _HOLDINGS.items() if table in tables)
    except sqlite3.OperationalError as error:  # locked, or not readable: not for us to judge
        _log.warning("%s could not be looked at: %s", path, error)
        return "", True
    except sqlite3.DatabaseError as error:
        return str(error), True
    found = ", ".join(str(version) for (version,) in versions)
    needed = head()
    if found == needed and not any(table.startswith("_alembic_tmp_") for table in tables):
        return "", holds
    if tables - {_VERSION} and "experiments" not in tables:
        return f"it holds the tables of another program, such as {min(tables)}", True
    return (
        f"its tables are those of MLflow's schema {found or 'unknown'}, half made or of another version; {needed} is needed",
        holds,
    )


def write_ahead() -> None:
    """Has MLflow write its store as we do: to the log that SQLite writes ahead, and not to the disk at each of some hundred
    commits. A power cut before `settle` takes back whole commits, which the next export writes again."""
    import sqlalchemy

    if not sqlalchemy.event.contains(sqlalchemy.Engine, "connect", _write_ahead):
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _write_ahead)


def _write_ahead(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")


def settle(path: Path) -> None:
    """Brings what was written to the disk."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
