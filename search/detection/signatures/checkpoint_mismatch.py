"""Checkpoint mismatch: before the first step the model does not reach its checkpoint's score, so it was not loaded."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("start/",)
KIND = "hard"
ELSEWHERE = ""


def detect(
    telemetry: Telemetry, facts: Facts, *, patience: int = 1, points: float = 0.005, errors: float = 3.0
) -> Message | None:
    """``start/<metric>`` differs from the recorded value by ``points`` and by ``errors`` standard errors."""
    for name, known in facts.checkpoint.items():
        values = telemetry.column(f"start/{name.removeprefix('val/')}").values[:patience]
        limit = max(points, errors * levels.error(telemetry, facts, name))
        if len(values) == patience and all(abs(value - known) > limit for value in values):
            return message(
                "{metric} is {value:.4f} before epoch {step}, the checkpoint's was {known:.4f}",
                **{"metric": name, "value": values[0], "step": telemetry[0].step, "known": known},
            )
    return None


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "check how the checkpoint is loaded (missing or renamed keys, strict=False), and that validation is the same as then"
    )
