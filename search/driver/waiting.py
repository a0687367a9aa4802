"""The trials that wait for their next segment, and which worker can train them on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(slots=True)
class Waiting:
    """The trials that wait, each of ``seeds`` trainings: those of this search, and those that it has found ``laid_by``.

    A trial that waited when an earlier search ended is at its end: its next segment is that of a trial which revives it.
    """

    seeds: int
    here: set[int] = field(default_factory=set)
    laid_by: set[int] = field(default_factory=set)
    _leaving: dict[int, set[int]] = field(default_factory=dict)
    """By worker, the trials that have just been asked to leave it, so that only it can find their checkpoints yet."""

    def __bool__(self) -> bool:
        return bool(self.here or self.laid_by)

    def able(self, worker: int) -> set[int]:
        """Those that the worker can train on: none that has still to leave another one."""
        others = [trials for other, trials in self._leaving.items() if other != worker or self.seeds > 1]
        return self.here.difference(*others) | self.laid_by

    def leave(self, worker: int, number: int) -> None:
        """Notes that a trial has been asked to leave the worker, whose next answer says that it has."""
        self._leaving.setdefault(worker, set()).add(number)

    def left(self, worker: int) -> Collection[int]:
        """The trials that had been asked to leave the worker, and have, or are gone with it."""
        return self._leaving.pop(worker, ())

    def leaves(self, worker: int, number: int) -> bool:
        """Whether a trial has been asked to leave the worker, and has not yet."""
        return number in self._leaving.get(worker, ())
