"""Schedulers order trials by rank and lose none: what waits keeps what it reached, and goes on where it stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Said, events, records
from hypothesis import given
from hypothesis import strategies as st
from killed import kill, sampled
from pitprop import telemetry
from pitprop.driver import revival, scheduler
from pitprop.driver.progress import Reported, Started, Warned
from pitprop.driver.scheduler import NEW, Board
from pitprop.space import Method, Space
from pitprop.study.record import State
from pitprop.study.study import opened

FEW = {"promote": {"factor": 2}}
"""The scheduler as it is for a handful of trials."""
WIDE = {"params": {"speed": {"float": [0.05, 1.0]}}, "signatures": "off", "epochs": 8}
REAL = {"trainer": "imbalanced", "epochs": 6, "trials": 7, "signatures": "off", "resources": {"lanes": 3}}
DRAWN = {"params": {"lr": {"float": [1e-5, 1.0], "log": True}}}


def grants(folder: Path) -> list[tuple[int, int]]:
    """What was granted in a study, in its order: the trial, and until which epoch."""
    rows = map(json.loads, (folder / "grants.jsonl").read_text().splitlines())
    return [(row["trial"], row["until"]) for row in rows if "until" in row]


def is_over(space: Space, folder: Path) -> bool:
    """Whether a search of the study would find nothing to train."""
    with opened(space, f"sqlite:///{folder / 'study.db'}", folder / space.name) as study:
        return revival.ended(study)


def whole(curves: np.ndarray, name: str, room: int) -> tuple[list[int], list[int]]:
    """The choices of a scheduler, one after the other, over trials with these curves (N, epochs); and what each has trained."""
    ends, choose = scheduler.of(Method(name, {}), curves.shape[1])
    done: list[int] = []
    chosen = []
    for _ in range(10_000):
        scores = np.full((len(done), len(ends)), math.nan)
        for number, count in enumerate(done):
            scores[number, :count] = [np.max(curves[number, :end]) for end in ends[:count]]
        able = np.array([count < len(ends) for count in done], bool)
        spent = sum(ends[count - 1] for count in done) / (room * curves.shape[1])
        never = np.zeros(len(done), bool)
        unknown = np.full(len(done), math.nan)
        board = Board(ends, scores, np.array(done, int), able, never, unknown, room, spent, len(done) < room, True)
        choice = choose(board)
        if choice is None:
            return chosen, done
        chosen.append(choice)
        assert choice == NEW or able[choice]
        if choice == NEW:
            assert board.room
            done.append(1)
        else:
            done[choice] += 1
    raise AssertionError("the search does not end")


@pytest.mark.parametrize("name", ["full", "promote"])
@given(seed=st.integers(0, 2**32 - 1), trials=st.integers(1, 12), epochs=st.integers(1, 40), dead=st.floats(0, 1))
def test_no_trial_starves_where_the_budget_has_no_end(name: str, seed: int, trials: int, epochs: int, dead: float) -> None:
    random = np.random.default_rng(seed)
    curves = np.where(random.random((trials, 1)) < dead, math.nan, random.random((trials, epochs)))
    _, done = whole(curves, name, trials)
    assert done == [len(scheduler.of(Method(name, {}), epochs)[0])] * trials


@pytest.mark.parametrize("epochs", [1, 2, 3, 8, 24, 100, 10_000])
def test_segments_rise_to_the_budget(epochs: int) -> None:
    ends, _ = scheduler.of(Method("promote", {}), epochs)
    assert list(ends) == sorted(set(ends))
    assert ends[-1] == epochs
    assert len(ends) <= 30


def test_the_best_trial_is_trained_to_its_end_before_most_have_trained_half() -> None:
    levels = np.random.default_rng(1).permutation(np.linspace(0.2, 0.9, 40))
    curves = levels[:, None] + 0.05 * (1 - np.exp(-np.arange(1, 25) / 5))
    chosen, _ = whole(curves, "promote", 40)
    ends, _ = scheduler.of(Method("promote", {}), 24)
    last = max(at for at, number in enumerate(chosen) if number == levels.argmax())
    half = [chosen[:last].count(number) + 1 >= len(ends) / 2 for number in range(40)]
    assert sum(half) <= 20


def test_a_scheduled_search_trains_every_trial_to_its_end(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=6, scheduler=FEW, **WIDE)
    found = events(space, tmp_path)
    assert sum(isinstance(event, Reported) for event in found) == 6 * 8
    assert [record.state for record in records(space, tmp_path)] == [State.COMPLETE] * 6
    for record in records(space, tmp_path):
        assert [epoch.step for epoch in telemetry.read(telemetry.file(record.folder))] == list(range(1, 9))
    assert {trial for trial, until in grants(tmp_path / "toy") if until == 8} == set(range(6))


def test_trials_that_wait_in_between_train_as_undisturbed_ones(toy: Callable[..., Space], tmp_path: Path) -> None:
    points = [{"lr": 10.0**-power} for power in range(6)]
    whole, parted = toy(**REAL, **DRAWN, points=points), toy(**REAL, **DRAWN, points=points, scheduler=FEW)
    events(whole, tmp_path / "whole", width=3)
    events(parted, tmp_path / "parted", width=3)
    found = [records(space, tmp_path / folder)[:6] for space, folder in ((whole, "whole"), (parted, "parted"))]
    scores = [[record.values[0] for record in one if record.values] for one in found]
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)


@pytest.mark.parametrize("at", sampled(5, 12, 31, 58, 83, 101, 140, 171, 190))
def test_a_scheduled_search_that_was_killed_ends_as_an_undisturbed_one(
    at: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(trials=7, scheduler=FEW, **WIDE)
    events(space, tmp_path / "undisturbed")
    assert kill(space, tmp_path / "killed", at, 1) == -9
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")
    killed, undisturbed = (grants(tmp_path / folder / "toy") for folder in ("killed", "undisturbed"))
    assert killed == undisturbed


@pytest.mark.parametrize("at", sampled(9, 22, 39, 60))
def test_scheduled_lanes_that_were_killed_end_as_undisturbed_ones(
    at: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(**REAL, **DRAWN, scheduler=FEW)
    events(space, tmp_path / "undisturbed", width=3)
    assert kill(space, tmp_path / "killed", at, 3) == -9
    events(space, tmp_path / "killed", width=3)
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")


def test_what_waits_when_the_budget_is_spent_counts_and_is_no_failure(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=8, budget="24 epochs", scheduler=FEW, **WIDE)
    found = events(space, tmp_path)
    assert 24 <= sum(isinstance(event, Reported) for event in found) < 24 + 8
    waiting = [record for record in records(space, tmp_path) if record.waits]
    assert waiting
    assert all(record.word == "waiting" and not record.parked and record.values for record in waiting)
    assert all("waited for its turn at epoch" in str(record.verdicts[0].reason) for record in waiting)
    assert events(space, tmp_path) == []


def test_what_waited_goes_on_when_there_is_budget_again(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=6, budget=16, scheduler=FEW, **WIDE)
    first = events(space, tmp_path)
    waited = [record.number for record in records(space, tmp_path) if record.waits]
    assert is_over(space, tmp_path)
    more = toy(trials=6, budget=1000, scheduler=FEW, **WIDE)
    assert not is_over(more, tmp_path)
    again = events(more, tmp_path)
    revived = [record.revives for record in records(more, tmp_path) if record.revives is not None]
    assert sorted(revived) == waited
    assert is_over(more, tmp_path)
    assert sum(isinstance(event, Reported) for event in (*first, *again)) == 6 * 8
    assert all(event.step > 0 for event in again if isinstance(event, Started) and event.record.revives is not None)


def test_a_scheduler_may_change_under_a_study(toy: Callable[..., Space], tmp_path: Path) -> None:
    first = events(toy(trials=6, scheduler=FEW, **WIDE), tmp_path, stop=40)
    second = events(toy(trials=6, scheduler={"promote": {"factor": 3}}, **WIDE), tmp_path, stop=40)
    last = events(toy(trials=6, **WIDE), tmp_path)
    assert sum(isinstance(event, Reported) for event in (*first, *second, *last)) in range(6 * 8, 6 * 8 + 3)
    assert [record.word for record in records(toy(trials=6, **WIDE), tmp_path)] == ["complete"] * 6


def test_a_search_whose_time_is_over_keeps_what_its_trials_reached(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=6, scheduler=FEW, **WIDE)
    events(space, tmp_path, stop=20)
    events(space, tmp_path, deadline=0.0)
    assert {record.word for record in records(space, tmp_path)} <= {"waiting", "complete"}


def test_baselines_train_whole(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=4, scheduler=FEW, baselines={"plain": {"params": {"speed": 0.2}}}, **WIDE)
    found = [event.lane.trial for event in events(space, tmp_path) if isinstance(event, Reported)]
    assert found[:8] == [0] * 8


def test_every_seed_of_a_trial_is_trained(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=4, seeds=2, scheduler=FEW, **WIDE)
    events(space, tmp_path)
    assert [record.epochs for record in records(space, tmp_path)] == [16] * 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scheduler": "promoted"}, "scheduler: 'promoted' is not a scheduler; did you mean 'promote'?"),
        (
            {"scheduler": {"promote": {"factor": 1}}},
            "factor: 1 is not allowed; it takes a whole number of at least 2",
        ),
        ({"scheduler": "promote", "pruner": "asha"}, "leave one of the two out"),
        (
            {"budget": "4h"},
            "budget: '4h' is not allowed; it takes a whole number such as 2000 or",
        ),
        ({"budget": "500 steps"}, "budget: '500 steps' is in steps, and the budget of a trial is in epochs"),
    ],
)
def test_what_a_scheduler_cannot_do_is_said(
    given: dict[str, Any], said: str, write_space: Callable[..., Path], pitprop: Callable[..., Said]
) -> None:
    assert said in pitprop("preflight", str(write_space(**given))).err


def test_a_budget_for_all_orders_the_trials_if_nothing_else_is_said(toy: Callable[..., Space]) -> None:
    assert toy(budget=100).scheduler.name == "promote"
    assert toy().scheduler.name == toy(budget=100, pruner="median").scheduler.name == "full"
    assert toy(budget=100, scheduler="full").scheduler.name == "full"


def test_a_trainer_that_leaves_no_checkpoint_trains_each_trial_at_once(toy: Callable[..., Space], tmp_path: Path) -> None:
    source = """'''No state.'''
