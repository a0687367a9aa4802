"""Validation metrics of K lanes at once, for two classes or any number; as scikit-learn's with zero_division=0."""

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


def average_precision(score: Tensor, y: Tensor) -> Tensor:
    """The mean precision at the score of each frame of class 1, as scikit-learn's: scores (K, V), classes y (V,), to (K,).

    NaN where a score is NaN.
    """
    positives = score[:, y == 1].sort(dim=1).values
    above = score.shape[1] - torch.searchsorted(score.sort(dim=1).values, positives)
    hits = positives.shape[1] - torch.searchsorted(positives, positives)
    return torch.where(score.isnan().any(dim=1), torch.nan, (hits / above.clamp(min=1)).double().mean(dim=1))


def thresholded(score: Tensor, y: Tensor, least: Tensor) -> dict[str, Tensor]:
    """Readings (K,) of the frames, given logits (K, V), classes y (V,), which both occur, and the ``least`` logit of class 1."""
    chosen = score >= least[:, None]
    many, events = chosen.sum(dim=1), (y == 1).sum()
    hits = chosen[:, y == 1].sum(dim=1)
    total = torch.full_like(many, len(y))
    return {
        "val/coarse/precision": hits / many.clamp(min=1),
        "val/coarse/recall": hits / events,
        "val/coarse/f1": 2 * hits / (many + events),
        "val/auc": auc(score, y),
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
