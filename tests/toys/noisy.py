"""A trainer whose score is its ``level``, and noise that only its seed decides."""

import random

from pitprop.telemetry import Epoch

PARAMS = {"level": 0.5, "noise": 0.01, "fails": None}
REPORTS = ("score", "val/loss", "val/labels/")


def train(params, context):
    params = {**PARAMS, **params}
    draw = random.Random(f"{context.seed} {params['level']}")
    shift = draw.gauss(0.0, params["noise"])
    for step in range(context.step + 1, context.epochs + 1):
        context.state = step
        score = params["level"] + shift - 0.1 / step if [context.seed, params["level"]] != params["fails"] else float("nan")
        yield Epoch(step, {"score": score, "val/loss": 1 - params["level"] / 2, "val/labels/0": 300.0, "val/labels/1": 100.0})
