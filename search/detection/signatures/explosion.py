"""Explosion: the validation loss stands far above its start and above chance, and does not come back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pitprop.detection import levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/loss",)
KIND = "soft"
GRACE = 0.1  # an exploded loss recovers less often than a run at chance, so this waits less; never less than the warm-up
BY_LOSS = True
SOON = True
ELSEWHERE = "AUTOTRAINER (a loss of 1,000), the deep learning tuning playbook"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 6, ratio: float = 5.0) -> Message | None:
    """``patience`` readings at more than ``ratio`` times the larger of the first loss and the chance loss.

    A loss that fell by a tenth over them is recovering: runs went from 31 to among the best. So is one whose score is
    above chance, however large its loss; where chance is not known, the training loss has to explode as well.
    """
    patience = reading.fewer(telemetry, facts, patience)
    losses = reading.recent(telemetry, "val/loss", patience)
    if len(losses) < patience or not math.isfinite(telemetry[-1].metrics.get("val/loss", math.nan)):
        return None
    start = _start(telemetry, facts, "val/loss")
    (since, first), (step, last) = losses[0], losses[-1]
    if min(value for _, value in losses) <= ratio * start or last < 0.9 * first or _fell(losses):
        return None
    above = levels.above_chance(telemetry, facts, patience)
    if above or (above is None and not _training_too(telemetry, facts, patience, ratio)):
        return None
    return message(
        "validation loss {loss:.4g} at epoch {step}, more than {ratio:g} times {start:.4g} (the larger of its first value and "
        "chance) since epoch {since} and not falling",
        **{"loss": last, "step": step, "ratio": ratio, "start": start, "since": since},
    )


def _start(telemetry: Telemetry, facts: Facts, name: str) -> float:
    """The larger of the first finite reading and the chance loss."""
    first = next((v for e in telemetry if math.isfinite(v := e.metrics.get(name, math.nan))), math.inf)
    return max(abs(first), levels.loss(telemetry, facts) or 0.0)


def _fell(losses: list[tuple[int, float]]) -> bool:
    """Whether the later half of the readings lies a tenth below the earlier half."""
    values, half = [value for _, value in losses], len(losses) // 2
    return sum(values[-half:]) < 0.9 * sum(values[:half])


def _training_too(telemetry: Telemetry, facts: Facts, patience: int, ratio: float) -> bool:
    losses = reading.recent(telemetry, "train/loss", patience)
    return len(losses) == patience and min(v for _, v in losses) > ratio * _start(telemetry, facts, "train/loss")


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    scale = Advice(message("check the scale of the initial weights"))
    return advice.lower_rate(telemetry, facts), advice.clip(facts), advice.warm_up(facts), scale
