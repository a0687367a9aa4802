"""Which way a learning rate is to go, and how far: decided here for every signature, for reports and for trials that try it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

SAME = 1e-3
"""What rates that are the same may differ by, as a share of them."""


@dataclass(frozen=True, slots=True)
class Move:
    """Up (``+``), down (``-``), or one of both (``?``), and to which rate, where that is known."""

    way: str
    target: float | None = None


def decide(rate: float | None, living: Sequence[float], *, cause: str = "", steps: str = "", times: float = 10) -> Move | None:
    """Where a ``rate`` of which a trial died is to go, None if what is seen and what the study shows contradict each other.

    The study comes first: to the rates of ``living`` trials if they all lie on one side; then ``steps``, the way that the size of
    the steps says. ``cause`` is the way that follows from what killed the trial: the study does not turn it round. It goes
    ``times`` as far, but to no rate beyond those of the living: to their median, of those at least as far if there are any.
    """
    below, above = _sides(rate, living)
    shown = "" if bool(below) == bool(above) else "-" if below else "+"
    if cause and shown and cause != shown:
        return None
    way = cause or shown or steps
    if not way or rate is None:
        return Move(way or "?")
    target = rate * (max(times, 1 / times) if way == "+" else min(times, 1 / times))
    side = above if way == "+" else below
    far = [one for one in side if (one >= target if way == "+" else one <= target)]
    return Move(way, median_low(far or side) if side else target)


def _sides(rate: float | None, living: Sequence[float]) -> tuple[list[float], list[float]]:
    """The rates below and above; one that is the same says nothing."""
    if rate is None:
        return [], []
    other = [one for one in living if not math.isclose(one, rate, rel_tol=SAME)]
    return [one for one in other if one < rate], [one for one in other if one > rate]
