"""What is written into a log by accident, or in another language or order, hides none of its readings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pitprop.logs.diagnosis import diagnose
from pitprop.logs.follow import Follower
from pitprop.logs.lines import wording

LINES = [f"epoch {n}: train loss {1 / n:.4f}, val acc {0.5 + 0.04 * n:.3f}\n" for n in range(1, 7)]


@pytest.mark.parametrize(
    "spoilt",
    [
        "y" * 70_000 + "\n" + "".join(LINES),
        "\0" * 4096 + "".join(LINES),
        "\0" * 200_000 + "".join(LINES),
        "".join(LINES[:2]) + "\0" * 4096 + "".join(LINES[2:]),
        "".join(f"\x1b]0;title epoch 99\x07{line}" for line in LINES),
    ],
    ids=["long first line", "zeros ahead", "many zeros ahead", "zeros within", "terminal titles"],
)
def test_what_is_written_by_accident_hides_no_reading(spoilt: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(spoilt)
    found = diagnose([path])
    assert found.curve == [(n, pytest.approx(0.5 + 0.04 * n)) for n in range(1, 7)]


@pytest.mark.parametrize("ahead", ["y" * 70_000 + "\n", "\0" * 70_000])
def test_a_search_follows_a_log_that_begins_with_no_text(ahead: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(ahead)
    follower = Follower(path)
    rows = follower.poll()
    for line in LINES:
        with path.open("a") as file:
            file.write(line)
        rows += follower.poll()
    assert [row.metrics["val/accuracy"] for row in rows] == [pytest.approx(0.5 + 0.04 * n) for n in range(1, 7)]


@pytest.mark.parametrize(
    "line",
    [
        "Époque {n} : perte d'entraînement {loss:.4f}, exactitude de validation {score:.3f}",
        "Эпоха {n}: потеря {loss:.4f} точность на валидации {score:.3f}",
        '{{"epoch": {n}, "val": {{"acc": {score:.3f}}}, "train": {{"loss": {loss:.4f}}}}}',
    ],
    ids=["French", "Russian", "nested JSON"],
)
def test_a_side_behind_or_around_a_name_is_of_that_name(line: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("".join(line.format(n=n, loss=1 / n, score=0.5 + 0.04 * n) + "\n" for n in range(1, 7)))
    found = diagnose([path])
    assert found.facts.metric == "val/accuracy"
    assert {name for epoch in found.telemetry for name in epoch.metrics} == {"train/loss", "val/accuracy"}


def test_a_cider_on_its_own_scale_is_no_percentage(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"epoch": n, "val_cider": 0.1 + 0.06 * n}) + "\n" for n in range(1, 21)))
    best = diagnose([path]).best
    assert best is not None
    assert best[1] == pytest.approx(1.3)


@pytest.mark.parametrize(
    "number", ["loss 0.5", "val_acc: 0.5", "top-1 accuracy reached 0.5", "the val loss is 0.5", "| f1 0.5 |"]
)
@pytest.mark.parametrize("stamp", ["", "2024-01-01 12:00:00 INFO ", "[2024-01-01 12:00:00,123] "])
def test_a_line_that_gives_a_name_a_number_is_never_passed_over(number: str, stamp: str) -> None:
    assert not wording.mute(f"{stamp}{number}")
    assert wording.mute(f"{stamp}worker 3 fetched shard 7 of bucket 2")
