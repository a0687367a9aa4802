"""Quality of embeddings of K lanes at once; NaN for a lane with any embedding that is not finite."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

NEIGHBOURS = 5
RIDGE = 1e-3
"""The linear probe's penalty, as a share of the mean variance of a dimension."""


def spread(z: Tensor) -> dict[str, Tensor]:
    """How alike the embeddings (K, n, E) are, (K,) each: the mean cosine over pairs, and the effective rank.

    The rank is RankMe (Garrido et al. 2023): exp of the entropy of the singular values over their sum.
    """
    safe, broken = _safe(z)
    unit = _unit(safe)
    pairs = len(z[0]) * (len(z[0]) - 1)
    cosine = (unit.sum(dim=1).square().sum(dim=1) - unit.square().sum(dim=(1, 2))) / pairs
    singular = torch.linalg.eigvalsh(safe.mT @ safe).clamp(min=0).sqrt()
    share = singular / singular.sum(dim=1, keepdim=True).clamp(min=1e-300) + 1e-7
    rank = torch.exp(-(share * share.log()).sum(dim=1))
    readings = {"embedding/cosine": cosine, "embedding/rank": rank}
    return {name: torch.where(broken, torch.nan, value) for name, value in readings.items()}


def separation(known: Tensor, known_y: Tensor, z: Tensor, y: Tensor, classes: int) -> dict[str, Tensor]:
    """How well classes can be read off: balanced accuracy (K,) on embeddings z (K, n, E) with classes y (n,).

    By vote of the 5 nearest ones by cosine, and by a linear probe, both from ``known`` (K, m, E) with classes (m,).
    """
    (known, lost), (z, torn) = _safe(known), _safe(z)
    broken = lost | torn
    voted, probed = neighbours(known, known_y, z, classes), probe(known, known_y, z, classes)
    readings = {"val/knn": recall(voted, y, classes), "val/linear_probe": recall(probed, y, classes)}
    return {name: torch.where(broken, torch.nan, value) for name, value in readings.items()}


def neighbours(known: Tensor, known_y: Tensor, z: Tensor, classes: int) -> Tensor:
    """The class (K, n) that most of the 5 nearest by cosine have, the first of those that tie, as scikit-learn's."""
    cosine = _unit(z).float() @ _unit(known).float().mT
    nearest = known_y[cosine.topk(min(NEIGHBOURS, cosine.shape[2]), dim=2, sorted=False).indices]
    votes: Tensor = one_hot(nearest, classes).sum(dim=2)
    return votes.argmax(dim=2)


def probe(known: Tensor, known_y: Tensor, z: Tensor, classes: int) -> Tensor:
    """The class (K, n) by ridge regression on one-hot targets, with an intercept, solved in closed form."""
    target, middle = one_hot(known_y, classes).to(z.dtype), known.mean(dim=1, keepdim=True)
    centred, share = known - middle, target.mean(dim=0)
    gram = centred.mT @ centred
    size = gram.shape[1]
    penalty = RIDGE * gram.diagonal(dim1=1, dim2=2).mean(dim=1) + 1e-12
    gram = gram + penalty[:, None, None] * torch.eye(size, dtype=gram.dtype, device=gram.device)
    weight: Tensor = torch.linalg.solve(gram, centred.mT @ (target - share))
    return ((z - middle) @ weight + share).argmax(dim=2)


def recall(predicted: Tensor, y: Tensor, classes: int) -> Tensor:
    """Balanced accuracy (K,) of predicted classes (K, n): the mean over classes of how many of their samples were found."""
    actual = one_hot(y, classes).double()
    found = (predicted == y).double() @ actual
    there = actual.sum(dim=0)
    return (found / there.clamp(min=1)).sum(dim=1) / (there > 0).sum()


def _safe(z: Tensor) -> tuple[Tensor, Tensor]:
    """In float64, lanes that are not finite as zeros, for which solvers would raise; and which these are, (K,)."""
    broken = ~z.isfinite().all(dim=(1, 2))
    return torch.where(broken[:, None, None], 0.0, z.double()), broken


def _unit(z: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(z, dim=2, keepdim=True)
    return z / length.clamp(min=1e-300)
