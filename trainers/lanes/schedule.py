"""The learning rates of one epoch: a linear warmup and half a cosine, by each lane's own settings and age."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from pitprop.trainers.lanes import optim
from pitprop.trainers.lanes.group import Group
from torch import Tensor


class Scheduled(Protocol):
    """Settings with a peak rate, and how many epochs of warmup lead to it from ``start_factor`` times the peak."""

    @property
    def lr(self) -> float: ...
    @property
    def warmup_epochs(self) -> float: ...
    @property
    def start_factor(self) -> float: ...


T = TypeVar("T", bound=Scheduled)


def schedule(group: Group[T], steps: int, epochs: int, lowest: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """The number of each step of the epoch that is due and its learning rate, (K, S) in float64: `optim.warmup_cosine`.

    ``steps`` are those of one epoch, ``epochs`` the budget, at whose end the rate is ``lowest``, (K, 1) or one for all.
    """
    device = group.stack.weights.device
    ages = torch.tensor(group.ages, dtype=torch.float64, device=device)[:, None]
    step = ages * steps + torch.arange(steps, device=device)
    peak = group.column(lambda settings: settings.lr)[:, None]
    warmup = group.column(lambda settings: settings.warmup_epochs)[:, None] * steps
    start_factor = group.column(lambda settings: settings.start_factor)[:, None]
    return step, optim.warmup_cosine(step, peak, warmup, start_factor, epochs * steps, lowest)
