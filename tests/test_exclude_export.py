"""Trials are taken out of answers and back, are written to files, and end by limits that a space sets."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Said, events, records
from pitprop import space as spaces
from pitprop.addresses import addresses
from pitprop.cli.training import publish
from pitprop.results.opening import results_of
from pitprop.space import Space, SpaceError
from pitprop.study import ranking
from pitprop.study.stored import read_study
from pitprop.track import trial_run
from pitprop.views.content import Content
from pitprop.views.report import markdown

Toy = Callable[..., Space]
Write = Callable[..., Path]
Pitprop = Callable[..., Said]

NOISY: dict[str, Any] = {
    "trainer": str(ROOT / "tests" / "toys" / "noisy.py"),
    "objective": {"metric": "score"},
    "signatures": "off",
    "epochs": 3,
    "trials": 4,
    "params": {"level": {"float": [0.5, 0.7]}},
    "points": [{"level": level} for level in (0.6, 0.69, 0.5)],
    "baselines": {"plain": {"params": {"level": 0.5}}},
    "sampler": "random",
}


PARTS: dict[str, Any] = {"level": {"float": [0.5, 0.7]}, "kind": {"choice": [[1, 2], [2, 1], [3, 3]]}}


def test_an_excluded_trial_is_in_no_answer_until_it_counts_again(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**NOISY)
    pitprop("search", space, "--inline")
    assert "toy, trial 2:" in pitprop("best", space).out
    said = pitprop("exclude", space, 2)
    assert said.code == 0
    assert "--undo" in said.out
    assert "toy, trial 1:" in pitprop("best", space).out
    assert "excluded" in pitprop("show", space).out
    again = pitprop("search", space, "--inline", "--trials", "+1", "--json").json
    assert again["best"][0]["trial"] != 2
    said = pitprop("confirm", space, "--inline", "--top", 9, "--seeds", 2, "--json")
    assert said.code == 0, said.err
    assert 2 not in [one["trial"] for one in said.json["confirmation"]["candidates"]]
    pitprop("exclude", space, 2, "--undo")
    assert pitprop("show", space, 2, "--json").json["excluded"] is False


def test_what_mlflow_has_taken_is_not_all_once_a_trial_is_excluded(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = spaces.load(str(write_space(**NOISY)))
    pitprop("search", space.path, "--inline")
    found = results_of(space, addresses(str(tmp_path / "runs")), read_study(addresses(str(tmp_path / "runs")), "toy"))
    (tmp_path / "runs" / "toy" / publish.NOTE).write_text(publish._state(found))
    assert publish.is_complete(found, report=False)
    pitprop("exclude", space.path, 2)
    found = results_of(space, found.where, read_study(found.where, "toy"))
    assert not publish.is_complete(found, report=False)


def test_what_a_killed_confirmation_left_goes_with_the_next_command(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(**NOISY)
    pitprop("search", space, "--inline")
    pitprop("confirm", space, "--inline", "--seeds", 2)
    for command in ("confirm", "search"):
        left = tmp_path / "runs" / "toy.confirm2" / "checkpoints"
        left.mkdir()
        (left / "0000-0.ckpt").write_bytes(b"cut off")
        given = ["--seeds", 2] if command == "confirm" else []
        assert pitprop(command, space, "--inline", *given).code == 0
        assert not left.exists()


@pytest.mark.parametrize(
    ("trial", "words"),
    [(9, "toy has no trial 9: it has 4, from 0"), (0, "trial 0 of toy trains a baseline: remove that from the space instead")],
)
def test_what_cannot_be_excluded_is_said(write_space: Write, pitprop: Pitprop, trial: int, words: str) -> None:
    space = write_space(**NOISY)
    pitprop("search", space, "--inline")
    said = pitprop("exclude", space, trial)
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert words in said.err


def test_the_trials_of_a_study_are_written_to_files(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    toy = str(ROOT / "tests" / "toys" / "parts.py")
    space = write_space(**{**NOISY, "trainer": toy, "params": PARTS, "points": [], "baselines": {}})
    pitprop("search", space, "--inline")
    held = pitprop("show", space, "--json").json
    assert pitprop("export", space, "--csv", tmp_path / "trials.csv").code == 0
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == [one["number"] for one in held]
    for row, one in zip(rows, held, strict=True):
        assert float(row["params.level"]) == one["params"]["level"]
        assert json.loads(row["params.kind"]) == one["params"]["kind"]
        assert row["state"] == one["state"]
    import pandas

    pitprop("export", space, "--parquet", tmp_path / "trials.parquet")
    table = pandas.read_parquet(tmp_path / "trials.parquet")
    assert list(table["trial"]) == [one["number"] for one in held]
    assert [json.loads(kind) for kind in table["params.kind"]] == [one["params"]["kind"] for one in held]
    said = pitprop("export", space, "--csv", tmp_path / "nowhere" / "trials.csv")
    assert (said.code, said.err.count("\n")) == (1, 1)


def test_a_search_ends_when_nothing_improves_and_says_so(write_space: Write, pitprop: Pitprop) -> None:
    rows = {**NOISY, "trials": 60, "stop_when": "nothing improves", "params": {"level": {"float": [0.5, 0.7]}}}
    rows["points"] = [{"level": 0.7}]
    space = write_space(**rows)
    told = pitprop("search", space, "--inline", "--json").json
    best = told["best"][0]["trial"]
    assert told["trials"]["COMPLETE"] == best + 1 + ranking.STAGNANT
    again = pitprop("search", space, "--inline").out
    assert "none of its last 20 trials is better" in again
    assert "ended early, as nothing had improved for a while (stop_when)." in " ".join(pitprop("status", space).out.split())


def test_a_trial_that_a_rule_stopped_is_not_called_hopeless(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("search", write_space(**{**NOISY, "trial_timeout": 1e-9}), "--inline").out
    assert "A rule of your own stopped trial 2, not a verdict; to continue it: pitprop revive" in said
    assert "hopeless" not in said


def test_a_trial_that_takes_too_long_is_parked_and_no_baseline_is(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**NOISY, "trial_timeout": 1e-9})
    events(space, tmp_path)
    found = records(space, tmp_path)
    assert [record.word for record in found] == ["complete", "parked", "parked", "parked"]
    assert found[1].ending is not None
    assert found[1].ending.signature == "limit:trial_timeout"
    assert "one trial may take 0 s" in str(found[1].ending.reason)
    events(space, tmp_path, revive=[1])
    assert records(space, tmp_path)[-1].word == "complete"


def test_what_a_clock_cut_is_saved_by_no_verdict(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    file = write_space(**{**NOISY, "trials": 12, "trial_timeout": 1e-9})
    assert pitprop("search", file, "--inline", "--json").json["epochs"] == {"spent": 25, "budget": 36, "saved": 0, "patience": 0}
    for words in (["--full"], []):
        said = " ".join(pitprop("status", file, *words).out.split())
        assert not re.search(r"epochs? saved|trials died", said)
    space, where = spaces.load(str(file)), addresses(str(tmp_path / "runs"))
    found = results_of(space, where, read_study(where, "toy"))
    assert {trial_run.measures(record, publish._card(space), {})["epochs_saved"] for record in found.records} == {0.0}
    said = markdown.report(Content.of(found), {})
    assert not re.search(r"trials? early saved|of \d+ trials died", said)
    assert "No trial was stopped" not in said


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"stop_when": "nothing improvs"},
            "'nothing improvs' is no target of this space; did you mean 'nothing improves'?",
        ),
        *(({"stop_when": word}, "did you mean 'nothing improves'?") for word in ("stagnation", "Plateau", "no improvement")),
        ({"trial_timeout": "soon"}, "trial_timeout: 'soon' is not allowed; it takes"),
        (
            {"trial_timeout": "3m", "early_stopping": {"patience": {"int": [1, 3]}}, "baselines": {}},
            "trial_timeout: is not allowed: searching early stopping answers trials from recorded curves",
        ),
    ],
)
def test_a_slip_in_a_limit_is_said(toy: Toy, changes: dict[str, Any], wanted: str) -> None:
    with pytest.raises(SpaceError) as refusal:
        toy(**{**NOISY, **changes})
    assert wanted in str(refusal.value)
