"""The Pareto front of a study with several objectives: who is on it, in the search and on fresh seeds, beside the baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop.messages import _
from pitprop.study.record import Record, State
from pitprop.telemetry import finite
from pitprop.views import words

if TYPE_CHECKING:
    from pitprop.results.confirmation import Contender
    from pitprop.views.content import Content


@dataclass(frozen=True, slots=True)
class Member:
    """A trial of the front, or a baseline beside it (``trial`` is None), with a value for each objective, NaN if not known.

    ``means`` and their 95 % ``intervals`` are those on fresh seeds, empty where it was not confirmed; ``holds``
    says whether no other candidate beats it by these means, None where that is not known.
    """

    name: str
    trial: int | None
    values: tuple[float, ...]
    params: Mapping[str, Any]
    means: tuple[float, ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """``members`` are the trials of the front, the best in the first of the ``metrics`` first; ``on`` are those of the search."""

    metrics: tuple[str, ...]
    members: tuple[Member, ...]
    baselines: tuple[Member, ...]
    on: frozenset[int]

    @classmethod
    def of(cls, content: Content) -> Front:
        """The front of a study: of the search, and what was confirmed of an earlier one."""
        told = content.confirmation
        again = {one.name: one for one in (*told.candidates, *told.baselines)} if told is not None else {}
        winners = {record.number: record for record in content.summary.best}
        confirmed = (content.records[one.trial] for one in again.values() if one.trial is not None)
        trials = {**winners, **{record.number: record for record in confirmed}}
        holding = told.front if told is not None and told.complete else None
        return cls(
            tuple(goal.metric for goal in content.space.objectives),
            tuple(_member(content, record, again.get(f"trial {record.number}"), holding) for record in trials.values()),
            tuple(_baseline(content, name, again.get(name)) for name in content.summary.baselines),
            frozenset(winners),
        )

    @property
    def confirmed(self) -> bool:
        """Whether any of it stands on fresh seeds."""
        return any(one.means for one in self.members)

    @property
    def holding(self) -> list[int]:
        """The confirmed trials that are on the front of the means."""
        return [one.trial for one in self.members if one.holds and one.trial is not None]

    def evenly(self, most: int) -> tuple[Member, ...]:
        """At most so many of the members, from one end of the front to the other, those that were confirmed among them."""
        sure = {one.name for one in self.members if one.means}
        rest = [one for one in self.members if one.name not in sure]
        room = max(0, most - len(sure))
        kept = {rest[round((place + 0.5) * len(rest) / room - 0.5)].name for place in range(room)} if len(rest) > room else None
        return tuple(one for one in self.members if one.name in sure or kept is None or one.name in kept)

    @property
    def spans(self) -> str:
        """From where to where the front of the search reaches: ``val/macro_f1 0.61 to 0.66, epochs 4 to 30``."""
        told = []
        for place, metric in enumerate(self.metrics):
            known = [one.values[place] for one in self.members if one.trial in self.on]
            low, high = map(words.number, (min(known), max(known)))
            span = _("{metric} {low} to {high}").format(metric=metric, low=low, high=high)
            told.append(span if low != high else f"{metric} {low}")
        return words.listed(told)


def _member(content: Content, record: Record, again: Contender | None, holding: tuple[str, ...] | None) -> Member:
    fresh = (again.means, again.intervals) if again is not None and again.scores else ((), ())
    holds = None if holding is None or again is None else again.name in holding
    params = words.searched(record, content.space)
    return Member(words.trial(record.number), record.number, record.values or (), params, *fresh, holds)


def _baseline(content: Content, name: str, again: Contender | None) -> Member:
    """A baseline with its recorded numbers, or with those of the trial that trained it."""
    one = next(one for one in content.space.baselines if one.name == name)
    trained = [record.values for record in content.records if record.baseline == name and record.state == State.COMPLETE]
    known = next(filter(None, trained), None)
    if known is None:
        recorded = one.values or {}
        known = tuple(recorded.get(goal.metric, math.nan) for goal in content.space.objectives)
    fresh = (again.means, again.intervals) if again is not None and again.scores else ((), ())
    return Member(name, None, known, {}, *fresh)


def complete(record: Record, objectives: int) -> bool:
    """Whether a trial has a number for each objective."""
    return record.values is not None and len(record.values) == objectives and all(map(finite, record.values))
