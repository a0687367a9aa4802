"""Non-finite parameter: a weight is NaN or infinite, and every output that depends on it will be."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.detection.signatures import non_finite
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("params/non_finite",)
KIND = "hard"
ELSEWHERE = "DeepLocalize, DeepDiagnosis, AUTOTRAINER, SageMaker"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1) -> Message | None:
    """Parameters that are not finite in the last ``patience`` reports: no optimizer brings one back."""
    column = telemetry.column("params/non_finite")
    if len(column.values) < patience or min(column.values[-patience:]) <= 0:
        return None
    count, step = column.values[-1], column.steps[-1]
    return message("{count:.0f} parameters are NaN or infinite at epoch {step}", count=count, step=step)


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    return non_finite.remedy(telemetry, facts)
