"""Preflight: each fault is found by a real trainer that has it, before any trial, and what is sound passes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, TOY, Said, events, records
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop import space as spaces
from pitprop.detection.facts import Facts
from pitprop.driver.preflight.findings import Finding, judge
from pitprop.driver.preflight.inspection import first
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers.worker import Failure, Worker

Write = Callable[..., Path]
Pitprop = Callable[..., Said]

FAULTY = ROOT / "tests" / "toys" / "faulty.py"
LR = {"trainer": str(FAULTY), "objective": {"metric": "val/accuracy"}, "params": {"lr": {"float": [0.01, 1.0]}}, "epochs": 3}
FACTS = Facts(budget=3, metric="val/accuracy")
SOUND = {
    "files/missing": 0.0,
    "files/empty": 0.0,
    "inputs/non_finite": 0.0,
    "train/labels/0": 500.0,
    "train/labels/1": 300.0,
    "train/labels/2": 200.0,
    "batch/size": 16.0,
    "batch/classes": 2.9,
    "params/total": 1000.0,
    "params/trainable": 1000.0,
    "params/with_grad": 900.0,
    "start/loss": 1.1,
    "chance/loss": 1.03,
    "start/accuracy": 0.4,
}


def measured(folder: Path, trainer: str = str(FAULTY), **options: Any) -> Epoch:
    """What the trainer measures through a worker."""
    answer = Worker(trainer, Context(epochs=3, options=options), str(folder / "group.ckpt")).preflight({}, 0)
    assert isinstance(answer, Epoch), answer
    return answer


def found(epoch: Epoch, facts: Facts = FACTS) -> dict[str, Finding]:
    return {finding.check: finding for finding in judge(epoch, facts)}


def stops(findings: Mapping[str, Finding]) -> list[str]:
    return [name for name, finding in findings.items() if finding.severity == "stop"]


def warns(findings: Mapping[str, Finding]) -> list[str]:
    return [name for name, finding in findings.items() if finding.severity == "warn"]


# Faults, in a trainer that has them


def test_a_sound_trainer_passes_and_every_reason_quotes_numbers(tmp_path: Path) -> None:
    for epoch in (measured(tmp_path), measured(tmp_path, "pitprop.trainers.imbalanced")):
        assert epoch.step == 0
        findings = found(epoch)
        assert {f.severity for name, f in findings.items() if name != "checkpoint"} == {"ok"}
        assert findings.pop("checkpoint").severity == "unchecked"
        assert all(any(letter.isdigit() for letter in finding.reason) for finding in findings.values())


def test_batches_of_one_class_stop(tmp_path: Path) -> None:
    findings = found(measured(tmp_path, sorted=True))
    assert stops(findings) == ["batches"]
    assert findings["batches"].reason == "batches hold 1.00 classes on average, drawing 20 at random gives 3.00"
    assert "sampler" in findings["batches"].remedy


def test_labels_of_one_class_stop(tmp_path: Path) -> None:
    findings = found(measured(tmp_path, only=2))
    assert stops(findings) == ["labels"]
    assert findings["labels"].reason == "all 60 training samples are of class 2"


def test_a_frozen_model_stops(tmp_path: Path) -> None:
    findings = found(measured(tmp_path, frozen=True))
    assert stops(findings) == ["parameters"]
    assert findings["parameters"].reason == "parameters: 0 with a gradient, 0 trainable, 9 in all"


def test_inputs_of_nan_stop_where_the_model_passes_them_on(tmp_path: Path) -> None:
    findings = found(measured(tmp_path, holes=7))
    assert stops(findings) == ["inputs"]
    assert findings["inputs"].reason == "7 of 60 training inputs are NaN or infinite, and the loss before the first step is nan"
    assert "start" in warns(findings)


def test_missing_and_empty_files_warn_and_stop_if_nothing_is_left(tmp_path: Path) -> None:
    rows = np.concatenate([np.random.default_rng(0).normal(size=(30, 2)), np.arange(30)[:, None] % 3], axis=1)
    np.save(tmp_path / "there.npy", rows)
    (tmp_path / "empty.npy").touch()
    there, empty, missing = (str(tmp_path / f"{name}.npy") for name in ("there", "empty", "missing"))
    some = found(measured(tmp_path, files=[there, empty, missing]))
    assert (stops(some), some["files"].severity) == ([], "warn")
    assert some["files"].reason == "data files: 1 missing, 1 empty"
    none = found(measured(tmp_path, files=[empty, missing]))
    assert stops(none)[:2] == ["files", "labels"]


def checkpoint(folder: Path, prefix: str) -> tuple[str, float]:
    """A trained model, its keys with a prefix, and what it scored."""
    context = Context(epochs=3)
    worker, lane = Worker(str(FAULTY), context, str(folder / "group.ckpt")), Lane(0, 0)
    worker.advance(Change(started=[Start(lane, {}, 0, str(folder))]))
    answer = worker.advance(Change())
    assert not isinstance(answer, Failure)
    path = folder / f"{prefix or 'plain'}.pt"
    torch.save({f"{prefix}{name}": value for name, value in context.state.items()}, path)
    return str(path), answer[lane].metrics["val/accuracy"]


def test_a_checkpoint_that_does_not_score_what_it_scored_stops(tmp_path: Path) -> None:
    """Its keys have the prefix that DataParallel gives them, and loading is not strict: nothing is loaded."""
    for prefix, stopped in (("", []), ("module.", ["checkpoint"])):
        path, score = checkpoint(tmp_path, prefix)
        facts = Facts(budget=3, metric="val/accuracy", checkpoint={"val/accuracy": score})
        findings = found(measured(tmp_path, checkpoint=path), facts)
        assert stops(findings) == stopped
        assert f"(the checkpoint's was {score:.4f})" in findings["checkpoint"].reason
        assert findings["start"].severity == "ok"


def test_a_trainer_without_a_preflight_gives_nothing_and_one_that_raises_a_failure(tmp_path: Path) -> None:
    assert Worker(str(TOY), Context(epochs=1), str(tmp_path / "group.ckpt")).preflight({}, 0) is None
    for body, wanted in (("raise KeyError('x')", "KeyError: 'x'"), ("return {'step': 0}", "gave dict, not an Epoch of step 0")):
        path = tmp_path / "odd.py"
        path.write_text(f"def train(params, context): yield\ndef preflight(params, context): {body}\n")
        answer = Worker(str(path), Context(epochs=1), str(tmp_path / "group.ckpt")).preflight({}, 0)
        assert isinstance(answer, Failure)
        assert wanted in answer.error


def test_the_preflight_in_the_docs_passes_with_the_trainer_in_the_docs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
    trainer, preflight = (re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0] for language in ("python", "py"))
    (tmp_path / "example.py").write_text(f"{trainer}\n\n{preflight}", encoding="utf-8")
    findings = found(measured(tmp_path, str(tmp_path / "example.py")))
    assert (stops(findings), warns(findings)) == ([], [])
    assert {findings[name].severity for name in ("labels", "batches", "parameters")} == {"ok"}


# The checks


@pytest.mark.parametrize(
    ("change", "check", "severity", "words"),
    [
        ({"train/labels/0": 550.0, "train/labels/1": 10.0, "train/labels/2": 8.0}, "labels", "warn", "96.8% of 568"),
        ({"val/labels/0": 5.0, "val/labels/1": 0.0, "val/labels/2": 5.0}, "labels", "warn", "lacks class 1"),
        ({"train/labels/2": 0.0}, "labels", "warn", "lacks class 2"),
        ({"batch/classes": 1.2}, "batches", "stop", "1.20 classes"),
        ({"train/labels/3": 500.0, "train/labels/4": 500.0, "batch/classes": 2.2}, "batches", "warn", "at random gives 4.71"),
        ({"params/with_grad": 0.0}, "parameters", "stop", "0 with a gradient, 1000 trainable"),
        ({"params/trainable": 9.0, "params/with_grad": 9.0}, "parameters", "warn", "9 trainable, 1000 in all"),
        ({"params/non_finite": 3.0}, "parameters", "stop", "3 are NaN or infinite"),
        ({"grad_norm/pose": 0.0, "grad_norm/sound": 1.0}, "parameters", "warn", "the gradient of pose is 0"),
        ({"start/loss": 2.0}, "start", "warn", "is 2, chance is 1.03"),
        ({"start/loss": 0.4}, "start", "warn", "is 0.4, chance is 1.03"),
        ({"inputs/non_finite": 3.0}, "inputs", "warn", "3 of 1000"),
        ({"inputs/non_finite": 1000.0}, "inputs", "stop", "1000 of 1000"),
        ({"start/accuracy": math.nan}, "checkpoint", "stop", "val/accuracy is nan (the checkpoint's was 0.4000)"),
        ({"start/accuracy": 0.3}, "checkpoint", "stop", "val/accuracy is 0.3000 (the checkpoint's was 0.4000)"),
    ],
)
def test_a_reading_out_of_bounds_is_found(change: dict[str, float], check: str, severity: str, words: str) -> None:
    facts = Facts(budget=3, checkpoint={"val/accuracy": 0.4} if check == "checkpoint" else {})
    sound, odd = found(Epoch(0, SOUND), facts), found(Epoch(0, {**SOUND, **change}), facts)
    assert {finding.severity for finding in sound.values()} <= {"ok", "unchecked"}
    assert (odd[check].severity, odd[check].remedy != "") == (severity, True)
    assert words in odd[check].reason
    assert {name for name in odd if odd[name].severity != sound[name].severity} == {check}


def test_a_checkpoint_may_start_below_chance() -> None:
    facts = Facts(budget=3, checkpoint={"val/accuracy": 0.4})
    assert found(Epoch(0, {**SOUND, "start/loss": 0.1}), facts)["start"].severity == "ok"


@pytest.mark.parametrize("name", sorted(SOUND))
def test_a_missing_reading_never_stops_a_search(name: str) -> None:
    findings = found(Epoch(0, {other: value for other, value in SOUND.items() if other != name}))
    assert (stops(findings), warns(findings)) == ([], [])


def test_an_epoch_without_readings_is_unchecked_throughout() -> None:
    findings = found(Epoch(0, {}))
    assert {finding.severity for finding in findings.values()} == {"unchecked"}
    assert all("does not report" in f.reason for name, f in findings.items() if name != "checkpoint")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*SOUND, "grad_norm/a", "val/labels/0"]), st.floats(0, 1e9) | st.just(math.nan)))
def test_any_readings_give_each_check_one_finding_with_a_reason(metrics: dict[str, float]) -> None:
    findings = judge(Epoch(0, metrics), FACTS)
    assert len({finding.check for finding in findings}) == len(findings) == 7
    assert all(finding.reason and bool(finding.remedy) == (finding.severity in ("stop", "warn")) for finding in findings)


@settings(deadline=None)
@given(st.lists(st.integers(50, 1000), min_size=2, max_size=6), st.integers(1, 64), st.integers(0, 1000))
def test_shuffled_batches_are_sound_whatever_the_prior_and_the_batch_size(counts: list[int], batch: int, seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    mean = float(np.mean([len(np.unique(rows)) for rows in np.split(y, range(batch, len(y), batch))]))
    labels = {f"train/labels/{label}": float(count) for label, count in enumerate(counts)}
    assert found(Epoch(0, {**labels, "batch/size": float(batch), "batch/classes": mean}))["batches"].severity == "ok"


# What a preflight is run with


def test_a_preflight_takes_the_parameters_of_the_first_trial(write_space: Write) -> None:
    base = {**LR, "params": {"lr": {"float": [0.01, 1.0]}, "dies": False}}
    baselines = {"told": {"values": {"val/accuracy": 0.5}}, "known": {"params": {"lr": 3.0}}}
    points = [{"lr": 0.5}]
    assert first(spaces.load(str(write_space(**base, baselines=baselines, points=points)))) == {"lr": 3.0, "dies": False}
    assert first(spaces.load(str(write_space(**base, points=points)))) == {"lr": 0.5, "dies": False}
    drawn = first(spaces.load(str(write_space(**base, constraints=["lr < 0.2"]))))
    assert 0.01 <= drawn["lr"] < 0.2


def test_a_preflight_takes_the_parameters_that_the_search_begins_with(write_space: Write, tmp_path: Path) -> None:
    params = {"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [False, True]}}
    space = spaces.load(str(write_space(params=params, constraints=["speed < 0.2"], trials=1)))
    events(space, tmp_path)
    assert dict(records(space, tmp_path)[0].params) == first(space)


# The commands


def test_a_preflight_refuses_what_the_search_cannot_begin(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**{**LR, "params": {"lr": {"float": [1e-3, 1.0]}}}, constraints=["lr < 0.0005"])
    said, searched = pitprop("preflight", space), pitprop("search", space, "--inline")
    assert said.code == searched.code == 1
    assert said.err == searched.err
    assert said.err.startswith("pitprop: 100 proposals in a row broke the constraint 'lr < 0.0005': widen the space")


def test_the_command_tells_every_finding(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("preflight", write_space(**LR))
    assert (said.code, said.err) == (0, "")
    assert "batches hold 3.00 classes on average, drawing 20 at random gives 3.00" in said.out
    told = pitprop("preflight", write_space(**LR), "--json")
    assert [finding["severity"] for finding in told.json["findings"]] == ["ok"] * 6 + ["unchecked"]
    broken = write_space(**LR, options={"frozen": True})
    assert pitprop("preflight", broken).code == 1
    assert {f["check"] for f in pitprop("preflight", broken, "--json").json["findings"] if f["severity"] == "stop"} == {
        "parameters"
    }


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({"objective": {"metric": "val/accuracy"}}, "`facts: {classes: N} or {chance: {val/accuracy: ...}}`, the number of"),
        ({"objective": {"metric": "val/psnr"}}, "`facts: {chance: {val/psnr: ...}}`, what the same output for every sample"),
        ({"objective": {"metric": "val/loss"}}, "of a squared error the variance of the targets"),
        ({"objective": {"metric": "val/accuracy"}, "facts": {"classes": 4}}, ""),
        ({"objective": {"metric": "val/bleu"}}, ""),
    ],
)
def test_where_chance_is_known_neither_by_name_nor_facts_it_is_asked_for(
    write_space: Write, pitprop: Pitprop, changes: dict[str, Any], asks: str
) -> None:
    command = {"trainer": "command", "options": {"command": ["true", "{params}"]}, "params": {"lr": {"float": [0.01, 1.0]}}}
    findings = pitprop("preflight", write_space(**{**command, **changes}), "--json").json["findings"]
    asked = [finding for finding in findings if finding["check"] == "chance"]
    assert [finding["severity"] for finding in asked] == ["warn"] * bool(asks)
    assert all(asks in finding["remedy"] for finding in asked)


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({}, "`facts: {warmup: 5, drops: [30]}`, 0 and [] if it does not"),
        ({"facts": {"classes": 4, "warmup": 0}}, ""),
        ({"params": {"lr": 0.1, "warmup_epochs": {"int": [0, 5]}}}, "`facts: {drops: [30]}`"),
        ({"options": {"command": ["true", "{params}", "--warmup-epochs", "3", "--lr-steps", "16", "22"]}}, ""),
    ],
)
def test_when_the_rate_rises_and_falls_is_asked_for_where_neither_space_nor_flags_tell(
    write_space: Write, pitprop: Pitprop, changes: dict[str, Any], asks: str
) -> None:
    command = {"trainer": "command", "options": {"command": ["true", "{params}"]}, "params": {"lr": {"float": [0.01, 1.0]}}}
    stated = {"objective": {"metric": "val/accuracy"}, "facts": {"classes": 4}}
    findings = pitprop("preflight", write_space(**{**command, **stated, **changes}), "--json").json["findings"]
    asked = [finding["remedy"] for finding in findings if finding["check"] == "schedule"]
    assert len(asked) == bool(asks)
    assert all(asks in remedy for remedy in asked)


@pytest.mark.parametrize(
    ("text", "asked"), [("print('val loss 1')", False), ("step = 'lr_scheduler'", True), ("import helper", True)]
)
def test_the_rate_is_asked_for_only_where_the_space_or_the_script_names_one(
    tmp_path: Path, write_space: Write, pitprop: Pitprop, text: str, asked: bool
) -> None:
    (tmp_path / "x_train.py").write_text(text)
    (tmp_path / "helper.py").write_text("optimizer = None")
    command = {"command": ["{python}", str(tmp_path / "x_train.py"), "{params}"]}
    space = {
        "trainer": "command",
        "options": command,
        "params": {"depth": {"int": [1, 5]}},
        "objective": {"metric": "val/accuracy"},
    }
    findings = pitprop("preflight", write_space(**space), "--json").json["findings"]
    assert ("schedule" in {finding["check"] for finding in findings}) == asked


def test_the_command_says_that_a_trainer_has_no_preflight(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("preflight", write_space())
    assert (said.code, said.out) == (0, "no preflight: the trainer has no function preflight(params, context)\n")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"sorted": True}}, "batches hold 1.00 classes on average, drawing 20 at random gives 3.00; fix the batch"),
        ({"options": {"frozen": True}}, "parameters: 0 with a gradient, 0 trainable, 9 in all; unfreeze at least one part"),
        ({"options": {"checkpoint": "nowhere.pt"}}, "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.pt'"),
        ({"trainer": "imbalanced", "objective": {"metric": "val/auc"}, "options": {"data": "none.npz"}}, "no file 'none.npz'"),
    ],
)
def test_a_search_that_nothing_can_mend_is_stopped_before_any_trial(
    write_space: Write, pitprop: Pitprop, changes: dict[str, Any], words: str
) -> None:
    space = write_space(**{**LR, **changes})
    said = pitprop("search", space, "--inline")
    assert (said.code, "Traceback" in said.out + said.err) == (1, False)
    assert said.err.startswith("pitprop: the search is not begun: ")
    assert words in said.err
    assert pitprop("show", space, "--json").json == []


def test_a_checkpoint_that_was_not_loaded_stops_the_search(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    path, score = checkpoint(tmp_path, "module.")
    known = {"before": {"values": {"val/accuracy": score}, "checkpoint": True}}
    said = pitprop("search", write_space(**LR, options={"checkpoint": path}, baselines=known), "--inline")
    assert f"(the checkpoint's was {score:.4f}); check how the checkpoint is loaded" in said.err


def test_a_search_tells_warnings_in_a_line_each_and_goes_on_without_them(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**LR, trials=2, options={"files": [str(ROOT / "none.npy")], "only": None})
    assert "there are no training samples" in pitprop("preflight", space).out
    space = write_space(**LR, trials=2, baselines={"wild": {"params": {"lr": 0.1}}})
    said = pitprop("search", space, "--inline")
    assert "preflight: 6 ok, 1 unchecked" in said.out.splitlines()
    again = pitprop("search", space, "--inline", "--trials", 3)
    assert (again.code, "preflight" in again.out) == (0, False)
