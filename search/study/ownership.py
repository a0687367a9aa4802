"""Who may write to a study: one process at a time, and only for the space that the study was made with.

`file_lock` and `advisory_lock` are dropped by the operating system or the database when their holder dies. `claim` compares what
the space means now with what it meant when its study was made.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from pitprop.errors import UserError
from pitprop.space import Space, difference, meaning
from pitprop.study import database
from pitprop.study.source import OtherSpace, refusal, source


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


def claim(storage: optuna.storages.RDBStorage, space: Space, folder: Path) -> tuple[int, int]:
    """The id of the study of ``space``, and how many trials are planned. What the space means is written into a new one.

    `OtherSpace` if an old one meant something else.
    """
    found = database.study_id(storage, space.name, space.directions)
    known = storage.get_study_user_attrs(found)
    means = meaning(space)
    if known.get("meaning", means) != means and _is_blank(storage, found, folder):
        storage.delete_study(found)
        for kind in ("checkpoints", "trials"):
            shutil.rmtree(folder / kind, ignore_errors=True)
        found, known = database.study_id(storage, space.name, space.directions), {}
    if "meaning" not in known:
        ways = [way.name.lower() for way in storage.get_study_directions(found)]
        if ways != space.directions or storage.get_all_trials(found, deepcopy=False):
            raise OtherSpace(f"study {space.name!r} in this database was not made by pitprop: rename the space")
        storage.set_study_user_attr(found, "meaning", means)
    elif known["meaning"] != means:
        raise OtherSpace(refusal(space, known.get("space file"), difference(known["meaning"], means)))
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
