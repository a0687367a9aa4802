"""The weights of K models in one buffer (K, P), with a view (K, *shape) for each parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

Shapes = Mapping[str, tuple[int, ...]]
"""The parameters of one model, by name."""

STATE = ("weights", "mean", "square")
"""What a checkpoint holds of a lane: the weights and AdamW's two moments, (P,) each."""


def linear_shapes(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Those of a linear layer, laid out for ``torch.baddbmm(bias, x, weight)``: weight (inputs, outputs), bias (1, outputs)."""
    return {f"{name}.weight": (inputs, outputs), f"{name}.bias": (1, outputs)}


def initial(shapes: Shapes, random: Generator) -> dict[str, Tensor]:
    """Weights of one model as `torch.nn.Linear` draws them: uniform within 1 / sqrt(inputs), biases too."""
    drawn: dict[str, Tensor] = {}
    bound = 1.0
    for name, shape in shapes.items():
        if name.endswith(".weight"):
            bound = 1 / math.sqrt(shape[0])
        drawn[name] = (torch.rand(shape, generator=random) * 2 - 1) * bound
    return drawn


def fresh(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a lane that starts with these weights."""
    flat = torch.cat([tensor.flatten() for tensor in weights.values()])
    return {"weights": flat, "mean": torch.zeros_like(flat), "square": torch.zeros_like(flat)}


class Stack:
    """K models with their gradients and moments, all (K, P) float32. ``views`` are the leaves that autograd differentiates."""

    def __init__(self, shapes: Shapes, device: str) -> None:
        self._shapes = shapes
        self._device = device
        self.size = sum(math.prod(shape) for shape in shapes.values())
        self.weights = self.mean = self.square = self.grads = torch.empty(0, self.size, device=device)
        self.views: dict[str, Tensor] = {}

    def rearrange(self, kept: Sequence[int], joined: Sequence[Mapping[str, Tensor]]) -> None:
        """Drops all lanes but ``kept`` and adds lanes with the states ``joined``, in that order."""
        rows = torch.tensor(kept, dtype=torch.long, device=self._device)
        for name in STATE:
            new = [torch.as_tensor(state[name], dtype=torch.float32, device=self._device)[None] for state in joined]
            setattr(self, name, torch.cat([getattr(self, name)[rows], *new]))
        self.grads = torch.zeros_like(self.weights)
        parts = torch.split(self.weights, [math.prod(shape) for shape in self._shapes.values()], dim=1)
        named = zip(self._shapes.items(), parts, strict=True)
        self.views = {name: part.view(-1, *shape).detach().requires_grad_() for (name, shape), part in named}

    def differentiate(self, loss: Tensor) -> None:
        """Sets ``grads`` to the gradient of ``loss``, the sum of the lanes' losses; 0 for weights that it does not depend on."""
        # Not backward(): it warns of leaves that are views into a larger buffer, and has to be told to zero them first.
        found = torch.autograd.grad(loss, list(self.views.values()), materialize_grads=True)
        torch.cat([grad.flatten(1) for grad in found], dim=1, out=self.grads)

    def state(self) -> dict[str, Tensor]:
        """The checkpoint of all lanes, (K, P) each, on the CPU."""
        return {name: getattr(self, name).cpu() for name in STATE}
