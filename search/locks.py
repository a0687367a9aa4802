"""Locks that are waited for, for what one process at a time may make: a database that is not there yet."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pitprop.addresses import sqlite_file

KEY = 7316049481213
"""Under which PostgreSQL and MySQL know that somebody makes tables for pitprop, or for its MLflow."""
_SERVERS = {
    "postgresql": f"select pg_advisory_xact_lock({KEY})",
    "mysql": f"select get_lock('{KEY}', 600)",
    "mariadb": f"select get_lock('{KEY}', 600)",
}


@contextmanager
def one_maker(url: str) -> Iterator[None]:
    """For one process at a time: to look whether the database at ``url`` has its tables, and to make them.

    The lock goes with its holder, however that ends. It is a file beside a SQLite database; a server gives one that lives as
    long as a transaction or a connection, if it has such locks. Raises what SQLAlchemy raises if there is no such server.
    """
    file = sqlite_file(url)
    if file is not None:
        with waited_for(file.with_name(f"{file.name}.lock")):
            yield
        return
    statement = _SERVERS.get(url.partition(":")[0].partition("+")[0])
    if statement is None:
        yield
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(statement))
        yield


@contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Holds the lock of the file at ``path``, for which it waits. The file stays behind, empty.

    Where it cannot be made, as in a folder that is only read, nothing can be made beside it either, and nothing is held.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(path.open("a")), fcntl.LOCK_EX)
        yield
