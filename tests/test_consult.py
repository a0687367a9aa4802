"""What a study is asked for once it is there: the best of it, its page, and others beside it."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Said
from pitprop.trainer import Lane
from pitprop.workers import checkpoint

Write = Callable[..., Path]
Pitprop = Callable[..., Said]

CALM: dict[str, Any] = {"params": {"speed": {"float": [0.05, 1.0]}, "x": 2.0}, "trials": 3}
SCRIPT = """\
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
lr = parser.parse_args().lr
for epoch in range(1, 4):
    print(json.dumps({"epoch": epoch, "val_loss": lr / epoch}), flush=True)
"""


def test_the_best_is_printed_as_the_whole_tree_that_trains_it(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**CALM)
    best = pitprop("search", space, "--inline", "--json").json["best"][0]
    said = pitprop("best", space)
    assert yaml.safe_load(said.out) == {"speed": best["params"]["speed"], "x": 2.0}
    assert said.out == pitprop("best", space, "--yaml").out
    again = write_space("again", **CALM, baselines={"before": {"params": yaml.safe_load(said.out)}})
    assert pitprop("search", again, "--inline", "--json").json["baselines"]["before"] == best["values"][0]


def test_the_best_says_where_its_trained_state_is(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**CALM)
    best = pitprop("search", space, "--inline", "--json").json["best"][0]
    ((step, path),) = re.findall(r"^# its state after epoch (\d+): (.+)$", pitprop("best", space).out, re.MULTILINE)
    ((lane, epoch),) = checkpoint.epochs(Path(path)).items()
    assert (lane, epoch.step) == (Lane(best["trial"], 0), int(step))
    assert epoch.metrics["val/macro_f1"] == best["values"][0]


def test_the_command_of_the_best_is_our_own_confirmation(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(**CALM)
    pitprop("search", space, "--inline")
    line = shlex.split(pitprop("best", space, "--command").out)
    assert line[:-1] == ["pitprop", "confirm", str(space), "--runs", str(tmp_path / "runs"), "--trial"]
    assert pitprop(*line[1:3], *line[-2:], "--inline").code == 0


def test_the_command_of_the_best_runs_by_hand(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT)
    options = {"command": ["{python}", "mine.py", "{params}"]}
    rows = {"trainer": "command", "options": options, "epochs": 3, "trials": 2, "signatures": "off"}
    space = write_space(**rows, objective={"metric": "val/loss", "goal": "minimize"}, params={"lr": {"float": [0.1, 0.5]}})
    assert pitprop("search", space, "--inline").code == 0
    line = pitprop("best", space, "--command").out
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    best = pitprop("status", space, "--json").json["best"][0]
    assert f"# its files: {tmp_path / 'runs' / 'toy' / 'trials' / format(best['trial'], '04d')}\n" in pitprop("best", space).out
    assert f'"val_loss": {best["values"][0]}' in done.stdout
    reports = next(word.partition("=")[2] for word in shlex.split(line) if word.startswith("PITPROP_REPORT="))
    assert Path(reports).parent.is_dir()


def test_there_is_no_best_before_a_trial_has_completed(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params={"fault": {"choice": ["nothing"]}}, trials=2)
    pitprop("search", space, "--inline")
    said = pitprop("best", space)
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert "no trial that completed" in said.err


def test_a_search_leaves_its_report_and_the_report_command_writes_it_anew(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**CALM)
    said = pitprop("search", space, "--inline", report=True)
    page = Path(next(line for line in said.out.splitlines() if line.startswith("The report: ")).removeprefix("The report: "))
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    page.unlink()
    assert pitprop("report", space).out.split() == [str(page), str(page.with_suffix(".md"))]
    assert page.exists()
    chinese = [Path(name) for name in pitprop("report", space, "--lang", "zh").out.split()]
    assert all(path.exists() for path in chinese)
    assert '<html lang="zh' in chinese[0].read_text(encoding="utf-8")


def test_studies_stand_side_by_side_with_the_lead_over_every_baseline(write_space: Write, pitprop: Pitprop) -> None:
    told = {"told": {"values": {"val/macro_f1": 0.5}}}
    one, two = write_space("one", **CALM, baselines=told), write_space("two", **{**CALM, "seed": 3, "trials": 2})
    for space in (one, two):
        pitprop("search", space, "--inline")
    said = pitprop("compare", one, two)
    rows = {line.split("  ")[0].strip(): line for line in said.out.splitlines()}
    assert rows["lead over told"].split()[-1].startswith("+")
    assert rows["trials"].split() == ["trials", "3", "of", "3", "2", "of", "2"]
    both = pitprop("compare", one, two, "--json").json
    assert [side["space"] for side in both] == ["one", "two"]
    assert both[0]["best"][0]["delta"]["told"] == pytest.approx(both[0]["best"][0]["values"][0] - 0.5)


def test_scores_of_different_objectives_are_said_not_to_compare(write_space: Write, pitprop: Pitprop) -> None:
    one = write_space("one", **CALM)
    two = write_space("two", **CALM, objective={"metric": "val/loss", "goal": "minimize"})
    for space in (one, two):
        pitprop("search", space, "--inline")
    assert "cannot be compared" in pitprop("compare", one, two).out
    assert "cannot be compared" not in pitprop("compare", one, one).out


def test_the_dashboard_says_what_is_lacking(pitprop: Pitprop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no study in" in pitprop("dashboard").err
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "study.db").touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    said = pitprop("dashboard")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "optuna-dashboard is not installed" in said.err


def test_what_a_trainer_noted_is_part_of_a_trials_story(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT)
    space = write_space(
        trainer="command",
        options={"command": ["{python}", "mine.py", "{params}"]},
        objective={"metric": "val/loss", "goal": "minimize"},
        params={"lr": {"float": [0.1, 0.5]}},
        epochs=3,
        trials=1,
        signatures="off",
    )
    pitprop("search", space, "--inline")
    said = pitprop("show", space, 0).out
    assert "begins from the start" in said
    assert "mine.py --lr" in said
