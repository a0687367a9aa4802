"""What plain trainings share: the loop around a model, the schedule, and what is read of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

M = TypeVar("M", bound=nn.Module)


def train(training: Training, epochs: int) -> Iterator[Epoch]:
    """Trains and validates, an epoch at a time."""
    model, optimizer = training.model, training.optimizer
    for _ in range(epochs):
        steps, total, norm, rate = 0, torch.zeros(()), torch.zeros(()), 0.0
        for rows in training.batches():
            loss = training.loss(rows)
            optimizer.zero_grad()
            loss.backward()
            norm += nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
            rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            training.schedule.step()
            total += loss.detach()
            steps += 1
        with torch.no_grad():
            val_loss, score = training.validate()
        yield Epoch(steps, rate, norm.item() / steps, total.item() / steps, val_loss, score)


def warmup_cosine(
    optimizer: Optimizer, steps: int, epochs: int, *, warmup: float = 0, start: float = 0.0, end: float = 0.0
) -> LambdaLR:
    """Linear from the share ``start`` of the optimizer's rate over ``warmup`` epochs, then half a cosine to the share ``end``.

    ``steps`` are those of one of the ``epochs``.
    """
    rise, total = warmup * steps, epochs * steps

    def share(step: int) -> float:
        if step < rise:
            return start + (1 - start) * step / rise
        return end + (1 - end) * (1 + math.cos(math.pi * (step - rise) / max(total - rise, 1))) / 2

    return LambdaLR(optimizer, share)


def seeded(seed: int, make: Callable[[], M]) -> M:
    """The model that ``make`` gives, its weights drawn from ``seed``; PyTorch's own layers know the global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


@dataclass(frozen=True, slots=True)
class Training:
    """A model about to be trained. ``batches`` gives the rows of each batch of an epoch, ``loss`` is that of one batch.

    ``validate`` gives the validation loss and the workload's objective.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LambdaLR
    batches: Callable[[], Iterable[Tensor]]
    loss: Callable[[Tensor], Tensor]
    validate: Callable[[], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """``steps`` taken, the last one's learning rate ``lr``; the gradients' mean norm, the mean loss, and the validation."""

    steps: int
    lr: float
    norm: float
    loss: float
    val_loss: float
    score: float
