"""What is known of chance: stated, read, seen in the curve or learned from the study; the same for everybody who judges."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from pitprop.detection import learned, levels
from pitprop.detection.facts import Facts, Peer
from pitprop.telemetry import Epoch, Telemetry

SCORE, LOSS = Facts(20, "val/accuracy"), Facts(20, "val/loss", maximize=False)


def curve(epochs: int, metric: str, value: Callable[[int], float], **first: float) -> Telemetry:
    """``first`` are readings of the first epoch, with __ for a slash."""
    more = {name.replace("__", "/"): one for name, one in first.items()}
    return Telemetry(Epoch(n, {metric: value(n), **(more if n == 1 else {})}) for n in range(1, epochs + 1))


def study(metric: str, *values: Callable[[int], float]) -> tuple[Peer, ...]:
    return tuple(Peer(n, {"lr": 10.0**-n}, curve(20, metric, value)) for n, value in enumerate(values))


def learns(low: float, high: float) -> Callable[[int], float]:
    return lambda n: high - (high - low) * math.exp(-n / 4)


DEAD = (lambda n: 0.1, lambda n: 0.1 if n % 3 else 0.08)


def test_where_trials_with_different_parameters_stand_is_chance_once_another_is_far_ahead() -> None:
    fallen = curve(8, "val/accuracy", lambda n: 0.05 + 0.006 * n)
    assert levels.score(fallen, replace(SCORE, peers=study("val/accuracy", *DEAD))) is None
    facts = replace(SCORE, peers=study("val/accuracy", *DEAD, learns(0.2, 0.9)))
    assert levels.score(fallen, facts) == pytest.approx(0.1)
    known = levels.known_score(fallen, facts)
    assert known is not None
    assert "0, 1" in str(known.source)


def test_a_baseline_or_target_shows_as_well_what_alive_looks_like() -> None:
    facts = replace(SCORE, peers=study("val/accuracy", *DEAD), seen=(0.8,))
    assert levels.score(curve(8, "val/accuracy", lambda n: 0.05 + 0.006 * n), facts) == pytest.approx(0.1)


def test_the_same_parameters_twice_are_one_trial() -> None:
    twice = tuple(replace(peer, params={"lr": 1.0}) for peer in study("val/accuracy", *DEAD))
    facts = replace(SCORE, peers=(*twice, *study("val/accuracy", learns(0.2, 0.9))))
    assert learned.level(facts, "val/accuracy", 1.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_trials_that_all_converge_to_one_good_value_are_not_chance(seed: int) -> None:
    random.seed(seed)
    came = [learns(random.uniform(0.1, 0.5), 0.9 + random.uniform(-0.01, 0.01)) for _ in range(8)]
    for peers in (study("val/accuracy", *came), study("val/accuracy", *came, *DEAD[:1])):
        for healthy in came:
            level = levels.score(curve(20, "val/accuracy", healthy), replace(SCORE, peers=peers))
            assert level is None or level < 0.3
    fell = [learns(random.uniform(2, 3), 0.5 + random.uniform(-0.01, 0.01)) for _ in range(8)]
    flat = [lambda n: 0.5, lambda n: 0.502]  # as good as they get at their first report
    for healthy in (*fell, *flat):
        facts = replace(LOSS, peers=study("val/loss", *flat, *fell, learns(2.0, 0.2)))
        assert levels.loss(curve(20, "val/loss", healthy), facts, guess=False) is None


def test_what_is_stated_comes_before_what_is_reported_and_that_before_what_is_learned() -> None:
    dead, peers = curve(8, "val/loss", lambda n: 2.0), study("val/loss", lambda n: 2.0, lambda n: 2.01, learns(1.9, 0.2))
    facts = replace(LOSS, peers=peers)
    told = curve(8, "val/loss", lambda n: 2.0, chance__loss=2.2)
    assert levels.loss(told, replace(facts, chance_loss=2.5), guess=False) == 2.5
    assert levels.loss(told, facts, guess=False) == 2.2
    assert levels.loss(dead, facts, guess=False) == pytest.approx(2.0, rel=0.01)
    assert levels.loss(dead, LOSS, guess=False) is None


def test_classes_and_a_batch_tell_where_chance_is() -> None:
    near, far = (curve(8, "val/loss", lambda n, start=start: start) for start in (2.4, 0.9))
    read = curve(8, "val/loss", lambda n: 2.4, facts__classes=10)
    assert levels.loss(read, LOSS, guess=False) == math.log(10)
    assert levels.loss(near, replace(LOSS, classes=10), guess=False) == math.log(10)
    assert levels.loss(far, replace(LOSS, classes=10), guess=False) is None, "such a loss is not in nats"
    assert levels.score(curve(3, "val/accuracy", lambda n: 0.1), replace(SCORE, classes=10)) == 0.1
    assert levels.score(curve(3, "val/accuracy", lambda n: 9.0), replace(SCORE, classes=10)) == 10.0
    assert levels.loss(near, replace(LOSS, loss="supcon", batch=32), guess=False) == math.log(31)


def test_a_warm_up_that_is_stated_or_read_lengthens_the_grace() -> None:
    flat = curve(8, "val/loss", lambda n: 2.0)
    read = curve(8, "val/loss", lambda n: 2.0, facts__warmup=9)
    assert levels.grace(flat, LOSS, 0.25) == 5
    assert levels.grace(flat, replace(LOSS, warmup=9), 0.25) == levels.grace(read, LOSS, 0.25) == 11


def test_the_range_makes_a_percent_of_a_share() -> None:
    flat = curve(8, "val/bleu", lambda n: 0.6)
    stated = Facts(20, "val/bleu", range=(0, 100))
    assert (levels.unit(flat, Facts(20, "val/bleu")), levels.unit(flat, stated), levels.reach(flat, stated)) == (1, 100, 100)
    assert levels.unit(curve(3, "val/accuracy", lambda n: 1.0), replace(SCORE, chance_score=1.5)) == 100
