"""How well scores rank frames, and how a threshold decides them: K lanes at once."""

from __future__ import annotations

import torch
from pitprop.trainers.lanes import metrics
from torch import Tensor


def average_precision(score: Tensor, y: Tensor) -> Tensor:
    """The mean precision at the score of each frame of class 1, as scikit-learn's: scores (K, V), classes y (V,), to (K,).

    NaN where a score is NaN.
    """
    positives = score[:, y == 1].sort(dim=1).values
    above = score.shape[1] - torch.searchsorted(score.sort(dim=1).values, positives)
    hits = positives.shape[1] - torch.searchsorted(positives, positives)
    return torch.where(score.isnan().any(dim=1), torch.nan, (hits / above.clamp(min=1)).double().mean(dim=1))


def frames(score: Tensor, y: Tensor, least: Tensor) -> dict[str, Tensor]:
    """Readings (K,) of the frames, given logits (K, V), classes y (V,), which both occur, and the ``least`` logit of class 1."""
    chosen = score >= least[:, None]
    many, events = chosen.sum(dim=1), (y == 1).sum()
    hits = chosen[:, y == 1].sum(dim=1)
    total = torch.full_like(many, len(y))
    return {
        "val/coarse/precision": hits / many.clamp(min=1),
        "val/coarse/recall": hits / events,
        "val/coarse/f1": 2 * hits / (many + events),
        "val/auc": metrics.auc(score, y),
        "val/average_precision": average_precision(score, y),
        "val/predicted/0": total - many,
        "val/predicted/1": many,
        "val/labels/0": total - events,
        "val/labels/1": events.expand_as(many),
        "val/true_positives/0": total - events - many + hits,
        "val/true_positives/1": hits,
        "val/logit_spread": score.double().std(dim=1, correction=0),
        "val/probability_spread": score.double().sigmoid().std(dim=1, correction=0),
    }
