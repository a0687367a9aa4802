"""Nothing is trained twice, grids end where the space does, and samplers learn where trials fail."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import events, records
from optuna.trial import FrozenTrial, TrialState
from pitprop.addresses import addresses
from pitprop.driver.progress import SearchError
from pitprop.results.results import Results
from pitprop.space import Space
from pitprop.space.points import untried
from pitprop.study.memory import Memory
from pitprop.study.record import Record
from pitprop.study.sampling import failures
from pitprop.study.sampling.samplers import shown
from pitprop.study.stored import read_study
from pitprop.study.study import opened
from pitprop.views import landscape
from pitprop.views.content import Content
from pitprop.views.report import markdown

TRAINER = Path(__file__).parent / "toys" / "sparse.py"
Outcome = Callable[[Space, Path], list[tuple[object, ...]]]


@pytest.fixture
def small(toy: Callable[..., Space]) -> Callable[..., Space]:
    """A space of six different trials."""

    def make(**changes: Any) -> Space:
        return toy(
            **{
                "trainer": str(TRAINER),
                "objective": {"metric": "val/score", "goal": "maximize"},
                "epochs": 2,
                "trials": 30,
                "params": {"x": {"choice": [0.1, 0.2, 0.3]}, "loss": {"int": [1, 2]}},
                **changes,
            }
        )

    return make


def searched(space: Space, folder: Path) -> list[Record]:
    events(space, folder)
    return records(space, folder)


def different(found: list[Record]) -> int:
    return len({str(sorted(record.params.items())) for record in found})


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "grid", "qmc", "nsga2"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_every_trial_of_a_small_space_is_trained_once_and_then_the_search_ends(
    sampler: str, small: Callable[..., Space], tmp_path: Path
) -> None:
    found = searched(small(sampler=sampler), tmp_path)
    assert (len(found), different(found)) == (6, 6)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "qmc"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_points_that_hold_the_constraints_are_trained_and_no_others(
    sampler: str, small: Callable[..., Space], tmp_path: Path
) -> None:
    space = small(sampler=sampler, constraints=["loss > 1 or x > 0.1"], points=[{"x": 0.2, "loss": 1}])
    found = searched(space, tmp_path)
    assert (len(found), different(found)) == (5, 5)
    assert not any(record.params["loss"] == 1 and record.params["x"] == 0.1 for record in found)


@pytest.mark.parametrize("sampler", ["grid", "qmc", "random"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_small_search_that_was_killed_ends_as_one_that_was_not(
    sampler: str, small: Callable[..., Space], tmp_path: Path, outcome: Outcome
) -> None:
    space = small(sampler=sampler, constraints=["loss > 1 or x > 0.1"])
    events(space, tmp_path / "whole")
    for stop in (3, 5, 4):
        events(space, tmp_path / "killed", stop=stop)
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "whole")


def test_parameters_that_exist_sometimes_are_counted_where_they_exist(small: Callable[..., Space], tmp_path: Path) -> None:
    params = {"x": {"choice": [0.1, 0.2]}, "loss": {"int": [1, 3], "when": {"x": 0.2}}}
    assert different(searched(small(params=params, sampler="grid"), tmp_path)) == 4


def test_a_trained_baseline_is_no_trial_that_could_win(small: Callable[..., Space], tmp_path: Path) -> None:
    found = searched(small(baselines={"known": {"params": {"x": 0.3, "loss": 1}}}), tmp_path)
    assert [record.baseline for record in found] == ["known", *[None] * 6]


def test_a_study_that_is_only_read_knows_that_its_space_is_exhausted(small: Callable[..., Space], tmp_path: Path) -> None:
    space = small()
    events(space, tmp_path, trials=4)
    where = addresses(tmp_path)
    with opened(space, where.study_db, tmp_path / space.name) as study:
        study.plan(30)
        assert (study.planned, study.exhausted) == (6, False)
    events(space, tmp_path)
    stored = read_study(where, space.name)
    assert stored is not None
    content = Content.of(Results(space, where, stored.records, stored.target))
    assert (stored.target, content.summary.finished, content.advice.exhausted, untried(space)) == (6, True, True, untried(space))


def test_a_space_without_end_is_not_listed(small: Callable[..., Space]) -> None:
    assert untried(small(params={"x": {"float": [0, 1]}})) is None
    assert untried(small(params={"x": {"choice": [0.1]}, "loss": {"int": [1, 1_000_000], "log": True}})) is None


# Failed regions


def failed(number: int, **attributes: Any) -> FrozenTrial:
    trial = optuna.create_trial(state=TrialState.FAIL, user_attrs={"error": "out of memory", **attributes})
    trial.number = number
    return trial


def test_a_failed_trial_is_the_worst_there_is_to_samplers_and_no_result_of_the_study() -> None:
    lived, dead, alike = optuna.create_trial(value=0.4), failed(1), failed(2, alike=True)
    pruned = shown([lived, dead, alike], [True], "pruned")
    assert [one.state.name for one in pruned] == ["COMPLETE", "PRUNED", "FAIL"]
    complete = shown([lived, dead, alike], [True], "complete")
    assert [(one.state.name, one.values) for one in complete] == [("COMPLETE", [0.4]), ("COMPLETE", [0.4]), ("FAIL", None)]
    assert [one.state.name for one in (lived, dead, alike)] == ["COMPLETE", "FAIL", "FAIL"]


def ends(space: Space, fails: Callable[[float], bool]) -> tuple[int, float]:
    """How many of the last 20 of 40 trials fail of a search for a large x, without training any; and the best x."""
    memory, dead, best = Memory(space), list[bool](), 0.0
    for number in range(40):
        trial = memory.add_next()
        assert trial is not None
        x = float(trial.params["x"])
        dead.append(fails(x))
        if dead[-1]:
            memory.set_attribute(number, "error", "out of memory")
            memory.tell(number, None, TrialState.FAIL)
        else:
            memory.tell(number, [x], TrialState.COMPLETE)
            best = max(best, x)
    return sum(dead[20:]), best


@pytest.mark.parametrize("seed", range(6))
def test_a_sampler_stays_out_of_where_memory_is_too_small_and_finds_what_just_fits(
    seed: int, small: Callable[..., Space]
) -> None:
    width = {"x": {"int": [16, 1024], "log": True}}
    late, best = ends(small(params=width, seed=seed), lambda x: x > 256)
    assert late < 3  # of 20; plain TPE has 7 or 8
    assert best > 200


@pytest.mark.parametrize("seed", range(3))
def test_failures_that_strike_anywhere_turn_no_proposal_away(seed: int) -> None:
    chance = random.Random(seed)
    trials = [optuna.create_trial(value=0.1, params={"x": chance.random()}, distributions=WIDE) for _ in range(40)]
    assert failures.region(trials, [chance.random() < 0.3 for _ in trials]) is None


WIDE = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}


def test_a_search_finds_where_memory_is_too_small(small: Callable[..., Space], tmp_path: Path) -> None:
    found = searched(small(params={"x": {"float": [0.0, 1.0]}}, options={"memory": 0.3}, trials=24), tmp_path)
    assert [record.state for record in found[14:]].count("FAIL") < 4
    assert max(record.values[0] for record in found if record.values) > 0.2


def test_a_search_that_was_killed_has_learned_the_same_of_failures(
    small: Callable[..., Space], tmp_path: Path, outcome: Outcome
) -> None:
    space = small(params={"x": {"float": [0.0, 1.0]}}, options={"memory": 0.5}, trials=16)
    events(space, tmp_path / "whole")
    for stop in (20, 15):
        events(space, tmp_path / "killed", stop=stop)
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "whole")


def test_the_report_says_where_trials_failed_and_of_what(small: Callable[..., Space], tmp_path: Path) -> None:
    space = small(params={"x": {"float": [0.0, 1.0]}}, options={"memory": 0.5}, sampler="random", trials=24)
    found = searched(space, tmp_path)
    (group,) = landscape.failing(space, found)
    assert group.cause == "out of memory"
    assert group.part is not None
    assert (group.part.dead, group.part.bounds) == (group.part.trials, (0.5, 1.0))
    page = markdown.section(Content.of(Results(space, addresses(tmp_path), found, len(found))), "failing")
    assert page == f"{group.part.dead} of {group.part.trials} trials with `x` from 0.5 to 1 failed: out of memory."


def test_a_worker_that_was_killed_is_not_called_out_of_memory() -> None:
    assert not landscape.FULL.search("the worker died (killed, out of memory, or crashed in native code)")
    assert landscape.FULL.search("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB")


def test_trials_that_all_fail_alike_still_stop_the_search(small: Callable[..., Space], tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="failed alike"):
        events(small(options={"memory": 0.01}), tmp_path)
