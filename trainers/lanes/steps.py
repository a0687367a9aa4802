"""One epoch of optimizer steps with each lane's schedule, weight decay and clipping, and what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import torch
from pitprop.trainers.lanes import optim
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.schedule import Scheduled, schedule
from torch import Tensor


class Optimized(Scheduled, Protocol):
    """Settings of an optimizer; ``clip`` is the largest gradient norm, infinity where nothing is clipped."""

    @property
    def weight_decay(self) -> float: ...
    @property
    def clip(self) -> float: ...


T = TypeVar("T", bound=Optimized)


class Steps:
    """The ``steps`` of the epoch that is due for ``group``, of ``epochs`` in all.

    ``branches`` are columns of the weights, by name, whose gradients are measured by themselves too. ``frozen`` (K, P) are
    the weights that stay as they are, ``lowest`` (K, 1) the learning rates at the end, ``rule`` is the optimizer.
    """

    def __init__(
        self,
        group: Group[T],
        steps: int,
        epochs: int,
        branches: Mapping[str, slice] | None = None,
        frozen: Tensor | None = None,
        lowest: Tensor | float = 0.0,
        rule: optim.Rule = optim.ADAMW,
    ) -> None:
        step, self._lr = schedule(group, steps, epochs, lowest)
        factors, self._step = rule
        self._factors = iter(factors(step, self._lr, group.column(lambda settings: settings.weight_decay)[:, None]))
        self._limit = group.column(lambda settings: settings.clip).float()
        self._clips = any(settings.clip < torch.inf for settings in group.settings)
        self._models, self._branches = group.stack, dict(branches or {})
        self._lengths: dict[str, list[Tensor]] = {name: [] for name in ("", *self._branches)}
        self._frozen = frozen
        self._ratios: list[Tensor] = []
        self._reached = torch.empty(0)

    def take(self, loss: Tensor) -> None:
        """One step down the gradient of ``loss``, the sum of the lanes' losses."""
        models = self._models
        models.differentiate(loss)
        *scales, decay = next(self._factors)
        if self._frozen is not None:
            models.grads.masked_fill_(self._frozen, 0.0)
            decay = decay.masked_fill(self._frozen, 0.0)
        if not self._ratios:  # the first batch is a whole one, which the last need not be
            self._reached = models.grads.count_nonzero(dim=1)
        length = optim.norms(models.grads)
        self._lengths[""].append(length)
        for name, columns in self._branches.items():
            self._lengths[name].append(optim.norms(models.grads[:, columns]))
        if self._clips:
            optim.clip(models, length, self._limit)
        self._ratios.append(self._step(models, (*scales, decay)))

    def readings(self) -> dict[str, Tensor]:
        """What was measured, (K,) by metric name; means over the steps taken."""
        norms = {name: torch.stack(lengths) for name, lengths in self._lengths.items()}
        whole = norms.pop("")
        means = {"lr": self._lr[:, -1], "grad_norm": whole.mean(dim=0)}
        means |= {f"grad_norm/{name}": lengths.mean(dim=0) for name, lengths in norms.items()}
        means |= {"clipped": (whole > self._limit).double().mean(dim=0), "update_ratio": torch.stack(self._ratios).mean(dim=0)}
        return means | {"params/with_grad": self._reached}
