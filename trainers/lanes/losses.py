"""Losses with a lane axis: one value for each sample of each lane."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

FORMULAS = {"log": math.log, "sqrt": math.sqrt, "ratio": float}
"""Weights of the minority class, each from n_major / n_minor."""


def focal(logits: Tensor, y: Tensor, weight: Tensor, gamma: Tensor) -> Tensor:
    """Focal loss (Lin et al. 2017), weight_y (1 - p_y)^gamma (-ln p_y), of logits (K, B, C) and classes y (K, B): (K, B).

    ``weight`` is (K, C) and ``gamma`` (K,). Gamma 0 gives weighted cross entropy.
    """
    log_p = torch.log_softmax(logits, dim=2).gather(2, y[..., None])[..., 0]
    # expm1 keeps the digits of 1 - p near p = 1; the clamp keeps its power differentiable there when gamma is below 1.
    miss = (-torch.expm1(log_p)).clamp(min=1e-12)
    return weight.gather(1, y) * miss.pow(gamma[:, None]) * -log_p


def class_weights(rule: str | Sequence[float] | None, counts: Sequence[int]) -> list[float]:
    """A weight for each of two classes: 1 for both, a pair as given, or the minority's by one of `FORMULAS`."""
    if rule is None:
        return [1.0, 1.0]
    if not isinstance(rule, str):
        return [float(value) for value in rule]
    weights = [1.0, 1.0]
    weights[counts.index(min(counts))] = FORMULAS[rule](max(counts) / min(counts))
    return weights
