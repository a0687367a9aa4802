"""Stalled: no epoch has been reported for far longer than epochs take."""

from __future__ import annotations

from statistics import median

from pitprop.detection.facts import Facts
from pitprop.telemetry import Telemetry

READS = ("seconds",)
KIND = "hard"
ELSEWHERE = "SageMaker (StalledTrainingRule)"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, least: float = 1800.0, ratio: float = 10.0) -> str | None:
    """Silence of ``least`` seconds and ``ratio`` times the median epoch, of which ``patience`` have been seen.

    How long it has been silent is a fact that whoever watches the clock gives. A search does not ask this: a trial that says
    nothing for the space's ``stall`` fails there, with that as its error.
    """
    times = telemetry.column("seconds").values
    if len(times) < patience or not facts.silence > max(least, ratio * median(times)):
        return None
    return f"nothing for {facts.silence:.0f} s after epoch {telemetry[-1].step}, epochs take {median(times):.3g} s"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    return "look at the data loader's workers, a full disk, a lost GPU, a barrier that one process never reaches"
