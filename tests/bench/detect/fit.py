"""Which thresholds the data would choose: one after another, on the half of the studies that is there to choose on.

A choice is better that kills none of the best tenth, then at most 0.5 % of the healthy runs, then finds more dead runs, then
saves more of their epochs. Where nothing is better, the shipped default stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pitprop.detection import detect

from tests.bench.detect.curves import Run
from tests.bench.detect.figures import Stops, figures
from tests.bench.detect.score import ending, judged, parallel

FACTORS = (0.5, 0.75, 1.5, 2.0)
REPORTS = (-2, -1, 1, 3)
TOLERATED = 0.005


def fit(dataset: Sequence[Run], processes: int = 2) -> list[detect.Signature]:
    """The ending signatures with the thresholds that do best on ``dataset``, each tried alone beside the choices before it.

    Those that ``dataset`` lacks the readings of keep their defaults.
    """
    choice = {signature.name: signature for signature in ending()}
    reported = {name for run in dataset for epoch in run.epochs for name in epoch.metrics}
    watched = choice.keys() - detect.unwatched(reported, choice.values()).keys()
    where = dict(zip(sorted(watched), _alone(dataset, [choice[name] for name in sorted(watched)], processes), strict=True))
    best = _worth(dataset, where)
    for name in where:
        for threshold, default in choice[name].thresholds.items():
            tried = [replace(choice[name], thresholds={**choice[name].thresholds, threshold: value}) for value in values(default)]
            for signature, stops in zip(tried, _alone(dataset, tried, processes), strict=True):
                if (worth := _worth(dataset, where | {name: stops})) > best:
                    best, where[name], choice[name] = worth, stops, signature
    return list(choice.values())


def _alone(dataset: Sequence[Run], signatures: Sequence[detect.Signature], processes: int) -> list[Stops]:
    """Where each of the signatures, were it the only one, would stop the runs."""
    stops = parallel(lambda run: [judged(run, [signature]) for signature in signatures], dataset, processes)
    return [[each[index] for each in stops] for index in range(len(signatures))]


def values(default: float) -> Iterator[float]:
    """A few values beside ``default``: of a patience in reports, of anything else in parts of it; a share stays one."""
    if isinstance(default, int):
        yield from sorted({max(1, default + reports) for reports in REPORTS} - {default})
    else:
        yield from (default * factor for factor in FACTORS if default > 1 or default * factor <= 1)


def changed(choice: Sequence[detect.Signature]) -> Iterator[tuple[str, str, float, float]]:
    """The signature, the threshold, the shipped default and the choice, wherever they differ."""
    for signature in choice:
        shipped = detect.Signature(signature.name).thresholds
        for threshold, value in signature.thresholds.items():
            if value != shipped[threshold]:
                yield signature.name, threshold, shipped[threshold], value


def _worth(dataset: Sequence[Run], where: Mapping[str, Stops]) -> tuple[float, ...]:
    first = [
        min((stop for stop in stops if stop), key=lambda stop: stop.step, default=None)
        for stops in zip(*where.values(), strict=True)
    ]
    found = figures(dataset, first)
    return -found.top10.part, -max(0.0, found.healthy.ratio - TOLERATED), found.recall.part, found.saved_dead
