"""What samplers are shown of trials that collapsed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import events, records
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from pitprop.space import Space, SpaceError
from pitprop.study import storage
from pitprop.study.sampling import samplers
from pitprop.study.sampling.samplers import COLLAPSED, sample, sampler, shown, violation

OneSpace = Callable[..., Space]
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"n_startup_trials": 4},
    "gp": {"n_startup_trials": 4},
    "nsga2": {"population_size": 3},
}
"""So that the samplers soon read what was told."""
DYING = {"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [False, True]}}


def trial(
    state: str = "COMPLETE", values: Sequence[float] | None = (0.6,), number: int = 0, x: float = 0.5, **attributes: Any
) -> FrozenTrial:
    """A trial of a study over ``x``; ``said`` is a list of signatures and actions."""
    said = attributes.pop("said", ())
    verdicts = [{"signature": signature, "action": action, "step": 6, "reason": "it is lost"} for signature, action in said]
    found = optuna.create_trial(
        state=TrialState[state],
        values=list(values) if values else None,
        params={"x": x},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs={"verdicts": verdicts, "epochs": 6, **attributes},
    )
    found.number = number
    return found


def collapsed(**changes: Any) -> FrozenTrial:
    return trial("PRUNED", **{"values": (0.4,), "said": [("explosion", "prune")], **changes})


def states(trials: Sequence[FrozenTrial]) -> str:
    return "".join(one.state.name[0] for one in trials)


KINDS: Mapping[str, Callable[[int], FrozenTrial]] = {
    "lived": lambda number: trial(number=number),
    "collapsed": lambda number: collapsed(number=number),
    "worthless": lambda number: collapsed(number=number, values=None),
    "running": lambda number: trial("RUNNING", None, number=number),
}


# The violation


@pytest.mark.parametrize("action", ["prune", "park"])
def test_a_verdict_that_ends_a_training_violates_the_constraint(action: str) -> None:
    assert violation(trial("PRUNED", said=[("explosion", action)])) > 0


@pytest.mark.parametrize(
    "lives",
    [
        trial(),
        trial("COMPLETE", said=[("explosion", "prune")]),  # a baseline, or one seed of several
        trial("PRUNED", said=[("explosion", "warn")]),
        trial("PRUNED", said=[("pruner:median", "prune")]),
        trial("PRUNED", said=[("gate:val/macro_f1@3", "prune"), ("explosion", "warn")]),
        trial("FAIL", None),
        trial("RUNNING", None),
    ],
)
def test_nothing_else_does(lives: FrozenTrial) -> None:
    assert violation(lives) < 0


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_an_earlier_death_violates_it_no_less(first: int, second: int) -> None:
    early, late = sorted((first, second))
    assert 2 >= violation(collapsed(epochs=early)) >= violation(collapsed(epochs=late)) > 1


# What is shown


def test_a_collapsed_trial_is_complete_with_what_it_reached() -> None:
    seen = shown([trial(), collapsed(number=1), trial("RUNNING", None, number=2)], [True], "complete")
    assert states(seen) == "CCR"
    assert [one.values for one in seen] == [[0.6], [0.4], None]
    assert not any(one.constraints for one in seen)


def test_a_constraint_is_told_for_every_trial_that_has_ended() -> None:
    seen = shown(
        [trial(), collapsed(number=1), trial("RUNNING", None, number=2), trial("PRUNED", number=3)], [True], "infeasible"
    )
    assert states(seen) == "CCRP"
    assert [[value > 0 for value in one.constraints.values()] for one in seen] == [[False], [True], [], [False]]


def test_what_reached_nothing_gets_the_worst_of_each_objective() -> None:
    seen = shown(
        [trial(values=(0.5, 9)), trial(values=(0.7, 3), number=1), collapsed(values=None, number=2)], [True, False], "complete"
    )
    assert seen[2].values == [0.5, 9]


@pytest.mark.parametrize(("state", "values", "left"), [("COMPLETE", (0.7,), "P"), ("RUNNING", None, "C"), ("FAIL", None, "C")])
def test_a_trial_that_was_revived_to_an_end_no_longer_counts_as_collapsed(state: str, values: Any, left: str) -> None:
    assert (
        states(shown([trial(), collapsed(number=1), trial(state, values, number=2, revives=1)], [True], "infeasible"))[1] == left
    )


def test_trials_are_shown_as_they_are_while_none_has_collapsed_or_has_a_value() -> None:
    for trials in ([trial(), trial("PRUNED", number=1)], [collapsed(values=None)]):
        assert shown(trials, [True], "infeasible") == trials


@given(st.lists(st.sampled_from(["lived", "collapsed", "worthless", "running"])), st.booleans())
def test_showing_changes_no_trial_of_the_study(kinds: list[str], constrained: bool) -> None:
    trials = [KINDS[kind](number) for number, kind in enumerate(kinds)]
    before = [(one.state, one.values, dict(one.system_attrs)) for one in trials]
    seen = shown(trials, [True], "infeasible" if constrained else "complete")
    assert [(one.state, one.values, dict(one.system_attrs)) for one in trials] == before
    assert [one.number for one in seen] == list(range(len(kinds)))


# What samplers make of it


def proposal(name: str, standing: str, trials: Sequence[FrozenTrial]) -> float:
    """What a sampler proposes for ``x`` after ``trials``."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    study.sampler = sampler(name, {"collapsed": standing, **OPTIONS[name]}, 5, {})
    return study.ask().suggest_float("x", 0, 1)


