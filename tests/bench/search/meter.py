"""What a method is given, and the count of the epochs that it spends."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.bench.search.pool import Pool, load


@dataclass(frozen=True, slots=True)
class Task:
    """A search to do: the pool, by folder, workload and size; how many trials there may be; the method's seed.

    It ends when an epoch reaches the score ``stop``, or when all trials are spent.
    """

    folder: Path
    workload: str
    size: int
    stop: float
    trials: int
    seed: int

    @property
    def pool(self) -> Pool:
        return load(self.folder, self.workload, self.size)

    @property
    def budget(self) -> int:
        """The epochs of all trials, were each trained to its end."""
        return self.trials * self.pool.space.epochs


class Found(NamedTuple):
    """How a search went: for each epoch that beat all before it the epochs so far, its score, and the seconds that the method
    had taken beside the training by then; and the epochs spent in all. ``late`` winners of the pool were proposed, ``lost`` of
    them were not trained to their best."""

    bests: Sequence[tuple[int, float, float]]
    epochs: int
    late: int = 0
    lost: int = 0

    def reached(self, target: float) -> tuple[int, float] | None:
        """The epochs to the target and the method's own seconds; None if it was missed."""
        return next(((epochs, seconds) for epochs, score, seconds in self.bests if score >= target), None)

    def best(self, epochs: int) -> float:
        """The best score of the first so many epochs."""
        return max((score for spent, score, _ in self.bests if spent <= epochs), default=-math.inf)


class Meter:
    """Counts the epochs of a search, and keeps those that beat all before them, as NaN never does."""

    def __init__(self, task: Task) -> None:
        self._stop, self._budget, self._began = task.stop, task.budget, time.perf_counter()
        self._pool, self._reached = task.pool, dict[int, float]()
        self._bests: list[tuple[int, float, float]] = []
        self._epochs = 0

    @property
    def over(self) -> bool:
        """Whether the search has reached its stop, or has spent what all trials would have had."""
        return self._epochs >= self._budget or bool(self._bests and self._bests[-1][1] >= self._stop)

    def take(self, score: float, number: int) -> bool:
        """Counts one epoch, which had this score, of the configuration ``number``, unless the search was over; whether it is."""
        if not self.over:
            self._epochs += 1
            self._reached[number] = max(self._reached.get(number, -math.inf), -math.inf if math.isnan(score) else score)
            if not math.isnan(score) and (not self._bests or score > self._bests[-1][1]):
                self._bests.append((self._epochs, score, time.perf_counter() - self._began))
        return self.over

    @property
    def found(self) -> Found:
        late = self._pool.late & self._reached.keys()
        lost = [number for number in late if self._reached[number] < np.nanmax(self._pool.table.scores[number])]
        return Found(self._bests, self._epochs, len(late), len(lost))
