"""Mostly frozen: hardly any of the parameters are trainable."""

from __future__ import annotations

from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("params/trainable", "params/total")
KIND = "advice"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, share: float = 0.01) -> Message | None:
    """Less than ``share`` of the parameters trainable in ``patience`` reports. A frozen backbone may be intended."""
    trainable, total = (telemetry.column(name).values[-patience:] for name in READS)
    if len(trainable) < patience or len(total) < patience or not 0 <= max(trainable) < share * min(total):
        return None
    return message(
        "{trainable:.0f} of {total:.0f} parameters are trainable ({share:.2%}) at epoch {step}",
        **{"trainable": trainable[-1], "total": total[-1], "share": trainable[-1] / total[-1], "step": telemetry[-1].step},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("unfreeze at least one encoder or the last blocks of the backbone, at a lower learning rate")
