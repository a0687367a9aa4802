"""Whether the study database is well: how fast it answers, whose tables it has, and which searches own studies in it."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import sqlalchemy
from pitprop.addresses import safe
from pitprop.health import Check
from pitprop.messages import N_, Message, message
from pitprop.study import database
from pitprop.study.stored import TABLES
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

AREA = N_("database")
SLOW = 0.05
"""Seconds of an answer above which every trial waits noticeably for its database."""
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "lustre", "fuse.sshfs", "fuse.glusterfs", "9p", "ceph")
"""File systems of a network, on which SQLite's locks may not hold."""
_OWNERS = (
    "select application_name from pg_stat_activity where application_name like 'pitprop pid %' "
    "and pid in (select pid from pg_locks where locktype = 'advisory')"
)


def look(url: str) -> list[Check]:
    """What is found of the database at ``url``; nothing is made or changed there."""
    try:
        path = database.sqlite_path(url)
    except database.DatabaseError as error:
        return [Check(AREA, "bad", message("{why}", why=str(error)), message("correct STUDY_DB"))]
    if path is not None:
        return list(_file(path))
    try:
        options = database.NOTICED if sqlalchemy.make_url(url).get_driver_name() in ("psycopg", "psycopg2") else {}
        engine = sqlalchemy.create_engine(url, connect_args=dict(options))
        try:
            return list(_server(engine, safe(url)))
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        why = message("{url} does not answer: {why}", url=safe(url), why=database.reason(error)[:200])
        return [Check(AREA, "bad", why, message("check whether the server runs, and what STUDY_DB says"))]


def _server(engine: Engine, url: str) -> Iterator[Check]:
    with engine.connect() as connection:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            connection.execute(text("select 1"))
            times.append(time.perf_counter() - began)
        latency, tables = statistics.median(times), sqlalchemy.inspect(connection).get_table_names()
        said = message("{url} answers in {ms:.1f} ms", url=url, ms=latency * 1000)
        near = message("put the database nearer to the driver: a trial asks it several times")
        yield Check(AREA, "warn" if latency > SLOW else "ok", said, near if latency > SLOW else None)
        version = connection.execute(text("select version_num from alembic_version")).scalar() if _ours(tables) else None
        yield _schema(version, bool(tables), "studies" in tables)
        if engine.dialect.name == "postgresql":
            owners = connection.execute(text(_OWNERS)).scalars()
            yield _owned([str(owner).removeprefix("pitprop ") for owner in owners])


def _file(path: Path) -> Iterator[Check]:
    kind = _file_system(path)
    if kind in REMOTE:
        said = message(
            "{path} is on a network file system ({kind}), on which SQLite's locks may not hold", path=str(path), kind=kind
        )
        yield Check(AREA, "warn", said, message("name a database on this machine's own disk by STUDY_DB, or PostgreSQL"))
    if not path.exists():
        where = next(folder for folder in path.parents if folder.exists())
        if os.access(where, os.W_OK):
            yield Check(AREA, "ok", message("{path} is not there yet; the first search makes it", path=str(path)))
        else:
            said = message("{path} cannot be made: {folder} cannot be written", path=str(path), folder=str(where))
            yield Check(AREA, "bad", said, message("name another folder by --runs, or another database by STUDY_DB"))
        return
    try:
        database.refuse_foreign(path)
    except database.DatabaseError as error:
        yield Check(AREA, "bad", message("{why}", why=str(error)), message("name another database by STUDY_DB"))
        return
    began = time.perf_counter()
    version = database.marked(path)
    said = message("{path} answers in {ms:.1f} ms", path=str(path), ms=(time.perf_counter() - began) * 1000)
    if os.access(path, os.W_OK):
        yield Check(AREA, "ok", said)
    else:
        yield Check(AREA, "bad", message("{path} cannot be written", path=str(path)), message("change its owner or mode"))
    yield _schema(version, True, True)
    held = _locked()
    yield _owned([owner for lock in sorted(path.parent.glob(f"{path.name}.*.lock")) if (owner := _holder(lock, path, held))])


def _schema(version: str | None, filled: bool, studies: bool) -> Check:
    """Whose tables there are."""
    if version == TABLES:
        return Check(AREA, "ok", message("its tables are those of this Optuna ({version})", version=version))
    if not filled:
        return Check(AREA, "ok", message("it is empty; the first search makes its tables"))
    if not studies:
        said = message("it holds the tables of another program, and none of Optuna's")
        return Check(AREA, "warn", said, message("name a database of its own by STUDY_DB"))
    known = message("its tables are those of another Optuna ({version}; {ours} is ours)", version=str(version), ours=TABLES)
    return Check(AREA, "warn", known, message("bring it up to date: optuna storage upgrade --storage URL"))


def _owned(owners: list[str]) -> Check:
    if not owners:
        return Check(AREA, "ok", message("no study is being searched"))
    return Check(AREA, "ok", message("studies are being searched: {owners}", owners=Message.join(owners, "; ")))


def _ours(tables: list[str]) -> bool:
    return "alembic_version" in tables


def _holder(lock: Path, path: Path, held: set[int]) -> str:
    """Who holds a lock of a study; empty if nobody does. To try it would keep a search out that begins just then."""
    name = lock.name.removeprefix(f"{path.name}.").removesuffix(".lock")
    with suppress(OSError, ValueError, KeyError):
        if lock.stat().st_ino in held:
            owner = json.loads(lock.read_text(encoding="utf-8"))
            return f"{name} (pid {owner['pid']}, since {owner['since']})"
    return ""


def _locked() -> set[int]:
    """The files on which a process holds a lock, by their inodes; empty where the system does not say."""
    try:
        return {int(line.split(":")[-1].split()[0]) for line in Path("/proc/locks").read_text().splitlines() if " FLOCK " in line}
    except (OSError, ValueError):
        return set()


def _file_system(path: Path) -> str:
    """The kind of the file system that holds the path; empty where the system does not say."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    held = [(place, kind) for place, kind in mounts if path.is_relative_to(place)]
    return max(held, key=lambda one: len(one[0]))[1] if held else ""
