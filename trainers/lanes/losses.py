"""Losses of K lanes at once, class weights, and what a loss is at chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from pitprop.detection import chance
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

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


def binary_focal(logits: Tensor, event: Tensor, weight: Tensor, gamma: Tensor) -> Tensor:
    """Binary focal loss (Lin et al. 2017) of every frame, weight_y (1 - p_y)^gamma (-ln p_y), summed by lane: (K,).

    ``logits`` and ``event`` (0 or 1) are (K, B, T), ``weight`` (K, 2), ``gamma`` (K,). Gamma 0 gives weighted cross entropy.
    """
    log_p = logsigmoid(torch.where(event > 0, logits, -logits))
    # expm1 keeps the digits of 1 - p near p = 1; the clamp keeps its power differentiable there when gamma is below 1.
    miss = (-torch.expm1(log_p)).clamp(min=1e-12).pow(gamma[:, None, None])
    none, one = weight[:, :1, None], weight[:, 1:, None]
    return (torch.where(event > 0, one, none) * miss * -log_p).sum(dim=(1, 2))


def event_elements(logits: Tensor, event: Tensor, elements: Tensor) -> Tensor:
    """Binary cross entropy, a mean over the elements, of the frames with an event alone, summed by lane: (K,).

    As F3ED has it (Liu et al., ICLR 2025). ``logits`` and ``elements`` are (K, B, T, E), ``event`` is (K, B, T).
    """
    each = binary_cross_entropy_with_logits(logits, elements, reduction="none").mean(dim=3)
    return (each * event).sum(dim=(1, 2))


def event_levels(frames: int, elements: Sequence[Sequence[int]], weight: Sequence[float], gamma: float) -> tuple[float, float]:
    """Either loss, a mean, of a model that knows how often events and each of their E elements occur.

    ``elements`` are 0 and 1, (m, E), of the m events in so many ``frames``.
    """
    events = len(elements)
    shares = [sum(column) / events for column in zip(*elements, strict=True)]
    return chance.focal([frames - events, events], weight, gamma), chance.binary_cross_entropy(shares) / len(shares)


def supervised_contrastive(z: Tensor, y: Tensor, temperature: Tensor) -> Tensor:
    """The loss of Khosla et al. (2020), equation 2 ("out"), of batches in one view: embeddings (K, N, E), classes (K, N) to (K,).

    Of each sample, against the N - 1 others: the mean of -ln softmax(z_i z_p / temperature) over those of its class. The mean is
    over samples that are not alone in theirs. Embeddings all alike give ln(N - 1), whatever the classes.
    """
    itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    logits = (z * temperature.reciprocal()[:, None, None]) @ z.mT
    positive = (y[:, :, None] == y[:, None, :]) & ~itself
    count = positive.sum(dim=2)
    near = (logits * positive).sum(dim=2) / count.clamp(min=1)
    loss = torch.logsumexp(logits.masked_fill(itself, -torch.inf), dim=2) - near
    paired = count > 0
    return torch.where(paired, loss, 0.0).sum(dim=1) / paired.sum(dim=1).clamp(min=1)
