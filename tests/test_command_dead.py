"""Searches over commands of several frameworks: dead trainings are stopped, with chance stated and not, and healthy ones are not.

Each script prints at once what a training of that framework prints or writes, so that no test waits for one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import events, records
from pitprop import space as spaces
from pitprop.driver.progress import Understood
from pitprop.study.record import Record

BUDGET, CLASSES = 20, 10
KERAS = """
import csv, pathlib
with open(out / "log.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["epoch", "accuracy", "loss", "val_accuracy", "val_loss"])
    rows.writerows([n, acc, loss, acc, loss] for n, (loss, acc) in enumerate(curve))
"""
HYDRA = """
for n, (loss, acc) in enumerate(curve, 1):
    said = f"train_loss: {loss:.4f} - valid_loss: {loss:.4f} - valid_acc: {100 * acc:.2f}%"
    print(f"[2026-11-26 19:15:05,267][__main__][INFO] - Epoch {n}/20 - {said}")
"""
BASH = """
for n, (loss, acc) in enumerate(curve):
    print(f"Epoch {n} Train Loss: {loss}\\n\\tValidation Loss: {loss}\\n\\tValidation Accuracy: {100 * acc:.2f}%")
"""
ACCELERATE = """
for n, (loss, acc) in enumerate(curve):
    print(f"epoch {n}: {{'accuracy': {acc}, 'eval_loss': {loss}}}")
"""
MAKE = """
print("python train.py --lr 0.1")
for n, (loss, acc) in enumerate(curve, 1):
    print(f"epoch {n}: val_loss {loss:.4f} val_acc {acc:.4f}")
"""
CURVES = """
import math, pathlib, sys
kind, out = sys.argv[2], pathlib.Path(sys.argv[3])
N = range(1, 21)
KINDS = {
    "tiny": [(2.3234 - 1e-5 * n, 0.0982) for n in N],
    "huge": [(4e5 + 1e4 * (n % 5), (0.1006, 0.0966, 0.1026)[n % 3]) for n in N],
    "constant": [(2.303 + 2e-3 * (n % 3), (0.1, 0.098)[n % 2]) for n in N],
    "slow": [(2.3 - 0.08 * n, 0.1 + 0.03 * n) for n in N],
    "fast": [(2.3 * math.exp(-n / 3) + 0.1, 0.95 - 0.8 * math.exp(-n / 3)) for n in N],
    "late": [(2.3 if n < 5 else 2.3 * math.exp(-(n - 4) / 5), 0.1 if n < 5 else 0.95 - 0.85 * math.exp(-(n - 4) / 5)) for n in N],
}
curve = KINDS[kind]
"""
FRAMEWORKS: dict[str, tuple[str, str]] = {
    "keras": (KERAS, "{folder}/log.csv"),
    "hydra": (HYDRA, "stdout"),
    "bash": (BASH, "stdout"),
    "accelerate": (ACCELERATE, "stdout"),
    "make": (MAKE, "stdout"),
}
DEAD, HEALTHY = ("tiny", "huge", "constant"), ("fast", "slow", "late")


def searched(folder: Path, framework: str, kinds: tuple[str, ...], **rows: Any) -> tuple[dict[str, Record], list[Understood]]:
    """How the trainings of a search ended, one of each kind, in this order; and what was told of them."""
    script, source = FRAMEWORKS[framework]
    (folder / "train.py").write_text(CURVES + script)
    command = ["{python}", "train.py", "--kind", "{kind}", "{folder}"]
    text = {
        "question": "Is it alive?",
        "trainer": "command",
        "options": {"command": command, "metrics": [{"from": source}]},
        "objective": {"metric": "val/accuracy"},
        "epochs": BUDGET,
        "trials": len(kinds),
        "params": {"kind": {"choice": list(kinds)}},
        "points": [{"kind": kind} for kind in kinds],
        **rows,
    }
    (folder / "dead.yaml").write_text(yaml.safe_dump(text))
    space = spaces.load(str(folder / "dead.yaml"))
    told = [event for event in events(space, folder) if isinstance(event, Understood)]
    found = records(space, folder)
    assert [record.error for record in found] == [None] * len(kinds)
    return {str(record.params["kind"]): record for record in found}, told


@pytest.mark.slow
@pytest.mark.parametrize("stated", [{"facts": {"classes": CLASSES}}, {"facts": {"chance": {"val/loss": 2.303}}}, {}])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_dead_commands_are_stopped_and_healthy_ones_are_not(framework: str, stated: dict[str, Any], tmp_path: Path) -> None:
    found, told = searched(tmp_path, framework, (*HEALTHY, *DEAD), **stated)
    assert {kind for kind, record in found.items() if record.ending is not None} == {*DEAD}
    assert all(found[kind].epochs < BUDGET for kind in DEAD)
    assert len(told) == 1


def test_what_was_understood_is_told_in_one_line_and_kept_with_a_verdict(tmp_path: Path) -> None:
    found, (told,) = searched(tmp_path, "hydra", ("fast", "constant"))
    assert "objective val/accuracy, maximised, 0 to 1" in told.text
    assert "chance unknown, `facts: {classes: N} or {chance: {val/accuracy: ...}}`" in told.text
    assert f"budget {BUDGET} epochs from the space; " in told.text
    assert "the learning rate rises" not in told.text, "the preflight has asked"
    assert "\n" not in told.text
    verdict = found["constant"].ending
    assert verdict is not None, "its loss stands at ln 10, and its accuracy at a tenth"
    assert "by where the loss stands, ln 10" in verdict.chance
    assert found["fast"].ending is None


@pytest.mark.slow
def test_a_study_that_is_resumed_concludes_the_same(tmp_path: Path, outcome: Callable[..., Any]) -> None:
    kinds = ("fast", "tiny", "slow", "huge")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    searched(tmp_path / "whole", "make", kinds)
    script, _ = FRAMEWORKS["make"]
    (tmp_path / "cut" / "train.py").write_text(CURVES + script)
    text = (tmp_path / "whole" / "dead.yaml").read_text()
    (tmp_path / "cut" / "dead.yaml").write_text(text)
    spaces_of = {name: spaces.load(str(tmp_path / name / "dead.yaml")) for name in ("whole", "cut")}
    for stop in (15, 40):
        events(spaces_of["cut"], tmp_path / "cut", stop=stop)
    events(spaces_of["cut"], tmp_path / "cut")
    assert outcome(spaces_of["cut"], tmp_path / "cut") == outcome(spaces_of["whole"], tmp_path / "whole")
