"""The answer on the study's run in MLflow, the files beside it, and the code that its trials bear."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from pitprop.study import ranking
from pitprop.track import ENVIRONMENT, note
from pitprop.track.code import code
from test_track import CARD, PARKED, VERDICT, runs, trial

os.environ.update(ENVIRONMENT)


def test_the_note_names_the_best_trial_its_leads_and_what_was_stopped(tmp_path: Path) -> None:
    records = [
        trial(tmp_path, 0, value=0.7),
        trial(tmp_path, 1, "PRUNED", None, verdicts=(VERDICT,)),
        trial(tmp_path, 2, value=0.2),
    ]
    best = [one.number for one in ranking.best(CARD, records)]
    said = note.note(CARD, records, best, {"paper": 0.6, "old": 0.8}, lambda number: f"#/{number}")
    assert best == [0]
    assert "**Best: [trial 0](#/0)**, val/macro_f1 0.7000 in 3 epochs" in said
    assert "ahead of baseline `paper` (0.6000) by +0.1000, behind baseline `old` (0.8000) by -0.1000" in said
    assert "3 trials: 2 complete, 1 pruned." in said
    assert f"| 1 | constant_prediction | [trial 1](#/1): {VERDICT.reason} |" in said
    concluded = note.note(CARD, records, best, {}, lambda number: f"#/{number}", "Take trial 2.")
    assert concluded.startswith("Take [trial 2](#/2).\n\n3 trials")


def test_a_study_without_a_best_trial_says_so(tmp_path: Path) -> None:
    records = [trial(tmp_path, 0, "PRUNED", None, verdicts=(PARKED,)), trial(tmp_path, 1, value=0.9, baseline="model_1")]
    best = [one.number for one in ranking.best(CARD, records)]
    assert note.note(CARD, records, best, {}, lambda number: "").startswith("No trial has completed yet.")


def test_the_study_concludes_with_its_report_and_pins_its_best_trial_alone(uri: str, tmp_path: Path) -> None:
    from pitprop.track.store import Store

    (tmp_path / "report.html").write_text("<h1>Report</h1>")
    store = Store(uri, tmp_path / "artifacts", CARD)
    store.export(
        [trial(tmp_path, 0, value=0.7), trial(tmp_path, 1, value=0.5), trial(tmp_path, 2, value=0.6, baseline="model_1")]
    )
    store.conclude([1], "Take trial 1.", [tmp_path / "report.html", tmp_path / "nowhere.md"])
    store.close()
    found = runs(uri)
    assert [found[n].data.tags.get("pitprop.pinned") for n in ("0", "1", "2")] == [None, "best", "baseline"]
    assert f"/runs/{found['1'].info.run_id}?" in found[""].data.tags["mlflow.note.content"]
    assert [path.read_text() for path in (tmp_path / "artifacts").rglob("report.html")] == ["<h1>Report</h1>"]


def test_trials_bear_the_commit_the_trainer_and_the_data_of_the_search_that_began_them(uri: str, tmp_path: Path) -> None:
    from pitprop.track.store import Store

    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "train.py").write_text("def train(params, context): ...\n")
    (tmp_path / "rows.csv").write_text("1,2\n")
    subprocess.run([*git, "add", "train.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    looked = code(tmp_path, str(tmp_path / "train.py"), {"data": "rows.csv"}, tmp_path)
    assert len(looked.tags["mlflow.source.git.commit"]) == 40
    assert looked.tags["pitprop.uncommitted"] == "false"
    (tmp_path / "train.py").write_text("def train(params, context): return\n")
    changed = code(tmp_path, str(tmp_path / "train.py"), {}, tmp_path)
    assert changed.tags["pitprop.uncommitted"] == "true"
    assert changed.tags["pitprop.trainer_digest"] != looked.tags["pitprop.trainer_digest"]

    store = Store(uri, tmp_path / "artifacts", CARD, looked)
    store.export([trial(tmp_path, 0), replace(trial(tmp_path, 1), started=looked.since + 1, ended=looked.since + 2)])
    store.close()
    found = runs(uri)
    assert "mlflow.source.git.commit" not in found["0"].data.tags
    assert found["1"].data.tags["mlflow.source.git.commit"] == looked.tags["mlflow.source.git.commit"]
    assert [given.dataset.name for given in found["1"].inputs.dataset_inputs] == ["rows"]


def test_a_folder_outside_of_git_has_no_commit(tmp_path: Path) -> None:
    looked = code(tmp_path, "pitprop.trainers.imbalanced", {"data": None}, tmp_path)
    assert set(looked.tags) == {"pitprop.trainer", "pitprop.trainer_digest"}
    assert looked.data is None
