"""One owner a study: a lock that the operating system or the database drops when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pitprop.errors import UserError


class Owned(UserError):
    """Another process holds the lock: one sentence that says which, and since when."""


@contextmanager
def file_lock(path: Path, what: str) -> Iterator[None]:
    """Holds the file's lock; `Owned` if another process does. The file says who holds it and stays behind, unlocked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path.parent} is no folder that can be written to ({error.strerror}): name another by --runs, or another "
            f"database by STUDY_DB"
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Owned(f"another search owns {what}: {_owner(file.read())}; wait for it, or end it") from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}))
        file.flush()
        yield


@contextmanager
def advisory_lock(engine: Any, what: str) -> Iterator[None]:
    """The same by PostgreSQL's advisory lock, which lives as long as its connection."""
    from sqlalchemy import text

    key = zlib.crc32(what.encode())
    with engine.connect() as connection:
        name = f"pitprop pid {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        connection.execute(text("select set_config('application_name', :name, false)"), {"name": name})
        if not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": key}).scalar():
            query = "select a.application_name from pg_locks l join pg_stat_activity a using (pid) where l.objid = :key"
            owner = connection.execute(text(query), {"key": key}).scalar()
            raise Owned(f"another search owns {what}: {owner}; wait for it, or end it")
        connection.commit()
        yield


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"pid {owner['pid']}, since {owner['since']}"
    except (ValueError, KeyError):
        return "a process that has not said its name yet"
