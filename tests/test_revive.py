"""A parked trial goes on where it was stopped, as a new one that says so; one that wakes late can still win."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import ROOT, Said, events, records
from killed import kill, sampled
from pitprop import telemetry
from pitprop.driver.progress import Ended, Reported, Started, Warned
from pitprop.driver.revival import due
from pitprop.space import Space
from pitprop.study.parking import Parking
from pitprop.study.record import Record
from pitprop.study.study import StudyError, opened
from test_resume import REAL

Toy = Callable[..., Space]
Pitprop = Callable[..., Said]
Outcome = Callable[[Space, Path], object]

LATE = {
    "trainer": str(ROOT / "tests" / "toys" / "late.py"),
    "epochs": 20,
    "trials": 3,
    "params": {"wakes": {"choice": [0.0, 0.6, 2.0]}},
    "points": [{"wakes": 2.0}, {"wakes": 0.6}, {"wakes": 0.0}],
}
"""Trial 0 never wakes, trial 1 wakes after 12 of 20 epochs and would win, trial 2 learns at once. The first two are parked."""


def curve(record: Record, replica: int = 0) -> list[telemetry.Epoch]:
    return telemetry.read(Path(record.folder) / ("telemetry.jsonl" if replica == 0 else f"telemetry-{replica}.jsonl"))


def reported(found: list[Any]) -> list[tuple[int, int]]:
    """The epochs that were trained: trial and step."""
    return [(event.lane.trial, event.epoch.step) for event in found if isinstance(event, Reported)]


def owned(space: Space, folder: Path) -> Any:
    return opened(space, f"sqlite:///{folder / 'study.db'}", folder / space.name)


# What a revived trial is


def test_a_revived_trial_goes_on_as_if_it_had_never_been_stopped(toy: Toy, tmp_path: Path) -> None:
    events(toy(**LATE), tmp_path / "parked")
    found = events(toy(**LATE), tmp_path / "parked", revive=[1])
    events(toy(**LATE, signatures="off"), tmp_path / "whole")
    parked, revived = records(toy(**LATE), tmp_path / "parked")[1::2]
    whole = records(toy(**LATE, signatures="off"), tmp_path / "whole")[1]
    assert parked.parked
    assert curve(revived) == curve(whole)
    assert curve(parked) == curve(whole)[: parked.epochs]
    assert reported(found) == [(3, step) for step in range(parked.epochs + 1, 21)]
    assert (revived.state, revived.values, revived.epochs) == ("COMPLETE", whole.values, 20)


def test_a_late_bloomer_wins_after_all_and_any_tool_of_optunas_sees_it(toy: Toy, tmp_path: Path) -> None:
    events(toy(**LATE), tmp_path)
    events(toy(**LATE), tmp_path, revive=[1])
    found = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert found.best_trial.number == 3
    assert found.best_params == {"wakes": 0.6}
    assert found.best_trial.user_attrs["revives"] == 1
    assert [trial.state.name for trial in found.trials] == ["PRUNED", "PRUNED", "COMPLETE", "COMPLETE"]
    assert found.trials[1].value == pytest.approx(0.7 / 1.7)


def test_lanes_of_a_real_training_go_on_as_if_they_had_never_been_stopped(toy: Toy, tmp_path: Path) -> None:
    rows = {**REAL, "epochs": 8, "trials": 3, "params": {"lr": {"float": [1e-7, 1.0], "log": True}, "dropout": 0.2}}
    rows |= {
        "points": [{"lr": 1e-7}, {"lr": 1e-6}, {"lr": 1e-3}],
        "signatures": {"chance_plateau": {"patience": 2, "blind": 0.2}},
    }
    events(toy(**rows), tmp_path / "parked", width=3)
    parked = [record.number for record in records(toy(**rows), tmp_path / "parked") if record.parked]
    assert parked
    events(toy(**rows), tmp_path / "parked", width=3, revive=parked)
    whole = {**rows, "signatures": "off"}
    events(toy(**whole), tmp_path / "whole", width=3)
    revived = {r.revives: r for r in records(toy(**rows), tmp_path / "parked") if r.revives is not None}
    for record in records(toy(**whole), tmp_path / "whole"):
        if record.number in parked:
            for one, other in zip(curve(record), curve(revived[record.number]), strict=True):
                assert {**other.metrics, "seconds": 0} == pytest.approx({**one.metrics, "seconds": 0}, rel=1e-5)


def test_evidence_does_not_end_a_revived_trial_again_and_is_noted_once(toy: Toy, tmp_path: Path) -> None:
    space = toy(**LATE)
    events(space, tmp_path)
    found = events(space, tmp_path, revive=[0])
    revived = records(space, tmp_path)[3]
    assert (revived.state, revived.epochs, revived.parked) == ("COMPLETE", 20, False)
    assert {verdict.action for verdict in revived.verdicts} == {"warn"}
    names = [verdict.signature for verdict in revived.verdicts]
    assert "constant_prediction" in names
    assert len(names) == len(set(names))
    assert [event.verdict.signature for event in found if isinstance(event, Warned)] == names[1:]
    assert (names[0], revived.verdicts[0].step) == ("constant_prediction", 5)


def test_proof_ends_a_revived_trial_and_it_cannot_be_revived(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**LATE, "params": {**LATE["params"], "fault": "nan"}, "trials": 2})
    events(space, tmp_path)
    events(space, tmp_path, revive=[1])
    revived = records(space, tmp_path)[2]
    assert (revived.state, revived.parked, revived.verdicts[0].signature) == ("PRUNED", False, "non_finite")
    with pytest.raises(StudyError, match="trial 2 of toy cannot be revived: it is pruned for good by non_finite, not parked"):
        events(space, tmp_path, revive=[2])


def test_a_gate_and_early_stopping_end_a_revived_trial(toy: Toy, tmp_path: Path) -> None:
    gated = toy(**LATE, gates=[{"metric": "val/macro_f1", "epoch": 9, "at_least": 0.5}])
    events(gated, tmp_path / "gated")
    events(gated, tmp_path / "gated", revive=[1])
    assert [(r.state, r.epochs) for r in records(gated, tmp_path / "gated")[3:]] == [("PRUNED", 9)]
    impatient = toy(**LATE, early_stopping={"patience": 10})
    events(impatient, tmp_path / "impatient")
    events(impatient, tmp_path / "impatient", revive=[1])
    assert [(r.state, r.epochs) for r in records(impatient, tmp_path / "impatient")[3:]] == [("COMPLETE", 11)]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_revived_trial_is_not_held_against_the_population_that_it_lags_behind(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**LATE, "trials": 12, "pruner": {"median": {"n_warmup_steps": 7}}, "sampler": "random"})
    events(space, tmp_path)
    events(space, tmp_path, revive=[1])
    assert records(space, tmp_path)[-1].state == "COMPLETE"


# What the study makes of it


def test_revived_trials_come_on_top_of_those_that_are_planned(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**LATE, "baselines": {"quick": {"params": {"wakes": 0.1}}}})
    events(space, tmp_path, trials=2)
    events(space, tmp_path, revive=[1])
    with owned(space, tmp_path) as study:
        assert (study.planned, study.target) == (2, 3)
    events(space, tmp_path, trials=5)
    found = records(space, tmp_path)
    assert [(record.baseline, record.revives) for record in found] == [
        ("quick", None),
        (None, None),
        (None, 1),
        *[(None, None)] * 2,
    ]
    assert [record.params["wakes"] for record in found[:5]] == [0.1, 2.0, 2.0, 0.6, 0.0]
    with owned(space, tmp_path) as study:
        assert (study.planned, study.target) == (4, 5)
        assert study.ask() is None


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "grid", "nsga2"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_with_a_revived_trial_proposes_what_it_would_have_proposed(sampler: str, toy: Toy, tmp_path: Path) -> None:
    rows = {
        **LATE,
        "trials": 14,
        "sampler": sampler,
        "params": {"wakes": {"choice": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.5, 2.0]}},
    }
    events(toy(**rows), tmp_path / "whole", trials=6)
    events(toy(**rows), tmp_path / "whole", revive=[1])
    events(toy(**rows), tmp_path / "whole", trials=9)
    events(toy(**rows), tmp_path / "cut", trials=6)
    events(toy(**rows), tmp_path / "cut", revive=[1], stop=4)
    for trials in (6, 8, 9):
        events(toy(**rows), tmp_path / "cut", trials=trials)
    whole, cut = records(toy(**rows), tmp_path / "whole"), records(toy(**rows), tmp_path / "cut")
    assert [(record.params, record.revives, record.values) for record in cut] == [
        (record.params, record.revives, record.values) for record in whole
    ]
    assert len(whole) == 10


def test_a_trial_is_revived_in_the_database_before_it_trains(toy: Toy, tmp_path: Path) -> None:
    space = toy(**LATE)
    events(space, tmp_path)
    with owned(space, tmp_path) as study:
        trial = study.revive(1)
        stored = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path / 'study.db'}").trials[-1]
    assert (trial.number, trial.revives, trial.params) == (3, 1, {"wakes": 0.6})
    assert (stored.number, stored.state.name, stored.params, stored.user_attrs["revives"]) == (3, "RUNNING", {"wakes": 0.6}, 1)


def revive(space: Space, folder: Path, number: int) -> str:
    """What is said against reviving a trial."""
    with owned(space, folder) as study, pytest.raises(StudyError) as error:
        study.revive(number)
    with owned(space, folder) as study:
        assert all(record.revives != number or number == 1 for record in study.records())
    return str(error.value)


def test_what_cannot_be_revived_is_one_sentence(toy: Toy, tmp_path: Path) -> None:
    space = toy(**LATE)
    events(space, tmp_path, stop=7)
    assert revive(space, tmp_path, 1) == "trial 1 of toy cannot be revived: it is running, not parked; parked or waiting: 0"
    events(space, tmp_path)
    events(space, tmp_path, revive=[1])
    assert revive(space, tmp_path, 7) == "toy has no trial 7: it has 4, from 0"
    assert revive(space, tmp_path, -1) == "toy has no trial -1: it has 4, from 0"
    assert revive(space, tmp_path, 1) == "trial 1 of toy cannot be revived: trial 3 continues it already"
    assert revive(space, tmp_path, 2) == "trial 2 of toy cannot be revived: it is complete, not parked; parked or waiting: 0, 1"
    for path in (tmp_path / "toy").glob("**/*.ckpt"):
        path.unlink()
    assert "its checkpoint is gone from" in revive(space, tmp_path, 0)


def test_a_space_that_searches_early_stopping_revives_nothing(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**LATE, "early_stopping": {"patience": {"int": [15, 18]}}, "points": None})
    events(space, tmp_path)
    number = next(record.number for record in records(space, tmp_path) if record.parked)
    assert "a space that searches early_stopping answers its trials from whole curves" in revive(space, tmp_path, number)


def test_a_revival_that_failed_may_be_tried_again(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**LATE, "params": {**LATE["params"], "fault": "raise"}, "trials": 2})
    events(space, tmp_path)
    for _ in range(2):
        events(space, tmp_path, revive=[1])
    assert [(r.state, r.revives, r.epochs) for r in records(space, tmp_path)[2:]] == [("FAIL", 1, 13), ("FAIL", 1, 13)]


# Which are revived by themselves


def test_the_parked_trial_with_signs_of_life_is_revived_when_the_trials_are_spent(toy: Toy, tmp_path: Path) -> None:
    found = events(toy(**LATE, revive=1), tmp_path)
    assert [(r.state, r.revives) for r in records(toy(**LATE), tmp_path)][2:] == [("COMPLETE", None), ("COMPLETE", 1)]
    assert [event.record.number for event in found if isinstance(event, Ended)] == [0, 1, 2, 3]
    assert [(event.record.revives, event.step) for event in found if isinstance(event, Started)][3:] == [(1, 5)]
    assert events(toy(**LATE, revive=1), tmp_path) == []


def test_more_are_revived_in_the_order_of_their_promise_up_to_those_there_are(toy: Toy, tmp_path: Path) -> None:
    events(toy(**LATE, revive=5), tmp_path)
    assert [record.revives for record in records(toy(**LATE), tmp_path)] == [None, None, None, 1, 0]


def test_what_was_revived_before_counts(toy: Toy, tmp_path: Path) -> None:
    events(toy(**LATE), tmp_path)
    events(toy(**LATE), tmp_path, revive=[1])
    assert events(toy(**LATE, revive=1), tmp_path) == []
    events(toy(**LATE, revive=2), tmp_path)
    assert [record.revives for record in records(toy(**LATE), tmp_path)] == [None, None, None, 1, 0]


def test_nothing_is_revived_before_the_trials_are_spent_or_after_the_time_limit(toy: Toy, tmp_path: Path) -> None:
    space = toy(**LATE, revive=1)
    events(space, tmp_path, stop=17)
    assert [record.state for record in records(space, tmp_path)] == ["PRUNED", "PRUNED", "RUNNING"]
    with owned(space, tmp_path) as study:
        assert due(study) == []
    events(toy(**LATE), tmp_path)
    events(space, tmp_path, deadline=0.0)
    assert len(records(space, tmp_path)) == 3
    with owned(space, tmp_path) as study:
        assert due(study) == [1]
    events(space, tmp_path)
    assert len(records(space, tmp_path)) == 4


# What a kill leaves


@pytest.mark.parametrize("at", sampled(1, 2, 3, 4, 5, 6, 8, 33))
def test_a_revival_killed_at_any_write_ends_as_an_undisturbed_one(at: int, toy: Toy, outcome: Outcome, tmp_path: Path) -> None:
    space = toy(**LATE)
    for name in ("undisturbed", "killed"):
        events(space, tmp_path / name)
    events(space, tmp_path / "undisturbed", revive=[1])
    assert kill(space, tmp_path / "killed", at, 1, 1) == -9
    begun = len(records(space, tmp_path / "killed")) == 4
    found = reported(events(space, tmp_path / "killed", revive=[] if begun else [1]))
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")
    one, other = (records(space, tmp_path / name)[3] for name in ("killed", "undisturbed"))
    assert curve(one) == curve(other)
    assert all(step > 5 for _, step in found)


@pytest.mark.parametrize("at", sampled(279, 283, 286, 291, 414, 527))  # of 552, the last half of which are of the revived trials
def test_a_search_killed_while_it_revives_ends_as_an_undisturbed_one(at: int, toy: Toy, outcome: Outcome, tmp_path: Path) -> None:
    space = toy(**LATE, revive=2, seeds=2)
    events(space, tmp_path / "undisturbed")
    assert kill(space, tmp_path / "killed", at, 1) == -9
    found = reported(events(space, tmp_path / "killed"))
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "undisturbed")
    assert all(step > 5 for trial, step in found if trial > 2)
    for one, other in zip(records(space, tmp_path / "killed"), records(space, tmp_path / "undisturbed"), strict=True):
        assert [curve(one, replica) for replica in (0, 1)] == [curve(other, replica) for replica in (0, 1)]


def test_a_parked_checkpoint_outlives_a_kill_before_it_was_kept(
    write_space: Callable[..., Path], toy: Toy, pitprop: Pitprop, tmp_path: Path
) -> None:
    space, path = toy(**LATE), write_space(**LATE)
    told, runs = 2 + 5 * 4 + 2, tmp_path / "runs"  # the writes up to the first trial's end, after its fifth epoch
    assert kill(space, runs, told, 1) == -9
    (record,) = records(space, runs)
    assert record.parked
    assert not list(Path(record.folder).glob("*.ckpt"))
    assert Parking.of(space, [record], runs / "toy" / "checkpoints").only_with_workers() == [(0, 0)]
    assert pitprop("search", path, "--inline").code == 0
    assert pitprop("revive", path, 0, "--inline").code == 0
    assert [epoch.step for epoch in curve(records(space, runs)[-1])] == list(range(1, 21))
    assert not (runs / "toy" / "checkpoints").exists()


# The command


def test_revive_says_what_it_does_and_what_the_new_trial_continues(write_space: Callable[..., Path], pitprop: Pitprop) -> None:
    space = write_space(**LATE)
    pitprop("search", space, "--inline")
    said = pitprop("revive", space, 1, "--inline", "--json")
    assert said.code == 0
    assert said.json["trials"] == {"COMPLETE": 2, "PRUNED": 2, "FAIL": 0, "RUNNING": 0}
    assert (said.json["target"], said.json["finished"], said.json["best"][0]["trial"]) == (4, True, 3)
    assert said.json["epochs"]["spent"] == 5 + 20 + 20
    assert pitprop("show", space, 3, "--json").json["revives"] == 1
    assert "trial 1" in pitprop("show", space, 3).out.splitlines()[0]
    assert "toy is finished" in pitprop("search", space, "--inline").out


def test_revive_names_what_it_cannot_revive_and_begins_nothing(write_space: Callable[..., Path], pitprop: Pitprop) -> None:
    space = write_space(**LATE)
    assert pitprop("revive", space, 1, "--inline").code == 1
    pitprop("search", space, "--inline")
    said = pitprop("revive", space, 1, 2, "--inline")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "trial 2 of toy cannot be revived: it is complete, not parked; parked or waiting: 0, 1" in said.err
    assert len(pitprop("show", space, "--json").json) == 3


@pytest.mark.slow
def test_a_revival_that_was_interrupted_goes_on_by_the_same_command(write_space: Callable[..., Path], shell: Pitprop) -> None:
    space = write_space(**{**LATE, "params": {**LATE["params"], "fault": "interrupt"}, "trials": 2})
    shell("search", space, "--inline")
    said = shell("revive", space, 0, 1, "--inline")
    assert said.code == 130
    assert f"Interrupted. To resume: pitprop revive {space.name} 0 1 --inline" in said.out
    again = shell("revive", space, 0, 1, "--inline", "--json")
    assert (again.code, again.json["trials"]["COMPLETE"], again.json["target"]) == (0, 2, 4)