from pitprop.telemetry import Epoch
PARAMS = {"speed": 0.3}
REPORTS = ("val/macro_f1",)
def train(params, context):
    for step in range(context.step + 1, context.epochs + 1):
        yield Epoch(step, {"val/macro_f1": params["speed"] * step / 20})
"""
    (tmp_path / "stateless.py").write_text(source)
    space = toy(**{**WIDE, "trainer": str(tmp_path / "stateless.py")}, trials=4, scheduler=FEW)
    found = events(space, tmp_path)
    assert sum(isinstance(event, Reported) for event in found) <= 4 * 8 + 1
    assert [record.epochs for record in records(space, tmp_path)] == [8] * 4
    assert ["leaves no checkpoint" in str(event.verdict.reason) for event in found if isinstance(event, Warned)] == [True]


def test_a_command_that_cannot_resume_is_not_made_to_wait(write_space: Callable[..., Path], pitprop: Callable[..., Said]) -> None:
    space = write_space(trainer="command", options={"command": ["python", "train.py", "{params}"]}, scheduler="promote")
    assert "this command has no options.resume to go on with" in pitprop("preflight", str(space)).err


def test_a_seed_that_ends_beside_one_that_waits_holds_the_trial_up_no_longer(toy: Callable[..., Space], tmp_path: Path) -> None:
    source = """'''One seed in two falls.'''
