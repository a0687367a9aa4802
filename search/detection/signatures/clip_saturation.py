"""Clip saturation: most gradients are clipped, so that the clip sets the step and not the learning rate."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.telemetry import Telemetry

READS = ("clipped",)
KIND = "advice"
ELSEWHERE = "the deep learning tuning playbook, in words"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.5) -> str | None:
    """More than ``share`` of the steps clipped in ``patience`` reports after the warm-up (deep learning tuning playbook)."""
    readings = levels.recent(telemetry, "clipped", patience)
    if len(readings) < patience or not min(value for _, value in readings) > share:
        return None
    if readings[0][0] <= levels.warmup(telemetry, facts):
        return None
    return f"{readings[-1][1]:.0%} of the steps are clipped in epochs {readings[0][0]}-{readings[-1][0]}"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    return "the learning rate is the problem: lower it, or lengthen the warm-up, before you raise the clip"
