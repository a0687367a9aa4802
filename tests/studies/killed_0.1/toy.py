"""Fixture trainer: a curve by formula, the same that trained the study beside it with version 0.1 until that was killed."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pitprop.telemetry import Epoch
from pitprop.trainer import Context

PARAMS = {"speed": 0.3, "dead": False}
REPORTS = ("val/macro_f1", "val/loss", "val/predicted/", "val/labels/")


def train(params: Mapping[str, Any], context: Context) -> Iterator[Epoch]:
    total = context.state or 0.0
    for step in range(context.step + 1, context.epochs + 1):
        total += math.exp(-params["speed"] * step)
        context.state = total
        score = 0.4118 if params["dead"] else 0.44 + 0.5 * total / (1 + total)
        ones = 0.0 if params["dead"] else 40.0
        metrics = {"val/macro_f1": score, "val/loss": 0.6109 if params["dead"] else 1 / (1 + total)}
        metrics |= {"val/predicted/0": 100.0 - ones, "val/predicted/1": ones, "val/labels/0": 70.0, "val/labels/1": 30.0}
        yield Epoch(step, metrics)