def lived(count: int = 12) -> list[FrozenTrial]:
    """Trials that get better the closer they come to 0.7, where trainings begin to die."""
    return [trial(values=(0.5 + 0.2 * x,), x=x) for x in (0.6 * index / count for index in range(count))]


DEAD = [collapsed(x=0.65 + 0.05 * index) for index in range(8)]


def test_optuna_s_gp_is_blind_to_pruned_trials_and_ours_is_not() -> None:
    assert proposal("gp", "pruned", [*lived(), *DEAD]) == proposal("gp", "pruned", lived()) > 0.65
    assert proposal("gp", "complete", [*lived(), *DEAD]) < 0.65
    assert proposal("gp", "infeasible", [*lived(), *DEAD]) < 0.65


def test_tpe_proposes_the_same_with_the_constraint_as_without() -> None:
    for count in (2, 5, 12):
        trials = [*lived(count), *DEAD]
        assert proposal("tpe", "infeasible", trials) == proposal("tpe", "pruned", trials)


@pytest.mark.parametrize(("standing", "generation"), [("pruned", 0), ("complete", 1), ("infeasible", 1)])
def test_a_generation_of_nsga2_counts_the_trials_that_collapsed(standing: str, generation: int) -> None:
    study = optuna.create_study(direction="maximize")
    for one in [*lived(3), *DEAD[:1]]:
        one.system_attrs = {"NSGAIISampler:generation": 0}
        study.add_trial(one)
    study.sampler = sampler("nsga2", {"collapsed": standing, "population_size": 4}, 5, {})
    study.ask({"x": FloatDistribution(0, 1)})
    assert study.trials[-1].system_attrs["NSGAIISampler:generation"] == generation


@pytest.mark.parametrize("standing", ["complete", "infeasible"])
@pytest.mark.parametrize("name", list(COLLAPSED))
def test_a_study_opened_again_has_learned_the_same(name: str, standing: str, toy: OneSpace, tmp_path: Path) -> None:
    options = {"collapsed": standing, **OPTIONS[name]}
    space = toy(
        sampler={name: options},
        trials=10,
        epochs=10,
        params=DYING,
        baselines={"slow": {"params": {"speed": 0.01, "dead": False}}},
    )
    events(space, tmp_path / "whole")
    for trials in (1, 7, 10):
        events(space, tmp_path / "cut", trials=trials)
    whole, cut = records(space, tmp_path / "whole"), records(space, tmp_path / "cut")
    assert [record.params for record in cut] == [record.params for record in whole]
    assert {record.state for record in whole} == {"COMPLETE", "PRUNED"}


