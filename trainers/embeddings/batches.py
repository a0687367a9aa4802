"""Samplers: which training rows make up each batch of one epoch, all batches whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pitprop.trainers.lanes import draw
from torch import Generator, Tensor

SAMPLERS = ("plain", "stratified", "balanced", "single_class")


def rows(sampler: str, random: Generator, y: Tensor, batch: int) -> Tensor:
    """The training rows in the order of one epoch, n // batch whole batches, given the classes ``y`` (n,) of all rows.

    ``plain`` shuffles; ``stratified`` gives every batch its share of each class; ``balanced`` gives it as many of each, rows of
    rare classes several times an epoch; ``single_class`` is the broken sampler: every batch holds one class.
    """
    size = len(y) // batch * batch
    classes = [(y == label).nonzero()[:, 0] for label in range(int(y.max()) + 1)]
    shuffled = [part[draw.order(random, len(part))] for part in classes]
    if sampler == "stratified":
        return _interleaved(random, shuffled)[:size]
    if sampler == "balanced":
        share = -(-len(y) // len(classes))
        return _interleaved(random, [_repeated(part, share) for part in shuffled])[:size]
    if sampler == "single_class":
        whole = torch.cat([_repeated(part, -(-len(part) // batch) * batch) for part in shuffled]).view(-1, batch)
        return whole[draw.order(random, len(whole))].flatten()[:size]
    return draw.order(random, len(y))[:size]


def _interleaved(random: Generator, parts: Sequence[Tensor]) -> Tensor:
    """All rows of ``parts``, those of each part evenly spread, at random within a step."""
    places = [(torch.arange(len(part)) + torch.rand(len(part), generator=random)) / len(part) for part in parts]
    return torch.cat(list(parts))[torch.cat(places).argsort()]


def _repeated(part: Tensor, length: int) -> Tensor:
    """``part`` over and over, up to ``length``."""
    return part.repeat(-(-length // len(part)))[:length]
