"""The trainer ``two_stream``: images and pen points fused, scored by accuracy. From scratch, as a checkpoint costs no step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pitprop.trainers import two_stream as trainer
from pitprop.trainers.data import pendigits
from pitprop.trainers.lanes.hyperparameters import complete
from pitprop.trainers.lanes.optim import MOMENTUM
from torch import Tensor, nn
from torch.nn import functional

from .training import Training, seeded, warmup_cosine

OPTIONS: Mapping[str, Any] = trainer.OPTIONS


def load() -> Data:
    """The digits that ship, with the trainer's noise and split."""
    noise = OPTIONS["noise"]["rgb"], OPTIONS["noise"]["pose"]
    digits = pendigits.load(None, OPTIONS["side"], noise, OPTIONS["split_seed"])
    split = pendigits.split(digits, OPTIONS["val_fraction"], OPTIONS["split_seed"])
    train, val = (Side(*map(torch.from_numpy, (side.rgb, side.pose, side.y))) for side in (split.train, split.val))
    return Data(train, val, split.classes)


def begin(data: Data, params: Mapping[str, Any], epochs: int, seed: int = 0) -> Training:
    """A training of ``epochs``. Gamma and augmentation stay at the trainer's 0: cross entropy on images as they are."""
    settings, random = complete(params, trainer.PARAMS), torch.Generator().manual_seed(seed)
    (rgb, pose, y), batch, weights, warmup = data.train, OPTIONS["batch_size"], settings["loss_weights"], settings["warmup"]
    model = seeded(seed, lambda: Streams(rgb[0].numel(), pose.shape[1], data.classes))
    optimizer = torch.optim.SGD(
        model.parameters(), settings["lr"], momentum=MOMENTUM, weight_decay=settings["weight_decay"], fused=True
    )
    return Training(
        model,
        optimizer,
        warmup_cosine(optimizer, -(-len(y) // batch), epochs, warmup=warmup["epochs"], start=warmup["start_factor"]),
        batches=lambda: torch.split(torch.randperm(len(y), generator=random), batch),
        loss=lambda rows: loss(model(rgb[rows], pose[rows]), y[rows], weights),
        validate=lambda: validate(model, data.val),
    )


def loss(logits: tuple[Tensor, Tensor, Tensor], y: Tensor, weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of the heads' cross entropies and of how far the two streams disagree (Jensen-Shannon)."""
    heads = zip(("rgb", "pose", "fused"), logits, strict=True)
    total = torch.stack([weights[name] * functional.cross_entropy(one, y) for name, one in heads]).sum()
    p, q = (functional.log_softmax(one, dim=1) for one in logits[:2])
    middle = torch.logaddexp(p, q) - math.log(2)
    divergence = functional.kl_div(middle, p, reduction="batchmean", log_target=True)
    divergence = divergence + functional.kl_div(middle, q, reduction="batchmean", log_target=True)
    return total + weights["aux"] * 0.5 * divergence


def validate(model: nn.Module, val: Side) -> tuple[float, float]:
    *_, fused = model(val.rgb, val.pose)
    return functional.cross_entropy(fused, val.y).item(), (fused.argmax(dim=1) == val.y).double().mean().item()


class Streams(nn.Module):
    """Two perceptrons with a head each, and a head over what both have seen."""

    def __init__(self, pixels: int, values: int, classes: int) -> None:
        super().__init__()
        (wide,), (narrow,) = OPTIONS["hidden"]["rgb"], OPTIONS["hidden"]["pose"]
        self.rgb = nn.Sequential(nn.Flatten(), nn.Linear(pixels, wide), nn.ReLU())
        self.pose = nn.Sequential(nn.Linear(values, narrow), nn.ReLU())
        self.rgb_head, self.pose_head = nn.Linear(wide, classes), nn.Linear(narrow, classes)
        self.fused_head = nn.Linear(wide + narrow, classes)

    def forward(self, rgb: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, h, w) and points (B, d) to the logits (B, C) of each head."""
        image, points = self.rgb(rgb), self.pose(pose)
        return self.rgb_head(image), self.pose_head(points), self.fused_head(torch.cat([image, points], dim=1))


class Side(NamedTuple):
    """Images (n, h, w), points (n, d) and classes (n,)."""

    rgb: Tensor
    pose: Tensor
    y: Tensor


class Data(NamedTuple):
    """Both sides, and how many classes there are."""

    train: Side
    val: Side
    classes: int
