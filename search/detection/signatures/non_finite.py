"""Non-finite loss: the validation loss is NaN or infinite, or the training loss is in several consecutive reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/loss or train/loss",)
KIND = "hard"
ELSEWHERE = "Keras TerminateOnNaN, Lightning, SageMaker, AUTOTRAINER, DeepDiagnosis"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 2) -> Message | None:
    """At once for the validation loss; ``patience`` reports for the training loss, where one bad step is normal under AMP."""
    if not telemetry:
        return None
    last = telemetry[-1]
    if not math.isfinite(loss := last.metrics.get("val/loss", 0.0)):
        return message("validation loss is {loss} at epoch {step}", loss=loss, step=last.step)
    reported = [epoch for epoch in telemetry[-3 * patience :] if "train/loss" in epoch.metrics][-patience:]
    if len(reported) < patience or any(math.isfinite(epoch.metrics["train/loss"]) for epoch in reported):
        return None
    return message(
        "training loss is {loss} in {patience} consecutive reports, epochs {first} to {last}",
        **{"loss": reported[-1].metrics["train/loss"], "patience": patience},
        **{"first": reported[0].step, "last": reported[-1].step},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "{lower}, clip gradients, lengthen the warm-up, compute in float32 or bfloat16, raise the optimizer's epsilon",
        lower=levels.lower_rate(telemetry),
    )


def change(telemetry: Telemetry, facts: Facts) -> Mapping[str, Any]:
    return {"lr": {"times": 0.1}}
