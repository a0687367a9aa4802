"""The study: what is asked and told, in a database that any tool of Optuna's reads."""

from __future__ import annotations

import multiprocessing
import platform
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from conftest import ROOT, events, records
from pitprop import telemetry
from pitprop.detection import life
from pitprop.detection.detect import Verdict
from pitprop.driver import revival
from pitprop.space import Space
from pitprop.study import study as studies
from pitprop.study.record import Pruned
from pitprop.study.study import StudyError, opened
from pitprop.telemetry import Epoch
from pitprop.trainer import Lane
from pitprop.workers import checkpoint

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
    assert f"pid {multiprocessing.current_process().pid} on {platform.node()}, since 20" in answer


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


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_refused_proposal_leaves_no_trace(sampler: str, toy: OneSpace, tmp_path: Path) -> None:
    space = toy(sampler=sampler, trials=8, params=PLAIN, constraints=["speed < 0.3"])
    events(space, tmp_path / "whole")
    for trials in (1, 3, 8):
        events(space, tmp_path / "cut", trials=trials)
    whole, cut = records(space, tmp_path / "whole"), records(space, tmp_path / "cut")
    assert [(record.number, record.params) for record in cut] == [(record.number, record.params) for record in whole]
    assert len({record.params["speed"] for record in whole}) == 8


def test_a_trial_of_another_program_is_refused_in_a_sentence(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(), tmp_path, trials=1)
    optuna.load_study(study_name="toy", storage=url(tmp_path)).enqueue_trial({"speed": 0.5})
    with pytest.raises(StudyError, match="trial 1 of the study 'toy' was not made by pitprop: delete it from the database"):
        events(toy(), tmp_path)


def parked_study(toy: OneSpace, folder: Path, trials: int) -> Space:
    """A study of which every trial is parked, after one epoch and with a checkpoint."""
    space: Space = toy(params=PLAIN, trials=trials, revive=3, sampler="random")
    with opened(space, url(folder), folder / "toy") as study:
        while (trial := study.ask()) is not None:
            home, epoch = study.trial_folder(trial.number), Epoch(1, {"val/macro_f1": trial.params["speed"]})
            home.mkdir(parents=True)
            telemetry.rewrite(telemetry.file(home), [epoch])
            checkpoint.write(home / "replica-0.ckpt", {Lane(trial.number, 0): epoch}, 0.0, stacked=False)
            study.tell(trial, Pruned(1, (Verdict("chance_plateau", 1, "park", "no better than chance"),), (0.5,)), recovery=0)
    return space


@pytest.mark.parametrize("trials", [10, 40])
def test_finding_what_to_revive_reads_few_checkpoints_and_makes_no_record_anew(
    trials: int, toy: OneSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, read, made = parked_study(toy, tmp_path, trials), [], []
    header, as_record = checkpoint.epochs, studies.as_record
    monkeypatch.setattr(checkpoint, "epochs", lambda path: read.append(path) or header(path))
    monkeypatch.setattr(studies, "as_record", lambda *given: made.append(given) or as_record(*given))
    with opened(space, url(tmp_path), tmp_path / "toy") as study:
        assert len(revival.due(study)) == 3
        assert len(read) == 3  # of as many as are revived, however many are parked
        study.parking().only_with_workers()
        assert len(read) == 3
        study.plan(trials + 2)
        assert study.ask() is not None
        assert study.satisfied is False
        assert len(made) == trials + 1  # once each when the study was opened, and the new one


def test_a_search_that_resumes_replays_no_curve_whose_recovery_is_stored(
    toy: OneSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, replayed = toy(trials=4), []
    events(space, tmp_path / "whole")
    events(space, tmp_path / "cut", trials=2)
    recovery = life.recovery
    monkeypatch.setattr(life, "recovery", lambda curve, facts: replayed.append(curve) or recovery(curve, facts))
    events(space, tmp_path / "cut", trials=4)
    assert len(replayed) == 2  # of the new trials, when they end
    whole, cut = records(space, tmp_path / "whole"), records(space, tmp_path / "cut")
    assert [(one.params, one.values, one.verdicts) for one in cut] == [(one.params, one.values, one.verdicts) for one in whole]


def test_a_study_of_before_recoveries_were_stored_resumes_as_if_they_were(toy: OneSpace, tmp_path: Path) -> None:
    space = toy(trials=6)
    events(space, tmp_path / "new", trials=3)
    events(space, tmp_path / "old", trials=3)
    with sqlite3.connect(tmp_path / "old" / "study.db") as connection:
        gone = connection.execute("delete from trial_user_attributes where key = 'recovery'").rowcount
    connection.close()
    assert gone == 3
    for name in ("new", "old"):
        events(space, tmp_path / name, trials=6)
    new, old = records(space, tmp_path / "new"), records(space, tmp_path / "old")
    assert [(one.params, one.values, one.verdicts) for one in old] == [(one.params, one.values, one.verdicts) for one in new]


def test_what_optuna_keeps_to_itself_is_used_in_one_file() -> None:
    private = re.compile(r"optuna\.[\w.]*\._|\._(storage|study_id|trial_id|suggest|studies|get_trials)\b")
    # The adapter for Optuna is a pruner in a study of somebody else.
    rooms = [path for path in (ROOT / "search").rglob("*.py") if "adapters" not in path.parts]
    users = [path.name for path in rooms if private.search(path.read_text(encoding="utf-8"))]
    assert users == ["storage.py"]
