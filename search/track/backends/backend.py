"""What an experiment asks of the store behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pitprop.track.code import Data
from pitprop.track.trial_run import Point

DEFAULT = "Default"
"""The experiment that MLflow makes by itself."""


class Refused(Exception):
    """The store will not take this, so that trying again is no use."""


class Found(NamedTuple):
    """An experiment that is there: its id, its tags, and whether it was deleted, which can be taken back."""

    id: str
    tags: Mapping[str, str]
    deleted: bool


@dataclass(slots=True)
class Held:
    """What MLflow holds of one run. ``started`` is in unix milliseconds, ``artifacts`` a URI."""

    id: str
    name: str
    status: str
    started: int
    artifacts: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Backend(Protocol):
    """A store of MLflow's. Whatever it or its database raises comes through. Times are in unix milliseconds."""

    def find(self, name: str) -> Found | None:
        """The experiment ``name``."""

    def make(self, name: str, location: str | None, tags: Mapping[str, str]) -> str:
        """A new experiment with its artifacts at ``location``; its id."""

    def restore(self, experiment: str) -> None:
        """Takes a deletion back."""

    def hide_default(self) -> None:
        """Deletes the experiment that MLflow makes by itself while it is empty; MLflow can restore it."""

    def label(self, experiment: str, key: str, value: str) -> None:
        """Sets a tag of an experiment."""

    def runs(self, experiment: str) -> Iterable[Held]:
        """All runs of an experiment that are not deleted."""

    def create(self, experiment: str, name: str, started: int, tags: Mapping[str, str]) -> Held:
        """A new run."""

    def update(self, run: str, status: str, name: str | None = None, ended: int | None = None) -> None:
        """Gives a run a status, and a name or an end if that is said."""

    def write(self, run: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Adds points and parameters to a run, and sets tags after these, since they tell how far the points go."""

    def drop(self, run: str, tags: Iterable[str]) -> None:
        """Takes tags off a run."""

    def feed(self, run: str, data: Data) -> None:
        """Says what data a run was trained on."""

    def settle(self) -> None:
        """Brings what was written to the disk, where the store is a file."""
