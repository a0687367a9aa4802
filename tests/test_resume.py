"""A killed search goes on where it stopped: nothing is lost, nothing is trained twice under two numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said, events, records
from killed import kill, sampled
from pitprop import telemetry
from pitprop.driver.progress import Ended, Reported, Started
from pitprop.space import Space

REAL = {"trainer": "imbalanced", "epochs": 4, "trials": 7, "resources": {"lanes": 3}, "signatures": "off"}
DRAWN = {"params": {"lr": {"float": [1e-5, 1.0], "log": True}}}


@pytest.mark.parametrize("at", sampled(1, 2, 3, 10, 52, 67, 95, 122))
def test_a_search_killed_at_any_write_ends_as_an_undisturbed_one(
    at: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(trials=7)
    events(space, tmp_path / "undisturbed")
    assert kill(space, tmp_path / "killed", at, 1) == -9
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")


@pytest.mark.parametrize("at", sampled(9, 22, 39))
def test_lanes_of_a_killed_search_end_as_undisturbed_ones(
    at: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(**REAL, **DRAWN)
    events(space, tmp_path / "undisturbed", width=3)
    assert kill(space, tmp_path / "killed", at, 3) == -9
    events(space, tmp_path / "killed", width=3)
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")


def test_a_resume_trains_at_most_one_epoch_again(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=2, params={"speed": {"float": [0.05, 1.0]}})
    first = events(space, tmp_path, stop=6)
    done = sum(isinstance(event, Reported) for event in first)
    again = events(space, tmp_path)
    assert sum(isinstance(event, Reported) for event in again) in (16 - done, 16 - done + 1)
    assert any(isinstance(event, Started) and event.step > 0 for event in again)


def test_a_curve_has_every_epoch_once_after_a_resume(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=2, params={"speed": {"float": [0.05, 1.0]}})
    for stop in (3, 5, 7, None):
        events(space, tmp_path, stop=stop)
    for record in records(space, tmp_path):
        assert [epoch.step for epoch in telemetry.read(Path(record.folder) / "telemetry.jsonl")] == list(range(1, 9))


def test_a_finished_search_starts_nothing(toy: Callable[..., Space], tmp_path: Path) -> None:
    events(toy(), tmp_path)
    assert events(toy(), tmp_path) == []


def test_more_trials_go_on_under_the_next_numbers(
    toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    events(toy(trials=4), tmp_path / "extended")
    events(toy(trials=4), tmp_path / "extended", trials=7)
    events(toy(trials=7), tmp_path / "whole")
    assert outcome(toy(), tmp_path / "extended") == outcome(toy(), tmp_path / "whole")


def test_a_lost_checkpoint_starts_its_trial_again(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=2, params={"speed": {"float": [0.05, 1.0]}})
    events(space, tmp_path, stop=6)
    for path in (tmp_path / "toy" / "checkpoints").iterdir():
        path.write_bytes(b"torn")
    ended = [event.record for event in events(space, tmp_path) if isinstance(event, Ended)]
    assert [(record.number, record.epochs) for record in ended] == [(0, 8), (1, 8)]


def test_a_trial_that_breaks_its_group_takes_nothing_from_the_others(toy: Callable[..., Space], tmp_path: Path) -> None:
    params = {"lr": {"float": [1e-7, 1.0], "log": True}, "clip": {"choice": [1.0, -1.0]}}
    points = [{"lr": lr, "clip": clip} for lr, clip in ((1e-7, 1.0), (1e-3, 1.0), (1e-2, 1.0), (1e-3, -1.0))]
    hasty = {"chance_plateau": {"patience": 2, "blind": 0.2}}  # so that the last one joins lanes that are under way
    space = toy(**{**REAL, "epochs": 8, "trials": 4, "params": params, "points": points, "signatures": hasty})
    found = events(space, tmp_path, width=3)
    ended = {event.record.number: event.record for event in found if isinstance(event, Ended)}
    assert [ended[number].state for number in range(4)] == ["PRUNED", "COMPLETE", "COMPLETE", "FAIL"]
    assert "clip: -1.0 is not allowed" in (ended[3].error or "")
    assert sum(isinstance(event, Reported) for event in found) == ended[0].epochs + 8 + 8


def test_a_seed_that_has_ended_is_not_trained_again(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=1, seeds=2, params={"speed": {"float": [0.05, 1.0]}})
    first = sum(isinstance(event, Reported) for event in events(space, tmp_path, stop=12))
    again = sum(isinstance(event, Reported) for event in events(space, tmp_path))
    assert first > 8
    assert again in (16 - first, 16 - first + 1)


@pytest.mark.parametrize("at", sampled(38, 39, 40, 41, 42))
def test_a_trial_that_waited_for_a_curve_is_answered_after_a_kill(
    at: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(trials=3, params={"speed": 0.3}, early_stopping={"patience": {"int": [8, 20]}}, signatures="off")
    events(space, tmp_path / "undisturbed", width=2)
    assert kill(space, tmp_path / "killed", at, 2) == -9
    events(space, tmp_path / "killed", width=2)
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")


WRITES_OF_ONE = 2 + 2 * 4 + 2
"""The writes of a trial of two epochs: its row, a checkpoint and a line for each epoch, and its end; each counts twice."""


@pytest.mark.parametrize("at", [WRITES_OF_ONE, 2 * WRITES_OF_ONE - 3, 2 * WRITES_OF_ONE])
def test_nothing_of_a_killed_worker_stays_behind(
    at: int, toy: Callable[..., Space], pitprop: Callable[..., Said], tmp_path: Path
) -> None:
    space = toy(trials=2, epochs=2, params={"speed": {"float": [0.05, 1.0]}})
    assert kill(space, tmp_path / "runs", at, 1) == -9
    folder = tmp_path / "runs" / "toy"
    assert list((folder / "checkpoints").iterdir())
    (folder / "trials" / "0000" / "replica-0.99.part").write_bytes(b"torn")
    assert pitprop("search", space.path, "--inline").code == 0
    assert not (folder / "checkpoints").exists()
    assert not list(folder.glob("trials/*/*.part"))
    assert [record.state for record in records(space, tmp_path / "runs")] == ["COMPLETE"] * 2
