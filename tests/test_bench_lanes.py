"""The plain trainings that lanes are measured against: they do the trainer's work, and learn as it does."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pitprop.telemetry import Epoch
from pitprop.trainer import Lane, Start
from pitprop.trainers.sequences import spotting

from tests.bench.plain import events as plain_events
from tests.bench.plain.spotting import Scene, element_f1
from tests.bench.plain.training import train
from tests.laned import trained

pytestmark = pytest.mark.slow  # a bench is run by hand, and so are its tests

EPOCHS = 4
WORKLOADS = {
    "imbalanced": ("val/macro_f1", 3e-3, {}),
    "two_stream": ("val/top1", 3e-4, {"checkpoint": None}),
    "contrastive": ("val/knn", 1e-3, {}),
    "events": ("val/element_f1", 3e-3, {}),
}
"""The objective, a learning rate that does well, and the options with which the trainer too starts from scratch."""
NEAR = 0.15
"""Scores may differ by so much after a few epochs: weights and order of rows are others, and a seed alone makes as much."""


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_plain_training_does_the_work_of_one_lane_and_learns_as_it_does(name: str) -> None:
    metric, lr, options = WORKLOADS[name]
    plain: ModuleType = importlib.import_module(f"tests.bench.plain.{name}")
    training = plain.begin(plain.load(), {"lr": lr}, EPOCHS)
    ours, theirs = one_lane(name, lr, options), list(train(training, EPOCHS))

    assert sum(weight.numel() for weight in training.model.parameters()) == ours[0].metrics["params/total"]
    # The rate of an epoch's last step tells how many steps there are, and that both follow one schedule.
    assert [epoch.lr for epoch in theirs] == pytest.approx([epoch.metrics["lr"] for epoch in ours], rel=1e-9)
    assert theirs[-1].loss < 0.9 * theirs[0].loss
    assert theirs[-1].score == pytest.approx(ours[-1].metrics[metric], abs=NEAR)
    assert theirs[-1].val_loss == pytest.approx(ours[-1].metrics["val/loss"], rel=0.25)


def one_lane(name: str, lr: float, options: dict[str, Any]) -> list[Epoch]:
    """What the trainer reports of one lane."""
    trainer, lane = importlib.import_module(f"pitprop.trainers.{name}"), Lane(0, 0)
    record, _ = trained(trainer, [Start(lane, {"lr": lr}, seed=0, folder=".")], EPOCHS, options=options)
    return record[lane]


@pytest.mark.parametrize("seed", range(5))
def test_plain_spotting_scores_as_the_trainer_does(seed: int) -> None:
    data, random = plain_events.load(), torch.Generator().manual_seed(seed)
    coarse = [3 * torch.randn(1, len(scene.event), generator=random) - 5 + 8 * scene.event for scene in data.scenes]
    fine = [torch.randn(1, *scene.labels.shape, generator=random) + 2 * scene.labels for scene in data.scenes]
    tallies = [tallied(*logits, scene, data.sizes) for *logits, scene in zip(coarse, fine, data.scenes, strict=True)]
    theirs = spotting.f1(torch.stack([one.elements for one in tallies]).sum(dim=0)).item()

    assert 0.1 < theirs < 0.9
    assert element_f1(coarse, fine, data.scenes, data.sizes) == pytest.approx(theirs, abs=1e-12)


def tallied(coarse: torch.Tensor, fine: torch.Tensor, scene: Scene, sizes: tuple[int, ...]) -> spotting.Tally:
    truth = spotting.truth(scene.frames, np.asarray(scene.elements), sizes, "cpu")
    return spotting.tally(spotting.peaks(coarse, torch.zeros(1), 2), spotting.decoded(fine, sizes), truth, 5, 2)
