"""Which trials may be the best of a study, and how they rank."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pitprop.space import Space
from pitprop.study.record import Record, State


def counts(space: Space, record: Record) -> bool:
    """Whether a trial may be the best: a training that collapsed after its best epoch was still that good."""
    states = (State.COMPLETE, State.PRUNED) if space.objective.at == "best" and not space.searches_stopping else (State.COMPLETE,)
    return record.state in states and record.values is not None and record.baseline is None


def score(record: Record) -> float:
    """The first objective; NaN if there is none."""
    return record.values[0] if record.values else math.nan


def ranked(space: Space, records: Iterable[Record]) -> list[Record]:
    """The trials that count, the best first. A revived trial stands for the parked one whose curve it continues."""
    found = [record for record in records if counts(space, record)]
    revived = {record.revives for record in found}
    left = [record for record in found if record.number not in revived]
    return sorted(left, key=lambda record: (-space.objective.sign * score(record), record.number))


def reached(space: Space, records: Sequence[Record], target: float) -> int | None:
    """The first trial whose score is as good as ``target``; None if there is none."""
    found = (record for record in records if counts(space, record) and space.objective.sign * (score(record) - target) >= 0)
    return next((record.number for record in found), None)
