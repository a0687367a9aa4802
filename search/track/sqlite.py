"""A SQLite store: made whole or not at all, looked at before MLflow opens it, and given long curves in one statement.

MLflow makes a new store by some fifty migrations, which take seconds, or a minute on a busy machine, and leave one that it cannot
open again if they are killed; what they make ships in mlflow.sql. It also makes two objects of each point, which takes 15 times
as long as the statements do. Its own client is right beside this: where they fail, or the store is another, it writes the points.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pitprop.addresses import sqlite_file, sqlite_url
from pitprop.track.trial_run import Point, stored

_INSERT = "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
_SHOW = """
INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step,
is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)
"""
"""What the page shows as a metric's value: the point that is latest by MLflow's order."""
_VERSION = "alembic_version"
TABLES = Path(__file__).with_name("mlflow.sql")
"""The tables of MLflow as statements (`docs/build_store.py`)."""
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
    from mlflow.store.db import utils

    statements = TABLES.read_text(encoding="utf-8")
    head = utils._get_latest_schema_revision()  # type: ignore[no-untyped-call]
    if f"'{head}'" in statements:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(statements)
    else:
        migrate(path)


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
    from mlflow.store.db import utils

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
    head = utils._get_latest_schema_revision()  # type: ignore[no-untyped-call]
    if found == head and not any(table.startswith("_alembic_tmp_") for table in tables):
        return "", holds
    if tables - {_VERSION} and "experiments" not in tables:
        return f"it holds the tables of another program, such as {min(tables)}", True
    return (
        f"its tables are those of MLflow's schema {found or 'unknown'}, half made or of another version; {head} is needed",
        holds,
    )


def insert(path: Path, run: str, points: Iterable[Point]) -> bool:
    """Adds points to a run's metrics, those that are there already left out; False if it cannot be done so."""
    rows = [
        (p.key, 0.0 if math.isnan(p.value) else stored(p.value), p.timestamp, run, p.step, math.isnan(p.value)) for p in points
    ]
    latest = {row[0]: row for row in sorted(rows, key=lambda row: (row[4], row[2], row[1]))}
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        database.execute("PRAGMA synchronous=NORMAL")
        with database:
            database.executemany(_INSERT, rows)
            database.executemany(_SHOW, latest.values())
        return True
    return False


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
