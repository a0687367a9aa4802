"""The study database: opened by many at once, killed while it is made, and at paths that mean something in a URL."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from killed import forking
from pitprop.addresses import addresses, safe, sqlite_file, sqlite_url
from pitprop.study import database

PATHS = ["feature%2Fx", "a%20b", "a b", "what?", "c#", "größe", "日本", "{x}", "a&b=c;d", 'it\'s "quoted"', "100%", "me@home:1"]


def _connect(url: str, start: Any, told: Any) -> None:
    start.wait()
    try:
        database.connect(url).engine.dispose()
        told.put("")
    except Exception as error:
        told.put(str(error))


def at_once(url: str, number: int = 8) -> list[str]:
    """What so many processes are told that open the database in one moment; empty for those that could."""
    server = forking()
    start, told = server.Barrier(number), server.SimpleQueue()
    processes = [server.Process(target=_connect, args=(url, start, told)) for _ in range(number)]
    for process in processes:
        process.start()
    said = [told.get() for _ in processes]
    for process in processes:
        process.join()
    return said


@pytest.mark.parametrize("attempt", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_eight_that_make_the_database_at_once_all_have_it(attempt: int, tmp_path: Path) -> None:
    assert at_once(sqlite_url(tmp_path / "runs" / "study.db")) == [""] * 8


def test_a_process_that_is_killed_while_it_makes_the_database_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "study.db"

    code = (
        "import os, signal, sys, sqlalchemy\n"
        "from optuna.storages._rdb.models import TrialModel\n"
        "from pitprop.study import database\n"
        "die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sqlalchemy.event.listen(TrialModel.__table__, 'after_create', die)\n"
        "database.connect(sys.argv[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, sqlite_url(path)], check=False).returncode == -signal.SIGKILL
    assert not path.exists()
    database.connect(sqlite_url(path)).engine.dispose()
    assert {entry.name for entry in tmp_path.iterdir()} <= {"study.db", "study.db.lock", "study.db-wal", "study.db-shm"}


@pytest.mark.parametrize("name", PATHS)
def test_the_database_lies_in_the_folder_that_was_named(name: str, tmp_path: Path) -> None:
    where = addresses(str(tmp_path / name))
    database.connect(where.study_db).engine.dispose()
    assert sqlite_file(where.study_db) == tmp_path / name / "study.db"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    with closing(sqlite3.connect(tmp_path / name / "study.db")) as connection:
        assert connection.execute("select count(*) from studies").fetchone() == (0,)


@pytest.mark.parametrize("name", PATHS)
def test_a_url_of_sqlalchemys_own_names_the_same_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name / "x.db"
    url = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    assert sqlite_file(url) == sqlite_file(sqlite_url(path)) == path
    assert sqlalchemy.make_url(sqlite_url(path)).database == str(path)


@pytest.mark.parametrize(
    "url",
    ["http://me:secret@host:5000/x", "http://me:sec/secret@a@host", "postgresql+psycopg://me:secret@host/db?a=b",
     "postgresql://host/db?user=me&password=secret&a=b"],
)  # fmt: skip
def test_no_password_is_shown(url: str) -> None:
    assert "secret" not in safe(url)
    assert "host" in safe(url)


def test_a_path_is_shown_as_it_is() -> None:
    assert safe("sqlite:////home/me@work:1/runs/study.db") == "sqlite:////home/me@work:1/runs/study.db"
