"""Clip saturation: most gradients are clipped, so the clipping threshold sets the step size, not the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("clipped",)
KIND = "advice"
ELSEWHERE = "the deep learning tuning playbook, in words"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.5) -> Message | None:
    """More than ``share`` of the steps clipped in ``patience`` reports after the warm-up (deep learning tuning playbook)."""
    readings = reading.recent(telemetry, "clipped", patience)
    if len(readings) < patience or not min(value for _, value in readings) > share:
        return None
    if readings[0][0] <= reading.warmup(telemetry, facts):
        return None
    (first, _), (last, clipped) = readings[0], readings[-1]
    return message("{share:.0%} of the steps are clipped in epochs {first}-{last}", share=clipped, first=first, last=last)


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    return advice.lower_rate(telemetry, facts), advice.warm_up(facts)
