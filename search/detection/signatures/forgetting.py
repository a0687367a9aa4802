"""Forgetting: the objective falls below the checkpoint that training started from."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import branches, levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/",)
KIND = "advice"
ELSEWHERE = ""


def detect(
    telemetry: Telemetry, facts: Facts, *, patience: int = 1, points: float = 0.005, errors: float = 3.0
) -> Message | None:
    """The objective under the checkpoint's by ``points`` and ``errors`` standard errors in ``patience`` evaluations.

    Higher learning rates lose first and win later: 7 of 19 of the best fine-tunes were below at their first evaluation.
    """
    known, readings = facts.checkpoint.get(facts.metric), reading.recent(telemetry, facts.metric, patience)
    if known is None or len(readings) < patience:
        return None
    least = max(points * reading.reach(telemetry, facts), errors * levels.error(telemetry, facts, facts.metric))
    lost = min((known - value) * facts.sign for _, value in readings)
    drop = branches.Drop(facts.metric, known, readings[-1][1], reading.unit(telemetry, facts))
    return branches.sentence(drop, facts, telemetry[-1].step) if lost > least else None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    state = Advice(message("keep the optimizer's state, and do not restart the warm-up"))
    return advice.lower_rate(telemetry, facts, 1 / 3), state, Advice(message("use no stronger augmentation than before"))
