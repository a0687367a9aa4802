"""Remedies as trials: what a verdict or a missed gate advises, where it lies within the space, as a trial of its own."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pitprop.detection.detect import Verdict
from pitprop.space import Leaf, Space
from pitprop.study.record import Record

SHARE = 4
"""At most every fourth of the planned trials is one of these: the sampler is to keep most."""
RATES = ("lr", "learning_rate", "base_lr", "max_lr")
"""What spaces call the learning rate, as the last word of a dotted name."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A trial like ``remedy_of`` but for the ``change`` that ``cause`` advises, a signature or a gate; all in Optuna's values."""

    remedy_of: int
    cause: str
    change: Mapping[str, Any]
    values: Mapping[str, Any]


class FollowUps:
    """The remedies of a study that could be tried, once a trial and in the order of the trials that advised them.

    Nothing follows a baseline, a revived trial, or a trial that was itself such a try. What is advised again is tried once.
    """

    def __init__(self, space: Space, records: Iterable[Record] = ()) -> None:
        self._space = space
        self._waiting: list[tuple[int, FollowUp]] = []
        self._tried: set[frozenset[tuple[str, Any]]] = set()
        self._tries: set[int] = set()
        self._followed: set[int] = set()
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Takes in a trial: when it begins, and again when it has ended."""
        self._tried.add(_key(_drawn(self._space, record)))
        if record.remedy_of is not None:
            self._tries.add(record.number)
            self._followed.add(record.remedy_of)
        elif record.baseline is None and record.revives is None:
            found = next((one for verdict in record.verdicts if (one := _follow_up(self._space, record, verdict))), None)
            if found is not None:
                heapq.heappush(self._waiting, (record.number, found))

    def due(self, planned: int) -> FollowUp | None:
        """The next to try in a study of so many trials; None if there is none, or if there were enough of them."""
        if SHARE * len(self._tries) >= planned:
            return None
        while self._waiting and (self._waiting[0][0] in self._followed or _key(self._waiting[0][1].values) in self._tried):
            heapq.heappop(self._waiting)  # it is never due any more: what was tried stays tried
        return self._waiting[0][1] if self._waiting else None

    def all(self) -> Iterator[FollowUp]:
        """Every one that is left to try."""
        tried = set(self._tried)
        for number, found in sorted(self._waiting, key=lambda one: one[0]):
            if number not in self._followed and _key(found.values) not in tried:
                tried.add(_key(found.values))
                yield found


def _follow_up(space: Space, record: Record, verdict: Verdict) -> FollowUp | None:
    """What a verdict advises; None where that is outside the space, or what the trial did already."""
    drawn = _drawn(space, record)
    change: dict[str, Any] = {}
    for name, wanted in verdict.change.items():
        leaf = _leaf(space, name)
        if leaf is None or leaf.name not in drawn:
            return None
        value = _value(leaf, drawn[leaf.name], wanted)
        if value is None:
            return None
        if value != drawn[leaf.name]:
            change[leaf.name] = value
    values = {**drawn, **change}
    if not change or space.violated(values):
        return None
    return FollowUp(record.number, verdict.signature, change, values)


def _value(leaf: Leaf, now: Any, wanted: Any) -> Any:
    """Optuna's new value; None if the space does not hold it."""
    if isinstance(wanted, Mapping) and [*wanted] == ["times"]:
        if isinstance(now, bool) or not isinstance(now, int | float):
            return None
        wanted = now * wanted["times"] if isinstance(now, float) else round(now * wanted["times"])
    try:
        return leaf.inside(wanted)
    except ValueError:
        return None


def _leaf(space: Space, name: str) -> Leaf | None:
    """The searched parameter of that name; ``lr`` is the one rate that there is."""
    exact = next((leaf for leaf in space.leaves if leaf.name == name), None)
    rates = [leaf for leaf in space.leaves if leaf.name.rpartition(".")[2] in RATES] if name == "lr" else []
    return exact or (rates[0] if len(rates) == 1 else None)


def _drawn(space: Space, record: Record) -> dict[str, Any]:
    """What Optuna drew for a trial."""
    return {leaf.name: leaf.encode(record.params[leaf.name]) for leaf in space.leaves if leaf.name in record.params}


def _key(values: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """The values as something that a set holds; Optuna's values are numbers, text, truth values and None."""
    return frozenset(values.items())
