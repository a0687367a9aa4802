"""Mostly frozen: hardly any of the parameters may learn."""

from __future__ import annotations

from pitprop.detection.facts import Facts
from pitprop.telemetry import Telemetry

READS = ("params/trainable", "params/total")
KIND = "advice"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, share: float = 0.01) -> str | None:
    """Less than ``share`` of the parameters trainable in ``patience`` reports. A frozen backbone may be meant so."""
    trainable, total = (telemetry.column(name).values[-patience:] for name in READS)
    if len(trainable) < patience or len(total) < patience or not max(trainable) < share * min(total):
        return None
    part = f"{trainable[-1]:.0f} of {total[-1]:.0f} parameters may learn"
    return f"{part} ({trainable[-1] / total[-1]:.2%}), epoch {telemetry[-1].step}"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    return "unfreeze at least one encoder or the last blocks of the backbone, at a lower learning rate"
