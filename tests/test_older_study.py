"""A study of version 0.1, killed in the third epoch of its fourth trial, that is continued by the code of now."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said
from pitprop import telemetry

KILLED = Path(__file__).parent / "studies" / "killed_0.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the killed search left: the database, the curves and the checkpoints."""
    for name in ("toy.py", "toy.yaml"):
        shutil.copy(KILLED / name, tmp_path)
    shutil.copytree(KILLED / "study", tmp_path / "runs" / "toy")
    database = sqlite3.connect(tmp_path / "runs" / "study.db")
    database.executescript((KILLED / "study.sql").read_text())
    database.close()
    return tmp_path


def test_a_study_killed_in_version_0_1_resumes_with_its_checkpoints_and_its_parked_trial_is_revived(
    folder: Path, pitprop: Callable[..., Said]
) -> None:
    space = folder / "toy.yaml"
    curve = folder / "runs" / "toy" / "trials" / "0003" / "telemetry.jsonl"
    before = curve.read_bytes()
    assert pitprop("search", space, "--inline").code == 0
    assert curve.read_bytes().startswith(before), "the epochs that were trained are kept as they are"
    assert [epoch.step for epoch in telemetry.read(curve)] == list(range(1, 9))
    # The trainer's total is in its checkpoint: without that the score would begin anew at the third epoch.
    assert telemetry.read(curve)[-1].metrics["val/macro_f1"] == pytest.approx(0.687829590167504, abs=1e-12)
    shown = pitprop("show", space).out
    assert {"0.7411", "0.8011"} <= set(shown.split())
    assert "running" not in shown
    assert pitprop("revive", space, 1, "--inline").code == 0
    revived = telemetry.read(folder / "runs" / "toy" / "trials" / "0006" / "telemetry.jsonl")
    assert [epoch.step for epoch in revived] == list(range(1, 9))
