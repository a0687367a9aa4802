"""Trainings that run as one: parameters of all runs stacked on the first axis, each with its own hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Params = dict[str, Tensor]
Array = NDArray[Any]
SCHEDULES = ("constant", "cosine", "steps", "cyclic")
OPTIMIZERS = ("sgd", "momentum", "adam")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters of each run of a study, as arrays of its length; ``warmup`` is a share of the budget."""

    lr: Array
    optimizer: Array
    schedule: Array
    warmup: Array
    gain: Array
    decay: Array
    clip: Array

    def rate(self, done: float) -> Array:
        """The learning rate of each run after the share ``done`` of the budget."""
        rise = np.clip(done / np.maximum(self.warmup, 1e-9), 0, 1)
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        turns = 0.02 + 0.98 * 0.5 * (1 + math.cos(2 * math.pi * 4 * done))
        factors = np.array([1.0, cosine, 1.0 if done < 0.6 else 0.1, turns])
        return np.asarray(self.lr * rise * factors[self.schedule])

    def row(self, run: int) -> dict[str, object]:
        """The hyperparameters of one run by name."""
        named = {"optimizer": OPTIMIZERS[self.optimizer[run]], "schedule": SCHEDULES[self.schedule[run]]}
        numbers = {name: float(getattr(self, name)[run]) for name in ("lr", "warmup", "gain", "decay", "clip")}
        return {**numbers, **named}


def draw(runs: int, random: np.random.Generator, lr: tuple[float, float], **fixed: Sequence[float]) -> Recipe:
    """Recipes at random, ``lr`` between 10 to the power of two bounds; ``fixed`` are the values to draw a hyperparameter from."""
    adam = random.random(runs) < 0.6
    power = random.uniform(*lr, runs)
    drawn = {
        "lr": np.where(adam, 10**power, 10 ** (power + 1.5)),
        "optimizer": np.where(adam, 2, random.integers(0, 2, runs)),
        "schedule": random.integers(0, 3, runs),
        "warmup": random.choice([0.0, 0.0, 0.05, 0.2], runs),
        "gain": 10 ** random.choice([-1.5, -0.5, 0, 0, 0, 0, 0.5], runs),
        "decay": random.choice([0.0, 1e-3, 1e-1], runs),
        "clip": random.choice([math.inf, 1.0], runs),
    }
    return Recipe(**{name: random.choice(np.array(fixed[name]), runs) if name in fixed else v for name, v in drawn.items()})


def train(
    params: Params, recipe: Recipe, loss: Callable[[Params, int], Tensor], epochs: int, steps: int
) -> Callable[[], Mapping[str, Array]]:
    """A function that trains one more of ``epochs`` of ``steps`` each and gives training loss and lr by run; changes ``params``.

    ``loss`` gives a loss by run for the batch of a step. A run that is not finite disturbs no other.
    """
    first = {name: torch.zeros_like(value) for name, value in params.items()}
    second = {name: torch.zeros_like(value) for name, value in params.items()}
    kind, clip, decay = (torch.as_tensor(a) for a in (recipe.optimizer, recipe.clip, recipe.decay))
    done = 0

    def epoch() -> Mapping[str, Array]:
        nonlocal done
        total, rate = np.zeros(len(recipe.lr)), np.zeros(len(recipe.lr))
        for _ in range(steps):
            rate = recipe.rate(done / (epochs * steps))
            done += 1
            losses = loss(params, done)
            gradients = dict(zip(params, torch.autograd.grad(losses.sum(), list(params.values())), strict=True))
            _step(params, gradients, (first, second), torch.as_tensor(rate), (kind, clip, decay), done)
            total += losses.detach().double().numpy() / steps
        return {"train_loss": total, "lr": rate}

    return epoch


def _step(
    params: Params, gradients: Params, moments: tuple[Params, Params], rate: Tensor, how: tuple[Tensor, Tensor, Tensor], step: int
) -> None:
    kind, clip, decay = how
    norm = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()]).norm(dim=0)
    factor = (clip / (norm + 1e-12)).clamp(max=1).float()
    with torch.no_grad():
        for name, p in params.items():
            shape = (-1, *[1] * (p.dim() - 1))
            g, m, v = gradients[name] * factor.view(shape), moments[0][name], moments[1][name]
            adam, momentum, lr = (kind == 2).view(shape), (kind == 1).view(shape), rate.float().view(shape)
            m.copy_(torch.where(adam, 0.9 * m + 0.1 * g, torch.where(momentum, 0.9 * m + g, g)))
            v.mul_(0.99).add_(0.01 * g * g)
            scaled = (m / (1 - 0.9**step)) / ((v / (1 - 0.99**step)).sqrt() + 1e-8)
            p.sub_(lr * (torch.where(adam, scaled, m) + decay.float().view(shape) * p))


def perceptron(runs: int, sizes: Sequence[int], gain: Array, generator: torch.Generator) -> Params:
    """Weights of perceptrons with ReLU, scaled by ``gain`` of each run."""
    scale, params = torch.as_tensor(gain, dtype=torch.float32).view(-1, 1, 1), {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        weights = torch.randn(runs, inputs, outputs, generator=generator) * math.sqrt(2 / inputs) * scale
        params[f"w{layer}"], params[f"b{layer}"] = weights.requires_grad_(), torch.zeros(runs, 1, outputs, requires_grad=True)
    return params


def forward(params: Params, x: Tensor) -> Tensor:
    """(runs, batch, outputs) of perceptrons for ``x`` of (batch, inputs)."""
    layers = len(params) // 2
    for layer in range(layers):
        x = x @ params[f"w{layer}"] + params[f"b{layer}"]
        x = x.relu() if layer < layers - 1 else x
    return x


def recurrent(runs: int, sizes: tuple[int, int, int], gain: Array, generator: torch.Generator) -> Params:
    """Weights of gated recurrent nets (GRU) of (inputs, units, outputs)."""
    inputs, units, outputs = sizes
    scale = torch.as_tensor(gain, dtype=torch.float32).view(-1, 1, 1)
    shapes = {"wx": (inputs, 3 * units), "wh": (units, 3 * units), "wo": (units, outputs)}
    params = {n: torch.randn(runs, *s, generator=generator) / math.sqrt(s[0]) * scale for n, s in shapes.items()}
    params |= {"bx": torch.zeros(runs, 1, 3 * units), "bo": torch.zeros(runs, 1, outputs)}
    return {name: value.requires_grad_() for name, value in params.items()}


def unrolled(params: Params, x: Tensor) -> Tensor:
    """(runs, batch, time, outputs) of recurrent nets for ``x`` of (batch, time, inputs)."""
    runs, units = params["wh"].shape[:2]
    h, states = torch.zeros(runs, len(x), units), []
    for t in range(x.shape[1]):
        a, b = x[:, t] @ params["wx"] + params["bx"], h @ params["wh"]
        r, z, _ = torch.sigmoid(a + b).chunk(3, dim=2)
        new = torch.tanh(a[..., 2 * units :] + r * b[..., 2 * units :])
        h = (1 - z) * h + z * new
        states.append(h)
    return torch.stack(states, dim=2) @ params["wo"][:, None] + params["bo"][:, None]
