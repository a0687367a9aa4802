"""The trainer ``events``: dilated convolutions, a coarse and a fine head at every frame, scored by F1 over elements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pitprop.trainers import events as trainer
from pitprop.trainers.lanes import losses
from pitprop.trainers.lanes.hyperparameters import complete
from pitprop.trainers.sequences import recordings, windows
from torch import Tensor, nn
from torch.nn import functional

from .spotting import Scene, element_f1
from .training import Training, seeded, warmup_cosine

OPTIONS: Mapping[str, Any] = trainer.OPTIONS


def load() -> Data:
    """The recordings that ship, split as the trainer splits them, with windows cut from those to train by."""
    split = recordings.split(recordings.load(), OPTIONS["channels"], None)
    margin = sum(OPTIONS["dilations"])
    cut = windows.cut(split.train, split.sizes, OPTIONS["window"], margin)
    scenes = [
        Scene(windows.padded(one, margin).T[None].contiguous(), *windows.labels(one, split.sizes), one.frames, one.elements)
        for one in split.val
    ]
    return Data(cut.x.transpose(1, 2).contiguous(), cut.event, cut.elements, scenes, split.sizes)


def begin(data: Data, params: Mapping[str, Any], epochs: int, seed: int = 0) -> Training:
    """A training of ``epochs``: cross entropy with weighted events, half of the windows with an event, both heads count alike."""
    settings, random = complete(params, trainer.PARAMS), torch.Generator().manual_seed(seed)
    events, batch, warmup = int(data.event.sum()), OPTIONS["batch_size"], settings["warmup"]
    others, holds = data.event.numel() - events, data.event.any(dim=1)
    weight = torch.tensor(losses.class_weights(settings["weight"], [others, events])[1])
    model = seeded(seed, lambda: Detector(data.x.shape[1], sum(data.sizes), math.log(events * weight / others)))
    optimizer = torch.optim.AdamW(model.parameters(), settings["lr"], weight_decay=settings["weight_decay"], fused=True)
    return Training(
        model,
        optimizer,
        warmup_cosine(optimizer, -(-len(holds) // batch), epochs, warmup=warmup["epochs"], start=warmup["start_factor"]),
        batches=lambda: torch.split(windows.order(random, holds, settings["oversample"]), batch),
        loss=lambda rows: loss(model(data.x[rows]), data.event[rows], data.elements[rows], weight),
        validate=lambda: validate(model, data, weight),
    )


def loss(logits: tuple[Tensor, Tensor], event: Tensor, elements: Tensor, weight: Tensor) -> Tensor:
    """The mean over frames of the coarse head's, and over events of the fine one's."""
    coarse, fine = logits
    found = functional.binary_cross_entropy_with_logits(coarse, event, pos_weight=weight)
    there = event > 0
    told = functional.binary_cross_entropy_with_logits(fine[there], elements[there], reduction="sum") / fine.shape[-1]
    return found + told / event.sum().clamp(min=1)


def validate(model: nn.Module, data: Data, weight: Tensor) -> tuple[float, float]:
    coarse, fine = zip(*(model(scene.x) for scene in data.scenes), strict=True)
    event, elements = (torch.cat([getattr(scene, name) for scene in data.scenes])[None] for name in ("event", "labels"))
    together = loss((torch.cat(coarse, dim=1), torch.cat(fine, dim=1)), event, elements, weight)
    return together.item(), element_f1(coarse, fine, data.scenes, data.sizes)


class Detector(nn.Module):
    """Dilated convolutions without padding and both heads; ``bias`` is where the coarse one starts."""

    def __init__(self, channels: int, elements: int, bias: float) -> None:
        super().__init__()
        width, layers = OPTIONS["width"], list[nn.Module]()
        for dilation in OPTIONS["dilations"]:
            layers += [nn.Conv1d(channels, width, 3, dilation=dilation), nn.ReLU()]
            channels = width
        self.body, self.coarse, self.fine = nn.Sequential(*layers), nn.Conv1d(width, 1, 1), nn.Conv1d(width, elements, 1)
        nn.init.constant_(self.coarse.get_parameter("bias"), bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Signals (B, channels, T + 2 margin) to coarse logits (B, T) and fine ones (B, T, elements)."""
        seen = self.body(x)
        return self.coarse(seen)[:, 0], self.fine(seen).transpose(1, 2)


class Data(NamedTuple):
    """Windows x (N, c, length + 2 margin), events (N, length) and elements (N, length, E); the scenes to validate on.

    ``sizes`` are the elements of each head.
    """

    x: Tensor
    event: Tensor
    elements: Tensor
    scenes: list[Scene]
    sizes: tuple[int, ...]
