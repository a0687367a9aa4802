"""Two streams and their fusion: a perceptron for images, one for points, and one over what both have seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from pitprop.trainers.lanes import losses
from pitprop.trainers.lanes.perceptron import Perceptron
from torch import Generator, Tensor

STREAMS = ("rgb", "pose")
HEADS = (*STREAMS, "fused")
TERMS = (*HEADS, "aux")
"""What the loss is the weighted sum of."""


class Streams:
    """The shape of K models. ``parts`` are perceptrons; the fused one takes what the last hidden layers of the others give.

    ``inputs`` are the numbers of pixels and of point values, ``hidden`` the widths of each part's hidden layers.
    """

    def __init__(self, inputs: tuple[int, int], hidden: Mapping[str, Sequence[int]], classes: int) -> None:
        seen = (*inputs, hidden["rgb"][-1] + hidden["pose"][-1])
        self.parts = {name: Perceptron(size, hidden[name], classes) for name, size in zip(HEADS, seen, strict=True)}
        self.classes = classes
        self.shapes = {f"{name}.{key}": shape for name, part in self.parts.items() for key, shape in part.shapes.items()}

    def initial(self, random: Generator) -> dict[str, Tensor]:
        """The weights of one model."""
        return {f"{name}.{key}": drawn for name, part in self.parts.items() for key, drawn in part.initial(random).items()}

    def outputs(self, views: Mapping[str, Tensor], rgb: Tensor, pose: Tensor, bf16: bool = False) -> dict[str, list[Tensor]]:
        """What each layer of each part gives before its activation, (K, B, width), of rgb (K, B, pixels) and pose (K, B, d)."""
        found: dict[str, list[Tensor]] = {}
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=bf16):
            for name, part in self.parts.items():
                own = {key: views[f"{name}.{key}"] for key in part.shapes}
                x = {"rgb": rgb, "pose": pose}.get(name)
                if x is None:
                    x = torch.cat([found[stream][-2].relu() for stream in STREAMS], dim=2)
                found[name] = list(part.outputs(own, x))
        return {name: [layer.float() for layer in layers] for name, layers in found.items()}

    def logits(self, views: Mapping[str, Tensor], rgb: Tensor, pose: Tensor, bf16: bool = False) -> list[Tensor]:
        """Those of each head, (K, B, C), in the order of `HEADS`."""
        return [layers[-1] for layers in self.outputs(views, rgb, pose, bf16).values()]

    def columns(self) -> dict[str, slice]:
        """Where in a stack's columns the weights of each stream lie."""
        found, first = {}, 0
        for name, part in self.parts.items():
            size = sum(torch.Size(shape).numel() for shape in part.shapes.values())
            found[name] = slice(first, first + size)
            first += size
        return {name: found[name] for name in STREAMS}


def terms(logits: Sequence[Tensor], y: Tensor, gamma: Tensor) -> Tensor:
    """The terms of the loss for every sample, (4, K, B) in the order of `TERMS`, of three heads' logits (K, B, C) each.

    A head's term is its focal loss (Lin et al. 2017) with ``gamma`` (K,), cross entropy where that is 0. The auxiliary term is
    how far the two streams disagree, the Jensen-Shannon divergence of their probabilities (Lin 1991): as the KL terms of deep
    mutual learning (Zhang et al. 2018), but at most ln 2, so that a stream that blows up does not take the other along.
    """
    lanes, rows, classes = logits[0].shape
    every = torch.cat(list(logits))
    weight = torch.ones(len(every), classes, device=every.device)
    heads = losses.focal(every, y.repeat(len(logits), 1), weight, gamma.repeat(len(logits)))
    p, q = (torch.log_softmax(stream, dim=2) for stream in logits[:2])
    middle = torch.logaddexp(p, q) - math.log(2)
    aux = 0.5 * (p.exp() * (p - middle) + q.exp() * (q - middle)).sum(dim=2)
    return torch.cat([heads.view(-1, lanes, rows), aux[None]])
