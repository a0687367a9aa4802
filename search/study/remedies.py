"""Remedies as trials: what a verdict or a missed gate advises, where it lies within the space, as a trial of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def due(space: Space, records: Sequence[Record], planned: int) -> FollowUp | None:
    """The next follow-up to try, in the order of the trials that advised them; None if there is none, or there were enough."""
    if SHARE * sum(record.remedy_of is not None for record in records) >= planned:
        return None
    return next(follow_ups(space, records), None)


def follow_ups(space: Space, records: Sequence[Record]) -> Iterator[FollowUp]:
    """What could be tried, once a trial. Nothing follows a baseline, nor a trial that was itself such a try."""
    done = {record.remedy_of for record in records}
    tried: list[Mapping[str, Any]] = [_drawn(space, record) for record in records]
    for record in records:
        if record.number in done or record.remedy_of is not None or record.baseline is not None or record.revives is not None:
            continue
        found = next((one for verdict in record.verdicts if (one := _follow_up(space, record, verdict))), None)
        if found is not None and found.values not in tried:
            tried.append(found.values)
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
