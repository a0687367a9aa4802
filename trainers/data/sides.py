"""Which rows of a user's data are held out for validation: a share of each class, or whole groups, such as subjects.

Rows of one subject on both sides let a model recognise the subject: a random split then reads .92 where one by subject gives .70.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def held(y: NDArray[np.int64], fraction: float, seed: int, group: NDArray[np.generic] | None = None) -> NDArray[np.bool_]:
    """About ``fraction`` of the rows of each class in ``y`` (n,), drawn from ``seed``; no ``group`` (n,) has rows on both sides.

    `ValueError`, in one sentence, for a fraction that is none, and where a side would lack a class.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"val_fraction: {fraction} is not between 0 and 1, as a share of the rows has to be")
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        few = int(classes[counts.argmin()])
        raise ValueError(f"data: class {few} has one row; each class needs at least two, one on either side")
    found = _rows(y, fraction, seed) if group is None else _groups(y, group, fraction, seed)
    kind = "rows" if group is None else "groups"
    for name, side in (("training", ~found), ("validation", found)):
        if lacking := sorted(set(classes.tolist()) - set(np.unique(y[side]).tolist())):
            raise ValueError(
                f"val_fraction: with {fraction} the {name} {kind} hold no class {lacking[0]}; give more {kind} of every class"
            )
    return found


def grouping(path: str, found: dict[str, NDArray[np.generic]], rows: int) -> NDArray[np.generic] | None:
    """The array ``group`` of a user's file, None if it has none; `ValueError` if it has not a value for each row."""
    group = found.get("group")
    if group is not None and group.shape != (rows,):
        raise ValueError(f"data: group in {path} has shape {group.shape}; it has to be ({rows},), a value for each row")
    return group


def _rows(y: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    found, random = np.zeros(len(y), dtype=bool), np.random.default_rng(seed)
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        found[rows[: max(1, min(len(rows) - 1, round(fraction * len(rows))))]] = True
    return found


def _groups(y: NDArray[np.int64], group: NDArray[np.generic], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Takes groups in random order, each if it brings the shares of the classes nearer to ``fraction``."""
    _, member = np.unique(group, return_inverse=True)
    classes, label = np.unique(y, return_inverse=True)
    counts = np.zeros((member.max() + 1, len(classes)))
    np.add.at(counts, (member, label), 1)
    shares = counts / counts.sum(axis=0)
    taken, reached = np.zeros(len(counts), dtype=bool), np.zeros(len(classes))
    for index in np.random.default_rng(seed).permutation(len(counts)):
        after = reached + shares[index]
        if np.square(after - fraction).sum() < np.square(reached - fraction).sum():
            taken[index], reached = True, after
    return taken[member]
