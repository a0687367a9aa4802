"""Branch collapse: one branch scores far below the checkpoint that training started from, and does not recover."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import branches
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/*/*",)
KIND = "soft"
ELSEWHERE = ""
DESPITE = ("loss_falling", "loss_accelerating", "ranking", "logits_spreading", "probabilities_spreading", "score_rising")


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, points: float = 0.2) -> Message | None:
    """More than ``points`` below in ``patience`` evaluations, and no nearer at their end: 15 % of such runs ever recover."""
    for drop in branches.drops(telemetry, facts, patience, points, 3.0):
        values = telemetry.column(drop.metric).values[-patience:]
        if not branches.recovering(values, facts):
            said = branches.sentence(drop, facts, telemetry[-1].step)
            return message("{drop}, for {patience} epochs", drop=said, patience=patience)
    return None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    return branches.remedy(telemetry, facts)
