"""Fetch the runs of a tracking server, for `pitprop.logs` to read."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from pitprop.errors import UserError
from pitprop.messages import _

MOST = 200
"""Runs of a server that are fetched, the newest."""
ADDRESS = re.compile(r"(?P<server>https?://[^#?]+?)/?(?:#.*)?$")


def fetched(address: str, folder: Path) -> Path:
    """The runs at ``address``, written to ``folder`` as MLflow's file store has them.

    ``address`` is that of a server, or what a browser shows of an experiment or a run there. `UserError` if it does not answer.
    """
    for name, value in (("MAX_RETRIES", "1"), ("TIMEOUT", "20")):
        os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    match = ADDRESS.match(address)
    server = re.sub(r"/#.*", "", match["server"]) if match else address
    client = MlflowClient(tracking_uri=server)
    experiment, run = (re.search(rf"/{kind}/(\w+)", address) for kind in ("experiments", "runs"))
    try:
        if run:
            runs = [client.get_run(run[1])]
        else:
            known = [experiment[1]] if experiment else [one.experiment_id for one in client.search_experiments()]
            runs = list(client.search_runs(known, max_results=MOST))
        for one in runs:
            home = folder / re.sub(r"[^\w.\-]+", "_", f"{one.info.run_name}-{one.info.run_id[:6]}").lstrip("._")
            _write(home / "meta.yaml", f"run_id: {one.info.run_id}\n")
            for key, value in one.data.params.items():
                _write(_inside(home / "params", key), value)
            for key in one.data.metrics:
                lines = (f"{m.timestamp} {m.value} {m.step}\n" for m in client.get_metric_history(one.info.run_id, key))
                _write(_inside(home / "metrics", key), "".join(lines))
    except MlflowException as error:
        why = "it does not answer" if "Max retries" in str(error) else str(error).splitlines()[0][:200]
        raise UserError(
            _("no runs can be read from {address}: {why}; is it the address of an MLflow server?").format(
                address=address, why=why
            )
        ) from error
    if not runs:
        raise UserError(_("there is no run at {address}").format(address=address))
    return folder


def _inside(home: Path, key: str) -> Path:
    """The file of a metric or a parameter, within ``home`` whatever the server calls it."""
    return home.joinpath(*(part for part in PurePosixPath(key).parts if part not in ("..", "/")))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
