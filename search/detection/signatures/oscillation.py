"""Oscillation: the score swings up and down by more than its standard error explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from pitprop.detection import levels, metrics, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/",)
KIND = "advice"
ELSEWHERE = "AUTOTRAINER, as a reason to stop"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, errors: float = 3.0, least: float = 0.03) -> Message | None:
    """At least half of the steps of the last two windows are swings: up then down, each by ``errors`` standard errors.

    And by at least ``least`` of what the score can reach: the whole of a share, the largest reading of others. A reward always
    swings. As a reason to stop, the same rule (AUTOTRAINER's) kills healthy runs on small validation sets.
    """
    if metrics.of(facts.metric).family == "reward":
        return None
    count = 2 * reading.window(telemetry, facts, patience)
    readings = reading.recent(telemetry, facts.metric, count + 1)
    size = max(least * reading.reach(telemetry, facts), errors * levels.error(telemetry, facts, facts.metric))
    steps = [after - before for (_, before), (_, after) in pairwise(readings)]
    swings = [a for a, b in pairwise(steps) if a * b < 0 and min(abs(a), abs(b)) > size]
    if len(steps) < count or len(swings) < 0.5 * (count - 1):
        return None
    values = [value for _, value in readings]
    return message(
        "{metric} swings between {low:.4g} and {high:.4g} in epochs {first}-{last}, {count} times by more than {size:.2g}",
        **{"metric": facts.metric, "low": min(values), "high": max(values), "first": readings[0][0], "last": readings[-1][0]},
        **{"count": len(swings), "size": size},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    lower = advice.lower_rate(telemetry, facts, 1 / 3)
    rate = lower and replace(lower, change={})  # it learns: nothing has to be tried
    return rate, Advice(message("enlarge the batch, or average the weights")), Advice(message("validate on more samples"))
