"""Hyperparameters as a person writes a space: log-uniform or a choice, also of what goes wrong in the task itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tests.bench.detect.made.lanes import OPTIMIZERS, Array, Params, Recipe

SCHEDULES = ("constant", "linear", "exponential", "halves", "one_cycle", "root")
ONE_CYCLE, RISE = 4, 0.3
Space = Sequence[float] | tuple[float, float]
USUAL: Mapping[str, Space] = {
    "optimizer": [1, 2, 2],
    "schedule": [0, 1, 2, 3, 4, 5],
    "warmup": [0.0, 0.0, 0.1],
    "gain": [1.0],
    "decay": [0.0],
    "clip": [math.inf],
}


@dataclass(frozen=True, slots=True)
class Plan(Recipe):
    """A recipe with schedules of its own, and with ``more`` hyperparameters, which the task reads."""

    more: Mapping[str, Array]

    def rate(self, done: float) -> Array:
        """The learning rate of each run after the share ``done`` of the budget."""
        rise = np.clip(done / np.maximum(self.warmup, 1e-9), 0, 1)
        fall = 0.5 * (1 + math.cos(math.pi * max(0.0, done - RISE) / (1 - RISE)))
        root = np.sqrt(np.maximum(self.warmup, 0.02) / np.maximum(done, np.maximum(self.warmup, 0.02)))
        factors = [1.0, 1 - done, 1e-3**done, 0.5 ** math.floor(10 * done), fall]
        table = np.stack([np.full(len(self.lr), factor) for factor in factors] + [root])
        return np.asarray(self.lr * rise * table[self.schedule, np.arange(len(self.lr))])

    def row(self, run: int) -> dict[str, object]:
        """The hyperparameters of one run by name."""
        named = {"optimizer": OPTIMIZERS[self.optimizer[run]], "schedule": SCHEDULES[self.schedule[run]]}
        numbers = {name: float(getattr(self, name)[run]) for name in ("lr", "warmup", "gain", "decay", "clip")}
        return {**numbers, **named, **{name: float(values[run]) for name, values in self.more.items()}}

    def of(self, name: str, dims: int = 0, default: float = 0.0) -> Tensor:
        """A hyperparameter of the task by run, with ``dims`` axes behind it; ``default`` where the space lacks it."""
        values = self.more.get(name, np.full(len(self.lr), default))
        return torch.as_tensor(values, dtype=torch.float32).view(-1, *[1] * dims)


def plan(runs: int, random: np.random.Generator, lr: tuple[float, float], **space: Space) -> Plan:
    """Plans at random: a tuple holds the decimal logarithms of two bounds, a list the values to choose from."""
    drawn: dict[str, Array] = {}
    for name, values in {"lr": lr, **USUAL, **space}.items():
        drawn[name] = 10 ** random.uniform(*values, runs) if isinstance(values, tuple) else random.choice(np.array(values), runs)
    drawn["warmup"] = np.where(drawn["schedule"] == ONE_CYCLE, RISE, drawn["warmup"])
    return Plan(**{name: drawn.pop(name) for name in ("lr", *USUAL)}, more=drawn)


def fed(
    recipe: Plan, n: int, size: int, seed: int, loss: Callable[[Params, Tensor], Tensor], order: Tensor | None = None
) -> Callable[[Params, int], Tensor]:
    """The mean loss of each run's batch of at most ``size`` rows of ``n``; ``loss`` gives one by run and row.

    ``batch`` of the plan is a run's own size, and where ``sorted`` is 1 its batches follow ``order``, unshuffled.
    """
    places = torch.arange(size)
    weight = (places < recipe.of("batch", 1, size)).float()
    weight = weight / weight.sum(1, keepdim=True)

    def of(params: Params, step: int) -> Tensor:
        mixed = torch.randperm(n, generator=torch.Generator().manual_seed(1_000_003 * seed + step))[:size]
        rows = mixed.expand(len(weight), -1)
        if order is not None:
            rows = torch.where(recipe.of("sorted", 1) > 0, order[(places + step * size) % n], rows)
        return (loss(params, rows) * weight).sum(1)

    return of


def biased(params: Params, layer: str, values: Tensor) -> Params:
    """The same parameters with ``values`` added to the biases of a layer: below 0 its ReLUs rest."""
    with torch.no_grad():
        params[layer] += values
    return params


def held(params: Params, still: Tensor) -> Params:
    """The parameters, without a gradient in the runs that are ``still``: an optimiser that was given others."""
    return {k: torch.where(still.view(-1, *[1] * (p.dim() - 1)) > 0, p.detach(), p) for k, p in params.items()}
