"""Asking MLflow from outside the search: a run's numbers, and a trial as a registered model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pitprop.errors import UserError
from pitprop.telemetry import Epoch
from pitprop.track import ENVIRONMENT
from pitprop.track.recall import recall
from pitprop.track.registry import register
from pitprop.trainer import Lane
from pitprop.workers import checkpoint
from test_track import CARD, closed_port, export, runs, trial

os.environ.update(ENVIRONMENT)
EXPORT = "pitprop export sorter"


def test_a_run_is_recalled_by_its_latest_or_its_best_values(uri: str, tmp_path: Path) -> None:
    export(uri, tmp_path, [trial(tmp_path, 0, value=0.3)])
    run = runs(uri)["0"].info.run_id
    found = recall(uri, run, {"val/loss": "maximize"})
    assert found["val/macro_f1"] == 0.3
    assert found["val/loss"] == 1.0


def test_a_run_that_cannot_be_had_is_told_in_a_sentence(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no run 'nothere': copy the run id"):
        recall(uri, "nothere")
    with pytest.raises(UserError, match="there is no MLflow store at"):
        recall(f"sqlite:///{tmp_path}/none.db", "nothere")
    with pytest.raises(UserError, match=r"does not answer: start it") as told:
        recall(f"http://user:secret@127.0.0.1:{closed_port()}", "nothere")
    assert "secret" not in str(told.value)


@pytest.mark.slow
def test_a_registered_trial_holds_what_was_kept_of_it_and_is_registered_once(uri: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    records = [trial(tmp_path, 0), trial(tmp_path, 1)]
    for name, step in (("replica-0.best", 2), ("replica-0.ckpt", 3)):
        checkpoint.write(Path(records[1].folder) / name, {Lane(1, 0): Epoch(step, {})}, {"w": [1.0]}, stacked=False)
    export(uri, tmp_path, records)
    bare, full = (register(uri, CARD.name, record, "sorter", EXPORT) for record in records)
    assert bare.startswith("trial 0 is version 1 of the model sorter in MLflow: its parameters and curve; no checkpoint")
    assert full.endswith("the state of the trainer after epoch 2, its best, and after epoch 3, its last")
    assert register(uri, CARD.name, records[1], "sorter", EXPORT).endswith("version 2 of the model sorter already")
    client = MlflowClient(uri, uri)
    assert {v.run_id for v in client.search_model_versions("name='sorter'")} == {runs(uri)[n].info.run_id for n in ("0", "1")}
    kept = {Path(item.path).name for item in client.list_artifacts(runs(uri)["1"].info.run_id, "model")}
    assert kept == {"MLmodel", "params.yaml", "replica-0.best", "replica-0.ckpt", "telemetry.jsonl"}
    with pytest.raises(UserError, match=f"trial 7 of focal_alpha is not in MLflow yet; export it first: {EXPORT}"):
        register(uri, CARD.name, trial(tmp_path, 7), "sorter", EXPORT)
