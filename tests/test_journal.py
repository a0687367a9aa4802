"""What a search appends for a program that follows it: each trial's end once, whatever was killed, and how it left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Said
from pitprop.service.models import Progress

Pitprop = Callable[..., Said]
Write = Callable[..., Path]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=_refuse) for line in path.read_text().splitlines()]


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture
def followed(pitprop: Pitprop, write_space: Write, tmp_path: Path) -> tuple[Callable[..., Said], Path]:
    path = tmp_path / "events.jsonl"
    space = write_space(trials=4)
    return lambda *words: pitprop("search", space, "--inline", "--quiet", "--events", path, *words), path


def test_each_trial_is_told_once_between_joining_and_leaving(followed: tuple[Callable[..., Said], Path]) -> None:
    search, path = followed
    assert search().code == 0
    found = lines(path)
    assert [one["kind"] for one in found][:2] == ["joined", "begun"]
    assert found[-1] == {**found[-1], "kind": "left", "body": {"how": "ended", "code": 0}}
    trials = [one["body"] for one in found if one["kind"] == "trial"]
    assert sorted(one["trial"] for one in trials) == [0, 1, 2, 3]
    assert all(one["verdicts"] for one in trials if one["state"] in ("pruned", "parked"))
    last = Progress(**[one["body"] for one in found if one["kind"] == "progress"][-1])
    assert (last.begun, last.target, last.complete + last.pruned) == (4, 4, 4)
    assert last.best is not None
    assert last.best.values == max(one["values"] for one in trials if one["state"] == "complete")
    assert last.epochs == sum(one["epochs"] for one in trials)


def test_what_was_told_is_not_told_again_and_what_was_not_is(followed: tuple[Callable[..., Said], Path]) -> None:
    search, path = followed
    search()
    told = path.read_text().splitlines()
    gone = next(place for place, line in enumerate(told) if '"kind": "trial"' in line)
    path.write_text("\n".join([*told[:gone], *told[gone + 1 : -1]]) + "\n" + '{"kind": "tri')  # killed in the middle of a line
    search()
    found = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    assert Counter(one["body"]["trial"] for one in found if one["kind"] == "trial") == Counter(range(4))


def test_how_far_a_search_came_is_told_when_it_is_terminated(shell: Pitprop, write_space: Write, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    told = {"trainer": str(ROOT / "tests" / "toys" / "told.py"), "objective": {"metric": "score"}, "signatures": "off"}
    space = write_space(**told, params={"slope": {"float": [0.01, 0.1]}}, trials=3, options={"interrupt": ["0001", 5]})
    shell("search", space, "--inline", "--events", path, before="import signal\nsignal.SIGINT = signal.SIGTERM")
    found = lines(path)
    assert [one["kind"] for one in found][-2:] == ["progress", "left"]
    assert (found[-2]["body"]["complete"], found[-2]["body"]["begun"]) == (1, 2)


def test_an_error_is_told_in_its_sentence(pitprop: Pitprop, write_space: Write, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    space = write_space(trials=2)
    pitprop("search", space, "--inline", "--quiet", "--events", path)
    space.write_text(space.read_text().replace("0.05", "0.06"))
    said = pitprop("search", space, "--inline", "--quiet", "--events", path)
    left = lines(path)[-1]["body"]
    assert left["how"] == "error"
    assert said.err.strip() == f"pitprop: {left['said']}"
