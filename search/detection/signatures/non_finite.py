"""Non-finite loss: the validation loss is NaN or infinite, or the training loss is so in several reports running."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pitprop.detection.facts import Facts
from pitprop.telemetry import Epoch, Telemetry

READS = ("val/loss or train/loss",)
KIND = "hard"
ELSEWHERE = "Keras TerminateOnNaN, Lightning, SageMaker, AUTOTRAINER, DeepDiagnosis"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 2) -> str | None:
    """At once for the validation loss; ``patience`` reports for the training loss, where one bad step is normal under AMP."""
    if not telemetry:
        return None
    last = telemetry[-1]
    if not math.isfinite(loss := last.metrics.get("val/loss", 0.0)):
        return f"validation loss is {loss} at epoch {last.step}"
    reported = [epoch for epoch in telemetry[-3 * patience :] if "train/loss" in epoch.metrics][-patience:]
    if len(reported) < patience or any(math.isfinite(epoch.metrics["train/loss"]) for epoch in reported):
        return None
    return f"training loss is {reported[-1].metrics['train/loss']} in {patience} reports running, epochs {_span(reported)}"


def _span(epochs: Sequence[Epoch]) -> str:
    return f"{epochs[0].step} to {epochs[-1].step}"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    rate = telemetry[-1].metrics.get("lr", math.nan) if telemetry else math.nan
    lower = f"lower the learning rate from {rate:.2g} to {rate / 10:.2g}" if rate > 0 else "lower the learning rate tenfold"
    return f"{lower}, clip gradients, lengthen the warm-up, compute in float32 or bfloat16, raise the optimizer's epsilon"


def change(telemetry: Telemetry, facts: Facts) -> Mapping[str, Any]:
    return {"lr": {"times": 0.1}}
