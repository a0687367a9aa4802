"""Gates: bounds that a training has to meet at an epoch, as pure functions of its curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pitprop.detection.detect import Verdict
from pitprop.telemetry import Epoch


def judge_gates(telemetry: Sequence[Epoch], gates: Sequence[Gate]) -> list[Verdict]:
    """A verdict for each gate that the training has missed, named ``gate:<metric>@<epoch>``."""
    verdicts = []
    for gate in gates:
        if reason := gate.missed(telemetry):
            numbers = {gate.metric: gate.value(telemetry), "at_least": gate.at_least, "at_most": gate.at_most}
            evidence = {name: number for name, number in numbers.items() if number is not None}
            verdicts.append(Verdict(gate.name, telemetry[-1].step, gate.action, reason, evidence, gate.remedy, gate.change))
    return verdicts


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound that ``metric`` has to meet at exactly ``epoch``; a later recovery does not undo a miss."""

    metric: str
    epoch: int
    at_least: float | None = None
    at_most: float | None = None
    action: str = "prune"
    remedy: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the gate on {self.metric} at epoch {self.epoch} has no bound: give at_least or at_most")

    @property
    def name(self) -> str:
        return f"gate:{self.metric}@{self.epoch}"

    def value(self, telemetry: Sequence[Epoch]) -> float | None:
        """The metric at the gate's epoch; None if it was not reported there."""
        here = next((epoch for epoch in reversed(telemetry) if epoch.step <= self.epoch), None)
        return here.metrics.get(self.metric) if here is not None and here.step == self.epoch else None

    def missed(self, telemetry: Sequence[Epoch]) -> str | None:
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
