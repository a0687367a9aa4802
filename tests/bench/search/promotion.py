"""ASHA with promotion and PASHA as methods, by their papers: a trial that is not promoted waits, and goes on where it stood.

ASHA is algorithm 2 of Li et al. (MLSys 2020), PASHA the progressive allocation of Bohdal et al. (ICLR 2023) with soft ranking
and its own epsilon. Both propose as ours does: one in three trials at random, the others by Optuna's TPE, shown the best score
so far of what waits. (TPE alone ran into one corner.) Where no more trials are allowed and nothing is to be promoted, the best
that waits goes on, so that everything is trained in the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
from optuna.trial import TrialState
from pitprop.driver.scheduler import rungs
from pitprop.space import Method
from pitprop.study.memory import Memory
from pitprop.study.sampling.samplers import WAITS

from tests.bench.search.meter import Found, Meter, Task

NEW = -1


class Asha:
    """The scores of trials at the rungs ``ends``, of which the last is the whole budget, and who goes on."""

    def __init__(self, ends: Sequence[int], factor: int) -> None:
        self.ends, self._factor = ends, factor
        self.curves: list[list[float]] = []
        """What each trial has scored, an epoch after the other."""

    def see(self, number: int, score: float) -> None:
        """Takes in the next epoch of a trial; the first makes the trial. NaN is the worst."""
        if number == len(self.curves):
            self.curves.append([])
        self.curves[number].append(-math.inf if math.isnan(score) else score)

    def choose(self, *, room: bool) -> int | None:
        """The trial that goes on to its next rung, or `NEW`; None if everything is trained."""
        for end in reversed([end for end in self.ends[:-1] if end < self._most]):
            done = self.at(end)
            for number in done[: len(done) // self._factor]:
                if len(self.curves[number]) == end:
                    return number
        waiting = [number for number, curve in enumerate(self.curves) if len(curve) < self.ends[-1]]
        return NEW if room else max(waiting, key=lambda number: max(self.curves[number]), default=None)

    def until(self, number: int) -> int:
        """Up to where a trial trains next."""
        return next(end for end in self.ends if number == NEW or end > len(self.curves[number]))

    def at(self, end: int) -> list[int]:
        """The trials that have reached a rung, best first."""
        reached = (number for number, curve in enumerate(self.curves) if len(curve) >= end)
        return sorted(reached, key=lambda number: -self.curves[number][end - 1])

    @property
    def _most(self) -> int:
        """The epochs to which trials are promoted."""
        return self.ends[-1]


class Pasha(Asha):
    """Promotes to the second rung at first, and to one more each time that the order of its two highest rungs differs.

    Trials whose scores lie within epsilon in the lower of the two are in no order. Epsilon is the 90th percentile of how far
    apart those are in the end whose order has changed twice, as that is noise.
    """

    def __init__(self, ends: Sequence[int], factor: int) -> None:
        super().__init__(ends, factor)
        self._top, self._epsilon = min(len(ends) - 1, 2) - 1, 0.0
        self._noise: dict[tuple[int, int, int], float | None] = {}
        self._whole = False

    def see(self, number: int, score: float) -> None:
        super().see(number, score)
        if self._whole or self._top < 1:
            return
        self._estimate()
        if self._disordered():
            self._whole = self._top + 1 == len(self.ends) - 1
            self._top += not self._whole

    @property
    def _most(self) -> int:
        return self.ends[-1] if self._whole else self.ends[self._top]

    def _disordered(self) -> bool:
        """Whether a trial has another place in the highest rung than in the one below, in which all beside it are as good."""
        below, high = self.ends[self._top - 1], self.at(self.ends[self._top])
        before = sorted(high, key=self.at(below).index)
        pairs = ((self.curves[one][below - 1], self.curves[other][below - 1]) for one, other in zip(high, before, strict=True))
        return any(one != other and not abs(one - other) <= self._epsilon for one, other in pairs)

    def _estimate(self) -> None:
        """Measures epsilon; it stays what it was where no order has changed twice."""
        bottom, longest = self.ends[self._top - 1], max(map(len, self.curves))
        apart: dict[tuple[int, int], float | None] = {}
        for epoch in range(min(longest, self.ends[self._top]), bottom, -1):
            there = [number for number, curve in enumerate(self.curves) if len(curve) >= epoch]
            for pair in combinations(there, 2):
                if pair not in apart:
                    apart[pair] = self._apart(*pair, epoch)
        if noise := [one for one in apart.values() if one is not None]:
            self._epsilon = float(np.percentile(noise, 90))

    def _apart(self, one: int, other: int, epoch: int) -> float | None:
        """How far apart two trials are, if their order changed and changed back before."""
        if (one, other, epoch) not in self._noise:
            first, second = self.curves[one][:epoch], self.curves[other][:epoch]
            order = [a > b for a, b in zip(first, second, strict=True)][::-1]
            turned = order.index(not order[0]) if (not order[0]) in order else epoch
            found = abs(first[-1] - second[-1]) if order[0] in order[turned:] else None
            self._noise[one, other, epoch] = found if found is None or math.isfinite(found) else None
        return self._noise[one, other, epoch]


def search(task: Task, rule: type[Asha], factor: int) -> Found:
    """A search under one of the rules."""
    meter, space, table = Meter(task), task.pool.space, task.pool.table
    memory = Memory(replace(space, scheduler=Method("promote", {}), trials=task.trials, seed=task.seed))
    asha = rule(rungs(space.epochs, factor), factor)
    nearest: list[int] = []
    while (chosen := asha.choose(room=len(nearest) < task.trials)) is not None:
        until = asha.until(chosen)
        if chosen == NEW:
            proposed = memory.add_next()
            if proposed is None:
                break
            chosen = len(nearest)
            nearest.append(table.nearest(proposed.params))
        begun = len(asha.curves[chosen]) if chosen < len(asha.curves) else 0
        for score in table.scores[nearest[chosen], begun:until]:
            if meter.take(float(score), nearest[chosen]):
                return meter.found
            asha.see(chosen, float(score))
        best = max(asha.curves[chosen])
        if until == space.epochs:
            told = [best] if math.isfinite(best) else None
            memory.tell(chosen, told, TrialState.COMPLETE if told else TrialState.FAIL)
        elif math.isfinite(best):
            memory.set_attribute(chosen, WAITS, best)
    return meter.found


PROMOTING = {
    "ASHA with promotion": partial(search, rule=Asha, factor=4),
    "ASHA with promotion, factor 3": partial(search, rule=Asha, factor=3),
    "PASHA": partial(search, rule=Pasha, factor=3),
}
