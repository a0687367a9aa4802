"""The options of commands as typed values, and the readers of single flags. Nothing heavy is imported here."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitprop.study.source import Repeat


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """Which study a command is about: of a ``space`` by name or path, in the folder ``runs`` (None: ./runs)."""

    space: str
    runs: str | None = None
    json: bool = False
    """Print JSON instead of prose."""
    ray: str | None = None
    """The Ray to train on: auto, HOST:PORT, or http://HOST:8265; None is what RAY_ADDRESS says."""

    def of(self, space: str) -> StudyOptions:
        """The same for another space."""
        return replace(self, space=space)


@dataclass(frozen=True, slots=True)
class ConfirmOptions:
    """What to confirm. What is None or empty is as the space says; ``each`` are parameters to change, "" for all of them."""

    top: int | None = None
    seeds: int | None = None
    trials: tuple[int, ...] = ()
    each: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How trainings are run. What is None is as the space says; ``timeout`` is in seconds, for all trials together."""

    workers: int | None = None
    seed: int | None = None
    """Of the sampler and of the trainings."""
    timeout: float | None = None
    inline: bool = False
    """Train in this process, without Ray."""
    report: bool = True
    """Write the report at the end."""
    worker_logs: bool = False
    """Show what the trainers print."""
    code_changed: bool = False
    """Train on though the code has changed since trials were trained by it."""
    exits: bool = True
    """The process ends after the run, so that after a Ctrl-C a second one may end it at once."""

    quiet: bool = False
    """Show nothing but the answer."""
    ray: str | None = None
    """The same as in `StudyOptions`, for a repetition of the command."""
    storage: str | None = None
    """Where checkpoints go that every node is to reach."""
    share: Path | None = None
    """A file that says how many workers there may be now."""
    events: Path | None = None
    """The file to which what happens is appended, for a program that follows the search."""

    def repeat(self, confirms: ConfirmOptions | None = None) -> Repeat:
        """The flags that a repetition of the command needs, those of a confirmation among them."""
        from pitprop.study.source import Repeat

        said = confirms or ConfirmOptions()
        share = str(self.share) if self.share is not None else None
        return Repeat(
            self.workers, self.inline, self.seed, said.top, said.seeds, said.trials, said.each, self.ray, self.storage, share
        )


@dataclass(frozen=True, slots=True)
class Trials:
    """How many trials there are to be: ``number`` in all, or so many ``more`` than were planned."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{'+' if self.more else ''}{self.number}"


@dataclass(frozen=True, slots=True)
class Page:
    """Which trials a list shows: the first ``limit`` (None: as many as fit to be read) in the order of `SORTS` that is named.

    ``state`` is the word for how they stand; None for all.
    """

    sort: str = "number"
    limit: int | None = None
    state: str | None = None


SORTS = ("number", "score", "epochs", "ended")
STATES = ("complete", "pruned", "parked", "waiting", "fail", "running")
"""The words of `pitprop.study.record`, which is not imported just to read a command line."""


@dataclass(frozen=True, slots=True)
class DiagnoseOptions:
    """What to diagnose, what its log lacks, and how to show it; the flags of ``pitprop diagnose`` say what each is."""

    path: tuple[str, ...]
    compare: bool
    json: bool
    plot: str | None
    baseline: str | None
    gate: tuple[str, ...]
    metric: str | None
    goal: str | None
    epochs: int | None
    class_counts: tuple[int, ...]
    classes: int | None
    loss: str | None
    batch: int | None
    chance_loss: float | None
    chance_score: float | None
    format: str | None
    pattern: tuple[str, ...]
    name: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What to serve on the loopback address, at which ``port``."""

    runs: str | None
    port: int
    space: str | None = None
    """The space whose experiment a ``browser`` opens."""
    browser: bool = False


def whole(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def natural(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def several(text: str) -> int:
    """A whole number of at least 2."""
    if not text.isdecimal() or int(text) < 2:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 2; one seed shows no spread")
    return int(text)


def counts(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    return tuple(whole(part.strip()) for part in text.split(","))


def trials(text: str) -> Trials:
    """``20`` trials, or ``+20`` more."""
    return Trials(whole(text.removeprefix("+")), text.startswith("+"))


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return found
