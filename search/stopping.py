"""Early stopping and gates, as pure functions of a curve.

Since they need nothing but the curve, a trial that differs from a recorded one only in its patience is answered from the
record, without training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.detect import Verdict
from search.telemetry import Telemetry


def objective(curve: Sequence[float], at: str = "best", maximize: bool = True) -> float:
    """A trial's value: the ``best`` or the ``last`` of its curve. NaN never counts; NaN if there is nothing else."""
    if at not in ("best", "last"):
        raise ValueError(f"an objective is taken at 'best' or 'last', not at {at!r}")
    values = [value for value in curve if not math.isnan(value)]
    if not values:
        return math.nan
    if at == "last":
        return values[-1]
    return max(values) if maximize else min(values)


def judge_gates(telemetry: Telemetry, gates: Sequence[Gate]) -> list[Verdict]:
    """A verdict for each gate that the training has missed, named ``gate:<metric>@<epoch>``."""
    verdicts = []
    for gate in gates:
        if reason := gate.missed(telemetry):
            numbers = {gate.metric: gate.value(telemetry), "at_least": gate.at_least, "at_most": gate.at_most}
            evidence = {name: number for name, number in numbers.items() if number is not None}
            verdicts.append(Verdict(gate.name, telemetry[-1].step, gate.action, reason, evidence, gate.remedy))
    return verdicts


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stops when ``patience`` epochs in a row have not improved on the best by more than ``min_delta``.

    An epoch is an improvement if it beats the best so far by strictly more than ``min_delta`` in absolute terms, as in Keras
    and Lightning; the best is then that epoch's value, so gains smaller than ``min_delta`` must add up within ``patience``
    epochs. NaN is never an improvement, and a curve may be NaN from its start. More patience never makes the best epoch
    worse: it only trains longer.
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
        sign = 1 if self.maximize else -1
        best, waited = -math.inf, 0
        for spent, value in enumerate(curve, 1):
            if sign * value > best + self.min_delta:
                best, waited = sign * value, 0
            else:
                waited += 1
                if waited >= self.patience:
                    return spent
        return None


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound that ``metric`` has to meet at exactly ``epoch``; a later recovery does not undo a miss."""

    metric: str
    epoch: int
    at_least: float | None = None
    at_most: float | None = None
    action: str = "prune"
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the gate on {self.metric} at epoch {self.epoch} has no bound: give at_least or at_most")

    @property
    def name(self) -> str:
        return f"gate:{self.metric}@{self.epoch}"

    def value(self, telemetry: Telemetry) -> float | None:
        """The metric at the gate's epoch; None if it was not reported there."""
        here = next((epoch for epoch in reversed(telemetry) if epoch.step <= self.epoch), None)
        return here.metrics.get(self.metric) if here is not None and here.step == self.epoch else None

    def missed(self, telemetry: Telemetry) -> str | None:
        """Why the gate is missed; None before its epoch, where the metric was not reported there, and where it is met.

        A metric that was reported as NaN misses every gate.
        """
        value = self.value(telemetry)
        if value is None:
            return None
        if self.at_least is not None and not value >= self.at_least:
            return f"{self.metric} was {value:.4g} at epoch {self.epoch}, the gate asks for at least {self.at_least:.4g}"
        if self.at_most is not None and not value <= self.at_most:
            return f"{self.metric} was {value:.4g} at epoch {self.epoch}, the gate asks for at most {self.at_most:.4g}"
        return None
