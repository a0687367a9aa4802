"""What separates the dead of a study from the living: found where it is so, and hardly ever where it is not."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.detection.remedies.separation import Trial, nothing_lived, splits

NAMES = ["lr", "decay", "sampler", "gamma"]


def drawn(seed: int, count: int = 40) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "lr": 10 ** draw.uniform(-6, 1),
            "decay": draw.uniform(0, 1),
            "sampler": draw.choice(["plain", "balanced", "broken"]),
            "gamma": draw.choice([0.0, 1.0, 2.0]),
        }
        for _ in range(count)
    ]


def test_a_rate_above_which_all_died_is_named_with_its_counts_and_the_value_to_take() -> None:
    trials: list[Trial] = [({"lr": lr}, lr > 0.25) for lr in (0.3, 0.34, 0.5, 2.0, 3.0, *[0.001 * 1.4**n for n in range(16)])]
    (found,) = splits(trials, ["lr"])
    assert (found.side, found.bound, found.trials, found.dead, found.rest, found.others) == ("above", 0.2, 5, 5, 16, 0)
    assert found.holds({"lr": 0.34})
    assert not found.holds({"lr": 0.1})
    assert found.told(7, 0.34) == "5 of 5 trials with lr above 0.2 died, 0 of the other 16; trial 7 has 0.34: take 0.0105"


def test_two_causes_are_both_found_and_each_counts_over_all_trials() -> None:
    trials: list[Trial] = [(one, one["lr"] > 0.1 or one["sampler"] == "broken") for one in drawn(3, 60)]
    found = {one.name: one for one in splits(trials, NAMES)}
    assert set(found) == {"lr", "sampler"}
    assert found["sampler"].bound == "broken"
    assert found["sampler"].dead == found["sampler"].trials == sum(one["sampler"] == "broken" for one, _ in trials)
    assert found["lr"].target < 0.1


def test_deaths_at_random_are_not_explained() -> None:
    told = 0
    for seed in range(200):
        draw = random.Random(-seed)
        share = draw.uniform(0.2, 0.7)
        told += bool(splits([(one, draw.random() < share) for one in drawn(seed)], NAMES))
    assert told <= 10


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans(), st.sampled_from("abc")), max_size=30))
def test_what_is_told_is_true_whatever_the_trials(rows: list[tuple[float, bool, str]]) -> None:
    trials: list[Trial] = [({"x": x, "kind": kind}, died) for x, died, kind in rows]
    for one in splits(trials, ["x", "kind"]):
        inside = [died for params, died in trials if one.holds(params)]
        assert (len(inside), sum(inside)) == (one.trials, one.dead)
        assert one.dead >= 0.9 * one.trials
        assert not one.holds({one.name: one.target})
        assert any(not died and params[one.name] == one.target for params, died in trials)


def test_the_order_of_the_trials_does_not_matter() -> None:
    trials: list[Trial] = [(one, one["lr"] > 0.1 or one["sampler"] == "broken") for one in drawn(5, 60)]
    assert splits(trials[::-1], NAMES) == splits(trials, NAMES)


def test_where_none_lived_is_told_once_enough_lived_elsewhere() -> None:
    trials: list[Trial] = [({"lr": lr}, lr < 1e-4) for lr in (1e-6, 2e-6, 3e-6, 1e-3, 2e-3, 3e-3, 4e-3, 5e-3)]
    (found,) = nothing_lived(trials, ["lr"])
    assert (found.side, found.bound, found.dead, found.target) == ("below", 1e-3, 3, 3e-3)
    assert found.holds({"lr": 2e-6})
    assert not nothing_lived(trials[:5], ["lr"])


def test_a_study_of_thousands_is_told_in_the_time_of_a_few() -> None:
    trials: list[Trial] = [(one, one["lr"] > 0.1 or one["sampler"] == "broken") for one in drawn(7, 5000)]
    assert {one.name for one in splits(trials, NAMES)} == {"lr", "sampler"}
