"""Trains configurations one after another with nothing around them: ``python bare.py trainer|torch FIRST END``.

``trainer`` is the trainer at one lane, ``torch`` the same training as one writes it by hand. Prints when the first training
began and the last one ended, in unix seconds, and the epochs trained.
"""

from __future__ import annotations

import json
import math
import sys
import time
from functools import partial
from typing import Any

import torch
import workload
from torch import Tensor, nn
from torch.nn import functional

from trainers import imbalanced
from trainers.data import table


def train_trainer(params: dict[str, Any]) -> int:
    """One trial by the trainer; the epochs trained."""
    return sum(1 for _ in workload.epochs(params))


def train_torch(params: dict[str, Any]) -> int:
    """One trial in plain torch, with the trainer's model, data, schedule and batches; the epochs trained."""
    options: dict[str, Any] = {**imbalanced.OPTIONS}
    split = table.split(table.load(), options["val_fraction"], options["split_seed"])
    x, y, x_val, y_val = (torch.from_numpy(part) for part in (split.x_train, split.y_train, split.x_val, split.y_val))
    random = torch.Generator().manual_seed(0)
    first, second = options["hidden"]
    model = nn.Sequential(nn.Linear(x.shape[1], first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=params["lr"], weight_decay=params["weight_decay"], fused=True)
    factor = partial(_factor, steps=-(-len(y) // options["batch_size"]))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(workload.EPOCHS):
        total = torch.zeros(())
        for rows in torch.randperm(len(y), generator=random).split(options["batch_size"]):
            loss = _focal(model(x[rows]), y[rows], params["focal"]["gamma"])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), math.inf)  # the norm is a reading
            optimizer.step()
            schedule.step()
            total += loss.detach()
        _validate(model, x_val, y_val, params["focal"]["gamma"])
    return workload.EPOCHS


def _factor(step: int, steps: int) -> float:
    """Of the learning rate: two epochs of warmup, then a cosine to 0."""
    warm, end = 2 * steps, workload.EPOCHS * steps
    return 0.01 + 0.99 * step / warm if step < warm else (1 + math.cos(math.pi * (step - warm) / (end - warm))) / 2


def _focal(logits: Tensor, y: Tensor, gamma: float) -> Tensor:
    logs = functional.log_softmax(logits, dim=1).gather(1, y[:, None])[:, 0]
    return ((1 - logs.exp()) ** gamma * -logs).mean()


def _validate(model: nn.Module, x: Tensor, y: Tensor, gamma: float) -> tuple[float, float]:
    """Loss and macro F1."""
    with torch.no_grad():
        logits = model(x)
        table = torch.bincount(2 * y + logits.argmax(dim=1), minlength=4).reshape(2, 2)
        f1 = 2 * table.diagonal() / (table.sum(dim=0) + table.sum(dim=1))
        return _focal(logits, y, gamma).item(), f1.mean().item()


if __name__ == "__main__":
    train = {"trainer": train_trainer, "torch": train_torch}[sys.argv[1]]
    began = time.time()
    trained = sum(train(workload.configuration(number)) for number in range(int(sys.argv[2]), int(sys.argv[3])))
    print(json.dumps({"began": began, "ended": time.time(), "epochs": trained}))
