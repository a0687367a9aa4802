"""Two streams of the same digits, images and pen points: the data that ships, or a user's own, split into two sides.

Without a path: 10,992 handwritten digits (UCI), of which the points are kept and images are drawn. Noise on both makes the
points, "pose", the weaker stream, and the images, "rgb", not perfect either.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pitprop.trainers.data import arrays, sides

PENDIGITS = Path(__file__).with_name("pendigits.npz")
TABLET = 100
"""The largest coordinate of a point."""
DOTS = 8
"""How many dots are drawn of each stretch between two points."""
Floats = NDArray[np.float32]


def load(path: str | None, side: int, noise: tuple[float, float], seed: int) -> Digits:
    """The digits that ship, with images of ``side`` by ``side`` pixels from 0 to 1, or one's own.

    ``noise`` is the standard deviation of Gaussian noise on pixels and on points, as a share of their range; it is drawn once,
    from ``seed``. Points count from 0 to `TABLET`. A file of one's own is an ``.npz`` with arrays rgb (n, h, w), pose (n, d) and
    y (n,), counted from 0, and optionally group (n,); it gets no noise.
    `FileNotFoundError` or `ValueError`, in one sentence, if it is missing or holds anything else.
    """
    if path is not None:
        return _own(path)
    if side < 2:
        raise ValueError(f"side: {side} is not allowed; an image needs at least 2 pixels a side")
    with np.load(PENDIGITS) as arrays:
        points, y = arrays["points"].astype(np.float32) / TABLET, arrays["y"].astype(np.int64)
    random = np.random.default_rng(seed)
    rgb, pose = raster(points, side), points.reshape(len(points), -1)
    rgb += np.float32(noise[0]) * random.standard_normal(rgb.shape, np.float32)
    pose += np.float32(noise[1]) * random.standard_normal(pose.shape, np.float32)
    return Digits(rgb, TABLET * pose, y)


def raster(points: Floats, side: int) -> Floats:
    """Lines through ``points`` (n, p, 2), x and y from 0 to 1, drawn as images (n, side, side), whose rows count downwards.

    Each stretch is drawn as dots, each shared by the four pixels around it in proportion to their nearness.
    """
    share = (np.arange(DOTS, dtype=np.float32) / DOTS)[:, None]
    starts, ends = points[:, :-1, None], points[:, 1:, None]
    dots = np.concatenate([(starts + share * (ends - starts)).reshape(len(points), -1, 2), points[:, -1:]], axis=1)
    place = np.stack([1 - dots[..., 1], dots[..., 0]]) * np.float32(side - 1)
    corner = np.clip(place.astype(np.int64), 0, side - 2)
    rest = place - corner
    first = np.arange(len(points))[:, None] * side * side
    ink = np.zeros(len(points) * side * side, dtype=np.float32)
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - rest[0]) * np.abs(1 - right - rest[1])
            pixel = first + (corner[0] + down) * side + corner[1] + right
            ink += np.bincount(pixel.ravel(), weight.ravel(), len(ink)).astype(np.float32)
    return np.minimum(ink, 1).reshape(-1, side, side)


def split(digits: Digits, fraction: float, seed: int) -> Split:
    """About ``fraction`` of the rows of each class for validation; with groups, none has rows on both sides.

    Images are scaled to mean 0 and standard deviation 1 over all training pixels. Points are centred, and keep their units.
    `ValueError` if a side would lack a class.
    """
    held = sides.held(digits.y, fraction, seed, digits.group)
    rgb, pose = digits.rgb[~held], digits.pose[~held]
    scaled = Digits((digits.rgb - rgb.mean()) / (rgb.std() or np.float32(1)), digits.pose - pose.mean(axis=0), digits.y)
    train, val = (Digits(scaled.rgb[side], scaled.pose[side], scaled.y[side]) for side in (~held, held))
    return Split(train, val, int(digits.y.max()) + 1)


def few(split: Split, rows: int, seed: int) -> Split:
    """The same with ``rows`` of the training rows, drawn from ``seed``."""
    kept, whole = np.sort(np.random.default_rng(seed).permutation(len(split.train.y))[:rows]), split.train
    return Split(Digits(whole.rgb[kept], whole.pose[kept], whole.y[kept]), split.val, split.classes)


def _own(path: str) -> Digits:
    shapes = {"rgb": "(n, h, w)", "pose": "(n, d)", "y": "(n,)"}
    found = arrays.read(path, shapes)
    for name, shape in shapes.items():
        array, count = found[name], len(np.atleast_1d(found["y"]))
        if (
            array.ndim != shape.count(",") + (name != "y")
            or array.dtype.kind not in "fiub"
            or len(array) != count
            or not array.size
        ):
            kind = f"shape {array.shape} and type {array.dtype}"
            raise ValueError(f"data: {name} in {path} has {kind}; it has to be numbers of shape {shape} with n = {count}")
    rgb, pose, y = found["rgb"].astype(np.float32), found["pose"].astype(np.float32), found["y"]
    if bad := int((~(np.isfinite(rgb).all(axis=(1, 2)) & np.isfinite(pose).all(axis=1))).sum()):
        raise ValueError(f"data: {bad} of {len(y)} rows in {path} are not finite; drop them or fill in their values")
    classes = np.unique(y)
    if len(classes) < 2 or classes.tolist() != list(range(len(classes))):
        held = classes.tolist() if len(classes) < 5 else [*classes[:4].tolist(), "..."]
        raise ValueError(f"data: y in {path} holds the classes {held}; they have to be two or more, written 0, 1, 2 and so on")
    return Digits(rgb, pose, y.astype(np.int64), sides.grouping(path, found, len(y)))


@dataclass(frozen=True, slots=True)
class Digits:
    """Images rgb (n, h, w), points pose (n, d), classes y (n,), counted from 0, and which rows belong together, if known."""

    rgb: Floats
    pose: Floats
    y: NDArray[np.int64]
    group: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """The two sides, and how many classes there are."""

    train: Digits
    val: Digits
    classes: int
