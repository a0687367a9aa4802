"""Tiny steps: a step is so small relative to the weights that float32 hardly represents it."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("update_ratio",)
KIND = "advice"
ELSEWHERE = "SageMaker (VanishingGradient, 1e-7 on gradients), TheDeepChecker"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, ratio: float = 1e-7) -> Message | None:
    """Step norm over weight norm below ``ratio``, the precision of float32, in ``patience`` readings after the warm-up.

    Only while the learning rate is above a tenth of its peak: the end of a cosine schedule is intended to be small.
    """
    readings, rates = reading.recent(telemetry, "update_ratio", patience), telemetry.column("lr").values
    if len(readings) < patience or not max(value for _, value in readings) < ratio:
        return None
    if readings[0][0] <= reading.warmup(telemetry, facts) or (rates and rates[-1] < 0.1 * max(rates)):
        return None
    return message(
        "steps are {ratio:.1g} of the weights' norm in epochs {first}-{last}",
        **{"ratio": readings[-1][1], "first": readings[0][0], "last": readings[-1][0]},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    return advice.raise_rate(telemetry, facts), Advice(message("check the weight decay, and what is frozen"))
