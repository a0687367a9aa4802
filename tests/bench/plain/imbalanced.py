"""The trainer ``imbalanced``: a perceptron with focal loss, scored by macro F1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pitprop.trainers import imbalanced as trainer
from pitprop.trainers.data import table
from pitprop.trainers.lanes.hyperparameters import complete
from torch import Tensor, nn
from torch.nn import functional

from .training import Training, seeded, warmup_cosine

OPTIONS: Mapping[str, Any] = trainer.OPTIONS


def load() -> Data:
    """The table that ships, split as the trainer splits it."""
    split = table.split(table.load(), OPTIONS["val_fraction"], OPTIONS["split_seed"])
    return Data(*(torch.from_numpy(part) for part in (split.x_train, split.y_train, split.x_val, split.y_val)))


def begin(data: Data, params: Mapping[str, Any], epochs: int, seed: int = 0) -> Training:
    """A training of ``epochs``; of ``params`` ``focal.gamma`` counts too."""
    settings, random = complete(params, trainer.PARAMS), torch.Generator().manual_seed(seed)
    batch, (first, second), gamma = OPTIONS["batch_size"], OPTIONS["hidden"], settings["focal"]["gamma"]
    model = seeded(seed, lambda: perceptron(data.x.shape[1], first, second))
    optimizer = torch.optim.AdamW(model.parameters(), settings["lr"], weight_decay=settings["weight_decay"], fused=True)
    warmup, steps = settings["warmup"], -(-len(data.y) // batch)
    return Training(
        model,
        optimizer,
        warmup_cosine(optimizer, steps, epochs, warmup=warmup["epochs"], start=warmup["start_factor"]),
        batches=lambda: torch.split(torch.randperm(len(data.y), generator=random), batch),
        loss=lambda rows: focal(model(data.x[rows]), data.y[rows], gamma),
        validate=lambda: validate(model, data, gamma),
    )


def perceptron(inputs: int, first: int, second: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 2))


def focal(logits: Tensor, y: Tensor, gamma: float) -> Tensor:
    logs = functional.log_softmax(logits, dim=1).gather(1, y[:, None])[:, 0]
    return ((1 - logs.exp()) ** gamma * -logs).mean()


def validate(model: nn.Module, data: Data, gamma: float) -> tuple[float, float]:
    logits = model(data.x_val)
    counts = torch.bincount(2 * data.y_val + logits.argmax(dim=1), minlength=4).reshape(2, 2)
    f1 = 2 * counts.diagonal() / (counts.sum(dim=0) + counts.sum(dim=1))
    return focal(logits, data.y_val, gamma).item(), f1.mean().item()


class Data(NamedTuple):
    """Features (n, d) and classes (n,) of both sides."""

    x: Tensor
    y: Tensor
    x_val: Tensor
    y_val: Tensor
