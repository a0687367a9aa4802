"""The study database: Optuna's own storage, opened so that several studies can live and be written in one file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from pitprop.addresses import safe, sqlite_file, sqlite_url
from pitprop.errors import UserError
from pitprop.locks import one_maker
from sqlalchemy.exc import ArgumentError, DBAPIError


class DatabaseError(UserError):
    """The database cannot be used: one sentence."""


def connect(url: str) -> optuna.storages.RDBStorage:
    """Optuna's storage at ``url``; SQLite in WAL mode with synchronous=NORMAL, which halves what a write costs.

    Many processes may call it at once where there is no database yet: one makes it, and the others find it.
    """
    path = sqlite_path(url)
    try:
        with one_maker(url):
            if path is not None:
                _refuse_foreign(path)
                _make(path)
            return _open(url, path)
    except (DBAPIError, sqlite3.Error) as error:
        raise DatabaseError(f"the study database {safe(url)} cannot be opened: {reason(error)}") from error
    except OSError as error:
        where = error.filename or path
        raise DatabaseError(
            f"the study database {safe(url)} cannot be opened: {error.strerror or error} ({where}); name another folder by "
            f"--runs, or another database by STUDY_DB"
        ) from error
    except (ArgumentError, ImportError, RuntimeError) as error:
        cause = error.__cause__ or error
        missing = f"the Python module {cause.name!r} is not installed" if isinstance(cause, ImportError) and cause.name else ""
        said = missing or str(error).splitlines()[0]
        raise DatabaseError(f"STUDY_DB {safe(url)!r} is not a database that can be used: {said}") from error


def reason(error: BaseException) -> str:
    """What the database said, in its own words, in one line."""
    return " ".join(str(getattr(error, "orig", error)).split("\n")[0].split())


def _make(path: Path) -> None:
    """Makes a SQLite database if there is none: whole, or not at all, whatever kills this process."""
    if not (path.exists() and path.stat().st_size):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        for left in (new, Path(f"{new}-journal")):
            left.unlink(missing_ok=True)
        _open(sqlite_url(new), new).engine.dispose()
        new.replace(path)
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _open(url: str, path: Path | None) -> optuna.storages.RDBStorage:
    options = {"connect_args": {"timeout": 60}} if path is not None else {"pool_pre_ping": True}
    # Optuna formats the URL, which may hold braces
    storage = optuna.storages.RDBStorage(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=options)
    if path is not None:
        sqlalchemy.event.listen(storage.engine, "connect", _relax)
        storage.engine.dispose()
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
        raise DatabaseError(f"STUDY_DB {safe(url)!r} is not a database URL, such as sqlite:///runs/study.db") from error
    if parsed.get_backend_name() != "sqlite":
        return None
    path = sqlite_file(url)
    if path is None:
        raise DatabaseError(f"STUDY_DB {url!r} names no file, and a study must outlive its search: use sqlite:///PATH")
    return path.resolve()


def _refuse_foreign(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise DatabaseError(
            f"the study database {path} cannot be read ({error}): restore it, or name another by STUDY_DB"
        ) from error
    if tables and "studies" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise DatabaseError(f"{path} is another program's database (it holds {some}): name another by STUDY_DB")


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
