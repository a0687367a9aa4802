"""A trainer of lanes that is best at an epoch of its parameters, and gets worse from there; its state is that epoch's score."""

import math

from pitprop.telemetry import Epoch

PARAMS = {"peak": 2}
WIDTH = 8


def train_lanes(lanes, context):
    """Scores 1 at the peak and less by 0.1 for each epoch from there; NaN at the first epoch where the peak is 0."""
    living = [(start, start.step) for start in lanes]
    while living:
        living = [(start, step + 1) for start, step in living]
        scores = [_score(step, start.params["peak"]) for start, step in living]
        context.state = {"score": scores}
        pairs = zip(living, scores, strict=True)
        change = yield {start.lane: Epoch(step, {"val/macro_f1": score, "val/loss": -score}) for (start, step), score in pairs}
        living = [one for one in living if one[0].lane not in change.stopped]
        living += [(start, start.step) for start in change.started]


def _score(step, peak):
    return math.nan if peak == 0 and step == 1 else 1 - 0.1 * abs(step - peak)
