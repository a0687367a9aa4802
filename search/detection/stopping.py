"""The objective of a curve, and early stopping: pure functions of the curve.

So a trial that differs from a recorded one only in its patience is answered from the record, without training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pitprop.telemetry import finite


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


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stops when ``patience`` epochs in a row have not improved on the best by more than ``min_delta``.

    An epoch is an improvement if it beats the best so far by strictly more than ``min_delta`` in absolute terms, as in Keras
    and Lightning; the best is then that epoch's value, so gains smaller than ``min_delta`` must add up within ``patience``
    epochs. NaN and infinity are never an improvement, and a curve may be NaN from its start. More patience never makes the best
    epoch worse: it only trains longer.
    """

    patience: int
    min_delta: float = 0.0
    metric: str = "val/macro_f1"
    maximize: bool = True

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"early stopping takes a patience of at least 1 epoch, not {self.patience}")
        if not 0 <= self.min_delta < math.inf:
            raise ValueError(f"early stopping takes a min_delta of 0 or more, not {self.min_delta}")

    def stops_at(self, curve: Sequence[float]) -> int | None:
        """The number of epochs spent when training stops, from 1; None if ``curve`` ends before that."""
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
