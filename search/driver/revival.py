"""Which parked trials go on by themselves when a search has spent its trials."""

from __future__ import annotations

import math

from pitprop.detection import life
from pitprop.driver.peers import facts
from pitprop.driver.training import Training
from pitprop.study.parking import hurdle, revivals
from pitprop.study.record import State
from pitprop.study.study import Study


def due(study: Study) -> list[int]:
    """The parked trials to revive now, the most promising first: none before all that was asked for has ended.

    Ranked are all that are parked, with those revived already, by what they had shown when they were stopped. So the answer
    is the same after a kill in the midst of reviving, and a trial whose revival failed is not revived over and over.
    """
    if not study.space.revive:
        return []
    records = study.records()
    asked = [record for record in records if record.revives is None]
    if len(asked) < study.planned or any(record.state == State.RUNNING for record in asked):
        return []
    revived = revivals(records)
    able = [
        record.number
        for record in asked
        if record.number in revived or hurdle(study.space, records, record.number, study.checkpoints) is None
    ]
    ranked = sorted(able, key=lambda number: (-promise(study, number), number))
    return [number for number in ranked[: study.space.revive] if number not in revived]


def promise(study: Study, number: int) -> float:
    """How promising a parked trial is, the mean over its seeds; higher is more so."""
    training = Training.of(study.trial(number), study.trial_folder(number), study.space.seeds)
    known = facts(study.space, training.trial)
    promises = [life.promise(curve, known) for curve in training.curves.values()]
    mean = math.fsum(promises) / len(promises)
    return -math.inf if math.isnan(mean) else mean
