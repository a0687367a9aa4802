"""A SQLite store, the one that we make ourselves: set to write ahead, and given long curves in one statement.

MLflow makes an object of each point, which takes 15 times as long as the statement does. Its own client is right beside this:
where the statement fails, or the store is another, it writes the points.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from pitprop.track.trial_run import Point, stored

_INSERT = "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"


def file(uri: str) -> Path | None:
    """The database's file; None if the store is no SQLite."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def use_wal(path: Path) -> None:
    """Sets it to write ahead, so that the UI's reading and our writing do not wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def insert(path: Path, run: str, points: Iterable[Point]) -> bool:
    """Adds points to the history of a run's metrics, those that are there already left out; False if it cannot be done so.

    What the page shows as a metric's value is another table, which MLflow keeps.
    """
    rows = [
        (p.key, 0.0 if math.isnan(p.value) else stored(p.value), p.timestamp, run, p.step, math.isnan(p.value)) for p in points
    ]
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        with database:
            database.executemany(_INSERT, rows)
        return True
    return False