from pitprop.telemetry import Epoch
PARAMS = {"speed": 0.3}
REPORTS = ("val/macro_f1",)
def train(params, context):
    for step in range(context.step + 1, context.epochs + 1):
        context.state = step
        yield Epoch(step, {"val/macro_f1": 0.0 if step == 4 and context.seed % 2 else 0.5 + step / 20})
"""
    (tmp_path / "parted.py").write_text(source)
    gate = {"metric": "val/macro_f1", "epoch": 4, "at_least": 0.4, "action": "park"}
    plan = {**WIDE, "trainer": str(tmp_path / "parted.py"), "trials": 4, "seeds": 2, "gates": [gate]}
    space = toy(**plan, scheduler=FEW)
    events(space, tmp_path)
    assert [(record.state, record.epochs) for record in records(space, tmp_path)] == [(State.COMPLETE, 8 + 4)] * 4


TORN = (b"\0" * 40 + b"\n", b'{"trial": 1, "un{"trial": 2, "until": 4}\n', b"\xff\xfe{\n", b'{"trial": 1, "sco')


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_line_of_the_grants_costs_no_trial_and_no_epoch(torn: bytes, toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(trials=6, scheduler=FEW, **WIDE)
    first = events(space, tmp_path, stop=40)
    file = tmp_path / "toy" / "grants.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:4], torn, *lines[6:]]) if torn.endswith(b"\n") else b"".join(lines) + torn)
    again = events(space, tmp_path)
    assert [record.word for record in records(space, tmp_path)] == ["complete"] * 6
    assert sum(isinstance(event, Reported) for event in (*first, *again)) in range(6 * 8, 6 * 8 + 2)


@pytest.mark.parametrize("at", sampled(9, 15, 21, 27))
def test_a_kill_between_the_seeds_of_a_trial_does_not_end_the_scheduling(
    at: int, toy: Callable[..., Space], tmp_path: Path
) -> None:
    space = toy(trials=4, seeds=2, scheduler=FEW, **WIDE)
    assert kill(space, tmp_path, at, 1) == -9
    found = events(space, tmp_path)
    assert not [event for event in found if isinstance(event, Warned)]
    assert "full" not in (tmp_path / "toy" / "grants.jsonl").read_text()
    assert [record.epochs for record in records(space, tmp_path)] == [16] * 4


# What is held back, and the reserve

LATE = {
    "trainer": str(ROOT / "tests" / "toys" / "late.py"),
    "epochs": 20,
    "trials": 7,
    "params": {"wakes": {"float": [0.0, 2.0]}},
    "points": [{"wakes": wakes} for wakes in (2.0, 0.6, 0.0, 0.1, 0.2)],
}
"""Trial 1 wakes after 12 of 20 epochs and would win, but evidence parks it before; its AUC hints at it."""


def board(**known: Any) -> Board:
    """Four trials of six that have trained one segment of two."""
    rows: dict[str, Any] = {
        "ends": (1, 2),
        "scores": np.array([[0.1, math.nan], [0.2, math.nan], [0.3, math.nan], [0.4, math.nan]]),
        "done": np.ones(4, int),
        "able": np.ones(4, bool),
        "parked": np.zeros(4, bool),
        "promise": np.array([0.1, 0.2, 0.3, 0.4]),
        "planned": 6,
        "share": 0.2,
        "room": True,
        "fills": True,
    }
    return Board(**{**rows, **known})


def test_the_last_third_of_the_trials_begins_in_the_later_half() -> None:
    waits = {"done": np.array([1, 1, 2, 2]), "able": np.array([True, True, False, False])}
    assert scheduler.promote(board(**waits, share=0.5), 2) != NEW
    assert scheduler.promote(board(**waits, share=0.8), 2) == NEW
    assert scheduler.promote(board(**waits, planned=8, share=0.2), 2) == NEW


def test_a_lane_beside_others_stays_empty_where_a_budget_ends_the_search_and_nobody_wants_it() -> None:
    waits = {"done": np.array([1, 1, 2, 2]), "able": np.array([True, True, False, False])}
    assert scheduler.promote(board(**waits, fills=True), 2) == 1
    assert scheduler.promote(board(**waits, fills=False), 2) is None


def test_the_reserve_is_for_what_evidence_has_parked_or_a_low_score_holds_up_if_it_shows_life() -> None:
    assert scheduler.reserved(board()) == 1
    assert scheduler.reserved(board(parked=np.array([False, False, True, False]))) == 2
    assert scheduler.reserved(board(promise=np.array([0.0, -0.1, 0.3, math.nan]))) is None


def test_a_late_winner_that_evidence_has_parked_wins_out_of_the_reserve(toy: Callable[..., Space], tmp_path: Path) -> None:
    found = {}
    for reserve in (0.0, 0.5):
        space = toy(**LATE, scheduler={"promote": {"factor": 2, "reserve": reserve}})
        events(space, tmp_path / str(reserve))
        found[reserve] = records(space, tmp_path / str(reserve))
    assert found[0.0][1].parked
    revived = [record for record in found[0.5] if record.revives == 1]
    assert [(record.state, record.epochs) for record in revived] == [(State.COMPLETE, 20)]
    best = {reserve: max(record.values[0] for record in ended if record.values) for reserve, ended in found.items()}
    assert best[0.5] == revived[0].values[0] > best[0.0]


@pytest.mark.parametrize("at", sampled(83, 150, 157, 161, 164, 167, 170, 175, 184, 196, 220))
def test_a_search_that_was_killed_revives_the_same_out_of_its_reserve(
    at: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(**LATE, scheduler={"promote": {"factor": 2, "reserve": 0.5}})
    events(space, tmp_path / "undisturbed")
    assert kill(space, tmp_path / "killed", at, 1) == -9
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")
    killed, undisturbed = (grants(tmp_path / folder / "toy") for folder in ("killed", "undisturbed"))
    assert killed == undisturbed


@pytest.mark.parametrize("reported", [1, 5])
def test_a_search_that_ends_in_a_revived_trial_spends_its_budget_once(
    reported: int, toy: Callable[..., Space], outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = toy(**LATE, budget=110, scheduler={"promote": {"factor": 2, "reserve": 0.5}})
    whole = events(space, tmp_path / "undisturbed")
    revived = {record.number for record in records(space, tmp_path / "undisturbed") if record.revives is not None}
    there = [at for at, event in enumerate(whole, 1) if isinstance(event, Reported) and event.lane.trial in revived]
    events(space, tmp_path / "ended", stop=there[reported])
    assert any(record.state == State.RUNNING and record.revives is not None for record in records(space, tmp_path / "ended"))
    events(space, tmp_path / "ended")
    assert outcome(space, tmp_path / "ended") == outcome(space, tmp_path / "undisturbed")
