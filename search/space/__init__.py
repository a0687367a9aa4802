"""Spaces: what to search, written in YAML, checked as a whole before anything runs."""

from __future__ import annotations

from pathlib import Path

from pitprop.space import document, reading
from pitprop.space.expressions import Constraint
from pitprop.space.judging import SignatureChoice
from pitprop.space.leaf import Leaf
from pitprop.space.meaning import difference
from pitprop.space.model import Baseline, Confirm, Resources, Space
from pitprop.space.params import nested
from pitprop.space.problems import Problems, SpaceError, hint
from pitprop.space.sampling import Method
from pitprop.space.stops import Gate, Objective, Relative

__all__ = [
    "Baseline",
    "Confirm",
    "Constraint",
    "Gate",
    "Leaf",
    "Method",
    "Objective",
    "Relative",
    "Resources",
    "SignatureChoice",
    "Space",
    "SpaceError",
    "difference",
    "find",
    "load",
    "names",
    "nested",
    "summary",
]

FOLDER = (Path(__file__).parents[1] / "spaces").resolve()


def names() -> list[str]:
    """The spaces that ship, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of the space ``name``, or at the path ``name``; `SpaceError` with the nearest name if there is none."""
    shipped = FOLDER / f"{name}.yaml"
    if name in names():
        return shipped
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    what = "file" if path.suffix in (".yaml", ".yml") else "space"
    raise SpaceError(f"there is no {what} {name!r}{hint(path.stem, names())}")


def load(name_or_path: str) -> Space:
    """The space of that name or path; `SpaceError`, a ``ValueError``, with every problem of the file, one line each."""
    return reading.read(find(name_or_path))


def summary(name: str) -> str:
    """The question that a space asks, read lightly; or what is wrong with its file."""
    problems = Problems(f"{name}.yaml")
    rows = document.read(find(name), problems) or {}
    question = rows.get("question")
    return " ".join(question.split()) if isinstance(question, str) else " ".join([*problems.lines, "asks no question"][:1])
