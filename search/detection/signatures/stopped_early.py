"""Stopped early: early stopping ends the training where it may well have gone on to improve."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.telemetry import Telemetry, series

READS = ("val/",)
KIND = "advice"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.25) -> str | None:
    """Stopped before warm-up and a window of ``patience`` were over, or within a standard error of the best too soon.

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
    why = (
        "before the warm-up and a window after it are over"
        if early
        else f"within a standard error ({error:.2g}) of its best, {best:.4g}"
    )
    return f"early stopping (patience {stop.patience}, min_delta {stop.min_delta:g}) ends it at epoch {step}, {why}"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    stop = facts.stopping
    error = levels.error(telemetry, facts, stop.metric) if stop else 0.0
    least = f", min_delta of about half a standard error ({error / 2:.2g})" if error else ""
    return f"patience of at least a quarter of the budget ({max(1, round(facts.budget / 4))} epochs){least}"
