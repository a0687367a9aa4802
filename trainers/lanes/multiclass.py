"""Validation metrics of K lanes for any number of classes, defined as scikit-learn's with zero_division=0."""

from __future__ import annotations

import torch
from pitprop.trainers.lanes.metrics import auc
from torch import Tensor


def top1(logits: Tensor, y: Tensor) -> Tensor:
    """Accuracy (K,) of logits (K, V, C) for classes y (V,)."""
    return (logits.argmax(dim=2) == y).double().mean(dim=1)


def counts(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """How many samples are predicted as each class, are of it, and are both, (K,) by metric name, and macro F1."""
    classes = logits.shape[2]
    predicted = torch.nn.functional.one_hot(logits.argmax(dim=2), classes).double()
    actual = torch.nn.functional.one_hot(y, classes).double()
    hits, chosen = torch.einsum("kvc,vc->kc", predicted, actual), predicted.sum(dim=1)
    labels = actual.sum(dim=0).expand_as(chosen)
    found = {"val/macro_f1": (2 * hits / (chosen + labels).clamp(min=1)).mean(dim=1)}
    for name, table in (("predicted", chosen), ("labels", labels), ("true_positives", hits)):
        found |= {f"val/{name}/{label}": table[:, label] for label in range(classes)}
    return found


def ranking(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """How well the probabilities rank, and how far they and the logits spread, (K,) by metric name.

    AUC is the mean over classes of each against the rest (``roc_auc_score(..., multi_class="ovr", average="macro")``), NaN
    where a logit is. A spread is the mean over classes of the standard deviation across samples.
    """
    p = torch.softmax(logits.double(), dim=2)
    areas = [auc(p[..., label], y == label) for label in range(logits.shape[2])]
    return {
        "val/auc": torch.stack(areas).mean(dim=0),
        "val/logit_spread": logits.double().std(dim=1, correction=0).mean(dim=1),
        "val/probability_spread": p.std(dim=1, correction=0).mean(dim=1),
    }
