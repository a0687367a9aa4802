"""K perceptrons at once: linear layers with ReLU between them; dormant and saturated units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from pitprop.trainers.lanes import stack
from torch import Generator, Tensor

SATURATED = 5.0
"""A pre-activation beyond this is saturated, as tanh and sigmoid are there."""


class Perceptron:
    """The shape of K models: ``inputs`` features, ``hidden`` widths, ``classes`` logits. The weights are in a `stack.Stack`."""

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int) -> None:
        self.hidden = list(hidden)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise([inputs, *hidden, classes])):
            self.shapes |= stack.linear_shapes(str(layer), fan_in, fan_out)

    def initial(self, random: Generator, prior: Tensor | None = None) -> dict[str, Tensor]:
        """The weights of one model; the head's bias is the log of ``prior`` (classes,), if that is given."""
        weights = stack.initial(self.shapes, random)
        if prior is not None:
            weights[f"{len(self.hidden)}.bias"] = prior.log()
        return weights

    def logits(self, views: Mapping[str, Tensor], x: Tensor, kept: Tensor | None = None) -> Tensor:
        """(K, B, inputs) to (K, B, classes); ``kept`` (K, B, all hidden units) are dropout's factors."""
        *_, logits = self.outputs(views, x, kept)
        return logits

    def outputs(self, views: Mapping[str, Tensor], x: Tensor, kept: Tensor | None = None) -> Iterator[Tensor]:
        """What each layer gives before its activation, (K, B, width), in turn; the last are the logits."""
        depth = len(self.hidden)
        parts = [None] * depth if kept is None else torch.split(kept, self.hidden, dim=2)
        for layer, part in enumerate(parts):
            output = torch.baddbmm(views[f"{layer}.bias"], x, views[f"{layer}.weight"])
            yield output
            x = output.relu() if part is None else output.relu() * part
        yield torch.baddbmm(views[f"{depth}.bias"], x, views[f"{depth}.weight"])

    def activity(self, largest: Tensor, saturated: Tensor) -> dict[str, Tensor]:
        """Readings (K,) of each hidden layer, from the `extremes` of all samples."""
        layers = range(len(self.hidden))
        units = torch.split(largest, self.hidden, dim=1)
        dormant = {f"dormant/{layer}": (units[layer] <= 0).float().mean(dim=1) for layer in layers}
        return dormant | {f"saturated/{layer}": saturated[:, layer] / self.hidden[layer] for layer in layers}


def extremes(hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Of hidden layers' outputs (K, B, width): the largest of every unit (K, all widths), and how many saturate (K, layers)."""
    largest = torch.cat([output.amax(dim=1) for output in hidden], dim=1)
    # Compared in place, which gives 0 and 1 as floats: summing booleans takes five times as long.
    return largest, torch.stack([output.abs().gt_(SATURATED).sum(dim=(1, 2)) for output in hidden], dim=1)
