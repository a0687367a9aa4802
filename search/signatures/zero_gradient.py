"""Zero gradient: nothing can learn, because no parameter receives a gradient."""

from __future__ import annotations

import math

from search import levels
from search.facts import Facts
from search.telemetry import Telemetry

READS = ("grad_norm",)
ACTION = "prune"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 3) -> str | None:
    """Gradient norm exactly 0 in ``patience`` reports, or no parameter that ever had a gradient.

    A training whose score stands above chance has learned and may have reached a loss of 0.
    """
    if not telemetry or levels.above_chance(telemetry, facts, 1):
        return None
    last = telemetry[-1]
    for name, what in (("params/trainable", "may learn"), ("params/with_grad", "has received a gradient")):
        if last.metrics.get(name) == 0 and all(epoch.metrics.get(name, 0) == 0 for epoch in telemetry):
            return f"no parameter {what} up to epoch {last.step} ({name} is 0)"
    for name, what in (
        ("grad_norm", "the gradient norm is"),
        ("params/with_grad", "the number of parameters with a gradient is"),
    ):
        norms = [epoch.metrics.get(name, math.nan) for epoch in telemetry[-patience:]]
        if len(norms) == patience and not any(norm != 0 for norm in norms):
            return f"{what} exactly 0 at epochs {telemetry[-patience].step} to {last.step}"
    return None


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    return (
        "unfreeze at least one part that learns, check that the loss depends on the parameters (detach, no_grad, a gate that "
        "is never open), lower the learning rate if units died, scale the loss if gradients underflow"
    )
