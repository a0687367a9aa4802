"""A table of features with two classes: the one that ships, or a user's own, split into training and validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pitprop.trainers.data import arrays, sides

CONTRACEPTIVE = Path(__file__).with_name("contraceptive.csv")
"""What is loaded without a path: 1,473 rows, nine features, 3.42 : 1."""


def load(path: str | None = None) -> Table:
    """The table in an ``.npz`` file with arrays x (n, d), y (n,) of 0 and 1, and optionally group (n,).

    `FileNotFoundError` or `ValueError`, in one sentence, if the file is missing or holds anything else.
    """
    if path is None:
        rows = np.loadtxt(CONTRACEPTIVE, delimiter=",", skiprows=1)
        return Table(rows[:, :-1], rows[:, -1].astype(np.int64))
    found = arrays.read(path, {"x": "(n, d)", "y": "(n,)"})
    return _checked(path, found["x"], found["y"], sides.grouping(path, found, len(found["x"])))


def split(table: Table, fraction: float, seed: int) -> Split:
    """About ``fraction`` of the rows of each class for validation; with groups, none has rows on both sides.

    Features are scaled to mean 0 and standard deviation 1 over the training rows. `ValueError` if a side would lack a class.
    """
    held = sides.held(table.y, fraction, seed, table.group)
    seen = table.x[~held]
    scale = seen.std(axis=0)
    x = (table.x - seen.mean(axis=0)) / np.where(scale > 0, scale, 1)
    x_train, x_val = (part.astype(np.float32) for part in (x[~held], x[held]))
    return Split(x_train, x_val, table.y[~held], table.y[held], np.flatnonzero(held))


def _checked(path: str, x: NDArray[np.generic], y: NDArray[np.generic], group: NDArray[np.generic] | None) -> Table:
    if x.ndim != 2 or not x.size or x.dtype.kind not in "fiub":
        raise ValueError(f"data: x in {path} has shape {x.shape} and type {x.dtype}; it has to be numbers of shape (n, d)")
    if y.shape != (len(x),):
        raise ValueError(f"data: y in {path} has shape {y.shape}; with x of shape {x.shape} it has to be ({len(x)},)")
    features = x.astype(np.float64)
    if bad := int((~np.isfinite(features)).any(axis=1).sum()):
        raise ValueError(f"data: {bad} of {len(x)} rows of x in {path} are not finite; drop them or fill in their values")
    classes = np.unique(y)
    if classes.dtype.kind not in "fiub" or classes.tolist() != [0, 1]:
        held = classes.tolist() if len(classes) < 5 else [*classes[:4].tolist(), "..."]
        raise ValueError(f"data: y in {path} holds the classes {held}; this trainer takes exactly two, written 0 and 1")
    return Table(features, y.astype(np.int64), group)


@dataclass(frozen=True, slots=True)
class Table:
    """Features x (n, d), classes y (n,) of 0 and 1, and which rows belong together, if that is known."""

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    group: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Scaled features, float32 (n, d), and classes (n,) of both sides; ``held`` are the validation rows in the table."""

    x_train: NDArray[np.float32]
    x_val: NDArray[np.float32]
    y_train: NDArray[np.int64]
    y_val: NDArray[np.int64]
    held: NDArray[np.int64]
