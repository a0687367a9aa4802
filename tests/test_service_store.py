"""The tables of the service: what migrations make is what the code reads, however often and from whichever version they run."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pitprop.service.database import tables
from pitprop.service.database.ledger import Entry, Happened, Store, Twice
from pitprop.service.lookup import Reader
from pitprop.service.models import SearchState
from pitprop.service.running.places import Places
from pitprop.study.database import connect
from services import kit


def entry(name: str = "a", **changes: Any) -> Entry:
    given: dict[str, Any] = {"owner": "anna", "name": name, "study": f"s-{name}", "question": "?", "space": "", "trials": 1}
    return Entry(**{"id": name, "wants": 1, "created": 1.0, **given, **changes})


def test_migrations_make_the_tables_that_the_code_reads(tmp_path: Path) -> None:
    engine = tables.opened(f"sqlite:///{tmp_path / 'study.db'}")
    with engine.connect() as connection:

        def ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
            return kind != "table" or str(name).startswith("pitprop_")

        context = MigrationContext.configure(connection, opts={"include_object": ours, "version_table": tables.VERSION})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing_and_the_studies_stay_readable(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    newest = max(Path(tables.__file__).parent.glob("migrations/versions/v*.py"))
    for _time in range(2):
        tables.opened(f"sqlite:///{file}").dispose()
        connect(f"sqlite:///{file}").engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT version_num FROM pitprop_version").fetchall() == [(newest.stem[1:5],)]


def test_events_of_a_search_are_numbered_without_a_gap_whoever_writes(tmp_path: Path) -> None:
    with kit(tmp_path) as parts:
        parts.store.add(entry())

        def write() -> None:
            for _time in range(20):
                with parts.store.writing() as connection:
                    parts.store.say(connection, "a", Happened("told", {}), Happened("told", {}))

        threads = [threading.Thread(target=write) for _writer in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert [one.id for one in parts.store.events("a")] == list(range(1, 162))
        assert [one.id for one in parts.store.events("a", after=159)] == [160, 161]


def test_what_fails_within_a_change_leaves_neither_change_nor_event(tmp_path: Path) -> None:
    with kit(tmp_path) as parts:
        parts.store.add(entry())

        def fail() -> None:
            with parts.store.writing() as connection:
                parts.store.set(connection, parts.entry("a"), Happened("done"), state="done")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert parts.entry("a").state == SearchState.QUEUED
        assert parts.kinds("a") == ["queued"]


def test_a_request_that_comes_twice_at_once_is_queued_once(tmp_path: Path) -> None:
    with kit(tmp_path) as parts:
        found: list[str] = []

        def send(number: int) -> None:
            try:
                found.append(parts.store.add(entry(f"n{number}", request_key="k")).id)
            except Twice as twice:
                found.append(twice.entry.id)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert len(found) == 4
        assert len(set(found)) == 1


def test_reading_waits_for_nobody_who_writes(tmp_path: Path) -> None:
    with kit(tmp_path) as parts:
        parts.store.add(entry())
        other = Store(tables.opened(Places(parts.places.home).home.study_db))
        with parts.store.writing() as connection:
            parts.store.set(connection, parts.entry("a"), state="done")
            found = other.find("a")
            assert found is not None
            assert found.state == SearchState.QUEUED
        other.close()


class Counted(Reader):
    """Counts how often a study is read."""

    reads = 0

    def _results(self, entry: Entry) -> Any:
        self.reads += 1
        return object()


def test_many_who_ask_for_the_same_study_at_once_have_it_read_once(tmp_path: Path) -> None:
    with kit(tmp_path) as parts:
        reader, entry, together = Counted(parts.places), parts.submit(), threading.Barrier(8)

        def ask(_number: int) -> int:
            together.wait()
            return id(reader.results(entry))

        with ThreadPoolExecutor(8) as asking:
            told = set(asking.map(ask, range(8)))
        reader.close()
    assert (len(told), reader.reads) == (1, 1)
