"""The study database: Optuna's own storage, opened so that several studies can live and be written in one file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from pitprop.addresses import safe, sqlite_file, sqlite_url
from pitprop.errors import UserError
from pitprop.locks import one_maker
from pitprop.messages import _
from pitprop.study.stored import TABLES
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, TimeoutError

LONGEST = 600.0
"""Seconds for which nothing trains and a database is waited for that does not answer."""
NOTICED = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""How PostgreSQL's library finds out within a minute that a server is gone without a word."""


KNOWN = "5.0.0"
"""The Optuna whose tables are those of `TABLES`: to find that out it loads forty migrations, four times where it makes tables."""
_MARKED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('{}');
"""


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
                refuse_foreign(path)
                _make(path)
            return _open(url, path)
    except (DBAPIError, sqlite3.Error) as error:
        raise DatabaseError(
            _("the study database {url} cannot be opened: {error}").format(url=safe(url), error=reason(error))
        ) from error
    except OSError as error:
        where = error.filename or path
        raise DatabaseError(
            _(
                "the study database {url} cannot be opened: {value} ({where}); name another folder by --runs, "
                "or another database by STUDY_DB"
            ).format(url=safe(url), value=error.strerror or error, where=where)
        ) from error
    except (ArgumentError, ImportError, RuntimeError) as error:
        cause = error.__cause__ or error
        missing = f"the Python module {cause.name!r} is not installed" if isinstance(cause, ImportError) and cause.name else ""
        said = missing or str(error).splitlines()[0]
        raise DatabaseError(
            _("STUDY_DB {url!r} is not a database that can be used: {said}").format(url=safe(url), said=said)
        ) from error


def reason(error: BaseException) -> str:
    """What the database said, in its own words, in one line."""
    return " ".join(str(getattr(error, "orig", error)).split("\n")[0].split())


def passes(error: Exception) -> bool:
    """Whether the database may take the same again in a while: it restarts, fails over, or is locked by another program."""
    if not isinstance(error, DBAPIError | TimeoutError):
        return False
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        return any(word in str(cause) for word in ("locked", "busy"))
    readonly = getattr(cause, "sqlstate", None) == "25006"  # one that was the primary and is none any more
    return readonly or isinstance(error, OperationalError | InterfaceError | TimeoutError) or error.connection_invalidated


class Writes:
    """Writes in their order, each tried until the database has taken it, while whoever writes does something else.

    A write is a function of whether it was tried before. ``ready`` is called before any is tried, and may raise what a write may.
    ``trouble`` is what the database said if it has not taken all.
    """

    def __init__(self, name: str, ready: Callable[[], None]) -> None:
        self._name, self._ready = name, ready
        self._waiting: deque[Callable[[bool], None]] = deque()
        self._failures = 0
        self._next = 0.0
        self.trouble: str | None = None

    def put(self, write: Callable[[bool], None]) -> None:
        """Adds a write, and tries it if it is time to."""
        self._waiting.append(write)
        self.flush()

    def flush(self) -> bool:
        """Whether the database has taken everything. It is asked ever less often while it does not answer."""
        while self._waiting and time.monotonic() >= self._next:
            try:
                self._ready()
                self._waiting[0](self._failures > 0)
            except Exception as error:
                if not passes(error):
                    raise _sentence(self._name, error) from error
                self.trouble, self._failures = reason(error), self._failures + 1
                self._next = time.monotonic() + min(0.5 * 2**self._failures, 15.0)
                return False
            self._waiting.popleft()
            self.trouble, self._failures = None, 0
        return not self._waiting

    def settle(self) -> None:
        """Returns when the database has taken everything; `DatabaseError` if it does not in ten minutes."""
        deadline = time.monotonic() + LONGEST
        while not self.flush():
            if time.monotonic() > deadline:
                raise DatabaseError(
                    _(
                        "{name} has not answered for ten minutes ({trouble}): nothing that was finished is lost; once "
                        "it answers, the same command continues from there"
                    ).format(name=self._name, trouble=self.trouble)
                )
            time.sleep(max(0.0, min(self._next - time.monotonic(), 1.0)))


def _sentence(name: str, error: Exception) -> Exception:
    """What a user is told of a write that is of no use to try again; the error itself if that is for others to say."""
    if not isinstance(error, DBAPIError):
        return error
    text = _(
        "{name} takes no more writes ({reason}): nothing that was finished is lost; look at its folder and the space on its "
        "disk, or at its server, and then the same command continues from there"
    )
    return DatabaseError(text.format(name=name, reason=reason(error)))


def _make(path: Path) -> None:
    """Makes a SQLite database if there is none: whole, or not at all, whatever kills this process."""
    if not (path.exists() and path.stat().st_size):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        for left in (new, Path(f"{new}-journal")):
            left.unlink(missing_ok=True)
        if optuna.__version__ == KNOWN:
            with contextlib.closing(sqlite3.connect(new)) as connection:
                connection.executescript(_MARKED.format(TABLES))
        _open(sqlite_url(new), new).engine.dispose()
        new.replace(path)
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _open(url: str, path: Path | None) -> optuna.storages.RDBStorage:
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if path is not None else {"pool_pre_ping": True}
    if sqlalchemy.make_url(url).get_driver_name() in ("psycopg", "psycopg2"):
        options["connect_args"] = NOTICED
    fits = path is not None and optuna.__version__ == KNOWN and marked(path) == TABLES
    # Optuna formats the URL, which may hold braces
    quoted = url.replace("{", "{{").replace("}", "}}")
    storage = optuna.storages.RDBStorage(quoted, engine_kwargs=options, skip_compatibility_check=fits)
    if path is not None:
        sqlalchemy.event.listen(storage.engine, "connect", _relax)
        storage.engine.dispose()
    return storage


def marked(path: Path) -> str | None:
    """The version of the tables in a SQLite file."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
        found: list[tuple[str]] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return found[0][0] if len(found) == 1 else None
    return None


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
        raise DatabaseError(
            _("STUDY_DB {url!r} is not a database URL, such as sqlite:///runs/study.db").format(url=safe(url))
        ) from error
    if parsed.get_backend_name() != "sqlite":
        return None
    path = sqlite_file(url)
    if path is None:
        raise DatabaseError(
            _("STUDY_DB {url!r} names no file, and a study must outlive its search: use sqlite:///PATH").format(url=url)
        )
    return path.resolve()


def refuse_foreign(path: Path) -> None:
    """`DatabaseError` if the SQLite file is not to be read, or is another program's."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise DatabaseError(
            _("the study database {path} cannot be read ({error}): restore it, or name another by STUDY_DB").format(
                path=path, error=error
            )
        ) from error
    if tables and "studies" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise DatabaseError(
            _("{path} is another program's database (it holds {some}): name another by STUDY_DB").format(path=path, some=some)
        )


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
