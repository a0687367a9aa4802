"""Find where in a space trials die, and which of its parameters matter.

Importance is PED-ANOVA's (Watanabe et al., IJCAI 2023): it compares where the best trials lie with where all of them do, takes
conditional parameters, and needs a score only, so a trial that was stopped counts with the score that it had reached.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop import imports
from pitprop.messages import _, localized
from pitprop.space import Space
from pitprop.space.distributions import STOPPING, Choices, Leaf, same
from pitprop.study.record import Record, State

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

BINS = 6
"""Into how many parts a range is cut; a parameter of few values has one for each."""

FULL = re.compile(r"(?<!killed, )out of memory|OutOfMemory|MemoryError|_ALLOC_FAILED|DefaultCPUAllocator", re.IGNORECASE)
"""How Python, PyTorch and libraries of CUDA's say that memory is full. A worker that was killed may have had another cause."""

STANDS_OUT = 2.0
"""How many standard deviations of chance there must be between a part of the space and the whole."""

TIMES = 1.5
"""And how many times the share of deaths elsewhere, for of many trials little stands out by chance."""

FEW = 3
"""Fewer trials than this say nothing of a part of the space."""

LEAST = 10
"""Trials with a score below which no importance is given."""

TOP = 5
"""The fewest trials that are called the best, as PED-ANOVA's authors want it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter from 0 to 1: its ``low`` and ``high`` (None with ``choices``, which are equally far apart)."""

    name: str
    low: float
    high: float
    log: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False

    def at(self, value: Any) -> float | None:
        """Where a value lies; None if it is outside the range."""
        if self.choices:
            found = next((index for index, one in enumerate(self.choices) if same(one, value)), None)
            return None if found is None else (found + 0.5) / len(self.choices)
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        if self.low == self.high:
            return 0.5
        low, high, here = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return (here - low) / (high - low)

    def value(self, at: float) -> float:
        """The number at a place; for axes without choices."""
        if self.log:
            return math.exp(math.log(self.low) + at * (math.log(self.high) - math.log(self.low)))
        return self.low + at * (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Up to five round numbers with their places; for axes without choices."""
        if self.log and self.high >= 10 * self.low:
            low, high = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            values = [10.0**power for power in range(low, high + 1, max(1, math.ceil((high - low + 1) / 5)))]
            if len(values) < 3:
                tens = (size * 10.0**power for power in range(low - 1, high + 1) for size in (1, 3))
                values = [ten for ten in tens if self.low <= ten <= self.high]
        else:
            unit = 10 ** math.floor(math.log10((self.high - self.low) / 2 or 1))
            step = next(unit * size for size in (1, 2, 5, 10) if (self.high - self.low) / (unit * size) <= 5)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            values = [step * count for count in range(first, last + 1)]
        found = [(at, f"{value:.6g}") for value in values if (at := self.at(min(max(value, self.low), self.high))) is not None]
        return found or [(0.5, label(self.low))]

    @property
    def cells(self) -> int:
        return len(self.choices) or BINS

    def cell(self, value: Any) -> int | None:
        """Which part of the range a value lies in."""
        at = self.at(value)
        return None if at is None else min(int(at * self.cells), self.cells - 1)


@dataclass(frozen=True, slots=True)
class Part:
    """Cells ``first`` to ``last`` of an axis: of ``trials`` in it ``dead`` ones, and the same of those elsewhere."""

    axis: Axis
    first: int
    last: int
    trials: int
    dead: int
    rest: int
    others: int

    @property
    def bounds(self) -> tuple[float, float]:
        """From which value to which; for axes without choices."""
        low, high = (self.axis.value(cell / self.axis.cells) for cell in (self.first, self.last + 1))
        return (math.ceil(low - 1e-9), math.floor(high + 1e-9)) if self.axis.whole else (low, high)

    @property
    def excess(self) -> float:
        """By how many standard deviations more trials die here than do in all."""
        share = (self.dead + self.others) / (self.trials + self.rest)
        return (self.dead - self.trials * share) / math.sqrt(self.trials * share * (1 - share)) if 0 < share < 1 else 0.0

    @property
    def ratio(self) -> float:
        """The share that dies here over the share that dies elsewhere."""
        return (self.dead / self.trials) / (self.others / self.rest) if self.others else math.inf


def axes(space: Space) -> list[Axis]:
    """An axis for each searched parameter."""
    return [_axis(leaf) for leaf in space.leaves]


def _axis(leaf: Leaf) -> Axis:
    one = leaf.domain
    if isinstance(one, Choices):
        return Axis(leaf.name, 0.0, 1.0, choices=tuple(leaf.decode(choice) for choice in one.choices))
    if not one.log and one.count <= BINS:
        return Axis(leaf.name, one.low, one.high, choices=tuple(one.values()))
    return Axis(leaf.name, float(one.low), float(one.high), one.log, whole=one.kind == "int")


def died(record: Record) -> bool:
    """Whether a trial was stopped or failed."""
    return record.state in (State.PRUNED, State.FAIL)


def deadly_parts(space: Space, ended: Sequence[Record]) -> list[Part]:
    """The parts of the space in which trials die more often than elsewhere, the worst first.

    Early stopping is no such part: a trial that it ended sooner had less time to be found dead.
    """
    found = (deadly(axis, ended) for axis in axes(space) if not axis.name.startswith(STOPPING + "."))
    return sorted((part for part in found if part is not None), key=lambda part: -part.excess)


@dataclass(frozen=True, slots=True)
class Failing:
    """Trials that failed alike: why, and the part of the space in which they did most, None if no part stands out."""

    cause: str
    trials: tuple[Record, ...]
    part: Part | None


def failing(space: Space, ended: Sequence[Record]) -> list[Failing]:
    """What trials failed of, and where, the most frequent first. Errors that differ in their numbers alone are the same."""
    alike: dict[str, list[Record]] = {}
    for record in ended:
        if record.state == State.FAIL:
            error = record.error or ""
            full = FULL.search(error) is not None
            alike.setdefault(_("out of memory") if full else re.sub(r"\d+", "0", error), []).append(record)
    return sorted((_failing(space, ended, cause, records) for cause, records in alike.items()), key=lambda one: -len(one.trials))


def _failing(space: Space, ended: Sequence[Record], cause: str, records: Sequence[Record]) -> Failing:
    error, numbers = records[0].error or "", {record.number for record in records}

    def among(record: Record) -> bool:
        return record.number in numbers

    parts = (deadly(axis, ended, among) for axis in axes(space))
    worst = max((part for part in parts if part is not None), key=lambda part: part.excess, default=None)
    return Failing(cause if FULL.search(error) else localized(error).rstrip("."), tuple(records), worst)


def deadly(axis: Axis, ended: Sequence[Record], died: Callable[[Record], bool] = died) -> Part | None:
    """The part of a parameter's range in which most more trials die than elsewhere; None if no part stands out."""
    cells = [(cell, died(r)) for r in ended if (cell := axis.cell(r.params.get(axis.name))) is not None]
    parts = [part for first, last in _runs(axis) if (part := _part(axis, first, last, cells)) is not None]
    best = max(parts, key=lambda part: part.excess, default=None)
    return best if best is not None and best.excess >= STANDS_OUT and best.ratio >= TIMES else None


def _runs(axis: Axis) -> Iterator[tuple[int, int]]:
    """Single choices, and every run of neighbouring cells of a range."""
    for first in range(axis.cells):
        for last in range(first, first + 1 if axis.choices else axis.cells):
            yield first, last


def _part(axis: Axis, first: int, last: int, cells: Sequence[tuple[int, bool]]) -> Part | None:
    inside = [dead for cell, dead in cells if first <= cell <= last]
    outside = [dead for cell, dead in cells if not first <= cell <= last]
    if len(inside) < FEW or not outside:
        return None
    return Part(axis, first, last, len(inside), sum(inside), len(outside), sum(outside))


def label(value: Any) -> str:
    """A value at an axis: short."""
    text = (
        f"{value:.3g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    )
    text = text.strip("[]") if isinstance(value, list) else text
    return text if len(text) <= 14 else text[:13] + "…"


def top_share(count: int) -> float:
    """The share of ``count`` trials that are called the best: a tenth, or `TOP` of them."""
    return min(0.5, max(0.1, TOP / count))


def importances(space: Space, scored: Sequence[Record]) -> dict[str, float]:
    """The share of each parameter, the largest first; empty with fewer than `LEAST` trials, or if all scores are the same."""
    if len(scored) < LEAST:
        return {}
    import optuna

    measure: Any = imports.spared("optuna.importance", "sklearn")  # which fANOVA needs, and takes most of a report's time
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize" if space.objective.goal == "maximize" else "minimize")
        study.add_trials([_frozen(space, record) for record in scored])
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Target and region quantiles select the same")
            evaluator = measure.PedAnovaImportanceEvaluator(target_quantile=top_share(len(scored)))
            found: dict[str, float] = measure.get_param_importances(study, evaluator=evaluator)
            return found
    except (ValueError, UserWarning):  # where every score is the same, or nearly every one, there are no best ones
        return {}
    finally:
        optuna.logging.set_verbosity(level)


def _frozen(space: Space, record: Record) -> FrozenTrial:
    from optuna.trial import create_trial

    values = {leaf.name: leaf.encode(record.params[leaf.name]) for leaf in space.leaves if leaf.name in record.params}
    inside = {leaf.name: leaf.distribution for leaf in space.leaves if leaf.name in values and leaf.holds(values[leaf.name])}
    assert record.values is not None
    return create_trial(params={name: values[name] for name in inside}, distributions=inside, value=record.values[0])
