"""Branch drop: one branch of the model scores below the checkpoint that training started from."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import branches
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message
from pitprop.telemetry import Telemetry

READS = ("val/*/*",)
KIND = "advice"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, points: float = 0.03, errors: float = 3.0) -> Message | None:
    """A branch's metric under its checkpoint by ``points`` and ``errors`` standard errors in ``patience`` evaluations.

    Only a warning: 80 % of runs that drop by 2 to 5 points regain the checkpoint, 50 % after 5 to 20, 15 % after more.
    """
    drops = branches.drops(telemetry, facts, patience, points, errors)
    return branches.sentence(drops[0], facts, telemetry[-1].step) if drops else None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    return branches.remedy(telemetry, facts)
