"""Encoders: for each modality a perceptron, fused to one embedding a sample, K models at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn import functional


class Encoders:
    """The shape of K models: ``modalities`` perceptrons of ``inputs`` features, ``hidden`` widths and ``size`` outputs each.

    The embedding is the mean of their outputs, which is what one linear layer gives on their last hidden units side by side.
    So there is no weight outside of them: with all encoders frozen nothing learns.
    """

    def __init__(self, modalities: int, inputs: int, hidden: Sequence[int], size: int) -> None:
        layers = [((fan_in, fan_out), (1, fan_out)) for fan_in, fan_out in pairwise([inputs, *hidden, size])]
        self._parts = [shape for layer in layers for shape in layer]  # weight and bias of each layer in turn
        self.length = sum(math.prod(shape) for shape in self._parts)
        """The number of weights of one encoder."""
        self.shapes = {"encoders": (modalities, self.length)}

    def initial(self, random: Generator) -> dict[str, Tensor]:
        """The weights of one model as `torch.nn.Linear` draws them: uniform within 1 / sqrt(inputs), biases too."""
        bounds = [1 / math.sqrt(self._parts[index // 2 * 2][0]) for index in range(len(self._parts))]
        lengths = torch.tensor([math.prod(shape) for shape in self._parts])
        drawn = torch.rand(self.shapes["encoders"], generator=random) * 2 - 1
        return {"encoders": drawn * torch.tensor(bounds).repeat_interleave(lengths)}

    def fused(self, views: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """The embeddings (K, B, size) of samples x (K, modalities, B, inputs)."""
        encoders, lanes = views["encoders"].flatten(0, 1), len(x)
        pieces = torch.split(encoders, [math.prod(shape) for shape in self._parts], dim=1)
        parts = [torch.unflatten(piece, 1, shape) for piece, shape in zip(pieces, self._parts, strict=True)]
        x = x.flatten(0, 1)
        for layer, (weight, bias) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
            x = torch.baddbmm(bias, x.relu() if layer else x, weight)
        return torch.unflatten(x, 0, (lanes, -1)).mean(dim=1)


def normalised(z: Tensor, layer_norm: Tensor, l2: Tensor) -> Tensor:
    """Embeddings (K, B, E) through a layer norm without learned scale, then to length 1, in the lanes (K,) where each is true."""
    z = torch.where(layer_norm[:, None, None], functional.layer_norm(z, z.shape[2:]), z)
    length = torch.linalg.vector_norm(z, dim=2, keepdim=True).clamp(min=1e-12)
    return z * torch.where(l2[:, None, None], length.reciprocal(), 1.0)
