"""A trainer with objectives that pull in opposite directions: more weight lifts the score and slows the model down."""

from pitprop.telemetry import Epoch

PARAMS = {"weight": 0.5, "noise": 0.0, "dead": False}
REPORTS = ("val/score", "val/cost", "size", "val/loss", "val/predicted/", "val/labels/")


def train(params, context):
    """Yields a score that peaks at epoch 3 and a cost that rises with every epoch; ``size`` is reported once."""
    params = {**PARAMS, **params}
    weight = params["weight"] + 0.01 * (context.seed % 7)
    for step in range(context.step + 1, context.epochs + 1):
        context.state = True
        score = weight - 0.1 * abs(step - 3)
        counts = {"val/predicted/0": 100.0 if params["dead"] and step > 2 else 60.0, "val/labels/0": 70.0, "val/labels/1": 30.0}
        counts["val/predicted/1"] = 100.0 - counts["val/predicted/0"]
        loss = 0.6109 if params["dead"] and step > 2 else 1 / (1 + step)
        once = {"size": 10.0 * params["weight"]} if step == 1 else {}
        yield Epoch(step, {"val/score": score, "val/cost": weight + step, "val/loss": loss, **counts, **once})
