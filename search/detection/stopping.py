"""The objective of a curve, and early stopping: pure functions of the curve.

So a trial that differs from a recorded one only in its patience is answered from the record, without training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pitprop.telemetry import Epoch, finite, series


class Goal(Protocol):
    """An objective: a ``metric``, which counts ``at`` its best or last epoch, and its ``sign``, -1 where less is better."""

    @property
    def metric(self) -> str: ...
    @property
    def at(self) -> str: ...
    @property
    def sign(self) -> int: ...


def sign(maximize: bool) -> int:
    """What to multiply a score by, so that higher is better: 1 or -1."""
    return 1 if maximize else -1


def best(values: Sequence[float], maximize: bool) -> int | None:
    """The index of the best of ``values`` that are finite, and the first of equals; None if there is none."""
    known = (index for index, value in enumerate(values) if finite(value))
    return max(known, key=lambda index: (sign(maximize) * values[index], -index), default=None)


def objective(curve: Sequence[float], at: str = "best", maximize: bool = True) -> float:
    """A trial's value: the ``best`` or the ``last`` of its curve. NaN and infinity never count; NaN if there is nothing else."""
    if at not in ("best", "last"):
        raise ValueError(f"an objective is taken at 'best' or 'last', not at {at!r}")
    if at == "last":
        return next((value for value in reversed(curve) if finite(value)), math.nan)
    found = best(curve, maximize)
    return math.nan if found is None else curve[found]


def objectives(curve: Sequence[Epoch], goals: Sequence[Goal]) -> tuple[float, ...]:
    """A trial's value in each of ``goals``, all of the one epoch that the first of them chooses: its best, or the last.

    So they are those of one model. A metric that this epoch does not report has the reading before it that is nearest, or the
    first after it; NaN if there is none.
    """
    first = series(curve, goals[0].metric)
    index = best(first, goals[0].sign > 0)
    if goals[0].at == "last":
        index = next((place for place in reversed(range(len(first))) if finite(first[place])), None)
    if index is None:
        return (math.nan,) * len(goals)
    return (first[index], *(_near(series(curve, goal.metric), index) for goal in goals[1:]))


def _near(values: Sequence[float], index: int) -> float:
    """The finite reading at ``index``, or else the nearest before it, or else the first after it."""
    places = (*range(index, -1, -1), *range(index + 1, len(values)))
    return next((values[place] for place in places if finite(values[place])), math.nan)


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stops when ``patience`` validations in a row have not improved on the best by more than ``min_delta``.

    A validation is an epoch that reports ``metric``: one that does not counts for nothing, as in Keras and Lightning, where a
    model may be validated every few epochs. It is an improvement if it beats the best so far by strictly more than
    ``min_delta`` in absolute terms; the best is then its value, so gains smaller than ``min_delta`` must add up within
    ``patience`` validations. NaN and infinity are never an improvement, and a curve may be NaN from its start. More patience
    never makes the best epoch worse: it only trains longer.
    """

    patience: int
    min_delta: float = 0.0
    metric: str = "val/macro_f1"
    maximize: bool = True

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"early stopping takes a patience of at least 1 validation, not {self.patience}")
        if not 0 <= self.min_delta < math.inf:
            raise ValueError(f"early stopping takes a min_delta of 0 or more, not {self.min_delta}")

    def cut(self, epochs: Sequence[Epoch]) -> int | None:
        """How many of the reported ``epochs`` there are when training stops; None if they end before that."""
        validated = [index for index, epoch in enumerate(epochs) if self.metric in epoch.metrics]
        stop = self.stops_at([epochs[index].metrics[self.metric] for index in validated])
        return None if stop is None else validated[stop - 1] + 1

    def stops_at(self, curve: Sequence[float]) -> int | None:
        """The number of validations when training stops, from 1; None if ``curve``, the values of these, ends before that."""
        upward = sign(self.maximize)
        best, waited = -math.inf, 0
        for spent, value in enumerate(curve, 1):
            if finite(value) and upward * value > best + self.min_delta:
                best, waited = upward * value, 0
            else:
                waited += 1
                if waited >= self.patience:
                    return spent
        return None
