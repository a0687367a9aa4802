"""A driver tells of each target once, when it is first reached, and that everything dies apart from other notes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said, events, records
from pitprop.driver.journal import Journal
from pitprop.messages import unpacked
from pitprop.service.running.supervision import PASSING
from pitprop.space import Space


def told(space: Space, folder: Path, seen: list[object], known: list[object] | None = None) -> list[dict[str, object]]:
    """What a run writes that saw these events, on top of trials that were known."""
    path = folder / "events.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path, space, space.trials, known or [])  # type: ignore[arg-type]
    for event in seen:
        journal.show(event)  # type: ignore[arg-type]
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_target_is_told_once_and_not_again_after_a_resume(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(targets={"low": 0.5, "never": 0.99}, params={"speed": {"float": [0.05, 1.0]}}, trials=4)
    seen = events(space, tmp_path / "runs")
    lines = [line for line in told(space, tmp_path, list(seen)) if line["kind"] == "target"]
    assert [line["body"]["name"] for line in lines] == ["low"]  # type: ignore[index]
    before = records(space, tmp_path / "runs")
    assert [line for line in told(space, tmp_path, [], list(before)) if line["kind"] == "target"] == []


def test_that_everything_dies_is_told_as_such(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(params={"speed": {"float": [0.05, 1.0]}, "dead": True}, trials=6)
    lines = told(space, tmp_path, list(events(space, tmp_path / "runs")))
    dead = [line["body"] for line in lines if line["kind"] == "told" and line["body"].get("dead")]  # type: ignore[attr-defined]
    assert len(dead) == 1
    assert "died" in unpacked(dead[0]["text"])  # type: ignore[index]


def test_a_confirmation_counts_its_trainings_up_to_all_of_them(toy: Callable[..., Space], tmp_path: Path) -> None:
    space = toy(params={"speed": {"float": [0.05, 1.0]}}, trials=2, seeds=3)
    path = tmp_path / "confirming.jsonl"
    journal = Journal(path, space, space.trials, [], confirms=True)
    for event in events(space, tmp_path / "runs"):
        journal.show(event)
        journal.tell()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"confirming"}
    assert {line["body"]["trainings"] for line in lines} == {6}
    over = [line["body"]["over"] for line in lines]
    assert over == sorted(over)
    assert (over[0], over[-1]) == (0, 6)


def test_a_database_that_does_not_answer_is_told_as_what_may_pass(
    pitprop: Callable[..., Said], write_space: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDY_DB", "postgresql+psycopg://me@127.0.0.1:9/none")
    path = tmp_path / "events.jsonl"
    assert pitprop("search", write_space(), "--inline", "--events", path).code != 0
    left = json.loads(path.read_text().splitlines()[-1])
    assert left["kind"] == "left"
    assert left["body"]["class"] == "DatabaseError"
    assert left["body"]["class"] in PASSING
