"""Arrays in a user's own ``.npz`` file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read(path: str, layout: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The arrays of the file by name; ``layout`` names those that it has to hold, with their shapes as they are written.

    `FileNotFoundError` or `ValueError`, in one sentence, if the file is missing, unreadable or lacks one.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"data: there is no file {path!r}; give the path of an .npz file with arrays {_listed(layout)}")
    try:
        with Path(path).open("rb") as file:  # opened here, as numpy leaves a broken file open
            arrays = np.load(file)
            found = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        written = f"numpy.savez(path, {', '.join(f'{name}={name}' for name in layout)})"
        raise ValueError(f"data: {path} cannot be read as an .npz file of numbers; write it with {written}") from error
    if missing := sorted(layout.keys() - found.keys()):
        needed = _listed({f"{name} {shape}": "" for name, shape in layout.items()})
        raise ValueError(f"data: {path} has no array {missing[0]!r}, only {sorted(found)}; it needs {needed}")
    return found


def _listed(names: Mapping[str, str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
