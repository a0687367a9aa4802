"""The study: what is asked and told, in a database that any tool of Optuna's reads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from conftest import events, records
from pitprop.space import Space
from pitprop.study.study import StudyError, opened

OneSpace = Callable[..., Space]
PLAIN = {"speed": {"float": [0.05, 1.0]}}


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def test_optuna_reads_the_database(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(), tmp_path)
    study = optuna.load_study(study_name="toy", storage=url(tmp_path))
    assert len(study.trials) == 6
    assert study.best_value == max(r.values[0] for r in records(toy(), tmp_path) if r.state == "COMPLETE" and r.values)
    assert study.trials[0].params.keys() == {"speed", "dead"}


def test_a_pruned_trial_says_why_in_the_database(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(params={"dead": {"choice": [True]}}, trials=2, epochs=24), tmp_path)
    trial = optuna.load_study(study_name="toy", storage=url(tmp_path)).trials[0]
    assert trial.state.name == "PRUNED"
    assert trial.user_attrs["verdicts"][0]["action"] == "park"
    assert "predicted class 0 for all 100 validation samples" in trial.user_attrs["verdicts"][0]["reason"]
    assert trial.value == pytest.approx(2 * 0.7 / 1.7 / 2)


def test_a_trial_is_in_the_database_before_it_trains(toy: OneSpace, tmp_path: Path) -> None:
    with opened(toy(), url(tmp_path), tmp_path / "toy") as study:
        trial = study.ask()
        stored = optuna.load_study(study_name="toy", storage=url(tmp_path)).trials
    assert trial is not None
    assert [(one.number, one.state.name) for one in stored] == [(trial.number, "RUNNING")]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random", "qmc", "nsga2"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_opened_again_proposes_what_it_would_have_proposed(sampler: str, toy: OneSpace, tmp_path: Path) -> None:
    space = toy(sampler=sampler, trials=14, params={"speed": {"float": [0.05, 1.0]}, "x": {"float": [0, 1]}}, options=None)
    events(space, tmp_path / "whole")
    for trials in (3, 12, 14):
        events(space, tmp_path / "cut", trials=trials)
    whole, cut = records(space, tmp_path / "whole"), records(space, tmp_path / "cut")
    assert [record.params for record in cut] == [record.params for record in whole]
    assert len({str(record.params) for record in whole}) == 14


def test_a_grid_is_walked_once_and_ends(toy: OneSpace, tmp_path: Path) -> None:
    space = toy(sampler="grid", trials=50, params={"speed": {"choice": [0.1, 0.2, 0.5]}, "dead": {"choice": [False, True]}})
    events(space, tmp_path, trials=4)
    events(space, tmp_path, trials=50)
    assert len({str(sorted(record.params.items())) for record in records(space, tmp_path)}) == 6
    assert len(records(space, tmp_path)) == 6


def test_constraints_hold_for_every_trial(toy: OneSpace, tmp_path: Path) -> None:
    space = toy(trials=12, params={"speed": {"float": [0.05, 1.0]}, "x": {"float": [0, 1]}}, constraints=["x < speed"])
    events(space, tmp_path)
    assert all(record.params["x"] < record.params["speed"] for record in records(space, tmp_path))


def test_a_constraint_that_nothing_meets_is_one_sentence(toy: OneSpace, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="100 proposals in a row broke the constraint 'speed > 2'"):
        events(toy(params=PLAIN, constraints=["speed > 2"]), tmp_path)


def test_baselines_come_first_then_points_then_proposals(toy: OneSpace, tmp_path: Path) -> None:
    space = toy(params=PLAIN, baselines={"slow": {"params": {"speed": 0.01}}}, points=[{"speed": 0.5}])
    events(space, tmp_path)
    found = records(space, tmp_path)
    assert (found[0].baseline, found[0].params["speed"]) == ("slow", 0.01)
    assert found[1].params["speed"] == 0.5
    assert len(found) == 6


def test_a_baseline_is_never_pruned(toy: OneSpace, tmp_path: Path) -> None:
    space = toy(epochs=24, trials=1, baselines={"dead": {"params": {"speed": 0.3, "dead": True}}})
    events(space, tmp_path)
    (record,) = records(space, tmp_path)
    assert record.state == "COMPLETE"
    assert record.verdicts


def _ask_for(space: Space, folder: Path, results: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    try:
        with opened(space, url(folder), folder / "toy"):
            results.put("")
    except StudyError as error:
        results.put(str(error))


def test_a_study_has_one_owner(toy: OneSpace, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with opened(toy(), url(tmp_path), tmp_path / "toy"):
        other = context.Process(target=_ask_for, args=(toy(), tmp_path, results))
        other.start()
        answer = results.get(timeout=60)
        other.join()
    assert "another search owns the study 'toy'" in answer
    assert f"pid {multiprocessing.current_process().pid}, since 20" in answer


def test_a_space_that_means_something_else_is_refused_with_the_difference(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(params=PLAIN), tmp_path)
    with pytest.raises(StudyError, match=r"params.speed.high: 1.0 -> 2.0"):
        events(toy(params={"speed": {"float": [0.05, 2.0]}}), tmp_path)


def test_a_space_may_change_before_an_epoch_was_trained(toy: OneSpace, tmp_path: Path) -> None:
    with opened(toy(params=PLAIN), url(tmp_path), tmp_path / "toy") as study:
        study.ask()
    events(toy(params={"speed": {"float": [0.05, 2.0]}}), tmp_path)
    assert len(records(toy(params={"speed": {"float": [0.05, 2.0]}}), tmp_path)) == 6


def test_an_edited_number_of_trials_counts(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(trials=2), tmp_path, trials=3)
    events(toy(trials=2), tmp_path)
    assert len(records(toy(trials=2), tmp_path)) == 3
    events(toy(trials=5), tmp_path)
    assert len(records(toy(trials=5), tmp_path)) == 5


@pytest.mark.parametrize("pruner", ["median", {"percentile": {"percentile": 50.0}}, "asha", "hyperband", "wilcoxon"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning", "ignore:.*fewer than two values")
def test_population_pruners_stop_trials_with_a_reason(pruner: object, toy: OneSpace, tmp_path: Path) -> None:
    space = toy(pruner=pruner, trials=20, params=PLAIN, signatures="off", sampler="random")
    events(space, tmp_path)
    pruned = [record for record in records(space, tmp_path) if record.state == "PRUNED"]
    assert all("falls behind the other trials" in record.verdicts[0].reason for record in pruned)
    assert pruned or pruner == "wilcoxon"


def test_a_baseline_that_is_added_later_is_trained(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(params=PLAIN, trials=3), tmp_path)
    space = toy(params=PLAIN, trials=5, baselines={"slow": {"params": {"speed": 0.01}}})
    events(space, tmp_path)
    assert [record.baseline for record in records(space, tmp_path)] == [None, None, None, "slow", None]
