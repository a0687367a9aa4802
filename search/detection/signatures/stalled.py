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

    How long it has been silent is given in the facts, by whoever watches the clock. A search does not use this: a trial that
    reports nothing for the space's ``stall`` fails, with that as its error.
    """
    times = telemetry.column("seconds").values
    if len(times) < patience or not facts.silence > max(least, ratio * median(times)):
        return None
    return message(
        "no report for {silence:.0f} s after epoch {step}; an epoch takes {epoch:.3g} s",
        **{"silence": facts.silence, "step": telemetry[-1].step, "epoch": median(times)},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("check the data loader's workers, the free disk space, the GPU, and barriers that one process never reaches")
