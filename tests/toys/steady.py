"""A trainer whose curve depends on its parameters alone, and whose epochs take a while: something to be disturbed."""

import math
import time

from pitprop import Epoch

PARAMS = {"speed": 0.3, "dead": False}
OPTIONS = {"pause": 0.05}
REPORTS = ("val/macro_f1", "val/loss", "val/predicted/", "val/labels/")


def train(params, context):
    total = context.state or 0.0
    for step in range(context.step + 1, context.epochs + 1):
        time.sleep(context.options.get("pause", OPTIONS["pause"]))
        total += math.exp(-params["speed"] * step)
        context.state = total
        one = 0.0 if params["dead"] else 30 * total / (1 + total)
        counts = {"val/predicted/0": 100 - one, "val/predicted/1": one, "val/labels/0": 70.0, "val/labels/1": 30.0}
        score = 0.41 if params["dead"] else 0.44 + 0.5 * total / (1 + total)
        yield Epoch(step, {"val/macro_f1": score, "val/loss": 0.61 if params["dead"] else 1 / (1 + total), **counts})
