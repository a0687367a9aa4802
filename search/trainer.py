"""The one shape that every workload has: a generator of epochs, stopped by closing it.

A trainer is a Python module (or file) with a docstring and one of two functions:

``train(params, context)``
    trains one trial and yields an `Epoch` after each epoch.
``train_lanes(lanes, context)``, with ``WIDTH``
    trains up to ``WIDTH`` trials as one, every tensor with a leading lane axis, and yields one epoch for each living lane;
    the value sent back says which lanes leave and which join (`Change`).

Before each ``yield`` a trainer sets ``context.state`` to what it needs to go on from there. A checkpoint of it is written
before the epoch is shown to anybody, so a killed training loses at most the epoch it was in.

Measure inside ``torch.no_grad()`` and the like, but yield outside: a paused generator leaks such state to the process.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import math
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pitprop import imports
from pitprop.telemetry import Epoch

LARGEST = 2**24
"""Bytes of a file of code that is read."""

Params = Mapping[str, Any]
"""A trial's hyperparameters, as the tree that the space draws."""

SECRET = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD")
ADDRESSES = ("STUDY_DB", "MLFLOW_TRACKING_URI")
"""Variables that hold a secret if they are URLs with a password."""


def public_environment() -> dict[str, str]:
    """The environment for what trains: without the passwords of the study's database and of MLflow, which are the driver's."""
    withheld = {name for name in ADDRESSES if re.search("//[^/@]*:[^/]*@", os.environ.get(name, ""))}
    return {name: value for name, value in os.environ.items() if name not in (*SECRET, *withheld)}


class Unfit(Exception):
    """What a trainer raises where this machine lacks what another one may have, as a program: one sentence.

    On a cluster the machine is left out, and the trial goes on elsewhere; else the trial fails.
    """


class Lane(NamedTuple):
    """One training: a trial's number, and which of its seeds."""

    trial: int
    replica: int


