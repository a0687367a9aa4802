"""Samples seen in several modalities at once: the satellite image that ships, or a user's own, split into two sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pitprop.trainers.data import arrays, sides

SATIMAGE = Path(__file__).with_name("satimage.npz")
"""What is loaded without a path: 6,435 neighbourhoods of nine pixels in four spectral bands, six classes."""


def load(path: str | None = None) -> Samples:
    """The samples in an ``.npz`` file with x (n, m, d), y (n,), classes from 0; optionally group (n,) and modalities, m names.

    Modalities of fewer than d features are filled up with 0. `FileNotFoundError` or `ValueError`, in one sentence, if the file
    is missing or holds anything else.
    """
    name = str(SATIMAGE) if path is None else path
    found = arrays.read(name, {"x": "(n, m, d)", "y": "(n,)"})
    return _checked(name, found)


def split(samples: Samples, fraction: float, seed: int) -> Split:
    """About ``fraction`` of the samples of each class for validation; with groups, none has samples on both sides.

    Features are scaled to mean 0 and standard deviation 1 over the training side. `ValueError` where a side would lack a class.
    """
    held = sides.held(samples.y, fraction, seed, samples.group)
    seen = samples.x[~held]
    scale = seen.std(axis=0)
    x = (samples.x - seen.mean(axis=0)) / np.where(scale > 0, scale, 1)
    x_train, x_val = (part.astype(np.float32) for part in (x[~held], x[held]))
    return Split(x_train, x_val, samples.y[~held], samples.y[held], samples.modalities)


def _checked(path: str, found: dict[str, NDArray[np.generic]]) -> Samples:
    x, y = found["x"], found["y"]
    if x.ndim != 3 or not x.size or x.dtype.kind not in "fiub":
        raise ValueError(f"data: x in {path} has shape {x.shape} and type {x.dtype}; it has to be numbers of shape (n, m, d)")
    if y.shape != (len(x),):
        raise ValueError(f"data: y in {path} has shape {y.shape}; with x of shape {x.shape} it has to be ({len(x)},)")
    features = x.astype(np.float64)
    if bad := int((~np.isfinite(features)).any(axis=(1, 2)).sum()):
        raise ValueError(f"data: {bad} of {len(x)} rows of x in {path} are not finite; drop them or fill in their values")
    classes = np.unique(y)
    if classes.dtype.kind not in "fiub" or classes.tolist() != list(range(len(classes))) or len(classes) < 2:
        held = classes.tolist() if len(classes) < 9 else [*classes[:8].tolist(), "..."]
        raise ValueError(f"data: y in {path} holds the classes {held}; write them as 0, 1, 2 and so on, two at least")
    names = tuple(str(name) for name in found.get("modalities", np.arange(x.shape[1])))
    if len(set(names)) != x.shape[1]:
        raise ValueError(f"data: modalities in {path} are {list(names)}; with x of shape {x.shape} give {x.shape[1]} names")
    return Samples(features, y.astype(np.int64), names, sides.grouping(path, found, len(x)))


@dataclass(frozen=True, slots=True)
class Samples:
    """Features x (n, m, d) of m modalities, classes y (n,) counted from 0, the modalities' names, and what belongs together."""

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    modalities: tuple[str, ...]
    group: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Scaled features, float32 (n, m, d), and classes (n,) of both sides."""

    x_train: NDArray[np.float32]
    x_val: NDArray[np.float32]
    y_train: NDArray[np.int64]
    y_val: NDArray[np.int64]
    modalities: tuple[str, ...]

    @property
    def classes(self) -> int:
        """How many classes there are; each side holds all of them."""
        return int(self.y_train.max()) + 1
