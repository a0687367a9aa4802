"""The checks of a preflight: pure functions of what a trainer measured before any training.

A finding stops a search if no value of a hyperparameter mends it, and else warns. Every reason quotes what was measured.
"""

from __future__ import annotations

import math

from pitprop.detection.facts import Facts
from pitprop.driver.preflight.data import batches, files, inputs, labels
from pitprop.driver.preflight.finding import Finding
from pitprop.driver.preflight.model import checkpoint, parameters, start
from pitprop.telemetry import Epoch


def judge(epoch: Epoch, facts: Facts) -> list[Finding]:
    """What every check finds in the epoch of step 0, in the order of a training: data, batches, model, scores.

    Where a count is NaN nothing is known; a score that is NaN is known to be none.
    """
    known = {name: value for name, value in epoch.metrics.items() if name.startswith("start/") or math.isfinite(value)}
    checks = (files, inputs, labels, batches, parameters, start, checkpoint)
    return [check(Epoch(epoch.step, known), facts) for check in checks]