def test_samplers_learn_with_two_objectives_too(toy: OneSpace, tmp_path: Path) -> None:
    for name in COLLAPSED:
        space = toy(
            sampler={name: {"collapsed": "infeasible", **OPTIONS[name]}},
            early_stopping={"patience": {"int": [5, 12]}},
            **{"trials": 7, "epochs": 10, "params": DYING},
        )
        events(space, tmp_path / name)
        assert len(records(space, tmp_path / name)) == 7


def test_the_study_keeps_collapsed_trials_as_pruned_ones(toy: OneSpace, tmp_path: Path) -> None:
    events(toy(sampler={"gp": OPTIONS["gp"]}, trials=7, epochs=10, params=DYING), tmp_path)
    stored = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path / 'study.db'}").trials
    assert all(one.state == TrialState.PRUNED and not one.constraints for one in stored if one.params["dead"])
    assert any(one.params["dead"] for one in stored)
    assert all(math.isfinite(one.values[0]) for one in stored)


# What a space may say


def test_a_space_sets_the_standing(toy: OneSpace) -> None:
    assert toy(sampler={"tpe": {"collapsed": "infeasible", "multivariate": True}}).sampler.options == {
        "multivariate": True,
        "collapsed": "infeasible",
    }


@pytest.mark.parametrize("name", ["cmaes", "random", "grid", "qmc"])
def test_samplers_without_constraints_refuse_it(name: str, toy: OneSpace) -> None:
    with pytest.raises(SpaceError, match=rf"sampler\.{name}.collapsed: {name} takes no constraints; tpe, gp and nsga2 do"):
        toy(sampler={name: {"collapsed": "complete"}})


def test_a_standing_that_is_none_is_refused_with_those_that_are(toy: OneSpace) -> None:
    with pytest.raises(SpaceError, match=r"sampler\.gp.collapsed: 'infeasable' is not allowed; did you mean 'infeasible'"):
        toy(sampler={"gp": {"collapsed": "infeasable"}})
    with pytest.raises(SpaceError, match=r"pruner\.median.collapsed: unknown key"):
        toy(pruner={"median": {"collapsed": "complete"}})


# What TPE is shown of a large study


def large(count: int, direction: str = "maximize") -> optuna.Study:
    """A study in which every fourth trial is pruned, the last one runs, and trial 5 has one parameter more than the others."""
    study = optuna.create_study(direction=direction)
    for number in range(count):
        x = (number * 0.6180339887) % 1
        one = collapsed(number=number, x=x) if number % 4 == 0 else trial(values=(round(math.sin(9 * x), 2),), number=number, x=x)
        one.params |= {"y": 0.5} if number == 5 else {}
        one.distributions |= {"y": FloatDistribution(0, 1)} if number == 5 else {}
        study.add_trial(one)
    study.add_trial(trial("RUNNING", None, number=count))
    return study


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_tpe_takes_the_same_trials_for_good_however_many_it_is_not_shown(direction: str) -> None:
    study = large(3000, direction)
    seen = sample(study, study.trials)
    ended = [one for one in study.trials if one.state.is_finished()]
    alike = [one for one in seen if one.state.is_finished()]
    for count in (1, 25, samplers.BEST):
        assert {one.number for one in storage.best(study, alike, count)} == {
            one.number for one in storage.best(study, ended, count)
        }
        own = optuna.samplers._tpe.sampler._split_trials(study, ended, count)[0]
        assert {one.number for one in own} == {one.number for one in storage.best(study, ended, count)}
    assert len(alike) <= samplers.SHOWN + 1
    assert seen[-1].state == TrialState.RUNNING
    assert any(one.number == 5 for one in seen)


def test_a_study_of_a_thousand_trials_is_shown_whole() -> None:
    study = large(samplers.SHOWN)
    assert sample(study, study.trials) == study.trials


def test_the_sample_is_spread_over_the_search_and_changes_little_from_trial_to_trial() -> None:
    study = large(3000)
    seen = {one.number for one in sample(study, study.trials)}
    before = {one.number for one in sample(study, study.trials[:-2])}
    assert len(seen ^ before) <= 6
    tenths = [sum(number // 300 == tenth for number in seen) for tenth in range(10)]
    assert max(tenths) < 2 * min(tenths)
