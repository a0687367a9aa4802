"""Frozen metric: the score is identical to the last bit while loss and predictions change, so it is computed wrongly."""

from __future__ import annotations

from pitprop.detection import predictions, reading
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

READS = ("val/predicted/", "val/loss or train/loss")
KIND = "advice"
ELSEWHERE = "SageMaker (UnchangedTensor)"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 10) -> Message | None:
    """The objective within 1e-9 in ``patience`` reports, with other prediction counts in each and a loss that moves by 0.1 %.

    A model that predicts one class for all samples, but not always the same one, correctly has a constant balanced accuracy.
    """
    count = reading.window(telemetry, facts, patience)
    window = telemetry[-count:]
    scores = reading.recent(telemetry, facts.metric, count)
    if len(window) < count or len(scores) < count or scores[0][0] != window[0].step:
        return None
    values = [value for _, value in scores]
    if max(values) - min(values) > 1e-9:
        return None
    counts = set(telemetry.each(_counts)[-count:])
    losses = (telemetry.column("val/loss").values or telemetry.column("train/loss").values)[-count:]
    moves = bool(losses) and max(losses) - min(losses) > 1e-3 * abs(max(losses))
    if len(counts) < max(2, count // 2) or not moves or predictions.constant(telemetry, facts, count) is not None:
        return None
    return message(
        "{metric} is {value!r} in each of epochs {first}-{last} while predictions and loss change",
        **{"metric": facts.metric, "value": values[-1], "first": window[0].step, "last": window[-1].step},
    )


def _counts(epoch: Epoch) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(columns(epoch, "val/predicted/").items()))


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("check the evaluation: stale predictions, a metric that is never reset, labels compared with themselves")
