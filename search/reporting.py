"""Metrics straight from a training script: ``from pitprop.reporting import report; report(step, loss=0.3, **{"val/auc": 0.9})``.

Under a search the trainer `pitprop.trainers.command` reads them from a file that an environment variable names; without one,
nothing happens. Of several processes of one training (``RANK`` of torchrun and others) the first alone writes.
"""

from __future__ import annotations

import json
import os
from typing import SupportsFloat

PLACE = "PITPROP_REPORT"


def report(step: int, /, **metrics: SupportsFloat) -> None:
    """Adds one line for the finished epoch ``step``, counted from 1; a tensor of one number will do, and NaN is a value."""
    place = os.environ.get(PLACE)
    if place and os.environ.get("RANK", "0") == "0":
        line = json.dumps({"epoch": step, **{name: float(value) for name, value in metrics.items()}})
        with open(place, "a", encoding="utf-8") as file:
            file.write(line + "\n")
