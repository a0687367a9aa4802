"""Which parked trials a search revives by itself when all its trials have ended (``revive`` in the space)."""

from __future__ import annotations

import math

from pitprop import telemetry
from pitprop.detection import life
from pitprop.study.record import State
from pitprop.study.study import Study


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