@dataclass(frozen=True, slots=True)
class Start:
    """A lane to train: from scratch, or on from ``step`` with the ``state`` that a worker loads from ``checkpoint``.

    There the state stands under ``source``, another lane than this one where a parked trial is continued.
    """

    lane: Lane
    params: Params
    seed: int
    folder: str
    step: int = 0
    state: Any = None
    checkpoint: str = ""
    source: Lane | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a group of lanes between two epochs."""

    stopped: Sequence[Lane] = ()
    started: Sequence[Start] = ()


@dataclass(slots=True)
class Context:
    """Where and how long to train. All lanes of a group share it.

    ``epochs`` is the budget, ``steps`` too where it is in steps (``unit``); ``options`` are the space's constants for the
    trainer; ``device`` is a torch device.
    ``state`` is set by the trainer before each yield: for ``train`` plain data, tensors and arrays, however nested
    (`pitprop.workers.files.states`); for ``train_lanes`` a mapping of names to arrays with a leading lane axis, in the order of
    the epochs yielded. For ``train``, ``seed``, ``folder`` and the ``step`` and ``state`` to go on from are given here too.

    Of the space: ``home`` is its file's folder, ``metric`` its objective, ``stall`` the seconds of silence that fail a trial;
    ``goal`` is "maximize" or "minimize" where the best epoch counts, and is empty where the last one does;
    ``cpus`` and ``gpus`` (fractions too) are what a training has to itself.
    """

    epochs: int
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    seed: int = 0
    folder: str = "."
    step: int = 0
    state: Any = None
    home: str = "."
    metric: str = ""
    goal: str = ""
    stall: float = math.inf
    cpus: float = 1.0
    gpus: float = 0.0
    unit: str = "epochs"

    @property
    def steps(self) -> int:
        """The budget in steps; ``AttributeError`` where it is in epochs."""
        if self.unit != "steps":
            raise AttributeError("the budget of this space is in epochs: write steps: in place of epochs: in the space")
        return self.epochs


Epochs = Mapping[Lane, Epoch]
Train = Callable[[Params, Context], Generator[Epoch, None, None]]
TrainLanes = Callable[[Sequence[Start], Context], Generator[Epochs, Change, None]]


def names() -> list[str]:
    """The trainers that ship, by name."""
    from pitprop import trainers

    return sorted(m.name for m in pkgutil.iter_modules(trainers.__path__) if not (m.ispkg or m.name.startswith("_")))


def find(name: str, folder: Path = Path()) -> str | None:
    """Where the trainer ``name`` is, without importing it: a module's dotted name or a file's path. None if nowhere.

    ``name`` is a shipped trainer, a dotted module, or a path of a .py file (relative to ``folder``).
    """
    if name.endswith(".py"):
        path = folder / name
        return str(path.resolve()) if path.is_file() else None
    if name in names():
        return f"pitprop.trainers.{name}"
    try:
        return name if importlib.util.find_spec(name) else None
    except (ImportError, ValueError):
        return None


def load(location: str) -> ModuleType:
    """The trainer's module, given what `find` returned. A file is read again, and so is what it imports from its folder."""
    imports.use(folder_of(location), fresh=True)
    if not location.endswith(".py"):
        return importlib.import_module(location)
    name = "pitprop_trainer_" + Path(location).stem
    spec = importlib.util.spec_from_file_location(name, location)
    if spec is None or spec.loader is None:
        raise ImportError(f"{location} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def folder_of(location: str) -> str | None:
    """The folder whose modules the trainer may import as its own; None for one that is a module itself."""
    return str(Path(location).parent) if location.endswith(".py") else None


@dataclass(frozen=True, slots=True)
class Card:
    """What a trainer says of itself. ``params``, ``options`` and ``reports`` are None where it does not say.

    ``params`` and ``options`` map each accepted key to its default, ``reports`` are metric names or prefixes, and
    ``width`` is the largest number of lanes, 1 for a trainer of single trials. ``shell`` says that a training is a command,
    which the trainer's ``shell(params, context)`` writes for a person to run. ``checks`` says that its ``check_options(options)``
    gives a sentence for each thing that is wrong with them; it is called when a space is read, so its import has to be light.
    """

    summary: str
    params: Mapping[str, Any] | None
    options: Mapping[str, Any] | None
    reports: Sequence[str] | None
    width: int
    shell: bool = False
    checks: bool = False

    def resumes(self, options: Mapping[str, Any]) -> bool:
        """Whether a training that was cut off goes on from a checkpoint: a command does only if its options say how."""
        return not self.shell or bool(options.get("resume"))


def card(location: str) -> Card:
    """Reads PARAMS, OPTIONS, REPORTS and WIDTH off the trainer's source, so that nothing heavy is imported.

    ``ValueError`` if the source does not parse or has neither ``train`` nor ``train_lanes``.
    """
    if (source := file_of(location)) is None:
        raise ValueError(f"{location}: no such module")
    try:
        module = _parsed(source.read_text(encoding="utf-8"))
    except (SyntaxError, OSError) as error:
        raise ValueError(f"{source}: cannot be read as a trainer: {error}") from error
    functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    if not functions & {"train", "train_lanes"}:
        raise ValueError(f"{source}: a trainer defines train(params, context) or train_lanes(lanes, context), this file neither")
    said: dict[str, Any] = {}
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id in ("PARAMS", "OPTIONS", "REPORTS", "WIDTH"):
            said[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
    summary = (ast.get_docstring(module) or "").split("\n")[0]
    width = said.get("WIDTH", 1) if "train_lanes" in functions else 1
    return Card(
        summary,
        said.get("PARAMS"),
        said.get("OPTIONS"),
        said.get("REPORTS"),
        width,
        *(name in functions for name in ("shell", "check_options")),
    )


@lru_cache(maxsize=32)
def _parsed(text: str) -> ast.Module:
    """The syntax tree of a trainer's text, of which nobody changes anything: a service reads the same trainers all day."""
    return ast.parse(text)


def file_of(location: str) -> Path | None:
    """The file of the trainer at a location, without importing it; None if there is none."""
    if location.endswith(".py"):
        return Path(location)
    try:
        spec = importlib.util.find_spec(location)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def digest(path: Path, largest: int = LARGEST) -> str:
    """Twelve hexadecimal digits that change with the file; empty if it cannot be read, or has more than ``largest`` bytes."""
    try:
        if not path.is_file() or path.stat().st_size > largest:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError:
        return ""
