"""A trainer that computes its curve: quick, exact, and as dead as it is told to be."""

import json
import math
import os
import signal
from pathlib import Path

from pitprop.telemetry import Epoch

PARAMS = {"speed": 0.3, "dead": False, "fault": None, "x": 0.0}
OPTIONS = {"marker": None, "at": [2, 3], "victim": "worker"}
REPORTS = ("val/macro_f1", "val/loss", "val/predicted/", "val/labels/", "val/auc", "lr")


def train(params, context):
    """Yields a saturating curve, or that of a constant predictor; ``fault`` breaks it at epoch 3."""
    params, total = {**PARAMS, **params}, context.state or 0.0
    for step in range(context.step + 1, context.epochs + 1):
        if params["fault"] == "raise" and step == 3:
            raise RuntimeError("the learning rate is a lemon")
        if params["fault"] == "nothing":
            return
        _kill(context, step)
        total += math.exp(-params["speed"] * step)
        context.state = total
        yield Epoch(step, _dead() if params["dead"] else _alive(total, params, step))


def _kill(context, step):
    """Kills or hangs the worker, or kills its driver, once: in the trial and epoch of the option ``at``."""
    marker, (trial, epoch) = context.options.get("marker"), context.options.get("at", (2, 3))
    if marker and step == epoch and Path(context.folder).name == f"{trial:04d}" and not Path(marker).exists():
        Path(marker).write_text(str(os.getpid()))
        victim = context.options.get("victim", "worker")
        if victim == "hang":
            signal.pause()
        lock = Path(context.folder).parents[2] / "study.db.toy.lock"
        os.kill(json.loads(lock.read_text())["pid"] if victim == "driver" else os.getpid(), signal.SIGKILL)
        signal.pause()


def _alive(total, params, step):
    score = 0.44 + 0.5 * (1 - math.exp(-params["speed"] * step)) * total / (1 + total)
    if params["fault"] == "nan":
        score = math.nan
    counts = {"val/predicted/0": 60.0, "val/predicted/1": 40.0, "val/labels/0": 70.0, "val/labels/1": 30.0}
    return {"val/macro_f1": score, "val/loss": 1 / (1 + total), "val/auc": 0.5 + score / 2, "lr": 0.1, **counts}


def _dead():
    counts = {"val/predicted/0": 100.0, "val/predicted/1": 0.0, "val/labels/0": 70.0, "val/labels/1": 30.0}
    return {"val/macro_f1": 0.5 * 2 * 0.7 / 1.7, "val/loss": 0.6109, "val/auc": 0.5, "lr": 0.1, **counts}
