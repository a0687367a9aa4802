"""Which trial is the best of a study, in which order the others follow, and what it leads by.

Every view asks here: the live screen, the summary, the report, MLflow's pins and ``pitprop best``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from pitprop.study.record import Record, State
from pitprop.telemetry import finite

if TYPE_CHECKING:
    from pitprop.space import Objective

STAGNANT = 20
"""So many trials in a row without a better one are a search that does not improve."""


class Rules(Protocol):
    """What decides the order of trials: a `Space`, or the `StudyCard` that MLflow's process has of one."""

    @property
    def objective(self) -> Objective: ...

    @property
    def searches_stopping(self) -> bool: ...


def counts(rules: Rules, record: Record) -> bool:
    """Whether a trial may be the best: a training that collapsed after its best epoch was still that good.

    With the objective at the last epoch, and where early stopping is searched, only complete trials count. Baselines never do,
    nor what a user has excluded.
    """
    at_best = rules.objective.at == "best" and not rules.searches_stopping
    states = (State.COMPLETE, State.PRUNED) if at_best else (State.COMPLETE,)
    return record.state in states and record.baseline is None and not record.excluded and finite(score(record))


def score(record: Record) -> float:
    """The first objective; NaN if there is none."""
    return record.values[0] if record.values else math.nan


def ranked(rules: Rules, records: Iterable[Record]) -> list[Record]:
    """The trials that count, the best first and of equals the earliest.

    A revived trial stands for the parked one whose curve it continues.
    """
    found = [record for record in records if counts(rules, record)]
    revived = {record.revives for record in found}
    left = [record for record in found if record.number not in revived]
    return sorted(left, key=lambda record: (-rules.objective.sign * score(record), record.number))


def best(rules: Rules, records: Iterable[Record]) -> tuple[Record, ...]:
    """The best trial, empty if none counts; of two objectives the Pareto front, the best score first."""
    found = ranked(rules, records)
    if not rules.searches_stopping:
        return tuple(found[:1])
    front: list[Record] = []
    for record in sorted(found, key=lambda one: (-rules.objective.sign * score(one), _spent(one))):
        if not front or _spent(record) < _spent(front[-1]):
            front.append(record)
    return tuple(front)


def stagnates(rules: Rules, records: Sequence[Record]) -> bool:
    """Whether none of the last `STAGNANT` trials that ended is better than the best before them.

    The rule of Optuna's ``BestValueStagnationEvaluator``. Baselines do not count, nor do trials that failed.
    """
    over = [record for record in records if record.baseline is None and record.state in (State.COMPLETE, State.PRUNED)]
    winner = next(iter(ranked(rules, over)), None)
    return winner is not None and sum(record.number > winner.number for record in over) >= STAGNANT


def reached(rules: Rules, records: Sequence[Record], target: float) -> int | None:
    """The number of the first trial whose score is as good as ``target``; None if there is none."""
    return next((record.number for record in records if reaches(rules, record, target)), None)


def reaches(rules: Rules, record: Record, target: float) -> bool:
    """Whether a trial counts and scores as well as ``target``, or better."""
    return counts(rules, record) and lead(rules.objective, score(record), target) >= 0


def lead(objective: Objective, value: float, against: float) -> float:
    """By how much ``value`` is better than ``against``, whatever the direction of the objective; negative if it is worse."""
    return objective.sign * (value - against)


def standing(lead: float) -> Literal["ahead", "behind", "level"]:
    """``lead`` in a word."""
    return "ahead" if lead > 0 else "behind" if lead < 0 else "level"


def _spent(record: Record) -> float:
    """The second objective: the epochs spent; infinite if it is not known."""
    return record.values[1] if record.values and len(record.values) > 1 else math.inf
