"""Which trials of an earlier search go on: what waits, as long as there is budget, and the parked ones that a search revives by
itself when all its trials have ended (``revive`` in the space)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pitprop import telemetry
from pitprop.detection import life
from pitprop.study.record import Record, State
from pitprop.study.study import Study


def waiting(records: Sequence[Record]) -> set[int]:
    """The trials that waited when an earlier search ended, and that none continues yet."""
    revived = {record.revives for record in records if record.state != State.FAIL}
    return {record.number for record in records if record.waits and record.number not in revived}


def spent(records: Sequence[Record]) -> int:
    """The epochs, or steps, that all ended trials have trained; one that continues another counts what it has added."""
    before = {record.number: record.epochs for record in records}
    # What one that still runs has trained, its curve tells: its record has no epochs yet, not even those it began with.
    ended = [record for record in records if record.state != State.RUNNING]
    return sum(one.epochs - (0 if one.revives is None else before[one.revives]) for one in ended)


def over(study: Study) -> bool:
    """Whether the whole ``budget`` of the space is spent."""
    return study.space.budget is not None and spent(study.records()) >= study.space.budget


def ended(study: Study) -> bool:
    """Whether a search has nothing left to train: what was asked for is reached or spent, or every trial is at its end."""
    records = study.records()
    if any(record.state == State.RUNNING for record in records):
        return False
    if study.satisfied or over(study):
        return True
    if len(records) < study.target or due(study):
        return False
    left, parking = waiting(records), study.parking()
    return all(parking.why_not(number) is not None for number in left)


def due(study: Study) -> list[int]:
    """The parked trials to revive now, the most promising first: none before all that was asked for has ended.

    Ranked are all that are parked, with those revived already, by what they had shown when they were stopped. So the answer
    is the same after a kill while reviving, and a trial whose revival failed is not revived over and over.
    """
    if not study.space.revive:
        return []
    records = study.records()
    asked = [record for record in records if record.revives is None]
    if len(asked) < study.planned or any(record.state == State.RUNNING for record in asked):
        return []
    parking = study.parking()
    parked = [record.number for record in asked if record.parked]
    found: list[int] = []
    for number in sorted(parked, key=lambda number: (-promise(study, number), number)):
        if len(found) == study.space.revive:
            break
        if number in parking.revived or parking.why_not(number) is None:  # reads checkpoints, so only of the most promising
            found.append(number)
    return [number for number in found if number not in parking.revived]


def promise(study: Study, number: int) -> float:
    """How promising a parked trial is, the mean over its seeds; higher is more so."""
    trial = study.trial(number)
    known = study.space.known_of(trial.values, trial.flat)
    folder = study.trial_folder(number)
    curves = (telemetry.read(telemetry.file(folder, replica)) for replica in range(study.space.seeds))
    promises = [life.promise(curve, known) for curve in curves]
    mean = math.fsum(promises) / len(promises)
    return -math.inf if math.isnan(mean) else mean
