"""A study has one owner, whatever becomes of its database; one that does not answer is waited for."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import TOY
from pitprop.addresses import safe, sqlite_url
from pitprop.driver.loop import Search
from pitprop.driver.progress import Ended, Event, Unanswered
from pitprop.space import Space
from pitprop.study import database
from pitprop.study import storage as rows
from pitprop.study.record import Completed
from pitprop.study.study import Study, StudyError, opened
from pitprop.trainer import Context
from pitprop.workers.launch import Inline, Job
from postgres import Server, started
from test_database import at_once
from test_track import export_many

Toy = Callable[..., Space]
PLAIN = {"params": {"speed": {"float": [0.05, 1.0]}}, "signatures": "off", "sampler": "random"}
DONE = Completed(8, (0.5,))


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with started() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """A server that answers, whatever the test before did to it."""
    return running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.db")
    found: str = request.getfixturevalue("running").new_database()
    return found


def states(url: str, name: str = "toy") -> list[str]:
    """As the database has them."""
    storage = database.connect(url)
    try:
        return [one.state.name for one in storage.get_all_trials(storage.get_study_id_from_name(name))]
    finally:
        storage.engine.dispose()


def test_a_second_search_of_a_study_is_refused_and_told_who_has_it(url: str, toy: Toy, tmp_path: Path) -> None:
    space = toy(**PLAIN)
    with opened(space, url, tmp_path / "one"):
        for folder in ("one", "two"):  # the lock of the folder, and that of the database
            place = rf"pid {os.getpid()} on {re.escape(platform.node())},? since 20"
            who = rf"another search owns the study 'toy'.*: .*{place}.*Ctrl-C or kill"
            with pytest.raises(StudyError, match=who) as told:
                opened(space, url, tmp_path / folder).__enter__()
            assert "secret" not in str(told.value)
    with opened(space, url, tmp_path / "two"):
        pass


def test_a_driver_that_lost_its_study_stops_before_it_writes(url: str, toy: Toy, tmp_path: Path) -> None:
    space = toy(**PLAIN)

    def lose() -> None:
        with opened(space, url, tmp_path / "one") as study:
            first = study.ask()
            assert first is not None
            rows.set_fact(study._database, study._id, "owner", {"pid": 7, "host": "elsewhere", "since": "now"})
            study.tell(first, DONE)

    with pytest.raises(StudyError, match=r"another search has taken over this study \(pid 7 on elsewhere"):
        lose()
    assert states(url) == ["RUNNING"]


def test_after_a_restart_of_the_server_two_drivers_do_not_write_to_one_study(server: Server, toy: Toy, tmp_path: Path) -> None:
    """The restart takes the lock with it, without a word; the second search begins on another machine, with other files."""
    space, url = toy(**PLAIN), server.new_database()

    def lose() -> None:
        with opened(space, url, tmp_path / "one") as study:
            first = study.ask()
            assert first is not None
            server.restart()
            with opened(space, url, tmp_path / "two") as other:
                other.tell(other.trial(0), Completed(3, (0.9,)))
                study.tell(first, DONE)

    with pytest.raises(StudyError, match=r"another search (owns|has taken over) "):
        lose()
    assert states(url) == ["COMPLETE"]
    storage = database.connect(url)
    assert storage.get_all_trials(storage.get_study_id_from_name("toy"))[0].values == [0.9]
    storage.engine.dispose()


def test_a_second_search_in_the_same_folder_is_refused_after_a_restart_too(server: Server, toy: Toy, tmp_path: Path) -> None:
    space, url = toy(**PLAIN), server.new_database()
    with opened(space, url, tmp_path / "one"):
        server.restart()
        with pytest.raises(StudyError, match=r"another search owns the study 'toy'"):
            opened(space, url, tmp_path / "one").__enter__()


def test_the_lock_is_taken_again_with_the_next_write_after_a_restart(server: Server, toy: Toy, tmp_path: Path) -> None:
    space, url = toy(**PLAIN), server.new_database()
    with opened(space, url, tmp_path / "one") as study:
        server.restart()
        assert study.ask() is not None or study.trouble
        study.settle()
        with pytest.raises(StudyError, match=r"another search owns the study 'toy'"):
            opened(space, url, tmp_path / "two").__enter__()


def test_what_a_search_does_while_the_server_is_away_is_written_when_it_answers(server: Server, toy: Toy, tmp_path: Path) -> None:
    space, url = toy(**PLAIN), server.new_database()
    with opened(space, url, tmp_path / "one") as study:
        first = study.ask()
        assert first is not None
        server.stop()
        try:
            assert study.tell(first, DONE).state == "COMPLETE"
            assert study.trouble
            assert "secret" not in study.trouble
            assert study.ask() is None
        finally:
            server.start()
        study.settle()
        assert study.trouble is None
        second = study.ask()
        assert second is not None
        assert second.number == 1
    assert states(url) == ["COMPLETE", "RUNNING"]


def test_a_write_of_which_the_answer_was_lost_is_not_done_twice(url: str, toy: Toy, tmp_path: Path) -> None:
    space = toy(**PLAIN)
    with opened(space, url, tmp_path) as study:
        trial = study.ask()
        assert trial is not None
        frozen = study._memory.trial(0)
        assert rows.begin(study._database, study._id, frozen, again=True) == study._ids[0]
        study.tell(trial, DONE)
        ended = study._memory.trial(0)
        rows.end(study._database, study._ids[0], ended, attributes={"epochs": 8}, system={}, reports={}, again=True)
    assert states(url) == ["COMPLETE"]


def search(space: Space, url: str, folder: Path, heed: Callable[[Event, Study], None] = lambda *_: None) -> list[Event]:
    with opened(space, url, folder) as study:
        study.checkpoints.mkdir(parents=True, exist_ok=True)
        metric = space.objective.metric
        context = Context(space.epochs, space.options, home=str(TOY.parent), metric=metric, goal=space.objective.best_by)
        launcher = Inline(Job(space.trainer, context, study.checkpoints), cpus=1)
        seen = []
        for event in Search(space, study, launcher, width=lambda _workers: 1).events():
            seen.append(event)
            heed(event, study)
        launcher.close()
        return seen


def told(seen: list[Event]) -> list[Any]:
    return [(event.record.number, event.record.state, event.record.values) for event in seen if isinstance(event, Ended)]


def test_a_search_outlives_a_server_that_is_away_for_a_while(server: Server, toy: Toy, tmp_path: Path) -> None:
    def heed(event: Event, study: Study) -> None:
        if isinstance(event, Ended) and event.record.number == 2:
            server.stop()
        if isinstance(event, Unanswered) and event.why:
            server.start()

    space, url = toy(**PLAIN), server.new_database()
    seen = search(space, url, tmp_path / "disturbed", heed)
    assert told(seen) == told(search(space, sqlite_url(tmp_path / "study.db"), tmp_path / "undisturbed"))
    assert [bool(event.why) for event in seen if isinstance(event, Unanswered)] == [True, False]
    assert states(url) == ["COMPLETE"] * 6


def test_a_search_outlives_a_database_that_another_program_has_locked(toy: Toy, tmp_path: Path) -> None:
    space, path = toy(**PLAIN, trials=3), tmp_path / "study.db"
    database.connect(sqlite_url(path)).engine.dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:

        def heed(event: Event, study: Study) -> None:
            if isinstance(event, Ended) and event.record.number == 0:
                other.execute("begin immediate")
            if isinstance(event, Unanswered) and event.why:
                assert "locked" in event.why
                other.execute("rollback")

        seen = search(space, sqlite_url(path), tmp_path / "toy", heed)
    assert [bool(event.why) for event in seen if isinstance(event, Unanswered)] == [True, False]
    assert states(sqlite_url(path)) == ["COMPLETE"] * 3


def test_a_database_that_takes_no_more_ends_the_search_in_a_sentence(toy: Toy, tmp_path: Path) -> None:
    space, path = toy(**PLAIN), tmp_path / "study.db"

    def heed(event: Event, study: Study) -> None:
        if isinstance(event, Ended) and event.record.number == 1:
            with closing(sqlite3.connect(path)) as other, other:
                other.execute(
                    "create trigger full before update on trials begin select raise(fail, 'database or disk is full'); end"
                )

    with pytest.raises(StudyError, match=r"takes no more writes \(database or disk is full\): nothing that was finished is lost"):
        search(space, sqlite_url(path), tmp_path / "toy", heed)


def test_a_folder_of_runs_that_disappears_is_told_and_nothing_is_said_to_be_kept(toy: Toy, tmp_path: Path) -> None:
    space, runs = toy(**PLAIN), tmp_path / "runs"

    def heed(event: Event, study: Study) -> None:
        if isinstance(event, Ended) and event.record.number == 1:
            shutil.rmtree(runs)

    with pytest.raises(StudyError, match=r"study.db was deleted, moved or replaced while it was searched: put it back") as told:
        search(space, sqlite_url(runs / "study.db"), runs / "toy", heed)
    assert "kept" not in str(told.value)


@pytest.mark.slow
def test_exporters_that_begin_at_once_share_one_new_mlflow_store_on_a_server(server: Server, tmp_path: Path) -> None:
    uri = server.new_database()
    assert export_many(uri, tmp_path, range(3)) == [f"1 trial is in MLflow at {safe(uri)}"] * 3
    logs = [path.read_text() for path in tmp_path.glob("*/track.log")]
    assert len(logs) == 3
    assert not any("secret" in log for log in logs)


@pytest.mark.slow
def test_eight_that_make_the_tables_of_a_server_at_once_all_have_them(server: Server) -> None:
    assert at_once(server.new_database()) == [""] * 8


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_that_shares_connections_between_transactions_is_refused(
    mode: str, server: Server, toy: Toy, tmp_path: Path
) -> None:
    with server.pooled(mode) as url:
        if mode == "session":
            with opened(toy(**PLAIN), url, tmp_path / "one") as study:
                assert study.ask() is not None
        else:
            with pytest.raises(StudyError, match="set pool_mode = session"):
                opened(toy(**PLAIN), url, tmp_path / "one").__enter__()
