"""Optimizer steps of K lanes at once: AdamW or SGD, warmup and cosine, clipping, each lane by its own settings and age."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.hyperparameters import number
from pitprop.trainers.lanes.stack import Stack
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8
MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class Optimizer:
    """One lane's: the learning rate rises over ``warmup_epochs`` from ``start_factor`` times ``lr`` and ends at ``min_lr``.

    ``clip`` is the largest gradient norm, infinity where nothing is clipped.
    """

    lr: float
    weight_decay: float
    warmup_epochs: float
    start_factor: float
    clip: float
    min_lr: float = 0.0


class Optimized(Protocol):
    """One lane's settings, of which these are the optimizer's."""

    @property
    def optimizer(self) -> Optimizer: ...


L = TypeVar("L", bound=Optimized)


def settle(tree: Mapping[str, Any]) -> Optimizer:
    """The optimizer of one lane, from the hyperparameters that trainers name alike. `ValueError` for a wrong one."""
    return Optimizer(
        lr=number("lr", tree["lr"]),
        weight_decay=number("weight_decay", tree["weight_decay"]),
        warmup_epochs=number("warmup.epochs", tree["warmup"]["epochs"]),
        start_factor=number("warmup.start_factor", tree["warmup"]["start_factor"], 0, 1),
        clip=clip_limit(tree["clip"]),
        min_lr=number("min_lr", tree.get("min_lr", 0.0)),
    )


def clip_limit(value: Any) -> float:
    """The largest gradient norm: infinity for None, else a number above 0, or a `ValueError`."""
    return torch.inf if value is None else number("clip", value, above=True)


def warmup_cosine(
    step: Tensor, peak: Tensor, warmup: Tensor, start_factor: Tensor, total: int, lowest: Tensor | float = 0.0
) -> Tensor:
    """The learning rate (K, S) at ``step`` (K, S), counted from 0; the others are (K, 1), in float64.

    Linear from ``start_factor * peak`` over ``warmup`` steps, then half a cosine down to ``lowest`` at ``total`` steps.
    """
    rise = start_factor + (1 - start_factor) * step / warmup.clamp(min=1)
    fall = 0.5 * (1 + torch.cos(torch.pi * (step - warmup) / (total - warmup).clamp(min=1)))
    return torch.where(step < warmup, peak * rise, lowest + (peak - lowest) * fall)


def coefficients(step: Tensor, lr: Tensor, weight_decay: Tensor) -> list[tuple[Tensor, ...]]:
    """AdamW's three factors for each of S steps, (K, 1) each: the step's size, the second moment's scale and the decay.

    ``step`` and ``lr`` are (K, S), ``weight_decay`` is (K, 1), in float64: in float32 the bias correction 1 - 0.999^t loses
    so many digits that trainings drift apart.
    """
    count = step + 1
    size = lr / (1 - BETAS[0] ** count)
    scale = (1 - BETAS[1] ** count).sqrt()
    table = torch.stack([size, scale, lr * weight_decay]).float()
    return [tuple(row[..., None]) for row in table.permute(2, 0, 1).contiguous()]


def clip(stack: Stack, norm: Tensor, limit: Tensor) -> None:
    """Scales gradients longer than ``limit`` (K,) down to it; infinity leaves them. As `torch.nn.utils.clip_grad_norm_`."""
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    stack.grads.mul_(torch.where(limit.isinf(), 1.0, factor)[:, None])


def adamw(stack: Stack, factors: Sequence[Tensor]) -> Tensor:
    """One step of AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW`. How long it was, over the weights' length: (K,)."""
    size, scale, decay = factors
    stack.mean.lerp_(stack.grads, 1 - BETAS[0])
    stack.square.mul_(BETAS[1]).addcmul_(stack.grads, stack.grads, value=1 - BETAS[1])
    update = stack.mean / stack.square.sqrt().div_(scale).add_(EPSILON)
    update.mul_(size).addcmul_(stack.weights, decay)
    length = norms(stack.weights)
    stack.weights.sub_(update)
    return norms(update) / length


def sgd_coefficients(step: Tensor, lr: Tensor, weight_decay: Tensor) -> list[tuple[Tensor, ...]]:
    """SGD's two factors for each of S steps, (K, 1) each: the step's size and the decay. Arguments as for `coefficients`."""
    table = torch.stack([lr, weight_decay.expand_as(lr)]).float()
    return [tuple(row[..., None]) for row in table.permute(2, 0, 1).contiguous()]


def sgd(stack: Stack, factors: Sequence[Tensor]) -> Tensor:
    """One step with `MOMENTUM`, as `torch.optim.SGD`; ``mean`` holds the momentum. How long it was, over the weights' length."""
    size, decay = factors
    stack.mean.mul_(MOMENTUM).add_(stack.grads).addcmul_(stack.weights, decay)
    update = stack.mean * size
    length = norms(stack.weights)
    stack.weights.sub_(update)
    return norms(update) / length


def norms(rows: Tensor) -> Tensor:
    """The length of each row, (K, P) to (K,)."""
    length: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return length


Rule = tuple[Callable[[Tensor, Tensor, Tensor], list[tuple[Tensor, ...]]], Callable[[Stack, Sequence[Tensor]], Tensor]]
"""An optimizer: the factors of its steps, and one step with them."""
ADAMW: Rule = (coefficients, adamw)
SGD: Rule = (sgd_coefficients, sgd)


def schedule(group: Group[L], steps: int, epochs: int) -> tuple[Tensor, Tensor]:
    """The number of each step of the epoch that is due and its learning rate, (K, S) in float64: `warmup_cosine`.

    ``steps`` are those of one epoch, ``epochs`` the budget, at whose end the rate is each lane's ``min_lr``.
    """
    device = group.stack.weights.device
    ages = torch.tensor(group.ages, dtype=torch.float64, device=device)[:, None]
    step = ages * steps + torch.arange(steps, device=device)
    peak = group.column(lambda settings: settings.optimizer.lr)[:, None]
    warmup = group.column(lambda settings: settings.optimizer.warmup_epochs)[:, None] * steps
    start_factor = group.column(lambda settings: settings.optimizer.start_factor)[:, None]
    lowest = group.column(lambda settings: settings.optimizer.min_lr)[:, None]
    return step, warmup_cosine(step, peak, warmup, start_factor, epochs * steps, lowest)


class Steps:
    """The ``steps`` of the epoch that is due for ``group``, of ``epochs`` in all, and what is measured of them.

    ``branches`` are columns of the weights, by name, whose gradients are measured separately too. ``frozen`` (K, P) are the
    weights that do not learn, ``rule`` is the optimizer.
    """

    def __init__(
        self,
        group: Group[L],
        steps: int,
        epochs: int,
        branches: Mapping[str, slice],
        frozen: Tensor | None,
        rule: Rule,
    ) -> None:
        step, self._lr = schedule(group, steps, epochs)
        factors, self._step = rule
        self._factors = iter(factors(step, self._lr, group.column(lambda settings: settings.optimizer.weight_decay)[:, None]))
        self._limit = group.column(lambda settings: settings.optimizer.clip).float()
        self._clips = any(settings.optimizer.clip < torch.inf for settings in group.settings)
        self._models, self._branches = group.stack, branches
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
        length = norms(models.grads)
        self._lengths[""].append(length)
        for name, columns in self._branches.items():
            self._lengths[name].append(norms(models.grads[:, columns]))
        if self._clips:
            clip(models, length, self._limit)
        self._ratios.append(self._step(models, (*scales, decay)))

    def readings(self) -> dict[str, Tensor]:
        """What was measured, (K,) by metric name; means over the steps taken."""
        norms = {name: torch.stack(lengths) for name, lengths in self._lengths.items()}
        whole = norms.pop("")
        means = {"lr": self._lr[:, -1], "grad_norm": whole.mean(dim=0)}
        means |= {f"grad_norm/{name}": lengths.mean(dim=0) for name, lengths in norms.items()}
        means |= {"clipped": (whole > self._limit).double().mean(dim=0), "update_ratio": torch.stack(self._ratios).mean(dim=0)}
        return means | {"params/with_grad": self._reached}
