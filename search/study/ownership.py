"""Who may write to a study: one process at a time, and only for the space that the study was made with.

`file_lock` and `AdvisoryLock` are dropped by the operating system or the database when their holder dies; what a process that has
lost its study without knowing it writes, `pitprop.study.storage.Fence` refuses. `claim` compares what the space means now with
what it meant when its study was made.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.space import Space, difference, meaning
from pitprop.study import database
from pitprop.study.source import OtherSpace, refusal, source
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

_TRY = {
    "postgresql": "select pg_try_advisory_lock(:key)",
    "mysql": "select get_lock(:key, 0)",
    "mariadb": "select get_lock(:key, 0)",
}


class Owned(UserError):
    """Another process holds the lock: one sentence that says which, and since when."""


@contextmanager
def file_lock(path: Path, what: str) -> Iterator[None]:
    """Holds the file's lock; `Owned` if another process does. The file says who holds it and stays behind, unlocked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+", encoding="utf-8")
    except OSError as error:
        said = _("{folder} is no folder that can be written to ({why}): name another by --runs, or another database by STUDY_DB")
        raise UserError(said.format(folder=path.parent, why=error.strerror)) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _refused(what, _owner(file.read())) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}))
        file.flush()
        yield


def still_there(path: Path) -> Callable[[], None]:
    """What raises `pitprop.study.database.DatabaseError` once another file, or none, is where this one is now.

    SQLite would not notice: it writes on to the file that was deleted.
    """
    file = path.stat().st_ino

    def look() -> None:
        if not path.exists() or path.stat().st_ino != file:
            raise database.DatabaseError(
                _(
                    "the study database {path} was deleted, moved or replaced while it was searched: put it back, "
                    "or search again to begin a new study"
                ).format(path=path)
            )

    return look


class AdvisoryLock:
    """The same as `file_lock` by a lock of the database server, which lives as long as its connection, and so not over a restart.

    Use it as a context. On a server that has no such locks it locks nothing: the fence of the study has to do.
    """

    def __init__(self, engine: Engine, what: str) -> None:
        self._engine, self._what = engine, what
        self._key = int.from_bytes(hashlib.sha256(what.encode()).digest()[:7])
        self._statement = _TRY.get(engine.dialect.name)
        self._connection: Connection | None = None

    def __enter__(self) -> AdvisoryLock:
        self.hold()
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def hold(self) -> None:
        """Takes the lock if it is not held, or was lost with its connection; `Owned` if another process has it."""
        if self._statement is None:
            return
        if self._connection is not None:
            try:
                self._connection.execute(text("select 1"))
                self._connection.commit()
                return
            except DBAPIError:
                self._drop()
        self._connection = connection = self._engine.connect()
        try:
            if self._engine.dialect.name == "postgresql":
                name = f"pitprop pid {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
                connection.execute(text("select set_config('application_name', :name, false)"), {"name": name[:63]})
                self._refuse_pooler(connection)
            taken = connection.execute(text(self._statement), {"key": self._key}).scalar()
            owner = None if taken else self._owner(connection)
            connection.commit()
        except BaseException:
            self._drop()
            raise
        if not taken:
            self._drop()
            raise _refused(self._what, str(owner))

    def _refuse_pooler(self, connection: Connection) -> None:
        """`DatabaseError` where each transaction may come to another connection of the server, as with pgbouncer:
        a lock stays behind there that nobody can give back.

        Such a pooler gives its clients a process id of its own making. Another connection then takes the server's that was last
        free; if ours is a different one afterwards, it is not ours.
        """
        before = connection.execute(text("select pg_backend_pid()")).scalar()
        claimed = getattr(getattr(connection.connection.driver_connection, "info", None), "backend_pid", before)
        connection.commit()
        if claimed == before:
            return
        with self._engine.connect() as other:
            other.execute(text("select 1"))
            after = connection.execute(text("select pg_backend_pid()")).scalar()
        connection.commit()
        if after != before:
            raise database.DatabaseError(
                _(
                    "STUDY_DB goes through a pooler, such as pgbouncer, that gives each transaction another "
                    "connection, so that no lock on a study holds: name the database server itself, or set "
                    "pool_mode = session"
                )
            )

    def _owner(self, connection: Connection) -> str:
        if self._engine.dialect.name != "postgresql":
            return _("the database does not say which")
        query = (
            "select a.application_name from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' "
            "and ((l.classid::bigint << 32) | l.objid::bigint) = :key"
        )
        return str(connection.execute(text(query), {"key": self._key}).scalar() or _("a process that ends just now"))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # not back into the pool, with the lock
            connection.close()


def mark() -> dict[str, Any]:
    """Who takes a study, unlike anybody else who does."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"pid": os.getpid(), "host": platform.node(), "since": since, "token": uuid.uuid4().hex}


def _owner(said: str) -> str:
    try:
        owner = json.loads(said)
        return _("pid {pid} on {host}, since {since}").format(pid=owner["pid"], host=owner["host"], since=owner["since"])
    except (ValueError, KeyError):
        return _("a process that has not said its name yet")


def _refused(what: str, owner: str) -> Owned:
    """Whoever wants a study of which another process is the ``owner`` is told where that is, and how to end it."""
    said = _("another search owns {what}: {owner}; wait until it has ended, or end it on its machine with Ctrl-C or kill")
    return Owned(said.format(what=what, owner=owner))


def claim(storage: optuna.storages.RDBStorage, space: Space, folder: Path) -> tuple[int, int]:
    """The id of the study of ``space``, and how many trials are planned. What the space means is written into a new one.

    `OtherSpace` if an old one meant something else.
    """
    found = database.study_id(storage, space.name, space.directions)
    known = storage.get_study_user_attrs(found)
    means = meaning(space)
    if difference(known.get("meaning", means), means) and _is_blank(storage, found, folder):
        storage.delete_study(found)
        for kind in ("checkpoints", "trials"):
            shutil.rmtree(folder / kind, ignore_errors=True)
        found, known = database.study_id(storage, space.name, space.directions), {}
    if "meaning" not in known:
        ways = [way.name.lower() for way in storage.get_study_directions(found)]
        if ways != space.directions or storage.get_all_trials(found, deepcopy=False):
            raise OtherSpace(
                _("study {name!r} in this database was not made by pitprop: rename the space").format(name=space.name)
            )
        storage.set_study_user_attr(found, "meaning", means)
    elif changed := difference(known["meaning"], means):
        raise OtherSpace(refusal(space, known.get("space file"), changed))
    if known.get("space file") != source(space):
        storage.set_study_user_attr(found, "space file", source(space))
    # The space's number of trials counts when it is new or was edited; between edits, what was planned on top of it does.
    if known.get("trials in the space") != space.trials:
        storage.set_study_user_attr(found, "trials", space.trials)
        storage.set_study_user_attr(found, "trials in the space", space.trials)
    return found, int(storage.get_study_user_attrs(found)["trials"])


def _is_blank(storage: optuna.storages.RDBStorage, study: int, folder: Path) -> bool:
    """Whether no epoch was trained, or none that counts, as after a first try with a slip in it: there is nothing to lose.

    The trials are asked too, for their files may lie in another folder, or on another machine.
    """
    trials = storage.get_all_trials(study, deepcopy=False)
    ended = any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    slip = any(trial.user_attrs.get("alike") for trial in trials)  # such as a misspelt objective: what was trained has no score
    return not ended and (slip or not any(folder.glob("trials/*/telemetry*.jsonl")))
