"""The log formats, one file each and found by name: a file says all that others need to know of its format.

A format is a module with a docstring that keeps to `Format`. Nothing else names formats: the help of ``--format``, what is looked
for in a folder, and which files are one training all come from the `Traits` of the modules.
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from pitprop.errors import UserError, hint
from pitprop.logs.epochs import Row
from pitprop.logs.lines import decoding
from pitprop.logs.names import Names
from pitprop.messages import _

HEAD = 1 << 16
"""Bytes of a file that tell its format."""


PART = "#"
"""What stands between a file and the name of one of several trainings in it."""


class Unit(enum.Enum):
    """What a reader is fed at a time."""

    LINES = "whole lines"
    RECORDS = "bytes, cut anywhere"
    DOCUMENT = "the whole file, whenever it changed"
    FOLDER = "what `Folder.gather` makes of all files of a folder, whenever one changed"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a format is.

    ``files`` are names of its files as glob patterns, each with a rank: of a folder the files with the lowest rank are followed.
    0 is a name that only this format has, 1 one that is nearly as good, and 2, 3, 4 are suffixes of JSON, tables and plain text.
    ``single``: a file is a training, so that two files in one folder are two trainings. ``exact``: numbers have all their digits,
    so that this file is preferred to others of the same training. ``fallback``, of one format only: it is asked last whether a
    file is its own, and takes the patterns of a user. ``aside``: it is left out where a folder holds other logs of the training.
    ``sided``: the files of one training lie in a folder for each side, such as ``train`` and ``validation``, where its reader has
    ``under(folder)``, called before it is fed. ``judged`` says what decides the objective, where that is more than the usual: a
    score of validation, or its loss, or the loss of training.
    """

    unit: Unit
    files: Mapping[str, int] = field(default_factory=dict)
    single: bool = False
    exact: bool = False
    fallback: bool = False
    aside: bool = False
    sided: bool = False
    judged: str = ""


class Reader(Protocol):
    """Reads one file from its start. It may also have ``facts``: what the log says of the training, such as ``max_epochs``; and
    ``end()``: the rows of what its last lines began, where that ends with a line which may not come any more."""

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows in the next piece of the file, cut as the format's `Unit` says; what cannot be read is skipped."""


class MakesReader(Protocol):
    """``names`` translates names, ``patterns`` are a user's expressions, ``merge`` is how many lines one row may stand for."""

    def __call__(self, names: Names, patterns: Sequence[str] = ..., merge: int = ...) -> Reader: ...


class Format(Protocol):
    """What the module of a format holds."""

    @property
    def TRAITS(self) -> Traits: ...

    @property
    def Reader(self) -> MakesReader: ...

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether the file at ``path``, which starts with ``head`` (`HEAD` bytes at most), is of this format."""


class Folder(Format, Protocol):
    """A format in which one training is a folder of files: its `recognises` is asked of files and of the folder."""

    def home(self, path: Path) -> Path | None:
        """The folder of the training that ``path`` is in or is; None if that is of another format."""

    def gather(self, home: Path) -> bytes:
        """All that is written in it, for its reader."""


class Shared(Format, Protocol):
    """A format in which one file may hold several trainings; its reader has ``only(name)``, called before it is fed."""

    def trainings(self, path: Path) -> Sequence[str]:
        """Their names."""


@cache
def names() -> Sequence[str]:
    """The formats that ship, by name."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


@cache
def load(name: str) -> Format:
    """The module of a format; `UserError` with the nearest name if there is none."""
    if name not in names():
        raise UserError(_("there is no log format {name!r}{hint}").format(name=name, hint=hint(name, names())))
    return cast(Format, importlib.import_module(f"{__name__}.{name}"))


@cache
def asked() -> Sequence[str]:
    """The formats in the order in which they are asked whether a file is theirs: the fallback last."""
    return sorted(names(), key=lambda name: load(name).TRAITS.fallback)


def fallback() -> str:
    """The format that is asked last, and takes a user's patterns."""
    return asked()[-1]


@cache
def files() -> Sequence[str]:
    """What is looked for in a folder, as glob patterns, the best first."""
    ranked = {pattern: rank for name in names() for pattern, rank in load(name).TRAITS.files.items()}
    return sorted(ranked, key=lambda pattern: (ranked[pattern], pattern))


def recognise(path: Path) -> str | None:
    """The format of a file, or of the folder of a training, by its content; None for what holds no log, or nothing yet."""
    path, _ = part(path)
    if path.is_dir():
        return next((name for name in asked() if _home(name, path) == path), None)
    head = decoding.head(path, HEAD)
    return next((name for name in asked() if load(name).recognises(head, path)), None) if head else None


def home(path: Path) -> Path | None:
    """The folder of a training that ``path`` is a file of, in a format of folders."""
    return next((found for name in asked() if (found := _home(name, path))), None)


def _home(name: str, path: Path) -> Path | None:
    module = load(name)
    return cast(Folder, module).home(path) if module.TRAITS.unit is Unit.FOLDER else None


def several(path: Path, name: str) -> list[Path]:
    """``path``; or, if it holds several trainings, one path for each of them, as `part` takes them apart."""
    split = getattr(load(name), "trainings", None)
    held = split(path) if split else ()
    return [Path(f"{path}{PART}{one}") for one in held] if len(held) > 1 else [path]


def part(path: Path) -> tuple[Path, str]:
    """The file, and the training in it if ``path`` names one: ``export.csv#run_a`` is run_a in export.csv."""
    file, mark, name = str(path).rpartition(PART)
    return (Path(file), name) if mark and not path.exists() and Path(file).is_file() else (path, "")
