"""The loss of either head with a lane axis, and what chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pitprop.detection import chance
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid


def coarse(logits: Tensor, event: Tensor, weight: Tensor, gamma: Tensor) -> Tensor:
    """Binary focal loss (Lin et al. 2017) of every frame, weight_y (1 - p_y)^gamma (-ln p_y), summed by lane: (K,).

    ``logits`` and ``event`` (0 or 1) are (K, B, T), ``weight`` (K, 2), ``gamma`` (K,). Gamma 0 gives weighted cross entropy.
    """
    log_p = logsigmoid(torch.where(event > 0, logits, -logits))
    # expm1 keeps the digits of 1 - p near p = 1; the clamp keeps its power differentiable there when gamma is below 1.
    miss = (-torch.expm1(log_p)).clamp(min=1e-12).pow(gamma[:, None, None])
    none, one = weight[:, :1, None], weight[:, 1:, None]
    return (torch.where(event > 0, one, none) * miss * -log_p).sum(dim=(1, 2))


def fine(logits: Tensor, event: Tensor, elements: Tensor) -> Tensor:
    """Binary cross entropy, a mean over the elements, of the frames with an event alone, summed by lane: (K,).

    As F3ED has it (Liu et al., ICLR 2025). ``logits`` and ``elements`` are (K, B, T, E), ``event`` is (K, B, T).
    """
    each = binary_cross_entropy_with_logits(logits, elements, reduction="none").mean(dim=3)
    return (each * event).sum(dim=(1, 2))


def level(frames: int, elements: Sequence[Sequence[int]], weight: Sequence[float], gamma: float) -> tuple[float, float]:
    """Either loss, a mean, of a model that knows how often events and each of their E elements occur.

    ``elements`` are 0 and 1, (m, E), of the m events in so many ``frames``.
    """
    events = len(elements)
    shares = [sum(column) / events for column in zip(*elements, strict=True)]
    return chance.focal([frames - events, events], weight, gamma), chance.binary_cross_entropy(shares) / len(shares)


@dataclass(frozen=True, slots=True)
class Weighting:
    """Of K lanes: the weights of frames without and with an event (K, 2), gamma (K,), and either head's weight (K,)."""

    classes: Tensor
    gamma: Tensor
    coarse: Tensor
    fine: Tensor

    def of(self, lanes: Tensor) -> Weighting:
        """That of these lanes alone."""
        return Weighting(self.classes[lanes], self.gamma[lanes], self.coarse[lanes], self.fine[lanes])
