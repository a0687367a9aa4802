"""What a method is given, and the count of the epochs that it spends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.bench.search.pool import Pool, load


@dataclass(frozen=True, slots=True)
class Task:
    """A search to do: the pool, by folder, workload and size; the score to reach; the trials there may be; the method's seed."""

    folder: Path
    workload: str
    size: int
    target: float
    trials: int
    seed: int

    @property
    def pool(self) -> Pool:
        return load(self.folder, self.workload, self.size)

    @property
    def budget(self) -> int:
        """The epochs of all trials, were each trained to its end."""
        return self.trials * self.pool.space.epochs


@dataclass(slots=True)
class Meter:
    """Counts epochs up to the one in which the target is reached; none counts after it."""

    target: float
    epochs: int = 0
    reached: bool = False

    def take(self, score: float) -> bool:
        """Counts one epoch, which had this score; whether the search is over. NaN reaches nothing."""
        if not self.reached:
            self.epochs += 1
            self.reached = score >= self.target
        return self.reached


class Found(NamedTuple):
    """How a search went: the epochs to the target, or all that it spent, and the seconds that it took beside the training."""

    epochs: int
    reached: bool
    overhead: float
