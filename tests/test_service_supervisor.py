"""A search is driven by one, and to its end, whatever is killed; what its driver says is told once and in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from pitprop.driver.progress import Unwritten
from pitprop.service.database.lifecycle import Change
from pitprop.service.models import SearchState
from pitprop.service.running import supervision
from pitprop.service.running.supervision import SLOWEST, Supervisor
from pitprop.study.database import DatabaseError
from services import Kit, kit, until
from sqlalchemy.exc import InterfaceError, OperationalError

DONE, FAILED, RUNNING = SearchState.DONE, SearchState.FAILED, SearchState.RUNNING


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs") as found:
        yield found


def reach(parts: Kit, search: str, state: SearchState, *supervisors: Supervisor) -> None:
    until(list(supervisors), lambda: parts.entry(search).state == state)


def hurried(parts: Kit, search: str, state: SearchState, *supervisors: Supervisor) -> None:
    """Looks after the queue until the search is in the state, without the waits before it is started again."""

    def reached() -> bool:
        parts.hurry(search)
        return parts.entry(search).state == state

    until(list(supervisors), reached)


def test_a_search_that_is_submitted_runs_and_is_done_and_says_so_in_order(parts: Kit) -> None:
    entry = parts.submit("trials=2")
    reach(parts, entry.id, DONE, parts.supervisor())
    assert parts.kinds(entry.id) == ["queued", "started", "begun", "trial", "trial", "done"]
    assert [one.id for one in parts.store.events(entry.id)] == [1, 2, 3, 4, 5, 6]
    found = parts.entry(entry.id)
    assert (found.progress or {})["complete"] == 2
    assert found.share == 0


def test_of_a_driver_that_lives_no_more_no_process_is_left(parts: Kit) -> None:
    entry, one = parts.submit("lets-go"), parts.supervisor()
    one.tick()
    pid = parts.drivers[0]._started[entry.id].pid
    until([], lambda: not one._drivers.lives(entry))
    assert not parts.drivers[0]._started
    assert not Path(f"/proc/{pid}").exists()


def test_why_a_search_was_paused_or_cancelled_does_not_say_its_state_again(parts: Kit) -> None:
    entry, one = parts.submit("hold"), parts.supervisor()
    change, said = Change(parts.store, entry.id, "anna"), []
    for began in (False, True):
        for end, state in ((change.pause, SearchState.PAUSED), (change.cancel, SearchState.CANCELLED)):
            if began:
                reach(parts, entry.id, RUNNING, one)
            end()
            if began:
                reach(parts, entry.id, state, one)
            said.append((str(state), parts.entry(entry.id).reason))
            change.resume()
    assert all(reason and state not in reason for state, reason in said), said


def test_an_earlier_confirmation_is_no_news_of_a_search_that_begins_again(parts: Kit) -> None:
    entry, one = parts.submit("hangs"), parts.supervisor()
    with parts.store.writing() as connection:
        progress = {"target": 1, "begun": 1, "confirming": {"over": 10, "trainings": 10}}
        parts.store.set(connection, entry, progress=progress)
    reach(parts, entry.id, RUNNING, one)
    assert parts.entry(entry.id).progress == {"target": 1, "begun": 1}
    one._stop.set()
    one._end_all()


def test_a_killed_driver_is_started_again(parts: Kit) -> None:
    entry = parts.submit("die=2")
    hurried(parts, entry.id, DONE, parts.supervisor())
    assert len(parts.runs(entry)) == 3
    assert parts.kinds(entry.id).count("restarted") == 2


def test_a_clock_that_is_set_back_delays_a_restart_by_no_more_than_the_longest_wait(parts: Kit) -> None:
    one, now = parts.supervisor(), parts.store.now()
    waits, stranded = parts.submit("trials=1"), parts.submit("trials=1")
    with parts.store.writing() as connection:
        parts.store.set(connection, waits, retry_at=now + SLOWEST)
        parts.store.set(connection, stranded, retry_at=now + 86_400)
        assert [each.id for each in one._dealt(connection, now)] == [stranded.id]
        assert [each.id for each in one._dealt(connection, now + SLOWEST)] == [waits.id]


def test_a_clock_that_is_set_back_strands_no_search_of_a_service_that_is_gone(parts: Kit) -> None:
    entry, gone, heir = parts.submit("hold"), parts.supervisor("gone"), parts.supervisor("heir")
    until([gone], lambda: "trial" in parts.kinds(entry.id))
    for ahead, whose in ((20.0, "gone"), (86_400.0, "heir")):
        with parts.store.writing() as connection:
            parts.store.set(connection, parts.entry(entry.id), lease=parts.store.now() + ahead)
        heir.tick()
        assert parts.entry(entry.id).service == whose


@pytest.mark.parametrize("moved", [-86_400.0, 86_400.0])
def test_a_clock_that_is_moved_ends_no_driver_that_has_not_begun_and_one_that_hangs_is_started_again(
    parts: Kit, moved: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, one = parts.submit("hangs"), parts.supervisor()
    until([one], lambda: len(parts.runs(entry)) == 1)
    with parts.store.writing() as connection:
        found = parts.entry(entry.id)
        parts.store.set(connection, found, task={**found.task, "at": found.task["at"] + moved})
    for _look in range(5):
        one.tick()
    os.kill(int(parts.runs(entry)[0].split()[0]), 0)
    assert "restarted" not in parts.kinds(entry.id)
    monkeypatch.setattr("pitprop.service.running.beginning.PATIENCE", -1.0)
    until([one], lambda: "restarted" in parts.kinds(entry.id))


def test_the_time_of_a_search_is_that_of_all_its_drivers_together(parts: Kit) -> None:
    entry, one = parts.submit("die=1", timeout=1000.0), parts.supervisor()
    until([one], lambda: "restarted" in parts.kinds(entry.id))
    with parts.store.writing() as connection:
        found = parts.entry(entry.id)
        began = parts.store.now() - 5000.0
        task = {**found.task, "at": began, "joined": began + 10.0, "seen": began + 310.0, "spent": 100.0}
        parts.store.set(connection, found, task=task, retry_at=0.0)
    reach(parts, entry.id, DONE, one)
    assert "--timeout 1000 " in parts.runs(entry)[0]
    assert "--timeout 600 " in parts.runs(entry)[1]
    Change(parts.store, entry.id, "anna").extend(2, 100)  # which has a time of its own
    reach(parts, entry.id, DONE, one)
    assert "--timeout 1000 " in parts.runs(entry)[2]


def test_a_driver_on_a_machine_without_a_service_is_said_to_go_on(parts: Kit) -> None:
    entry, one = parts.submit("hold"), parts.supervisor()
    until([one], lambda: "trial" in parts.kinds(entry.id))
    with parts.store.writing() as connection:
        parts.store.set(connection, parts.entry(entry.id), host="elsewhere")
    Change(parts.store, entry.id, "anna").cancel()
    until([one], lambda: "elsewhere" in parts.entry(entry.id).reason)
    assert parts.entry(entry.id).state == SearchState.CANCELLING
    os.kill(int(parts.runs(entry)[0].split()[0]), signal.SIGKILL)
    reach(parts, entry.id, SearchState.CANCELLED, one)


def test_a_driver_that_always_dies_is_given_up_with_a_reason(parts: Kit) -> None:
    entry = parts.submit("die=99 trials=0")
    hurried(parts, entry.id, FAILED, parts.supervisor())
    assert "6 times" in parts.entry(entry.id).reason


def test_an_error_that_is_not_mended_by_trying_again_is_told_at_once(parts: Kit) -> None:
    entry = parts.submit("error")
    reach(parts, entry.id, FAILED, parts.supervisor())
    assert parts.entry(entry.id).reason == "it cannot be searched"
    assert len(parts.runs(entry)) == 1


@pytest.mark.parametrize(
    "kind",
    [
        StorageInternalError,
        DatabaseError,
        Unwritten,
        OperationalError,
        InterfaceError,
        OSError,
        ConnectionResetError,
        TimeoutError,
    ],
)
def test_an_error_of_what_is_out_for_a_while_is_tried_again(parts: Kit, kind: type[Exception]) -> None:
    entry = parts.submit(f"error={kind.__name__}")
    hurried(parts, entry.id, DONE, parts.supervisor())
    assert len(parts.runs(entry)) == 2


def test_a_search_that_somebody_else_has_waits_and_does_not_fail(parts: Kit) -> None:
    entry = parts.submit("owned")
    until([parts.supervisor()], lambda: "restarted" in parts.kinds(entry.id))
    found = parts.entry(entry.id)
    assert found.state == SearchState.QUEUED
    assert found.restarts == 0


def test_pause_ends_the_driver_and_resume_goes_on(parts: Kit) -> None:
    entry, one = parts.submit("hold"), parts.supervisor()
    until([one], lambda: "trial" in parts.kinds(entry.id))
    assert Change(parts.store, entry.id, "anna").pause().state == SearchState.PAUSING
    reach(parts, entry.id, SearchState.PAUSED, one)
    assert not one._drivers.lives(entry)
    Change(parts.store, entry.id, "anna").resume()
    until([one], lambda: len(parts.runs(entry)) == 2)
    Change(parts.store, entry.id, "anna").cancel()
    reach(parts, entry.id, SearchState.CANCELLED, one)
    assert not one._drivers.lives(entry)


def test_a_deaf_driver_is_killed_in_the_end(parts: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitprop.service.running.drivers.GRACE", 0.2)
    entry, one = parts.submit("hold deaf"), parts.supervisor()
    until([one], lambda: "trial" in parts.kinds(entry.id))
    Change(parts.store, entry.id, "anna").cancel()
    reach(parts, entry.id, SearchState.CANCELLED, one)


def test_a_driver_that_does_not_begin_is_started_again(parts: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, one = parts.submit("hangs"), parts.supervisor()
    until([one], lambda: len(parts.runs(entry)) == 1)
    monkeypatch.setattr("pitprop.service.running.beginning.PATIENCE", -1.0)
    until([one], lambda: "restarted" in parts.kinds(entry.id))
    monkeypatch.undo()
    hurried(parts, entry.id, DONE, one)
    assert len(parts.runs(entry)) == 2


def test_a_service_that_comes_back_finds_the_driver_and_what_it_said_meanwhile(parts: Kit) -> None:
    entry, first = parts.submit("trials=3 hold"), parts.supervisor("first", lease=0.2)
    until([first], lambda: parts.entry(entry.id).state == RUNNING and len(parts.runs(entry)) == 1)
    second = parts.supervisor("second", lease=0.2)  # the first is not heard of any more
    until([second], lambda: parts.entry(entry.id).service == "second" and parts.kinds(entry.id).count("trial") == 3)
    assert len(parts.runs(entry)) == 1
    Change(parts.store, entry.id, "anna").cancel()
    reach(parts, entry.id, SearchState.CANCELLED, second)


def test_what_ended_while_no_service_ran_is_found_as_it_ended(parts: Kit) -> None:
    entry, first = parts.submit("trials=2"), parts.supervisor("first", lease=0.2)
    first.tick()
    assert parts.entry(entry.id).state == RUNNING
    until([], lambda: not first._drivers.lives(entry))
    reach(parts, entry.id, DONE, parts.supervisor("second", lease=0.2))
    assert len(parts.runs(entry)) == 1
    assert parts.kinds(entry.id) == ["queued", "started", "begun", "trial", "trial", "done"]


def test_a_service_that_was_killed_before_its_driver_began_leaves_nothing_behind(parts: Kit) -> None:
    entry, first = parts.submit("trials=1"), parts.supervisor("first", lease=0.1)
    with parts.store.writing() as connection:
        first._dealt(connection, parts.store.now(connection))
    reach(parts, entry.id, DONE, parts.supervisor("second", lease=0.2))
    assert len(parts.runs(entry)) == 1


def test_two_services_never_drive_a_search_twice(parts: Kit) -> None:
    entries = [parts.submit(f"trials={n % 3 + 1}", owner=f"o{n % 3}") for n in range(12)]
    pair = [parts.supervisor("left"), parts.supervisor("right")]
    until(pair, lambda: all(parts.entry(one.id).state == DONE for one in entries))
    assert [len(parts.runs(one)) for one in entries] == [1] * 12
    services = {one.body["service"] for entry in entries for one in parts.store.events(entry.id) if one.kind == "started"}
    assert services <= {"left", "right"}


def test_who_lost_a_search_writes_no_more_of_it(parts: Kit) -> None:
    entry, first = parts.submit("trials=1 hold"), parts.supervisor("first", lease=0.1)
    until([first], lambda: "trial" in parts.kinds(entry.id))
    held = parts.entry(entry.id)
    second = parts.supervisor("second", lease=60.0)
    until([second], lambda: parts.entry(entry.id).service == "second")
    events = parts.entry(entry.id).events
    from pitprop.service.database.ledger import Fenced

    with pytest.raises(Fenced):
        first._conclude(held, parts.store.now())
    assert parts.entry(entry.id).events == events
    os.kill(int(parts.runs(entry)[0].split()[0]), signal.SIGKILL)


def test_more_trials_than_were_planned_when_it_began_are_searched_after_it(parts: Kit) -> None:
    entry, one = parts.submit("hold"), parts.supervisor()
    until([one], lambda: "trial" in parts.kinds(entry.id))
    Change(parts.store, entry.id, "anna").extend(6, 100)
    file = parts.places.space_file(entry)
    file.write_text(file.read_text().replace("hold", "trials=1"))
    os.kill(int(parts.runs(entry)[0].split()[0]), signal.SIGKILL)
    hurried(parts, entry.id, DONE, one)
    assert "--trials 10" in parts.runs(entry)[-1]


def test_stopping_the_service_ends_its_drivers_and_queues_their_searches(parts: Kit) -> None:
    entry, one = parts.submit("hold"), parts.supervisor()
    one.start()
    until([], lambda: "trial" in parts.kinds(entry.id))
    one.close()
    assert parts.entry(entry.id).state == SearchState.QUEUED
    assert not one._drivers.lives(entry)


def test_workers_go_to_a_newcomer_while_a_search_runs(parts: Kit) -> None:
    first, one = parts.submit("hold"), parts.supervisor()
    until([one], lambda: parts.entry(first.id).share == 4)
    second = parts.submit("hold", owner="bo")
    until([one], lambda: parts.entry(second.id).share == 2 and parts.entry(first.id).share == 2)
    assert parts.places.share(first).read_text() == "2\n"
    one._stop.set()
    one._end_all()


def test_why_trials_are_left_is_not_said_to_be_a_limit_where_a_trial_was_revived(parts: Kit) -> None:
    entry = replace(parts.submit("hold"), progress={"begun": 3, "target": 9})
    told = {verb: supervision._short_of(replace(entry, task={"verb": verb})) for verb in ("search", "revive", "confirm")}
    assert "time or budget" in told["search"]
    assert (
        told["revive"]
        == told["confirm"]
        == ("3 of 9 trials have begun, and no more were asked for; extend it to train the others too")
    )
