"""Stalled: no epoch has been reported for far longer than epochs take."""

from __future__ import annotations

from statistics import median

from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("seconds",)
KIND = "hard"
ELSEWHERE = "SageMaker (StalledTrainingRule)"


def detect(
    telemetry: Telemetry, facts: Facts, *, patience: int = 1, least: float = 1800.0, ratio: float = 10.0
) -> Message | None:
    """Silence of ``least`` seconds and ``ratio`` times the median epoch, of which ``patience`` have been seen.

    How long it has been silent is a fact that whoever watches the clock gives. A search does not ask this: a trial that says
    nothing for the space's ``stall`` fails there, with that as its error.
    """
    times = telemetry.column("seconds").values
    if len(times) < patience or not facts.silence > max(least, ratio * median(times)):
        return None
    return message(
        "nothing for {silence:.0f} s after epoch {step}, epochs take {epoch:.3g} s",
        **{"silence": facts.silence, "step": telemetry[-1].step, "epoch": median(times)},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("look at the data loader's workers, a full disk, a lost GPU, a barrier that one process never reaches")
