"""Conformance: what every trainer keeps to, whichever there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from pitprop import trainer
from pitprop.detection.facts import Facts
from pitprop.detection.signatures import gives
from pitprop.driver.preflight.findings import judge
from pitprop.telemetry import VOCABULARY, Epoch
from pitprop.trainer import Change, Context, Epochs, Lane, Start
from pitprop.workers import checkpoint
from pitprop.workers.worker import Failure, Worker

NAMES = trainer.names()
LANES = [Lane(number, 0) for number in range(3)]
EPOCHS = 3
SMALLEST = str(Path(__file__).parent / "scripts" / "smallest.py")
OPTIONS = {
    "command": {
        "command": ["{python}", SMALLEST, "--epochs", "{epochs}", "--seed", "{seed}", "--out", "{folder}"],
        "resume": ["--resume", "{checkpoint}"],
        "checkpoint": "{folder}/last.json",
    }
}
"""The options of a trainer that can do nothing without."""


def params(name: str) -> dict[str, Any]:
    """The trainer's defaults."""
    return dict(trainer.card(f"pitprop.trainers.{name}").params or {})


def context(name: str) -> Context:
    return Context(epochs=EPOCHS, options=OPTIONS.get(name, {}))


def worker(name: str, folder: Path) -> Worker:
    made = Worker(f"pitprop.trainers.{name}", context(name), str(folder / "group.ckpt"))
    assert made.warm() is None
    return made


def start(name: str, lane: Lane, folder: Path, **more: Any) -> Start:
    return Start(lane, params(name), lane.trial, str(folder), **more)


def advance(worker: Worker, change: Change) -> Epochs:
    answer = worker.advance(change)
    assert not isinstance(answer, Failure), answer.traceback
    return answer


def width(name: str) -> int:
    return min(trainer.card(f"pitprop.trainers.{name}").width, len(LANES))


def plain(epoch: Epoch) -> Mapping[str, float]:
    """The metrics without the clock."""
    return {name: value for name, value in epoch.metrics.items() if name != "seconds"}


def whole(name: str, folder: Path) -> list[Epochs]:
    """Every epoch of a group that trains to its end."""
    group = worker(name, folder)
    started = [start(name, lane, folder) for lane in LANES[: width(name)]]
    epochs = [advance(group, Change(started=started)), *(advance(group, Change()) for _ in range(EPOCHS - 1))]
    group.close()
    return epochs


Trained = Callable[[str], list[Epochs]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The epochs of each trainer, trained once for all the questions about them."""
    return cache(lambda name: whole(name, tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_without_being_imported(name: str) -> None:
    card = trainer.card(f"pitprop.trainers.{name}")
    assert card.summary.endswith(".")
    assert card.params or name in OPTIONS  # a command takes and reports what it likes
    assert card.reports or name in OPTIONS
    assert card.width >= 1


@pytest.mark.parametrize("name", NAMES)
def test_it_reports_what_it_says_in_the_words_of_the_vocabulary(name: str, trained: Trained) -> None:
    said = trainer.card(f"pitprop.trainers.{name}").reports or ()
    for epochs in trained(name):
        for epoch in epochs.values():
            assert name in OPTIONS or all(gives(metric, said) for metric in epoch.metrics)
            assert all(gives(metric, VOCABULARY) for metric in epoch.metrics)
            due = [word for word in said if epoch.step == 1 or not word.startswith("start/")]
            assert all(gives(word, epoch.metrics) for word in due)


@pytest.mark.parametrize("name", NAMES)
def test_its_losses_are_numbers(name: str, trained: Trained) -> None:
    last = trained(name)[-1]
    assert all(math.isfinite(epoch.metrics["val/loss"]) for epoch in last.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_epochs(name: str, tmp_path: Path, trained: Trained) -> None:
    for one, other in zip(trained(name), whole(name, tmp_path), strict=True):
        assert [plain(epoch) for epoch in one.values()] == [plain(epoch) for epoch in other.values()]


@pytest.mark.parametrize("name", NAMES)
def test_steps_count_from_one(name: str, trained: Trained) -> None:
    assert [[epoch.step for epoch in epochs.values()] for epochs in trained(name)] == [
        [step] * width(name) for step in range(1, EPOCHS + 1)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_yield_leaves_grad_mode_and_the_global_rng_alone(name: str, tmp_path: Path) -> None:
    group, before = worker(name, tmp_path), torch.get_rng_state()
    for change in (Change(started=[start(name, LANES[0], tmp_path)]), Change()):
        advance(group, change)
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        assert torch.equal(torch.get_rng_state(), before)
    group.close()


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_from_its_checkpoint_as_if_nothing_had_been(name: str, tmp_path: Path, trained: Trained) -> None:
    group = worker(name, tmp_path)
    advance(group, Change(started=[start(name, lane, tmp_path) for lane in LANES[: width(name)]]))
    group.close()
    found = checkpoint.newest(tmp_path)
    again = [start(name, lane, tmp_path, step=epoch.step, checkpoint=str(path)) for lane, (path, epoch) in found.items()]
    group = Worker(f"pitprop.trainers.{name}", context(name), str(tmp_path / "other.ckpt"))
    resumed = advance(group, Change(started=again))
    group.close()
    for lane, epoch in resumed.items():
        assert epoch.step == 2
        assert plain(epoch) == pytest.approx(plain(trained(name)[1][lane]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_lane_that_stops_leaves_its_checkpoint_and_its_place(name: str, tmp_path: Path) -> None:
    group = worker(name, tmp_path)
    advance(group, Change(started=[start(name, LANES[0], tmp_path)]))
    after = advance(group, Change(stopped=[LANES[0]], started=[start(name, LANES[1], tmp_path)]))
    group.close()
    assert list(after) == [LANES[1]]
    assert checkpoint.epochs(tmp_path / "replica-0.ckpt")[LANES[0]].step == 1


# Trainers that have a preflight


def measured(name: str, folder: Path) -> Epoch:
    """What the trainer measures before any training; the test is skipped for a trainer that measures nothing."""
    answer = worker(name, folder).preflight(params(name), 0)
    if answer is None:
        pytest.skip(f"{name} has no preflight")
    assert isinstance(answer, Epoch), answer
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_its_preflight_finds_nothing_that_would_stop_its_defaults(name: str, tmp_path: Path) -> None:
    findings = judge(measured(name, tmp_path), Facts(budget=EPOCHS))
    assert [finding for finding in findings if finding.severity == "stop"] == []
    assert name == "command" or any(finding.severity == "ok" for finding in findings)  # which measures nothing of a training


@pytest.mark.parametrize("name", NAMES)
def test_its_preflight_is_an_epoch_of_step_0_in_the_words_of_the_vocabulary(name: str, tmp_path: Path) -> None:
    epoch = measured(name, tmp_path)
    assert epoch.step == 0
    assert all(gives(metric, VOCABULARY) for metric in epoch.metrics)


@pytest.mark.parametrize("name", NAMES)
def test_its_preflight_depends_on_its_seed_alone_and_leaves_no_trace(name: str, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    first, again = measured(name, tmp_path), measured(name, tmp_path)
    assert first == again
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert list(tmp_path.iterdir()) == []
