"""The state after a trial's best epoch is kept, whatever came later, and whoever was killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import TOY, events, records
from killed import kill
from pitprop.space import Space
from pitprop.telemetry import Epoch
from pitprop.trainer import Lane
from pitprop.workers import checkpoint
from pitprop.workers.files import best_states

Toy = Callable[..., Space]
PEAKS = (3, 1, 8, 0, 5)


@pytest.fixture
def peaked(toy: Toy) -> Toy:
    """A space of trials that are best at different epochs of eight, the first of which says NaN once."""
    rows: dict[str, Any] = {"trainer": str(TOY.with_name("peak.py")), "signatures": "off", "trials": len(PEAKS)}
    rows |= {"params": {"peak": {"choice": sorted(PEAKS)}}, "points": [{"peak": peak} for peak in PEAKS]}
    return lambda **changes: toy(**{**rows, **changes})


def kept(space: Space, folder: Path) -> list[tuple[int, float]]:
    """Of each trial, the epoch and the state that were kept as its best, once the search is over."""
    found, lanes = [], {Lane(record.number, 0): Path(record.folder) for record in records(space, folder)}
    best_states.Bests(space.objective.metric, space.objective.best_by).salvage(lanes, folder / space.name / "checkpoints")
    for record in records(space, folder):
        ((lane, (epoch, state)),) = checkpoint.loads(best_states.path(Path(record.folder), 0), [Lane(record.number, 0)]).items()
        assert lane == Lane(record.number, 0)
        assert state["score"] == epoch.metrics["val/macro_f1"]
        found.append((epoch.step, state["score"]))
    return found


BEST = [(3, 1.0), (1, 1.0), (8, 1.0), (2, 0.8), (5, 1.0)]


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_state_of_the_best_epoch_is_kept_beside_that_of_the_last(width: int, peaked: Toy, tmp_path: Path) -> None:
    events(peaked(), tmp_path, width=width)
    assert kept(peaked(), tmp_path) == BEST
    for record in records(peaked(), tmp_path):
        assert checkpoint.epochs(Path(record.folder) / "replica-0.ckpt")[Lane(record.number, 0)].step == 8


def test_what_is_to_be_minimised_is_best_where_it_is_least(peaked: Toy, tmp_path: Path) -> None:
    space = peaked(objective={"metric": "val/loss", "goal": "minimize"})
    events(space, tmp_path, width=2)
    assert kept(space, tmp_path) == BEST


def test_where_the_last_epoch_counts_no_other_is_kept(peaked: Toy, tmp_path: Path) -> None:
    space = peaked(objective={"metric": "val/macro_f1", "at": "last"})
    events(space, tmp_path, width=2)
    assert not list(tmp_path.rglob("*.best"))


@pytest.mark.parametrize("stop", [7, 20, 33])
def test_a_search_that_was_stopped_keeps_the_best_of_before(stop: int, peaked: Toy, tmp_path: Path) -> None:
    events(peaked(), tmp_path, width=2, stop=stop)
    events(peaked(), tmp_path, width=2)
    assert kept(peaked(), tmp_path) == BEST


@pytest.mark.parametrize(("at", "width"), [(6, 2), (12, 5), (47, 2), (98, 5)])  # 47 before a write, the others just after one
def test_a_search_that_was_killed_keeps_the_best_of_before(at: int, width: int, peaked: Toy, tmp_path: Path) -> None:
    assert kill(peaked(), tmp_path, at, width) == -9
    events(peaked(), tmp_path, width=width)
    assert kept(peaked(), tmp_path) == BEST


def test_a_revived_trial_keeps_the_best_of_the_parked_one(peaked: Toy, tmp_path: Path) -> None:
    gate = {"metric": "val/macro_f1", "epoch": 6, "at_least": 0.75, "action": "park"}
    space = peaked(trials=1, gates=[gate])
    events(space, tmp_path)
    events(space, tmp_path, revive=[0])
    parked, revived = records(space, tmp_path)
    assert (parked.epochs, revived.epochs) == (6, 8)
    assert checkpoint.epochs(best_states.path(Path(revived.folder), 0))[Lane(1, 0)].step == 3


def test_no_more_files_are_held_than_lanes_have_bests(peaked: Toy, tmp_path: Path) -> None:
    for stop in range(2, 60, 5):
        events(peaked(), tmp_path / str(stop), width=3, stop=stop)
        assert len(list((tmp_path / str(stop) / "toy" / "checkpoints").glob("*.best"))) <= 3


def test_few_whole_checkpoints_are_held_however_many_lanes_there_are(tmp_path: Path) -> None:
    lanes = [Lane(number, 0) for number in range(12)]
    folders = {lane: tmp_path / str(lane.trial) for lane in lanes}
    kept, file = best_states.Bests("score", "maximize"), tmp_path / "group.ckpt"
    for folder in folders.values():
        folder.mkdir()
    for step in range(1, len(lanes) + 1):  # the lane n is best at epoch n + 1
        epochs = {lane: Epoch(step, {"score": -abs(step - 1 - lane.trial)}) for lane in lanes}
        checkpoint.write(file, epochs, {"step": [step] * len(lanes)}, stacked=True)
        kept.note(epochs, file, folders)
        assert len(list(tmp_path.glob("*.best"))) <= best_states.HELD
    kept.leave(folders)
    assert not list(tmp_path.glob("*.best"))
    for lane, folder in folders.items():
        ((epoch, state),) = checkpoint.loads(best_states.path(folder, 0), [lane]).values()
        assert epoch.step == state["step"] == lane.trial + 1


def test_what_a_killed_search_held_is_taken_only_if_it_is_better_than_what_was_left(tmp_path: Path) -> None:
    lane, shared = Lane(0, 0), tmp_path / "shared"
    shared.mkdir()
    own = best_states.path(tmp_path, 0)
    checkpoint.write(own, {lane: Epoch(5, {"score": 0.5})}, {"step": 5}, stacked=False)
    for step, score, expected in ((3, 0.3, 5), (9, 0.9, 9)):
        checkpoint.write(shared / "held.best", {lane: Epoch(step, {"score": score})}, {"step": step}, stacked=False)
        best_states.Bests("score", "maximize").salvage({lane: tmp_path}, shared)
        assert checkpoint.load(own, lane) == {"step": expected}


def test_of_a_trainer_without_a_state_nothing_is_kept(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "group.ckpt", {Lane(0, 0): Epoch(5, {"score": 0.5})}, None, stacked=False)
    best_states.Bests("score", "maximize").salvage({Lane(0, 0): tmp_path}, tmp_path)
    assert not best_states.path(tmp_path, 0).exists()
