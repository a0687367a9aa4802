"""Baselines of every kind stand in one table, wherever their numbers come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from pitprop import space as spaces

Write = Callable[..., Path]
Pitprop = Callable[..., Said]

CALM = {"params": {"speed": {"float": [0.05, 1.0]}}, "trials": 3}


def test_the_best_of_another_study_is_a_baseline(write_space: Write, pitprop: Pitprop) -> None:
    earlier = write_space("earlier", **CALM)
    best = pitprop("search", earlier, "--inline", "--json").json["best"][0]["values"][0]
    later = write_space("later", **CALM, baselines={"before": {"study": str(earlier)}})
    said = pitprop("search", later, "--inline", "--json").json
    assert said["baselines"] == {"before": best}
    assert said["best"][0]["delta"]["before"] == pytest.approx(said["best"][0]["values"][0] - best)


def test_a_study_that_is_not_there_yet_is_said_before_anything_trains(write_space: Write, pitprop: Pitprop) -> None:
    earlier = write_space("earlier", **CALM)
    later = write_space("later", **CALM, baselines={"before": {"study": str(earlier)}})
    said = pitprop("search", later, "--inline")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "baselines.before: study" in said.err
    assert "search it first" in said.err


def test_a_gate_may_hang_on_the_best_of_another_study(write_space: Write, pitprop: Pitprop) -> None:
    earlier = write_space("earlier", **CALM)
    pitprop("search", earlier, "--inline")
    gate = {"metric": "val/auc", "epoch": 1, "at_least": {"baseline": "before", "plus": 0.1}, "action": "park"}
    later = write_space("later", **CALM, baselines={"before": {"study": str(earlier)}}, gates=[gate])
    assert pitprop("search", later, "--inline", "--json").json["parked"] == [0, 1, 2]


def test_an_mlflow_run_that_cannot_be_asked_is_one_sentence(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("search", write_space(**CALM, baselines={"old": {"mlflow": "0123abc"}}), "--inline")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "MLflow" in said.err


@pytest.mark.parametrize(
    ("baseline", "wanted"),
    [
        ({"values": {"val/macro_f1": 0.5}, "mlflow": "a"}, "says values and mlflow; it takes one of"),
        ({"params": {"speed": 0.5}, "samples": 100}, "samples: says how many samples recorded values were measured on"),
        ({"study": 7}, "study: 7 is not allowed; it takes text"),
    ],
)
def test_a_baseline_comes_from_one_place(write_space: Write, baseline: dict[str, Any], wanted: str) -> None:
    with pytest.raises(spaces.SpaceError) as refusal:
        spaces.load(str(write_space(**CALM, baselines={"b": baseline})))
    assert wanted in str(refusal.value)
