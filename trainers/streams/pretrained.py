"""The checkpoint that fine-tuning starts from: pretrained once and kept in a cache, or a user's own.

It is an ``.npz`` file with an array for each parameter, by the names in `Streams.shapes`; a user's is written with `save`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pitprop.trainers.data.pendigits import Split
from pitprop.trainers.lanes.stack import Shapes
from torch import Tensor

RECIPE = 1
"""The version of pretraining: raise it when the same options make another checkpoint, so that no cache gives an old one."""
FOLDER = "PITPROP_CACHE"
"""The environment variable with the folder of the cache."""


def cached(folder: str | None, key: str, shapes: Shapes, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The checkpoint ``key`` out of the cache; if it is not there it is made, and kept where ``folder`` can be written to."""
    path = cache(folder) / f"two_stream-{key}.npz"
    try:
        return load(path, shapes)
    except (OSError, ValueError):  # missing or damaged: pretrain (again)
        weights = make()
    with contextlib.suppress(OSError):  # a cache that cannot be written to costs seconds, and no result
        save(path, weights)
    return dict(weights)


def cache(folder: str | None) -> Path:
    """Where checkpoints are kept: ``folder``, else what the environment says, else the user's cache."""
    if given := folder or os.environ.get(FOLDER):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pitprop"


def digest(split: Split, *rest: Any) -> str:
    """A name for what a checkpoint depends on: the training rows, and whatever else is given."""
    found = hashlib.blake2b(repr((RECIPE, *rest)).encode(), digest_size=8)
    for part in (split.train.rgb, split.train.pose, split.train.y):
        found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()


def save(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Writes the file as a whole or not at all, so that two workers may want to at once. `OSError` if that is not possible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            arrays: dict[str, Any] = {name: value.detach().cpu().numpy() for name, value in weights.items()}
            np.savez(file, **arrays)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def load(path: Path, shapes: Shapes) -> dict[str, Tensor]:
    """The weights in the file. `FileNotFoundError` or `ValueError`, in one sentence, if they are missing or of another model."""
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint: there is no file {str(path)!r}; give an .npz file, pretrained, or null for none")
    try:
        with path.open("rb") as file:
            arrays = np.load(file)
            found = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"checkpoint: {path} cannot be read as an .npz file of weights by name") from error
    for name, shape in shapes.items():
        if name not in found:
            raise ValueError(f"checkpoint: {path} has no array {name!r}; this model needs {', '.join(shapes)}")
        if found[name].shape != shape or found[name].dtype.kind not in "fiu":
            kind = f"shape {found[name].shape} and type {found[name].dtype}"
            raise ValueError(f"checkpoint: {name} in {path} has {kind}; it has to be numbers of shape {shape}")
    return {name: torch.from_numpy(found[name].astype(np.float32)) for name in shapes}
