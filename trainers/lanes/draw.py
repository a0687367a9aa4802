"""Random numbers by purpose: each draw has a generator keyed by its seed and purpose, so that resuming needs no state.

Drawn on the CPU and lane by lane, so a lane sees the same numbers alone or among others, and on any device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pitprop.seeds import keyed
from torch import Generator, Tensor


def generator(seed: int, *key: str | int) -> Generator:
    """A generator for one purpose, for instance ``generator(seed, "order", epoch)``. Different keys give independent numbers."""
    return Generator().manual_seed(keyed(seed, *key))


def order(random: Generator, rows: int) -> Tensor:
    """All rows in random order, (rows,)."""
    return torch.randperm(rows, generator=random)


def balanced_order(random: Generator, y: Tensor) -> Tensor:
    """As many rows as there are in ``y``, (n,): half of them minority rows drawn with replacement, half majority rows without.

    An epoch stays as long as an ordinary one, so that lanes that oversample can train beside lanes that do not.
    """
    minority = int(y.bincount(minlength=2).argmin())
    few, many = (y == minority).nonzero()[:, 0], (y != minority).nonzero()[:, 0]
    half = len(y) // 2
    kept = many[torch.randperm(len(many), generator=random)[: len(y) - half]]
    drawn = few[torch.randint(len(few), (len(y) - len(kept),), generator=random)]
    rows = torch.cat([kept, drawn])
    return rows[torch.randperm(len(rows), generator=random)]


def dropout_factors(randoms: Sequence[Generator], rates: Sequence[float], shape: tuple[int, int], device: str) -> Tensor | None:
    """Factors (K, *shape): 0 with a lane's rate, else 1 / (1 - rate). None if no lane drops anything."""
    if not any(rates):
        return None
    factors = torch.ones(len(rates), *shape)
    for factor, random, rate in zip(factors, randoms, rates, strict=True):
        if rate:
            factor.copy_(torch.rand(shape, generator=random) >= rate).div_(1 - rate)
    return factors.to(device)
