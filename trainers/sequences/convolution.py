"""A convolutional model of sequences, K at once: dilated layers, then a coarse head and a fine one at every frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from pitprop.trainers.lanes import stack
from torch import Generator, Tensor


class Convolution:
    """The shape of K models: ``width`` units a layer, each seeing three frames that lie ``dilation`` apart.

    Nothing is padded: each layer takes its dilation off both ends, and ``margin`` is what all of them take. The weights are in
    a `stack.Stack`; ``branches`` are the columns of either head there.
    """

    def __init__(self, channels: int, width: int, dilations: Sequence[int], elements: int) -> None:
        self.dilations, self.margin = list(dilations), sum(dilations)
        self.width = width
        self.shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(len(dilations)):
            self.shapes |= stack.linear_shapes(str(layer), 3 * (width if layer else channels), width)
        body = self._size()
        self.shapes |= stack.linear_shapes("coarse", width, 1)
        coarse = self._size()
        self.shapes |= stack.linear_shapes("fine", width, elements)
        self.branches = {"coarse": slice(body, coarse), "fine": slice(coarse, self._size())}

    def initial(self, random: Generator, odds: float | None = None) -> dict[str, Tensor]:
        """The weights of one model; the coarse head's bias is the log of the ``odds`` of an event, if they are given."""
        weights = stack.initial(self.shapes, random)
        if odds is not None:
            weights["coarse.bias"] = torch.full_like(weights["coarse.bias"], math.log(odds))
        return weights

    def logits(self, views: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """Signals (K, B, T + 2 margin, channels) to coarse logits (K, B, T) and fine ones (K, B, T, elements)."""
        *_, coarse, fine = self.outputs(views, x)
        return coarse[..., 0], fine

    def outputs(self, views: Mapping[str, Tensor], x: Tensor) -> Iterator[Tensor]:
        """What each layer gives before its activation, (K, B, frames, width), in turn; then the logits of both heads."""
        for layer, dilation in enumerate(self.dilations):
            end = x.shape[2] - 2 * dilation
            near = torch.cat([x[:, :, shift : shift + end] for shift in (0, dilation, 2 * dilation)], dim=3)
            output = _linear(views, str(layer), near)
            yield output
            x = output.relu()
        yield _linear(views, "coarse", x)
        yield _linear(views, "fine", x)

    def _size(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())


def _linear(views: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """(K, B, T, inputs) to (K, B, T, outputs)."""
    flat: Tensor = torch.baddbmm(views[f"{name}.bias"], x.flatten(1, 2), views[f"{name}.weight"])
    return flat.view(*x.shape[:3], -1)
