"""Which trial is the best of a study, in which order the others follow, and what it leads by.

Every view asks here: the live screen, the summary, the report, MLflow's pins and ``pitprop best``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from pitprop.study.record import Record, State
from pitprop.telemetry import finite

if TYPE_CHECKING:
    from pitprop.space import Objective

T = TypeVar("T")
STAGNANT = 20
"""So many trials in a row without a better one are a search that does not improve."""


class Rules(Protocol):
    """What decides the order of trials: a `Space`, or the `StudyCard` that MLflow's process has of one."""

    @property
    def objectives(self) -> Sequence[Objective]: ...

    @property
    def searches_stopping(self) -> bool: ...


def counts(rules: Rules, record: Record) -> bool:
    """Whether a trial has a score to rank it by: a training that collapsed after its best epoch was still that good.

    With the objective at the last epoch, and where early stopping is searched, only complete trials count. Baselines never do,
    nor what a user has excluded.
    """
    at_best = rules.objectives[0].at == "best" and not rules.searches_stopping
    states = (State.COMPLETE, State.PRUNED) if at_best else (State.COMPLETE,)
    known = record.values is not None and len(record.values) == len(rules.objectives) and all(map(finite, record.values))
    return record.state in states and record.baseline is None and not record.excluded and known


def score(record: Record) -> float:
    """The value of the first objective; NaN if there is none."""
    return record.values[0] if record.values else math.nan


def ranked(rules: Rules, records: Iterable[Record]) -> list[Record]:
    """The trials that count, the best score first and of equals the earliest; what collapsed after its best epoch among them.

    A revived trial stands for the parked one whose curve it continues.
    """
    found = [record for record in records if counts(rules, record)]
    revived = {record.revives for record in found}
    left = [record for record in found if record.number not in revived]
    return sorted(left, key=lambda record: (-rules.objectives[0].sign * score(record), record.number))


def best(rules: Rules, records: Iterable[Record]) -> tuple[Record, ...]:
    """The best trial, empty if none counts; of several objectives the Pareto front, the best in the first of them first.

    The one rule for the best: of the trials that count those that collapsed stand back, however good they were before, unless
    all of them did. A confirmation tries such trials all the same (`pitprop.results.confirmation_study.candidates`).
    """
    found = _foremost(rules, records)
    if len(rules.objectives) == 1:
        return tuple(found[:1])
    return tuple(front(rules, found, lambda record: record.values or ()))


def ties(rules: Rules, records: Iterable[Record]) -> list[Record]:
    """The trials that are as good as the best in every objective, and stand behind it only because they began later."""
    found = _foremost(rules, records)
    return [record for record in found[1:] if record.values == found[0].values]


def _foremost(rules: Rules, records: Iterable[Record]) -> list[Record]:
    """The trials among which the best is: those that did not collapse, or all if every one did; the best score first."""
    found = ranked(rules, records)
    return [record for record in found if not record.collapsed] or found


def front(rules: Rules, found: Iterable[T], values: Callable[[T], Sequence[float]]) -> list[T]:
    """Those that no other is as good as in every objective and better in one, by their ``values``; of equals the first.

    In the order of the first objective, the best first.
    """
    signs = [goal.sign for goal in rules.objectives]
    costs = [(tuple(-sign * value for sign, value in zip(signs, values(one), strict=True)), one) for one in found]
    kept: list[tuple[tuple[float, ...], T]] = []
    for mine, one in sorted(costs, key=lambda pair: pair[0]):  # so that whatever beats one stands before it
        if not any(all(theirs <= own for theirs, own in zip(other, mine, strict=True)) for other, _one in kept):
            kept.append((mine, one))
    return [one for _costs, one in kept]


def order(rules: Rules, records: Iterable[Record]) -> list[Record]:
    """The trials that count as a confirmation takes them: the best first, the others by score, what collapsed among them."""
    found = ranked(rules, records)
    first = best(rules, found)
    known = {record.number for record in first}
    return [*first, *(record for record in found if record.number not in known)]


def stagnates(rules: Rules, records: Sequence[Record]) -> bool:
    """Whether none of the last `STAGNANT` trials that ended is better than the best before them, or on the front.

    The rule of Optuna's ``BestValueStagnationEvaluator``. Baselines do not count, nor do trials that failed.
    """
    over = [record for record in records if record.baseline is None and record.state in (State.COMPLETE, State.PRUNED)]
    newest = max((record.number for record in best(rules, over)), default=None)
    return newest is not None and sum(record.number > newest for record in over) >= STAGNANT


def reached(rules: Rules, records: Sequence[Record], target: float) -> int | None:
    """The number of the first trial whose score is as good as ``target``; None if there is none."""
    return next((record.number for record in records if reaches(rules, record, target)), None)


def reaches(rules: Rules, record: Record, target: float) -> bool:
    """Whether a trial counts and scores as well as ``target``, or better."""
    return counts(rules, record) and lead(rules.objectives[0], score(record), target) >= 0


def lead(objective: Objective, value: float, against: float) -> float:
    """By how much ``value`` is better than ``against``, whatever the direction of the objective; negative if it is worse."""
    return objective.sign * (value - against)


def standing(lead: float) -> Literal["ahead", "behind", "level"]:
    """``lead`` in a word."""
    return "ahead" if lead > 0 else "behind" if lead < 0 else "level"
