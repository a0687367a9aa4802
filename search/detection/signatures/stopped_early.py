"""Stopped early: early stopping ends the training while it may still improve."""

from __future__ import annotations

from pitprop.detection import levels, reading
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/",)
KIND = "advice"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.25) -> Message | None:
    """Stopped before the end of the warm-up and a window of ``patience``, or within a standard error of the best too soon.

    Too soon is with a patience of less than ``share`` of the budget.
    """
    stop = facts.stopping
    values = telemetry.column(stop.metric).values if stop is not None else []
    if stop is None or not values:
        return None
    cut = stop.cut(telemetry)
    if cut is None or telemetry[cut - 1].step >= facts.budget:
        return None
    step, stride = telemetry[cut - 1].step, reading.stride(telemetry, facts)
    error = levels.error(telemetry, facts, stop.metric)
    early = step < reading.warmup(telemetry, facts) + stride * reading.window(telemetry, facts, patience)
    best = (max if stop.maximize else min)(values)
    near = abs(best - values[-1]) <= error and stride * stop.patience < share * facts.budget
    if not (early or near):
        return None
    why = message("before the warm-up and a window after it are over")
    if not early:
        why = message("within a standard error ({error:.2g}) of its best, {best:.4g}", error=error, best=best)
    return message(
        "early stopping (patience {patience}, min_delta {min_delta:g}) ends the training at epoch {step}, {why}",
        **{"patience": stop.patience, "min_delta": stop.min_delta, "step": step, "why": why},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    stop = facts.stopping
    error = levels.error(telemetry, facts, stop.metric) if stop else 0.0
    quarter = max(1, round(facts.budget / 4 / reading.stride(telemetry, facts)))
    patience = message("patience of at least a quarter of the budget ({count} validations)", count=quarter)
    if not error:
        return patience
    return message("{patience}, min_delta of about half a standard error ({half:.2g})", patience=patience, half=error / 2)
