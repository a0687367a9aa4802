"""A trainer that predicts one class only until it wakes, at a share of its budget, and then is the better the later it woke."""

import math
import os
import random
import signal
from pathlib import Path

from pitprop.telemetry import Epoch

PARAMS = {"wakes": 0.6, "fault": None, "at": 14}
REPORTS = ("val/macro_f1", "val/loss", "val/auc", "val/predicted/", "val/labels/", "carried", "lr")
LABELS = {"val/labels/0": 70.0, "val/labels/1": 30.0}


def train(params, context):
    """``carried`` is a sum over all epochs that only the state holds; ``fault`` breaks the training at the epoch ``at``."""
    params, carried = {**PARAMS, **params}, context.state or 0.0
    for step in range(context.step + 1, context.epochs + 1):
        if params["fault"] == "raise" and step == params["at"]:
            raise RuntimeError("it was not worth waking up for")
        if params["fault"] == "interrupt" and step == params["at"] and params["wakes"] < 1:
            _interrupt_once(Path(context.folder, "interrupted"))
        carried += random.Random(f"{context.seed} {step}").random()
        context.state = carried
        awake = step - params["wakes"] * context.epochs
        metrics = _awake(params["wakes"], awake) if awake > 0 else _asleep(params["wakes"])
        if params["fault"] == "nan" and step == params["at"]:
            metrics["val/loss"] = math.nan
        yield Epoch(step, {**metrics, **LABELS, "carried": carried, "lr": 0.1})


def _interrupt_once(marker):
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGINT)


def _awake(wakes, epochs):
    score = 0.5 + 0.4 * min(wakes, 1.0) + 0.05 * (1 - math.exp(-epochs))
    return {
        "val/macro_f1": score,
        "val/loss": 0.6 - 0.5 * score,
        "val/auc": 0.5 + score / 2,
        "val/predicted/0": 65.0,
        "val/predicted/1": 35.0,
    }


def _asleep(wakes):
    """Dead to see, but for an AUC that hints at those which will wake."""
    hint = 0.52 if wakes < 1 else 0.5
    return {"val/macro_f1": 0.7 / 1.7, "val/loss": 0.6109, "val/auc": hint, "val/predicted/0": 100.0, "val/predicted/1": 0.0}
