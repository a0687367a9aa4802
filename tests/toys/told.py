"""A trainer that notes what it was asked for, and does the harm that its options tell it to."""

import json
import os
import signal
from pathlib import Path

from pitprop.telemetry import Epoch


def train(params, context):
    """Yields a score that rises by ``slope`` until the epoch ``top``, and then stays there."""
    name = Path(context.folder).name
    _note(context.options.get("notes"), [name, context.seed, context.step, params])
    slope, top = params.get("slope", 0.1), params.get("top", 6)
    for step in range(context.step + 1, context.epochs + 1):
        if [name, step] == context.options.get("interrupt"):
            _interrupt_once(Path(context.folder, "interrupted"))
        if context.options.get("bad") == name:
            raise ValueError("the data [of this trial]\nare bad")
        context.state = b"x" * context.options.get("ballast", 0)
        score = params.get("base", 0.0) + slope * min(step, top) + context.seed / 100
        if context.options.get("harm") == "nan":
            score = float("nan")
        if context.options.get("harm") != "nothing":
            columns = {f"val/column {index}": 0.5 for index in range(context.options.get("columns", 0))}
            loss = float("nan") if context.options.get("harm") == "loss" else 1 - score / 2
            yield Epoch(step, {"score": score, "val/loss": loss, **columns})


def _note(path, row):
    if path:
        with Path(path).open("a") as file:
            file.write(json.dumps(row) + "\n")


def _interrupt_once(marker):
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGINT)
