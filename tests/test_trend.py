"""What orders the dead trials of a study, and when that is not known."""

from __future__ import annotations

from random import Random
from typing import Any

from pitprop.detection.remedies.trend import Order, Trial, order, tells


def dead(n: int, seed: int = 0, **more: Any) -> list[Trial]:
    """Trials with a rate of 1e-8 to 1e-4 and a dropout, of which none matters."""
    drawn = Random(seed)
    return [({"lr": 10 ** drawn.uniform(-8, -4), "dropout": drawn.random() / 2, **more}, drawn.random()) for _ in range(n)]


def test_the_rate_by_which_trials_came_further_is_named_with_its_best_value() -> None:
    trials = [(params, params["lr"] * 1e-3) for params, _ in dead(8)]
    highest = max(params["lr"] for params, _ in trials)
    assert order(trials) == Order("lr", "+", highest, True)
    assert order([(params, -far) for params, far in trials]) == Order("lr", "-", min(params["lr"] for params, _ in trials), True)


def test_a_few_trials_that_come_out_of_line_leave_the_order_but_not_its_end() -> None:
    trials = sorted(((params, params["lr"]) for params, _ in dead(12)), key=lambda one: one[1])
    trials[-1] = (trials[-1][0], trials[-3][1])
    found = order(trials)
    assert found is not None
    assert (found.name, found.way, found.end) == ("lr", "+", False)
    assert found.value == trials[-2][0]["lr"]


def test_a_choice_with_which_trials_came_further_is_named() -> None:
    trials = [({"kind": "ab"[n % 2], "x": Random(n).random()}, n % 2 + n / 100) for n in range(12)]
    assert order(trials) == Order("kind", "=", "b", True)


def test_noise_is_hardly_ever_taken_for_an_order() -> None:
    assert sum(order(dead(10, seed)) is not None for seed in range(200)) <= 20


def test_four_trials_tell_of_no_order_however_clear() -> None:
    assert order([({"lr": float(n)}, float(n)) for n in range(4)]) is None
    assert order([({"lr": float(n)}, float(n)) for n in range(5)]) is not None


def test_of_parameters_that_go_together_none_is_named() -> None:
    assert order([({"lr": float(n), "batch": 2 * n}, float(n)) for n in range(8)]) is None


def test_trials_that_all_came_as_far_have_no_order() -> None:
    assert order([(params, 0.0) for params, _ in dead(20)]) is None


def test_no_order_means_something_only_of_enough_trials_for_what_is_searched() -> None:
    assert not tells(dead(4))
    assert not tells(dead(8))
    assert tells(dead(16))
    many = [
        ({**params, **{f"x{n}": Random(f"{n} {at}").random() for n in range(30)}}, far)
        for at, (params, far) in enumerate(dead(16))
    ]
    assert not tells(many)
    assert not tells([({"lr": 1.0}, float(n)) for n in range(16)])
