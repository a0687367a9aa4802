"""Stopped early: early stopping ends the training while it may still improve."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry, series

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
    step = stop.stops_at(series(telemetry, stop.metric))
    if step is None or step >= facts.budget:
        return None
    error = levels.error(telemetry, facts, stop.metric)
    early = step < levels.warmup(telemetry, facts) + levels.window(facts, patience)
    best = (max if stop.maximize else min)(values)
    near = abs(best - values[-1]) <= error and stop.patience < share * facts.budget
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
    patience = message("patience of at least a quarter of the budget ({count} epochs)", count=max(1, round(facts.budget / 4)))
    if not error:
        return patience
    return message("{patience}, min_delta of about half a standard error ({half:.2g})", patience=patience, half=error / 2)
