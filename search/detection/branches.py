"""Compare the branches of a model, each with its own metrics, to the checkpoint that training started from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pitprop.detection import levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Drop:
    """A metric that is worse ``now`` than it was ``before``, in the checkpoint; both in the unit of the metric."""

    metric: str
    before: float
    now: float
    whole: float = 1.0
    """What the metric calls a whole: 100 for percent."""

    @property
    def size(self) -> float:
        return abs(self.before - self.now) / self.whole


def drops(telemetry: Telemetry, facts: Facts, count: int, points: float, errors: float) -> list[Drop]:
    """The branches whose last ``count`` readings are all worse by ``points`` and by ``errors`` standard errors, worst first.

    ``points`` is a share (0.03 is 3 points of accuracy). A branch's metric is ``val/<branch>/<metric>``; it
    counts only where a better one is known to lie in the direction of the objective.
    """
    found, whole = [], reading.unit(telemetry, facts)
    for name, before in facts.checkpoint.items():
        values = telemetry.column(name).values[-count:]
        least = max(points * whole, errors * levels.error(telemetry, facts, name))
        below = len(values) == count and all(facts.sign * (before - value) > least for value in values)
        if below and name.count("/") == 2 and name != facts.metric and _known(name, facts):
            found.append(Drop(name, before, values[-1], whole))
    return sorted(found, key=lambda drop: -drop.size)


def _known(name: str, facts: Facts) -> bool:
    """Whether its direction is that of the objective: the same metric, or both are scores. A loss has the other direction."""
    kind = name.rsplit("/", 1)[-1]
    return kind == facts.metric.rsplit("/", 1)[-1] or (facts.maximize and kind != "loss")


def recovering(values: Sequence[float], facts: Facts) -> bool:
    """Whether the later half of the readings is better than the earlier half."""
    half = len(values) // 2
    gain = math.fsum(values[len(values) - half :]) - math.fsum(values[:half])
    return facts.sign * gain > 0


def sentence(drop: Drop, facts: Facts, step: int) -> Message:
    """By how many points the metric is worse than in the checkpoint."""
    values = {"metric": drop.metric, "now": drop.now, "step": step, "points": 100 * drop.size, "before": drop.before}
    if facts.maximize:
        return message("{metric} {now:.4g} at epoch {step}, {points:.2f} points below the checkpoint's {before:.4g}", **values)
    return message("{metric} {now:.4g} at epoch {step}, {points:.2f} points above the checkpoint's {before:.4g}", **values)


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    """Lower the learning rate first, then correct the loss weight."""
    weights = {name: value for name, value in facts.params.items() if "weight" in name and "decay" not in name}
    said = [f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in weights.items()]
    weight = message("then set the branch's loss weight to 1.0-1.5: a large weight does not repair a weak branch")
    if said:
        now = N_("then set the branch's loss weight to 1.0-1.5 (now {weights}): a large weight does not repair a weak branch")
        weight = message(now, weights=Message.join(said))
    rate = advice.lower_rate(telemetry, facts, 1 / 3)
    return rate and replace(rate, text=message("first {lower}", lower=rate.text)), Advice(weight)
