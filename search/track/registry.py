"""A trial as a version of a registered model: ``python -m pitprop.track.registry EXPERIMENT NAME RECORD EXPORT``.

A version is a folder of the trial's run: its parameters, its curve, and its checkpoints, which are pitprop's own
(`pitprop.workers.checkpoint`): what the trainer set as its state after the best epoch and after the last. How to make a model of
that, the trainer knows.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pitprop.addresses import safe
from pitprop.study import record as row
from pitprop.study.record import Record
from pitprop.track.inquiry import ask
from pitprop.workers import checkpoint

FOLDER = "model"
"""The folder among a run's artifacts."""


def register(uri: str, experiment: str, record: Record, name: str, export: str) -> str:
    """Makes the trial a version of the model ``name``, which is made if need be, and tells which, in a sentence.

    A trial that is a version of it already stays that one. Its run has to be in the ``experiment``; ``export`` is the command
    line that brings it there. `UserError`, in a sentence, if MLflow lacks it or does not answer.
    """
    return str(ask("registry", uri, experiment, name, row.dumps(record), export)["said"])


def main(uri: str, experiment: str, name: str, line: str, export: str) -> dict[str, str]:
    """``said``, or ``error``."""
    from mlflow.exceptions import MlflowException

    try:
        return _register(uri, experiment, name, row.loads(line), export)
    except MlflowException as error:
        return {"error": f"MLflow at {safe(uri)} did not register the model: {str(error).splitlines()[0]}"}


def _register(uri: str, experiment: str, name: str, record: Record, export: str) -> dict[str, str]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(uri, uri)
    run = _run(client, experiment, record)
    if run is None:
        return {"error": f"trial {record.number} of {experiment} is not in MLflow yet; export it first: {export}"}
    with tempfile.TemporaryDirectory() as scratch:
        held = write(Path(scratch), record, experiment)
        try:
            client.create_registered_model(name, description=f"Trials of the pitprop study {experiment}.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        versions = client.search_model_versions(f"name='{name}'")
        if there := [v for v in versions if v.run_id == run.info.run_id]:
            return {"said": f"trial {record.number} is version {there[0].version} of the model {name} already"}
        client.log_artifacts(run.info.run_id, scratch, FOLDER)
    tags = {"pitprop.study": experiment, "pitprop.trial": str(record.number), "pitprop.holds": held}
    source = f"{run.info.artifact_uri}/{FOLDER}"
    version = client.create_model_version(name, source, run.info.run_id, tags, description=_description(record, experiment, held))
    return {"said": f"trial {record.number} is version {version.version} of the model {name} in MLflow: {held}"}


def _run(client: Any, experiment: str, record: Record) -> Any:
    """The trial's run; its start tells it from one of another study of that name."""
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], f"tags.`pitprop.trial` = '{record.number}'") if found else []
    return next((run for run in runs if abs(run.info.start_time - record.started * 1000) < 1000), None)


def write(folder: Path, record: Record, study: str) -> str:
    """Fills ``folder`` with what there is of the trial; what that is, in words."""
    home = Path(record.folder)
    kinds = {"best": _copied(folder, home, "best"), "last": _copied(folder, home, "ckpt")}
    for path in sorted(home.glob("telemetry*.jsonl")):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "params.yaml").write_text(yaml.safe_dump(_nested(record.params), sort_keys=False, allow_unicode=True))
    # the least of an MLmodel file, without a flavour that would promise that MLflow can load it
    card = {"artifact_path": FOLDER, "flavors": {}, "metadata": {"pitprop": {"study": study, "trial": record.number}}}
    (folder / "MLmodel").write_text(yaml.safe_dump(card))
    if not any(kinds.values()):
        return "its parameters and curve; no checkpoint of it was kept, so train it again to have a model"
    kept = [f"after epoch {', '.join(map(str, steps))}, its {what}" for what, steps in kinds.items() if steps]
    return f"its parameters, its curve, and the state of the trainer {', and '.join(kept)}"


def _copied(folder: Path, home: Path, kind: str) -> list[int]:
    """Copies the checkpoints of a kind; their epochs, one for each seed."""
    paths = sorted(home.glob(f"replica-*.{kind}"))
    for path in paths:
        with checkpoint.whole(path) as source, (folder / path.name).open("wb") as target:
            shutil.copyfileobj(source, target)
    return [epoch.step for path in paths for epoch in checkpoint.epochs(path).values()]


def _nested(params: Mapping[str, Any]) -> dict[str, Any]:
    from pitprop.space import nested

    return dict(nested(params))


def _description(record: Record, study: str, held: str) -> str:
    score = f", objective {record.values[0]:.4f}" if record.values else ""
    load = "`pitprop.workers.checkpoint.load(path, Lane(trial, seed))` reads a `.best` or `.ckpt` file, and runs no code."
    return f"Trial {record.number} of {study}{score}. It holds {held}.\n\n{load}"


if __name__ == "__main__":
    print(json.dumps(main(os.environ["MLFLOW_TRACKING_URI"], *sys.argv[1:])))
