"""Remedies as trials: tried once, within the space, and said of whom they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import events, records
from curves import ILL, KNOWN, curve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pitprop.detection import detect, signatures
from pitprop.detection.detect import Verdict, agreeing
from pitprop.detection.remedies.advice import Advice
from pitprop.results.summary import summarise
from pitprop.space import Space, SpaceError
from pitprop.study import remedies
from pitprop.study.record import Record
from pitprop.study.remedies import FollowUps

Toy = Callable[..., Space]

GATE = {"metric": "val/macro_f1", "epoch": 2, "at_least": 0.6, "action": "park", "remedy": "be quicker", "try": {"speed": 0.9}}
SLOW = {"params": {"speed": {"float": [0.05, 1.0]}}, "points": [{"speed": 0.06}], "sampler": "random", "signatures": "off"}
"""A space whose first trial misses the gate."""


def trial(number: int, **changes: Any) -> Record:
    row = Record(number, "PRUNED", {"speed": 0.5}, (0.4,), None, (), None, 2, f"{number:04d}", 0.0, 1.0)
    return replace(row, **changes)


def advised(**change: Any) -> tuple[Verdict, ...]:
    return (Verdict("explosion", 2, "park", "up", change=change),)


def test_a_missed_gate_is_followed_by_the_trial_that_it_names_once(toy: Toy, tmp_path: Path) -> None:
    space = toy(gates=[GATE], remedies="try", trials=8, **SLOW)
    events(space, tmp_path)
    found = records(space, tmp_path)
    children = [record for record in found if record.remedy_of is not None]
    assert children[0].number == 1
    assert (children[0].remedy_of, children[0].cause, children[0].params["speed"]) == (0, "gate:val/macro_f1@2", 0.9)
    assert len({record.remedy_of for record in children}) == len(children) == 1  # the others that miss it would be the same trial
    told = summarise(space, found, 8).remedied
    assert told[0].changed == {"speed": 0.9}
    assert told[0].gain is not None
    assert told[0].gain > 0


def test_a_search_that_is_killed_tries_the_same_remedies(toy: Toy, tmp_path: Path, outcome: Callable[..., Any]) -> None:
    space = toy(gates=[GATE], remedies="try", trials=5, **SLOW)
    events(space, tmp_path / "whole")
    for stop in (5, 12, 19):
        events(space, tmp_path / "killed", stop=stop)
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "whole")


@pytest.mark.parametrize("word", ["suggest", "off"])
def test_nothing_is_tried_where_the_space_does_not_say_so(toy: Toy, tmp_path: Path, word: str) -> None:
    space = toy(gates=[GATE], remedies=word, trials=4, **SLOW)
    events(space, tmp_path)
    found = records(space, tmp_path)
    assert all(record.remedy_of is None for record in found)
    assert bool(summarise(space, found, 4).suggested) is (word == "suggest")


def test_a_factor_multiplies_what_the_trial_had(toy: Toy) -> None:
    space = toy(params={"speed": {"float": [0.05, 1.0]}})
    found = list(FollowUps(space, [trial(0, verdicts=advised(speed={"times": 0.1}))]).all())
    assert [dict(one.change) for one in found] == [{"speed": pytest.approx(0.05)}]


def test_lr_is_whatever_the_space_calls_its_one_rate(toy: Toy) -> None:
    leaf = {"float": [1e-6, 1.0], "log": True}
    one, two = toy(params={"x": leaf}), toy(params={"x": leaf, "speed": leaf})
    named = replace(one, leaves=tuple(replace(leaf, name="optim.learning_rate") for leaf in one.leaves))
    both = replace(two, leaves=tuple(replace(leaf, name=f"{leaf.name}.lr") for leaf in two.leaves))
    row = trial(0, params={"optim.learning_rate": 0.1, "x.lr": 0.1, "speed.lr": 0.1}, verdicts=advised(lr={"times": 0.1}))
    assert [dict(found.change) for found in FollowUps(named, [row]).all()] == [{"optim.learning_rate": pytest.approx(0.01)}]
    assert not list(FollowUps(both, [row]).all())  # which of the two is not said


@pytest.mark.parametrize(
    "row",
    [
        trial(0, verdicts=advised(speed={"times": 0.01})),  # outside the space
        trial(0, verdicts=advised(speed=0.5)),  # what it did already
        trial(0, verdicts=advised(colour="red")),  # no parameter of the space
        trial(0, verdicts=advised(dead={"times": 2})),  # no number
        trial(0, verdicts=advised(speed=0.9), baseline="plain"),
        trial(0, verdicts=advised(speed=0.9), remedy_of=7),
        trial(0, verdicts=()),
    ],
)
def test_what_cannot_or_need_not_be_tried_is_not(toy: Toy, row: Record) -> None:
    assert not list(FollowUps(toy(), [row]).all())


def test_a_remedy_that_breaks_a_constraint_is_not_tried(toy: Toy) -> None:
    row = trial(0, verdicts=advised(speed=0.9))
    assert not list(FollowUps(toy(constraints=["speed < 0.8"]), [row]).all())
    assert list(FollowUps(toy(constraints=["speed < 0.95"]), [row]).all())


def test_three_of_four_trials_are_left_to_the_sampler(toy: Toy) -> None:
    space = toy(remedies="try")
    rows = [trial(number, params={"speed": 0.1 + number / 100}, verdicts=advised(speed={"times": 2})) for number in range(20)]
    assert FollowUps(space, rows[:3]).due(8) is None  # so few say nothing, and all that is left to try is a factor
    assert FollowUps(space, rows).due(8) is not None
    rows += [trial(20 + number, remedy_of=number) for number in range(2)]
    assert FollowUps(space, rows).due(8) is None
    assert FollowUps(space, rows).due(12) is not None


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"spead": 0.5}, "gates[0].try.spead: is no searched parameter; did you mean 'speed'?"),
        ({"speed": 7.0}, "gates[0].try.speed: 7.0 is not within [0.05, 1.0]"),
        ({"dead": {"times": 2}}, "gates[0].try.dead: times is not allowed: dead is a choice"),
        ({"speed": {"times": 0}}, "gates[0].try.speed.times: 0 is not allowed"),
    ],
)
def test_a_gate_that_tries_what_is_not_in_the_space_is_refused(toy: Toy, change: dict[str, Any], wanted: str) -> None:
    with pytest.raises(SpaceError) as refusal:
        toy(gates=[{**GATE, "try": change}])
    assert wanted in str(refusal.value)


def test_a_grid_has_no_room_for_remedies(toy: Toy) -> None:
    with pytest.raises(SpaceError, match="remedies: 'try' is not allowed beside the grid sampler"):
        toy(remedies="try", sampler="grid", params={"dead": {"choice": [False, True]}})


def test_a_dead_trial_takes_what_separates_it_from_the_living(toy: Toy) -> None:
    space = toy(params={"speed": {"float": [0.05, 1.0]}, "x": {"float": [0.0, 1.0]}})
    living = [trial(n, params={"speed": 0.5 + n / 100, "x": n % 5 / 10}, state="COMPLETE") for n in range(12)]
    verdicts = advised(speed={"times": 0.5})
    dead = [trial(n, params={"speed": 0.1 + n / 1000, "x": 0.25}, verdicts=verdicts) for n in range(12, 18)]
    first = next(FollowUps(space, [*living, *dead]).all())
    assert (first.remedy_of, first.change) == (12, {"speed": 0.55})  # and not half of it, which the verdict says
    (*_, last) = told = remedies.advised(space, [*living, *dead])
    assert last.verdicts[0].remedy.startswith("6 of 6 trials with speed below 0.2 died, 0 of the other 12; trial 17 has 0.117")
    assert told[:12] == living


def test_what_a_verdict_advises_against_the_study_is_left_out(toy: Toy) -> None:
    space = toy(params={"speed": {"float": [0.05, 1.0]}})
    living = [trial(n, params={"speed": 0.5 + n / 100}, state="COMPLETE") for n in range(12)]
    verdict = advised()[0].advised(
        [Advice("slow down", {"speed": {"times": 0.1}}, "speed-"), *map(Advice, ("one", "two", "three"))]
    )
    dead = [trial(n, params={"speed": 0.1 + n / 1000}, verdicts=(verdict,)) for n in range(12, 18)]
    said = remedies.advised(space, [*living, *dead])[-1].verdicts[0].advice
    assert [one.text for one in said[1:]] == ["one", "two"]


def test_no_verdict_of_a_trial_advises_against_another() -> None:
    up, down = (advised()[0].advised([Advice(f"lr {sign}", moves=f"lr{sign}"), Advice("clip")]) for sign in "+-")
    assert [verdict.remedy for verdict in agreeing([up, down])] == ["lr +; clip", "clip"]


def of_rate(toy: Toy) -> Space:
    """A space of a learning rate and a speed."""
    space = toy(params={"x": {"float": [1e-5, 1.0], "log": True}, "speed": {"float": [0.05, 1.0]}})
    return replace(space, leaves=tuple(replace(leaf, name=leaf.name.replace("x", "lr")) for leaf in space.leaves))


def rated(lr: float, name: str = "", speed: float = 0.9) -> Record:
    """A trial with a learning rate: one that lived, or one that a signature ended which knew of no other trial."""
    if not name:
        return trial(0, params={"lr": lr, "speed": 0.5}, state="COMPLETE")
    said = detect.remedies(name, ILL[name].epochs, replace(KNOWN, params={"lr": lr}))
    return trial(0, params={"lr": lr, "speed": speed}, verdicts=(Verdict(name, 2, "park", "dead").advised(said),))


def numbered(*rows: Record) -> list[Record]:
    return [replace(row, number=number) for number, row in enumerate(rows)]


@pytest.mark.parametrize("name", signatures.names())
@given(lived=st.lists(st.floats(1e-4, 0.1), min_size=1, max_size=8), higher=st.booleans())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_remedy_and_no_try_goes_away_from_the_rates_with_which_trials_lived(
    toy: Toy, name: str, lived: list[float], higher: bool
) -> None:
    space, lr = of_rate(toy), min(lived) / 2 if higher else max(lived) * 2
    rows = numbered(*map(rated, lived), rated(lr, name))
    for one in remedies.advised(space, rows)[-1].verdicts[0].advice:
        assert one.moves[:-1] != "lr" or one.moves == ("lr+" if higher else "lr-")
    for follow in FollowUps(space, rows).all():
        assert min(lived) <= follow.change["lr"] <= max(lived)


def test_a_rate_at_chance_above_all_that_lived_is_lowered_to_their_median(toy: Toy) -> None:
    space, name = of_rate(toy), "hopelessly_slow"
    rows = numbered(*map(rated, (0.001, 0.003, 0.008)), rated(0.56, name), *map(rated, (0.015, 0.03, 0.05, 0.072)))
    dead = remedies.advised(space, rows)[3].verdicts[0]
    assert dead.remedy.startswith("lower the learning rate from 0.56 to 0.008")
    assert [dict(one.change) for one in FollowUps(space, rows).all()] == [{"lr": 0.008}]


def test_a_rate_is_not_raised_past_a_border_beyond_which_trials_died(toy: Toy) -> None:
    space, slow = of_rate(toy), curve(30, val__macro_f1=0.4361, val__loss=0.5, update_ratio=1e-5)
    living = [rated(lr) for lr in (0.001, 0.002, 0.004, 0.008, 0.012, 0.02, 0.03, 0.05, 0.08)]
    dead = [rated(0.1 + n / 10, "explosion", 0.5) for n in range(9)]
    said = detect.remedies("hopelessly_slow", slow, replace(KNOWN, params={"lr": 0.016}))
    assert said[0].text.startswith("raise the learning rate from 0.016 to 0.16")
    still = trial(0, params={"lr": 0.016, "speed": 0.9}, verdicts=(Verdict("hopelessly_slow", 2, "park", "dead").advised(said),))
    rows = numbered(*living, *dead, still)
    assert remedies.advised(space, rows)[-1].verdicts[0].remedy.startswith("raise the learning rate from 0.016 to 0.03")
    assert {one.remedy_of: one.change for one in FollowUps(space, rows).all()}[18] == {"lr": 0.03}


ALIVE = [(0.01, 0.3), (0.02, 0.4), (0.04, 0.5), (0.05, 0.35)]


@pytest.mark.parametrize(
    ("lr", "speed", "change"),
    [
        (0.03, 0.9, {"speed": 0.35}),  # trials lived with such a rate: only the speed is strange
        (0.9, 0.9, {"lr": 0.02, "speed": 0.35}),
        (0.9, 0.45, {"lr": 0.02}),
    ],
)
def test_a_try_takes_no_value_with_which_none_lived(toy: Toy, lr: float, speed: float, change: dict[str, float]) -> None:
    living = [replace(rated(one), params={"lr": one, "speed": other}) for one, other in ALIVE]
    dead = rated(lr, "explosion", speed)
    assert [one.change for one in FollowUps(of_rate(toy), numbered(*living, dead)).all()] == [change]


def test_what_would_only_repeat_a_trial_is_not_tried_with_a_value_with_which_none_lived(toy: Toy) -> None:
    living = [replace(rated(one), params={"lr": one, "speed": other}) for one, other in ALIVE]
    dead = [rated(lr, "explosion", speed) for lr, speed in ((0.9, 0.9), (0.8, 0.95))]
    assert len(list(FollowUps(of_rate(toy), numbered(*living, *dead)).all())) == 1


@pytest.mark.parametrize("name", ["hopelessly_slow", "explosion", "tiny_steps"])
@given(lived=st.lists(st.floats(1e-4, 0.9), max_size=8), died=st.lists(st.floats(1e-4, 0.9), min_size=1, max_size=8))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_to_be_tried_of_a_rate_is_what_the_remedy_says_of_it_however_often_the_study_was_looked_at(
    toy: Toy, name: str, lived: list[float], died: list[float]
) -> None:
    space = of_rate(toy)
    rows = numbered(*map(rated, lived), *(rated(lr, name, speed=0.5) for lr in died))
    told = remedies.advised(space, rows)
    assert remedies.advised(space, told) == told
    tries = [(one.remedy_of, one.change) for one in FollowUps(space, told).all()]
    assert tries == [(one.remedy_of, one.change) for one in FollowUps(space, rows).all()]
    for number, change in tries:
        said = str(told[number].verdicts[0].remedy).partition(";")[0]
        assert f" to {change['lr']:.2g}" in said or said.endswith(f"take {change['lr']:.3g}")


def test_what_neither_the_study_nor_the_steps_tell_has_no_direction(toy: Toy) -> None:
    quiet = curve(30, val__macro_f1=0.4361, val__loss=0.5)
    said = detect.remedies("hopelessly_slow", quiet, replace(KNOWN, params={"lr": 0.016}))
    assert (said[0].text, said[0].change) == ("change the learning rate tenfold, up or down", {})
    still = trial(0, params={"lr": 0.016, "speed": 0.9}, verdicts=(Verdict("hopelessly_slow", 2, "park", "dead").advised(said),))
    rows = numbered(rated(0.001), rated(0.1), still)
    assert remedies.advised(of_rate(toy), rows)[-1].verdicts[0].remedy.startswith("change the learning rate tenfold, up or down")
