"""The study database: Optuna's own storage, opened so that several studies can live and be written in one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from pitprop.errors import UserError
from sqlalchemy.exc import ArgumentError, DBAPIError


class DatabaseError(UserError):
    """The database cannot be used: one sentence."""


def connect(url: str) -> optuna.storages.RDBStorage:
    """Optuna's storage at ``url``; SQLite in WAL mode with synchronous=NORMAL, which halves what a write costs."""
    path = sqlite_path(url)
    if path is not None:
        _refuse_foreign(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    options = {"connect_args": {"timeout": 60}} if path is not None else {"pool_pre_ping": True}
    try:
        if path is not None:
            with sqlite3.connect(path, timeout=60) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
        storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
        if path is not None:
            sqlalchemy.event.listen(storage.engine, "connect", _relax)
            storage.engine.dispose()
    except (DBAPIError, sqlite3.Error) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise DatabaseError(f"the study database {safe(url)} cannot be opened: {reason}") from error
    except (ArgumentError, ImportError, RuntimeError) as error:
        cause = error.__cause__ or error
        missing = f"the Python module {cause.name!r} is not installed" if isinstance(cause, ImportError) and cause.name else ""
        reason = missing or str(error).splitlines()[0]
        raise DatabaseError(f"STUDY_DB {safe(url)!r} is not a database that can be used: {reason}") from error
    return storage


def study_id(storage: optuna.storages.RDBStorage, name: str, directions: Sequence[str]) -> int:
    """The study's id in the database; it is made if it is not there."""
    ways = [optuna.study.StudyDirection[way.upper()] for way in directions]
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return storage.create_new_study(ways, name)


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for any other database."""
    try:
        parsed = sqlalchemy.make_url(url)
    except ArgumentError as error:
        raise DatabaseError(f"STUDY_DB {url!r} is not a database URL, such as sqlite:///runs/study.db") from error
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseError(f"STUDY_DB {url!r} names no file, and a study must outlive its search: use sqlite:///PATH")
    return Path(parsed.database)


def safe(url: str) -> str:
    """The URL without its password."""
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)


def _refuse_foreign(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
        try:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DatabaseError(
            f"the study database {path} cannot be read ({error}): restore it, or name another by STUDY_DB"
        ) from error
    if tables and "studies" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise DatabaseError(f"{path} is another program's database (it holds {some}): name another by STUDY_DB")


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
