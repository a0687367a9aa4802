"""Overfit: the validation loss has risen from its minimum while the training loss kept falling."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels, metrics, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("train/loss", "val/loss")
KIND = "advice"
BY_LOSS = True
ELSEWHERE = "SageMaker, UMLAUT, as a reason to stop"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, ratio: float = 1.1) -> Message | None:
    """Above ``ratio`` times its minimum in ``patience`` readings, with the training loss below what it was then.

    Never a reason to stop: as one (SageMaker's rule) it killed 263 of the 395 best runs of a public benchmark.
    """
    count = reading.window(telemetry, facts, patience)
    val, train = telemetry.column("val/loss"), telemetry.column("train/loss")
    if len(val.values) <= count or not train.values:
        return None
    low = min(val.values)
    if levels.above_chance(telemetry, facts, count) is False:
        return None  # it has not learned, or diverged
    if low <= 0 or min(val.values[-count:]) <= ratio * low:
        return None
    at = val.steps[val.values.index(low)]
    then = next((value for step, value in zip(train.steps, train.values, strict=True) if step >= at), train.values[-1])
    if not train.values[-1] < then or _diverged(telemetry, facts):
        return None
    return message(
        "validation loss {loss:.4g} at epoch {step}, its minimum was {low:.4g} at {at}; training loss fell from {then:.4g} to "
        "{now:.4g}",
        **{"loss": val.values[-1], "step": val.steps[-1], "low": low, "at": at, "then": then, "now": train.values[-1]},
    )


def _diverged(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether the score has lost half of what it had above its lowest, and a tenth of its scale: that is no lack of data."""
    values = telemetry.column(facts.metric).values
    if metrics.of(facts.metric).family == "loss" or not values:
        return False
    scores = [facts.sign * value for value in values]
    lost = max(scores) - scores[-1]
    return lost > 0.5 * (max(scores) - min(scores)) and lost > 0.1 * reading.reach(telemetry, facts)


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    held, data = Advice(message("more weight decay, dropout or label smoothing")), Advice(message("more data or augmentation"))
    return data, held, Advice(message("a shorter training"))
