"""Constant prediction: every sample is predicted as one class, the most frequent one or one of equally frequent ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pitprop.detection import levels, predictions
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/predicted/ or val/macro_f1 or val/f1",)
KIND = "soft"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.995) -> Message | None:
    """``patience`` reports in which one class that is not a minority holds at least ``share`` of the predictions.

    Macro F1 alone shows it too: it is then exactly (1/K) 2 p / (1 + p), for a class of share p among K classes. So does F1
    beside accuracy: it is then 2 a / (1 + a) for an accuracy of a.
    """
    found = predictions.constant(telemetry, facts, levels.window(telemetry, facts, patience), share)
    kind = found.kind(levels.labels(telemetry, facts)) if found else ""
    return found.sentence(kind, telemetry[-1].step) if found and kind != "minority" else None


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    labels = levels.labels(telemetry, facts)
    ratio = max(labels.values()) / max(min(labels.values()), 1) if labels else math.nan
    alpha = facts.params.get("focal.alpha")
    if isinstance(alpha, list | tuple) and len(alpha) == 2 and alpha[0] > 0 and alpha[1] / alpha[0] >= ratio > 1:
        return message(
            "alpha ratio {alpha:.1f} is already above the class ratio {ratio:.1f}: lengthen the warm-up, start the output bias "
            "at the class prior, or draw balanced batches",
            **{"alpha": alpha[1] / alpha[0], "ratio": ratio},
        )
    if ratio < 1.5:
        return message(
            "the classes are about equally frequent, so their weights are not the cause: change the learning rate tenfold, up or "
            "down, warm up for longer, check labels, initial weights and normalisation"
        )
    if ratio > 1:
        return message(
            "raise the minority's alpha ratio or class weight towards {ratio:.1f} : 1, the inverse of the class counts, start "
            "the output bias at the class prior, draw balanced batches, warm up for longer; if the loss does not move at all, "
            "change the learning rate tenfold",
            ratio=ratio,
        )
    return message(
        "raise the minority's alpha ratio or class weight, start the output bias at the class prior, draw balanced batches, warm "
        "up for longer; if the loss does not move at all, change the learning rate tenfold"
    )


def change(telemetry: Telemetry, facts: Facts) -> Mapping[str, Any]:
    """Only the bias of the head: which class weight helps depends on the loss."""
    return {"prior_bias": True}
