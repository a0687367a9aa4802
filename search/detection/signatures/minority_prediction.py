"""Minority prediction: every sample is predicted as a class that is not the most frequent one."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import predictions, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/predicted/ or val/macro_f1",)
KIND = "soft"
ELSEWHERE = ""
GRACE = 0.375  # 1.5 times that of others: it usually recovers by itself, as it did after 7 of 24 epochs in a real search


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.995) -> Message | None:
    """``patience`` reports in which a class that is not the most frequent holds at least ``share`` of the predictions."""
    found = predictions.constant(telemetry, facts, reading.window(telemetry, facts, patience), share)
    kind = found.kind(reading.labels(telemetry, facts)) if found else ""
    return found.sentence(kind, telemetry[-1].step) if found and kind == "minority" else None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    ratio, now = advice.class_ratio(telemetry, facts), advice.weighting(facts)
    lower = message("lower the weight (alpha) of that class")
    if ratio is not None and now is not None:
        lower = message("lower the weight (alpha) of that class from {now:.3g} to {ratio:.1f} : 1 or less", now=now, ratio=ratio)
    elif ratio is not None:
        lower = message("lower the weight (alpha) of that class below {ratio:.1f} : 1", ratio=ratio)
    fits = ratio is not None and now is not None and now <= ratio * advice.NEAR
    weight = None if fits else Advice(lower, moves="weight-")
    return weight, advice.lower_rate(telemetry, facts), advice.clip(facts), advice.warm_up(facts)
