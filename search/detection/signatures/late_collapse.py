"""Late collapse: the training had learned, and has fallen back to chance and stayed there."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/",)
KIND = "soft"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, windows: int = 3, learned: float = 0.1) -> Message | None:
    """Once above chance by ``learned`` of what lies above it, and at chance in the last ``windows`` windows of ``patience``.

    What the trial reached before still counts. A cyclic learning rate may also cause it, and recover.
    """
    count = windows * reading.window(telemetry, facts, patience)
    column, limit = telemetry.column(facts.metric), levels.bound(telemetry, facts, learned)
    if limit is None or len(column.values) <= count or levels.above_chance(telemetry, facts, count) is not False:
        return None
    sign = facts.sign
    best = max(column.values[:-count], key=lambda value: sign * value)
    if sign * best <= sign * limit:
        return None
    at, since = column.steps[column.values.index(best)], column.steps[-count]
    return message(
        "{metric} was {best:.4g} at epoch {at} and is at chance since epoch {since} ({now:.4g} at epoch {step})",
        **{"metric": facts.metric, "best": best, "at": at, "since": since, "now": column.values[-1], "step": column.steps[-1]},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    sooner = Advice(
        message("lower the learning rate or let it decay sooner; the trial keeps its best epoch"), moves="lr-", sure=True
    )
    kept = sooner if advice.lower_rate(telemetry, facts) else None
    return advice.clip(facts), kept, Advice(message("add weight decay"), moves="weight_decay+")
