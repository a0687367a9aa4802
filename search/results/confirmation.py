"""Confirmation: the best trials and the baselines trained again on fresh seeds that are common to all, and what that shows.

The value by which a search picked its best trial is the highest of many noisy ones, so it flatters. Scores on seeds that
nobody picked by do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.addresses import Addresses
from pitprop.detection import stopping
from pitprop.detection.stopping import objective
from pitprop.results.confirmation_study import FRESH, begun, title
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record, State

if TYPE_CHECKING:
    from pitprop.results.statistics import Difference


@dataclass(frozen=True, slots=True)
class Contender:
    """A configuration that was trained again: a trial of the search, or a baseline (``trial`` is None).

    ``searched`` is the value that it had in the search, None if it was not trained there. ``scores`` are those of the fresh
    seeds, in the order of the seeds, NaN where a training failed; empty while they are not all known.
    """

    name: str
    trial: int | None
    params: Mapping[str, Any]
    searched: float | None
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds that have a score."""
        finite = [score for score in self.scores if not math.isnan(score)]
        return math.fsum(finite) / len(finite) if finite else math.nan


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the fresh ``seeds`` show. ``candidates`` are trials in the order of their rank, ``baselines`` the trained ones.

    ``differences`` maps the name of each candidate to its lead over each baseline, by name, recorded numbers and targets
    (``target conservative``) among them.
    """

    seeds: tuple[int, ...]
    candidates: tuple[Contender, ...]
    baselines: tuple[Contender, ...]
    differences: Mapping[str, Mapping[str, Difference]]
    maximize: bool = True

    @property
    def complete(self) -> bool:
        """Whether every contender has its scores."""
        return all(one.scores for one in (*self.candidates, *self.baselines))

    @property
    def winner(self) -> Contender | None:
        """The candidate with the highest mean, or the lowest where less is better; None before all are known."""
        known = [one for one in self.candidates if not math.isnan(one.mean)]
        best = stopping.best([one.mean for one in known], self.maximize)
        return known[best] if self.complete and best is not None else None

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {**asdict(self), "complete": self.complete}


def best(space: Space, records: Sequence[Record], found: Confirmation | None) -> tuple[Record, ...]:
    """The trial to take: the one with the best mean on fresh seeds, or what the search ranks best while that is not known."""
    winner = found.winner if found is not None else None
    if winner is not None and winner.trial is not None:
        return (records[winner.trial],)
    return ranking.best(space, records)


def read(space: Space, records: Sequence[Record], where: Addresses) -> Confirmation | None:
    """What the confirmation of a study shows as far as it has come; that on most seeds; None if there is none."""
    found = begun(space.name, where)
    return confirmation(space, max(found), records, found[max(found)].records) if found else None


def confirmation(space: Space, seeds: int, records: Sequence[Record], confirmed: Sequence[Record]) -> Confirmation:
    """What the trials of the confirming study show, as far as they have ended: ``confirmed`` of ``records``, on so many seeds."""
    scores = {record.baseline: _scores(space, seeds, record) for record in confirmed if record.state != State.RUNNING}
    held = {record.baseline for record in confirmed}
    found = {record.baseline: ranking.score(record) for record in records if record.baseline is not None and record.values}
    top = [
        Contender(title(one), one.number, one.params, ranking.score(one), scores.get(title(one), ()))
        for one in ranking.ranked(space, records)
        if title(one) in held
    ]
    trained = [
        Contender(one.name, None, space.flat({}, one), found.get(one.name), scores.get(one.name, ()))
        for one in space.baselines
        if one.name in held
    ]
    fresh = tuple(range(space.seed + FRESH, space.seed + FRESH + seeds))
    known = Confirmation(fresh, tuple(top), tuple(trained), {}, space.objective.sign > 0)
    return replace(known, differences=_differences(space, known, _samples(confirmed)))


def _differences(space: Space, known: Confirmation, samples: int | None) -> dict[str, dict[str, Difference]]:
    """The lead of each candidate over trained baselines, recorded numbers and targets."""
    from pitprop.results import statistics  # numpy takes its time, and most studies have no confirmation yet

    scores = {one.name: one.scores for one in known.candidates if one.scores}
    maximize = space.objective.sign > 0
    against = {one.name: statistics.paired(scores, one.scores, maximize=maximize) for one in known.baselines if one.scores}
    for baseline in space.baselines:
        number = (baseline.values or {}).get(space.objective.metric)
        if number is not None:
            count = baseline.samples or samples
            against[baseline.name] = statistics.recorded(
                scores, number, maximize=maximize, samples=count, bounded=0 <= number <= 1
            )
    for target, number in space.targets.items():
        against[f"target {target}"] = statistics.recorded(scores, number, maximize=maximize)
    return {name: {other: leads[name] for other, leads in against.items()} for name in scores}


def _scores(space: Space, seeds: int, record: Record) -> tuple[float, ...]:
    """The objective of each seed, as a search would have told it; NaN where there is none."""
    drawn = {leaf.name: leaf.encode(record.params[leaf.name]) for leaf in space.leaves if leaf.name in record.params}
    stopping = space.stopping(drawn) if space.searches_stopping else None  # elsewhere the training has stopped by itself
    scores = []
    for replica in range(seeds):
        curve = telemetry.read(telemetry.file(record.folder, replica))
        stop = stopping.cut(curve) if stopping else None
        values = telemetry.series(curve, space.objective.metric)[:stop]
        scores.append(objective(values, space.objective.at, space.objective.sign > 0))
    return tuple(scores)


def _samples(confirmed: Sequence[Record]) -> int | None:
    """On how many samples the trainings were validated, as far as they say."""
    for record in confirmed:
        for epoch in telemetry.read(telemetry.file(record.folder))[-1:]:
            labels = [value for metric, value in epoch.metrics.items() if metric.startswith("val/labels/")]
            if labels and all(map(telemetry.finite, labels)):
                return round(math.fsum(labels))
    return None
