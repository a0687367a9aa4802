"""Writes search/track/mlflow.sql anew, the tables of MLflow as its migrations leave them: python docs/build_store.py"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from pitprop.track import sqlite


def dumped(path: Path) -> str:
    """A database as the statements that make it."""
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sqlite.migrate(Path(folder) / "mlflow.db")
        sqlite.TABLES.write_text(dumped(Path(folder) / "mlflow.db"), encoding="utf-8")
