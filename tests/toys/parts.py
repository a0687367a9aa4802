"""A trainer whose score is the sum of what its parameters do, of which one does nothing, and noise that only its seed decides."""

import random

from pitprop.telemetry import Epoch

PARAMS = {"level": 0.5, "kind": [1, 2], "depth": None}
REPORTS = ("score",)


def train(params, context):
    params = {**PARAMS, **params}
    draw = random.Random(f"{context.seed} {params}")
    score = params["level"] - (0.1 if params["kind"] == [3, 3] else 0.0) + draw.gauss(0.0, 0.01)
    for step in range(context.step + 1, context.epochs + 1):
        context.state = step
        yield Epoch(step, {"score": score - 0.1 / step})
