"""Recordings with events: those that ship, or a user's own, split by recording into training and validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pitprop.trainers.data import arrays

LUNGES = Path(__file__).parents[1] / "data" / "lunges"
"""What is loaded without paths: six deployments on blue whales at 1 Hz, 41,605 frames with 218 lunges, 0.52 %."""
LAYOUT = {"x": "(n, c)", "channels": "(c,)", "frames": "(m,)", "elements": "(m, heads)"}


def load(paths: Any = None) -> Found:
    """The recordings in these ``.npz`` files, one each, in the order of their names, which are the files'.

    A file holds the signals x (n, c) with the names of the ``channels`` (c,), the ``frames`` (m,) at which its events are, and
    their ``elements`` (m, heads), of each head a whole number from 0. Files that are missing or empty are counted and left out.
    `ValueError`, in one sentence, for anything else.
    """
    if paths is None:
        paths = [str(path) for path in LUNGES.glob("*.npz")]
    if not isinstance(paths, list | tuple) or not paths or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"data: {paths!r} is not allowed; give a list of .npz files, one a recording")
    there = [Path(path) for path in paths if Path(path).is_file()]
    filled = [path for path in there if path.stat().st_size]
    read = [_recording(path) for path in sorted(filled, key=lambda path: path.stem)]
    recordings = [one for one in read if len(one.x)]
    if len({(one.channels, one.elements.shape[1]) for one in recordings}) > 1:
        raise ValueError("data: the recordings differ in their channels or in the number of their heads; all have to be alike")
    return Found(recordings, len(paths) - len(there), len(there) - len(recordings))


def split(found: Found, channels: Any, held_out: Any) -> Split:
    """The recordings named in ``held_out`` for validation, by default every third from the second on; the others to train by.

    Only the named ``channels`` are kept, scaled to mean 0 and standard deviation 1 over the training frames that are finite.
    `ValueError` for a name that is not there, or a side without events.
    """
    recordings = found.recordings
    lost = f" ({found.missing} of the files are missing, {found.empty} empty)" if found.missing or found.empty else ""
    if not recordings:
        raise ValueError(f"data: there is no recording{lost}; give at least two, with events")
    names = [one.name for one in recordings]
    kept = _named("channels", channels, recordings[0].channels)
    held = names[1::3] if held_out is None else _named("held_out", held_out, names)
    sides = [[one for one in recordings if (one.name in held) == side] for side in (False, True)]
    for name, side in zip(("training", "validation"), sides, strict=True):
        if not sum(len(one.frames) for one in side):
            raise ValueError(f"data: the {name} recordings hold no event{lost}; give at least one recording with events to each")
    sizes = tuple((np.concatenate([one.elements for one in recordings]).max(axis=0) + 1).tolist())
    columns = [recordings[0].channels.index(channel) for channel in kept]
    seen = np.concatenate([one.x[:, columns] for one in sides[0]]).astype(np.float64)
    finite = np.isfinite(seen).all(axis=1)
    seen = seen[finite] if finite.any() else np.zeros_like(seen)
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    scaled = [[replace(one, x=((one.x[:, columns] - mean) / scale).astype(np.float32)) for one in side] for side in sides]
    return Split(scaled[0], scaled[1], sizes, int((~finite).sum()))


def _named(option: str, given: Any, known: Sequence[str]) -> list[str]:
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f"{option}: {given!r} is not allowed; give a list of names out of {', '.join(known)}")
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"{option}: there is no {unknown[0]!r}; the data has {', '.join(known)}")
    return list(given)


def _recording(path: Path) -> Recording:
    found = arrays.read(str(path), LAYOUT)
    return _checked(path, found)


def _checked(path: Path, found: Mapping[str, NDArray[Any]]) -> Recording:
    x, channels, frames, elements = (found[name] for name in ("x", "channels", "frames", "elements"))
    if x.ndim != 2 or x.dtype.kind not in "fiu" or channels.shape != (x.shape[1],):
        raise ValueError(f"data: x {x.shape} and channels {channels.shape} in {path} do not fit; they are (n, c) and (c,)")
    if frames.ndim != 1 or elements.ndim != 2 or len(frames) != len(elements) or not elements.shape[1]:
        raise ValueError(
            f"data: frames {frames.shape} and elements {elements.shape} in {path} do not fit; they are (m,) and (m, heads)"
        )
    if frames.dtype.kind not in "iu" or elements.dtype.kind not in "iu" or (elements < 0).any():
        raise ValueError(f"data: frames and elements in {path} have to be whole numbers from 0")
    if len(np.unique(frames)) < len(frames) or (len(frames) and not 0 <= frames.min() <= frames.max() < len(x)):
        raise ValueError(f"data: frames in {path} have to be different ones from 0 to {len(x) - 1}")
    order = np.argsort(frames)
    names = tuple(str(channel) for channel in channels)
    return Recording(path.stem, x, names, frames[order].astype(np.int64), elements[order].astype(np.int64))


@dataclass(frozen=True, slots=True)
class Recording:
    """Signals x (n, c) of the named channels, the frames (m,) of its events in order, and their elements (m, heads)."""

    name: str
    x: NDArray[Any]
    channels: tuple[str, ...]
    frames: NDArray[np.int64]
    elements: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """The recordings that are there, and how many files were missing or empty."""

    recordings: list[Recording]
    missing: int
    empty: int


@dataclass(frozen=True, slots=True)
class Split:
    """Scaled recordings of both sides; ``sizes`` are the elements of each head, ``broken`` the training frames not finite."""

    train: list[Recording]
    val: list[Recording]
    sizes: tuple[int, ...]
    broken: int
