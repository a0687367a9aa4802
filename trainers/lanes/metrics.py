"""Validation metrics of K lanes at once, defined as scikit-learn's with zero_division=0."""

from __future__ import annotations

import torch
from torch import Tensor


def classification(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Metrics (K,) by name, given logits (K, V, 2) and classes y (V,), which both occur. Precision, recall, F1: macro means."""
    predicted = torch.nn.functional.one_hot(logits.argmax(dim=2), 2).double()
    actual = torch.nn.functional.one_hot(y, 2).double()
    hits = torch.einsum("kvc,vc->kc", predicted, actual)
    chosen, labels = predicted.sum(dim=1), actual.sum(dim=0)
    score = logits[..., 1] - logits[..., 0]
    return {
        "val/macro_f1": (2 * hits / (chosen + labels)).mean(dim=1),
        "val/precision": (hits / chosen.clamp(min=1)).mean(dim=1),
        "val/recall": (hits / labels).mean(dim=1),
        "val/accuracy": hits.sum(dim=1) / len(y),
        "val/auc": auc(score, y),
        "val/predicted/0": chosen[:, 0],
        "val/predicted/1": chosen[:, 1],
        "val/labels/0": labels[0].expand(len(logits)),
        "val/labels/1": labels[1].expand(len(logits)),
        "val/true_positives/0": hits[:, 0],
        "val/true_positives/1": hits[:, 1],
        "val/logit_spread": score.double().std(dim=1, correction=0),
        "val/probability_spread": score.double().sigmoid().std(dim=1, correction=0),
    }


def auc(score: Tensor, y: Tensor) -> Tensor:
    """Area under the ROC curve (K,) of scores (K, V): how often a sample of class 1 scores above one of class 0, ties half.

    NaN where a score is NaN.
    """
    high, low = score[:, y == 1].contiguous(), score[:, y == 0].sort(dim=1).values.contiguous()
    above = torch.searchsorted(low, high) + torch.searchsorted(low, high, right=True)
    area = above.sum(dim=1).double() / (2 * high.shape[1] * low.shape[1])
    return torch.where(score.isnan().any(dim=1), torch.nan, area)


def classes_in_batches(labels: Tensor, batch: int) -> Tensor:
    """The mean number of classes in batches cut from ``labels`` (K, n), which are whole numbers: (K,)."""
    rest = labels[:, -1:].expand(-1, -labels.shape[1] % batch)  # the last batch is filled up with a class that it has
    ordered = torch.cat([labels, rest], dim=1).view(len(labels), -1, batch).sort(dim=2).values
    more = (ordered[..., 1:] != ordered[..., :-1]).sum(dim=2)
    return 1 + more.double().mean(dim=1)
