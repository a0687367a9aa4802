"""Metrics straight from a training script: ``import pitprop; pitprop.report(step, loss=0.3, **{"val/auc": 0.9})``.

In a search the trainer `pitprop.trainers.command` reads them from a file that an environment variable names; without that
variable nothing happens. Of several processes of one training (``RANK`` of torchrun and others) only the first writes.
"""

from __future__ import annotations

import json
import os
from typing import Any

PLACE = "PITPROP_REPORT"


def report(step: int, /, **metrics: Any) -> None:
    """Reports the metrics of the finished epoch ``step``, counted from 1, to the search that started this script.

    A metric is a number of any kind, or a tensor (array) of one number; NaN and infinity are values too, and None leaves the
    metric out. ``ValueError`` for anything else, but only in a search: a script that runs alone is never disturbed.
    """
    place = os.environ.get(PLACE)
    if place and os.environ.get("RANK", "0") == "0":
        from pitprop.telemetry import checked  # not needed by a script that runs alone

        epoch = checked(step, metrics, least=0)
        with open(place, "a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch.step, **epoch.metrics}) + "\n")
