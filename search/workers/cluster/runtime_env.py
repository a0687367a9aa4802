"""What a node of a cluster is sent, by Ray's runtime environment, so that a trainer runs there: our package and the user's code.

The folders of a search's code go as one package, in the places that they have beside each other, so that paths from one to
another hold. A node that has the very same files in the same place, as with a shared file system, uses these: what does not
travel may lie beside them. A folder that is too large does not travel, and a node that has not got it is left out.
"""

from __future__ import annotations

import filecmp
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pitprop.processes import HOME
from pitprop.trainer import Context

LARGEST, MOST = 100 * 2**20, 20_000
"""Bytes and files of a folder that travels."""
IGNORED = (
    *["__pycache__", "*.pyc", ".git", ".hg", ".svn", ".venv", "venv", ".env", ".tox", "node_modules", ".ipynb_checkpoints"],
    *[".mypy_cache", ".ruff_cache", ".pytest_cache", "mlruns", "mlartifacts", "mlflow.db", "wandb", "lightning_logs"],
)
"""What never travels, wherever it lies; a folder's own ``.gitignore`` and ``.rayignore`` say more."""


@dataclass(frozen=True, slots=True)
class Code:
    """What trains: ``folders``, single ``files``, ``modules`` that are imported by name, and ``pip`` requirements.

    What is ``skipped`` stays here.
    """

    folders: Sequence[Path] = ()
    modules: Sequence[Path] = ()
    pip: Sequence[str] = ()
    skipped: Sequence[Path] = ()
    files: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a worker finds the ``folders`` that have travelled, by their place below its working directory.

    ``heavy`` are those that did not travel, each with why.
    """

    folders: Mapping[str, str] = field(default_factory=dict)
    heavy: Mapping[str, str] = field(default_factory=dict)

    def found(self, location: str, context: Context) -> tuple[str, Context]:
        """The trainer and its context with the paths that hold on this node."""
        here = {folder: self._here(folder, Path.cwd() / name) for folder, name in self.folders.items()}
        moved = {folder: place for folder, place in here.items() if place != folder}
        context = replace(context, home=_path(context.home, moved), options=_paths(context.options, moved))
        return _path(location, moved), context

    def place(self, file: str) -> str:
        """Where a file that has travelled is, from the working directory."""
        return _path(file, self.folders)

    def lacking(self) -> str | None:
        """What this node has not got and was not sent."""
        return next((why for folder, why in self.heavy.items() if not os.path.isdir(folder)), None)

    @staticmethod
    def _here(folder: str, copy: Path) -> str:
        files = (path for path in copy.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
        try:
            same = all(filecmp.cmp(file, Path(folder, file.relative_to(copy)), shallow=False) for file in files)
        except OSError:
            same = False
        return folder if same and os.path.isdir(folder) else str(copy)


def packed(code: Code, draft: Path) -> tuple[dict[str, Any], Moved]:
    """The runtime environment for Ray, from links that are laid out in the new folder ``draft``; and where workers find it."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    environment: dict[str, Any] = {
        "py_modules": [str(Path(HOME, "pitprop")), *map(str, code.modules)],
        "env_vars": {"OMP_NUM_THREADS": threads},
        "excludes": [*IGNORED],
    }
    if code.pip:
        environment["pip"] = list(code.pip)
    folders = _outermost(code.folders)
    files = [file.resolve() for file in code.files]
    files = [file for file in files if not any(file.is_relative_to(folder) for folder in folders)]
    if not folders and not files:
        return environment, Moved()
    above = Path(os.path.commonpath([path.parent for path in (*folders, *files)]))
    names = {str(file): str(file.relative_to(above)) for file in files}
    heavy = {}
    for file in files:
        link = draft / names[str(file)]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    for folder in folders:
        skipped = [f"/{path.relative_to(folder)}" for path in code.skipped if path.is_relative_to(folder) and path != folder]
        why = _too_large(folder, [*IGNORED, *skipped])
        if why is not None:
            heavy[str(folder)] = why
            continue
        name = str(folder.relative_to(above))
        names[str(folder)] = name
        link = draft / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
        environment["excludes"] += [f"/{name}{path}" for path in skipped]
    if names:
        environment["working_dir"] = str(draft)
    return environment, Moved(names, heavy)


def _outermost(folders: Sequence[Path]) -> list[Path]:
    """The folders that lie in none of the others."""
    known = sorted({folder.resolve() for folder in folders})
    return [one for one in known if not any(one != other and one.is_relative_to(other) for other in known)]


def _too_large(folder: Path, ignored: Sequence[str]) -> str | None:
    """Why a folder does not travel, with what is large in it; None if it does."""
    from ray._private.runtime_env import packaging

    sizes: dict[Path, int] = {}

    def weigh(path: Path) -> None:
        if path.is_file():
            sizes[path] = path.stat().st_size
        if len(sizes) > MOST:
            raise _TooMany

    try:
        excludes = [packaging._get_excludes(folder, list(ignored))]
        packaging._dir_travel(folder, excludes, weigh, include_gitignore=True, logger=logging.getLogger("pitprop.quiet"))
    except _TooMany:
        said = f"it has more than {MOST} files"
    else:
        if sum(sizes.values()) <= LARGEST:
            return None
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        named = ", ".join(f"{path.relative_to(folder)} {_mb(sizes[path])}" for path in largest)
        said = f"it has {_mb(sum(sizes.values()))}: {named}"
    return (
        f"the folder {folder} is not there, and too large to be sent ({said}; at most {_mb(LARGEST)}): share it between "
        f"the nodes, or list what is not needed in {folder / '.rayignore'}"
    )


class _TooMany(Exception):
    """There is no end of files."""


def _mb(size: int) -> str:
    return f"{size / 2**20:.0f} MB"


def _path(value: str, moved: Mapping[str, str]) -> str:
    for folder, place in moved.items():
        if value == folder or value.startswith(folder + os.sep):
            return place + value[len(folder) :]
    return value


def _paths(value: Any, moved: Mapping[str, str]) -> Any:
    """The value, of the options of a space, with every path in it that has moved."""
    if isinstance(value, str):
        return _path(value, moved)
    if isinstance(value, Mapping):
        return {name: _paths(one, moved) for name, one in value.items()}
    return [_paths(one, moved) for one in value] if isinstance(value, list) else value
