"""Conformance: what holds for every space that ships, found by name."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from pitprop import space, trainer
from pitprop.detection import signatures

NAMES = space.names()


@pytest.fixture(params=NAMES)
def shipped(request: pytest.FixtureRequest) -> space.Space:
    return space.load(request.param)


def takes(accepted: Any, given: Mapping[str, Any]) -> bool:
    """Whether a trainer whose defaults are ``accepted`` knows every key of ``given``; one that says nothing takes anything."""
    return accepted is None or all(
        name in accepted and (not isinstance(accepted[name], dict) or takes(accepted[name], value))
        for name, value in given.items()
    )


def draw(shipped: space.Space, seed: int) -> dict[str, Any]:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    values: dict[str, Any] = {}
    for leaf in shipped.active(values):
        values[leaf.name] = trial._suggest(leaf.name, leaf.distribution)
    return values


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_every_workload_has_a_space() -> None:
    assert {space.load(name).trainer.rsplit(".", 1)[-1] for name in NAMES} == set(trainer.names())


@pytest.mark.parametrize("name", NAMES)
def test_a_space_is_summed_up_by_its_question_on_one_line(name: str) -> None:
    assert space.summary(name) == space.load(name).question
    assert space.summary(name).endswith("?")
    assert "\n" not in space.summary(name)


def test_a_lost_training_is_seen_and_what_cannot_watch_is_told(shipped: space.Space) -> None:
    assert {"chance_plateau", "explosion", "non_finite", "nothing_trains"} <= set(shipped.signatures)
    assert {name for name, reading in shipped.unwatched() if reading} == set(signatures.names()) - set(shipped.signatures)


def test_every_drawn_trial_is_one_that_the_trainer_takes(shipped: space.Space) -> None:
    for seed in range(20):
        assert takes(shipped.card.params, shipped.params(draw(shipped, seed)))


def test_most_drawn_trials_hold_the_constraints(shipped: space.Space) -> None:
    assert sum(not shipped.violated(draw(shipped, seed)) for seed in range(20)) >= 10


def test_every_drawn_trial_has_an_early_stopping_where_the_space_has_one(shipped: space.Space) -> None:
    stopping = shipped.stopping(draw(shipped, random.Random(0).randrange(100)))
    assert (stopping is not None) == (shipped.early_stopping is not None)
    assert shipped.searches_stopping <= (stopping is not None)


def test_baselines_are_trained_with_params_that_the_trainer_takes(shipped: space.Space) -> None:
    assert shipped.baselines
    for baseline in shipped.baselines:
        assert baseline.params is None or takes(shipped.card.params, shipped.params({}, baseline))


def test_points_lie_in_their_distributions_and_hold_the_constraints(shipped: space.Space) -> None:
    leaves = {leaf.name: leaf for leaf in shipped.leaves}
    for point in shipped.points:
        assert all(leaves[name].holds(value) for name, value in point.items())
        assert not shipped.violated(point)


def test_the_meaning_is_the_same_at_every_loading(shipped: space.Space) -> None:
    assert space.difference(space.meaning(shipped), space.meaning(space.load(shipped.name))) == []
