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
from pitprop.detection.stopping import objectives
from pitprop.results.confirmation_study import FRESH, Block, Blocks, blocks, chain, title
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record, State

if TYPE_CHECKING:
    from pitprop.results.statistics import Difference


@dataclass(frozen=True, slots=True)
class Contender:
    """A configuration that was trained again: a trial of the search, or a baseline (``trial`` is None).

    ``searched`` is the value that it had in the search, None if it was not trained there. ``scores`` are those of the fresh
    seeds, in the order of the seeds, NaN where a training failed; empty while they are not all known. ``further`` are the values
    of the other objectives on the same seeds, a row for each. ``intervals`` are those of the means (`statistics.interval`).
    """

    name: str
    trial: int | None
    params: Mapping[str, Any]
    searched: float | None
    scores: tuple[float, ...]
    further: tuple[tuple[float, ...], ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()

    @property
    def mean(self) -> float:
        """Over the seeds that have a score."""
        return mean(self.scores)

    @property
    def means(self) -> tuple[float, ...]:
        """The mean of each objective."""
        return tuple(map(mean, (self.scores, *self.further)))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the fresh ``seeds`` show. ``candidates`` are trials in the order of their rank, ``baselines`` the trained ones.

    ``differences`` maps the name of each candidate to its lead over each baseline, by name, recorded numbers and targets
    (``target conservative``) among them. ``ties`` are the candidates that cannot be told from the winner. ``front`` are those
    which no other candidate beats by its means, where there are several objectives.
    """

    seeds: tuple[int, ...]
    candidates: tuple[Contender, ...]
    baselines: tuple[Contender, ...]
    differences: Mapping[str, Mapping[str, Difference]]
    maximize: bool = True
    ties: tuple[str, ...] = ()
    front: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every contender has its scores."""
        return all(one.scores for one in (*self.candidates, *self.baselines))

    @property
    def seedless(self) -> bool:
        """Whether each configuration scored the same with every seed, so that seeds do not show how sure anything is."""
        rows = [one.scores for one in (*self.candidates, *self.baselines)]
        return self.complete and len(self.seeds) > 1 and all(math.isclose(min(row), max(row), rel_tol=1e-9) for row in rows)

    @property
    def winner(self) -> Contender | None:
        """The candidate with the highest mean of the first objective, or the lowest where less is better; None before all are
        known."""
        known = [one for one in self.candidates if not math.isnan(one.mean)]
        best = stopping.best([one.mean for one in known], self.maximize)
        return known[best] if self.complete and best is not None else None

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {**asdict(self), "complete": self.complete}


def best(space: Space, records: Sequence[Record], found: Confirmation | None) -> tuple[Record, ...]:
    """The trial to take: the one with the best mean on fresh seeds, or what the search ranks best while that is not known.

    Of several objectives the others follow that are on the front of the means.
    """
    winner = found.winner if found is not None else None
    if found is not None and winner is not None and winner.trial is not None:
        others = [one.trial for one in found.candidates if one.name in found.front and one is not winner]
        return tuple(records[number] for number in (winner.trial, *others) if number is not None)
    return ranking.best(space, records)


def read(space: Space, records: Sequence[Record], where: Addresses) -> Confirmation | None:
    """What the confirmation of a study shows as far as it has come; None if there is none."""
    found = blocks(space, where)
    return confirmation(space, records, found) if found else None


def confirmation(space: Space, records: Sequence[Record], found: Blocks) -> Confirmation:
    """What the trials of the confirming studies show: on the seeds on which all have ended, or on the first ones until then."""
    held = {record.baseline for rows in found.values() for record in rows}
    over = [block for block in chain(found) if held == {record.baseline for record in found[block] if ended(record)}]
    shown = over or chain(found)[:1]
    rows = measured(space, shown, found)
    searched = {record.baseline: ranking.score(record) for record in records if record.baseline is not None and record.values}
    top = [
        Contender(title(one), one.number, one.params, ranking.score(one), *_columns(rows, title(one)))
        for one in ranking.order(space, records)
        if title(one) in held
    ]
    trained = [
        Contender(one.name, None, space.flat({}, one), searched.get(one.name), *_columns(rows, one.name))
        for one in space.baselines
        if one.name in held
    ]
    fresh = tuple(space.seed + FRESH["confirm"] + seed for block in shown for seed in range(block.first, block.last))
    known = Confirmation(fresh, tuple(top), tuple(trained), {}, space.objective.sign > 0)
    confirmed = [record for block in shown for record in found[block]]
    limits = _bounds(space, rows)
    known = replace(known, candidates=_sure(known.candidates, limits), baselines=_sure(known.baselines, limits))
    sure = replace(known, differences=_differences(space, known, _samples(confirmed), limits[0]), ties=_ties(known))
    return replace(sure, front=_front(space, known))


def mean(scores: Sequence[float]) -> float:
    """Of the scores that are there; NaN if none is."""
    there = [score for score in scores if math.isfinite(score)]
    return math.fsum(there) / len(there) if there else math.nan


def ended(record: Record) -> bool:
    """Whether a training of a confirmation is over."""
    return record.state != State.RUNNING


def measured(space: Space, shown: Sequence[Block], found: Blocks) -> dict[str, tuple[tuple[float, ...], ...]]:
    """The values of each contender that has ended in all of the blocks, by name: a row for each objective, in the order of the
    seeds."""
    rows = [{record.baseline: record for record in found[block] if ended(record)} for block in shown]
    return {
        name: tuple(
            zip(*(one for block, row in zip(shown, rows, strict=True) for one in _values(space, block, row[name])), strict=True)
        )
        for name in (rows[0] if rows else {})
        if name is not None and all(name in row for row in rows)
    }


def scored(space: Space, shown: Sequence[Block], found: Blocks) -> dict[str, tuple[float, ...]]:
    """The same of the first objective alone."""
    return {name: rows[0] for name, rows in measured(space, shown, found).items()}


def _columns(rows: Mapping[str, tuple[tuple[float, ...], ...]], name: str) -> tuple[tuple[float, ...], Any]:
    """The scores of a contender and the values of its further objectives; empty while they are not known."""
    first, *further = rows.get(name, ((),))
    return first, tuple(further)


def _bounds(space: Space, rows: Mapping[str, tuple[tuple[float, ...], ...]]) -> list[tuple[float, float]]:
    """Between what each objective can lie, by all that was measured of it."""
    told = [[value for row in rows.values() for value in row[place]] for place in range(len(space.objectives))]
    return [goal.bounds(values) for goal, values in zip(space.objectives, told, strict=True)]


def _sure(found: Sequence[Contender], limits: Sequence[tuple[float, float]]) -> tuple[Contender, ...]:
    """The same with the intervals of their means."""
    from pitprop.results import statistics

    def told(one: Contender) -> Contender:
        rows = (one.scores, *one.further) if one.scores else ()
        return replace(one, intervals=tuple(map(statistics.interval, rows, limits)))

    return tuple(map(told, found))


def _front(space: Space, known: Confirmation) -> tuple[str, ...]:
    """The candidates whose means no other one beats in all objectives; none with one objective, or before all are known."""
    if len(space.objectives) == 1 or known.winner is None:
        return ()
    able = [one for one in known.candidates if all(map(math.isfinite, one.means))]
    return tuple(one.name for one in ranking.front(space, able, lambda one: one.means))


def _ties(known: Confirmation) -> tuple[str, ...]:
    """The candidates from which the winner cannot be told: it was chosen by these scores, so that every pair was compared."""
    winner = known.winner
    others = {one.name: one.scores for one in known.candidates if one is not winner}
    if winner is None or not others:
        return ()
    if known.seedless:
        return tuple(name for name, scores in others.items() if math.isclose(mean(scores), winner.mean, rel_tol=1e-9))
    count = len(known.candidates)
    from pitprop.results import statistics

    told = statistics.changed(winner.scores, others, maximize=known.maximize, family=count * (count - 1) // 2)
    return tuple(name for name, one in told.items() if one.verdict == statistics.OPEN)


def _differences(
    space: Space, known: Confirmation, samples: int | None, limits: tuple[float, float]
) -> dict[str, dict[str, Difference]]:
    """The lead of each candidate over trained baselines, recorded numbers and targets; a score lies within ``limits``."""
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
    return {name: {other: statistics.within(leads[name], limits) for other, leads in against.items()} for name in scores}


def _values(space: Space, block: Block, record: Record) -> list[tuple[float, ...]]:
    """The values of each seed, as a search would have told them; NaN where there is none."""
    drawn = {leaf.name: leaf.encode(record.params[leaf.name]) for leaf in space.leaves if leaf.name in record.params}
    stopping = space.stopping(drawn) if space.searches_stopping else None  # elsewhere the training has stopped by itself
    values = []
    for replica in range(block.last - block.first):
        curve = telemetry.read(telemetry.file(record.folder, replica))
        whole = curve[: stopping.cut(curve) if stopping else None]
        spent = (float(telemetry.trained(whole)),) if space.searches_stopping else ()
        values.append((*objectives(whole, (space.objective, *space.further)), *spent))
    return values


def _samples(confirmed: Sequence[Record]) -> int | None:
    """On how many samples the trainings were validated, as far as they say."""
    for record in confirmed:
        for epoch in telemetry.read(telemetry.file(record.folder))[-1:]:
            labels = [value for metric, value in epoch.metrics.items() if metric.startswith("val/labels/")]
            if labels and all(map(telemetry.finite, labels)):
                return round(math.fsum(labels))
    return None
