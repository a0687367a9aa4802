"""What an MLflow run scored, to hold trials against: ``python -m pitprop.track.recall RUN_ID``."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from typing import Any

from pitprop.addresses import safe, sqlite_file
from pitprop.track.inquiry import ask


def recall(uri: str, run: str, best: Mapping[str, str] | None = None) -> Mapping[str, float]:
    """The latest finite value of each metric of the run with this id.

    ``best`` maps metrics to ``maximize`` or ``minimize``: of these it is the best value that the run ever logged.
    `UserError`, in a sentence, if there is no such run, or MLflow does not answer.
    """
    found: dict[str, float] = ask("recall", uri, run, json.dumps(dict(best or {})))["metrics"]
    return found


def main(uri: str, run: str, best: str = "{}") -> dict[str, Any]:
    """``metrics``, or ``error``."""
    shown = safe(uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return {"error": f"there is no MLflow store at {shown}: set MLFLOW_TRACKING_URI to the one that has run {run!r}"}
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(uri)
        found = dict(client.get_run(run).data.metrics)
        for name, goal in json.loads(best).items():
            values = [m.value for m in client.get_metric_history(run, name) if math.isfinite(m.value)]
            if values:
                found[name] = max(values) if goal == "maximize" else min(values)
    except MlflowException as error:
        if error.get_http_status_code() in (400, 404):  # type: ignore[no-untyped-call]
            how = "copy the run id from the run's page, or correct MLFLOW_TRACKING_URI"
            return {"error": f"MLflow at {shown} has no run {run!r}: {how}"}
        return {"error": f"MLflow at {shown} does not answer: start it, or correct MLFLOW_TRACKING_URI"}
    return {"metrics": {name: value for name, value in found.items() if math.isfinite(value)}}


if __name__ == "__main__":
    print(json.dumps(main(os.environ["MLFLOW_TRACKING_URI"], *sys.argv[1:])))
