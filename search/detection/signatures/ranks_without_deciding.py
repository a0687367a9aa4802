"""Ranks without deciding: the model separates the classes (AUC), but its threshold predicts only one of them."""

from __future__ import annotations

from pitprop.detection import levels, predictions, reading
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/auc", "val/predicted/ or val/macro_f1")
KIND = "advice"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, auc: float = 0.7, share: float = 0.995) -> Message | None:
    """AUC of at least ``auc`` and 3 standard errors above chance, with constant predictions, in ``patience`` reports."""
    count = reading.window(telemetry, facts, patience)
    readings = reading.recent(telemetry, "val/auc", count)
    floor = max(auc, 0.5 + 3 * levels.error(telemetry, facts, "val/auc"))
    if len(readings) < count or min(value for _, value in readings) < floor:
        return None
    if predictions.constant(telemetry, facts, count, share) is None:
        return None
    return message(
        "AUC {auc:.2f} while every sample is predicted as the same class in epochs {first}-{last}",
        **{"auc": readings[-1][1], "first": readings[0][0], "last": readings[-1][0]},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("move the decision threshold, or adjust the logits by the class prior; the weights themselves are learning")
