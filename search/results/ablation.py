"""By parameter: the winner trained again with one parameter changed at a time, and what each change costs.

All of them train on seeds of their own, the winner among them: those of the confirmation chose it, so on these it looks better
than it is. Differences are paired by seed, and tested all at once (`pitprop.results.statistics.changed`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from pitprop.addresses import Addresses
from pitprop.errors import UserError, hint
from pitprop.messages import _
from pitprop.results.confirmation import ended, mean, scored
from pitprop.results.confirmation_study import FRESH, Blocks, blocks, chain, lacking, title
from pitprop.space import Baseline, Space, nested
from pitprop.space.distributions import Choices, Leaf, Range, same
from pitprop.study import ranking
from pitprop.study.record import Record

if TYPE_CHECKING:
    from pitprop.results.statistics import Difference

SEEDS = 8
"""So many seeds find a difference of two standard deviations four times in five, among up to 25 changes."""
GOOD, FEWEST = 0.25, 5
"""Numbers are stepped where the best quarter of the trials lies, or the best five,"""
AROUND, NEAR = 0.1, 0.02
"""and at least a tenth of the whole range on each side of the winner's value; nearer to it than this share is no step."""


@dataclass(frozen=True, slots=True)
class Step:
    """Another ``value`` of a parameter: its ``scores`` by seed, and how much better it is than the winner's value."""

    value: Any
    scores: tuple[float, ...]
    difference: Difference

    @property
    def differs(self) -> bool:
        """Whether a difference is found."""
        return self.difference.verdict != "not distinguishable"

    @property
    def mean(self) -> float:
        """Over the seeds that have a score."""
        return mean(self.scores)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a parameter does beside the winner's other values: ``value`` is the winner's, ``steps`` the others, in order.

    ``usual`` is half the width of the middle interval of all changes, of all parameters: what their trainings can tell apart.
    """

    parameter: str
    value: Any
    steps: tuple[Step, ...]
    usual: float = math.inf

    @property
    def size(self) -> float:
        """The largest difference that was found, whatever its direction; 0 if none was."""
        return max((abs(one.difference.mean) for one in self.steps if one.differs), default=0.0)


@dataclass(frozen=True, slots=True)
class Ablation:
    """What the changes of the ``trial`` show, each on the ``seeds``: the parameter that matters most first.

    ``scores`` are the winner's own there. ``done`` of ``configurations`` are trained; there are no effects before all are.
    """

    trial: int
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    effects: tuple[Effect, ...]
    done: int
    configurations: int

    @property
    def complete(self) -> bool:
        return self.done == self.configurations

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {**asdict(self), "complete": self.complete}


def check(space: Space, parameters: Sequence[str]) -> None:
    """Refuses a parameter that is not searched, with a `UserError`."""
    known = {leaf.name for leaf in space.leaves}
    for name in parameters:
        if name not in known:
            text = _("{name} is no searched parameter of {study}")
            raise UserError(text.format(name=repr(name), study=space.name) + hint(name, known))


def pending(
    space: Space, records: Sequence[Record], where: Addresses, winner: Record, parameters: Sequence[str] = (), seeds: int = SEEDS
) -> list[Space]:
    """The spaces whose studies have to be searched to change each of the ``parameters``, or each that is searched.

    None if all is there.
    """
    there = blocks(space, where, "each")
    wanted = {}
    for name, params in changes(space, records, winner, parameters):
        called = f"{title(winner)}: {name} {json.dumps(params[name], ensure_ascii=False)}"
        wanted[called] = Baseline(called, params=nested(params))
    for record in (record for rows in there.values() for record in rows):  # what was begun for this winner goes on
        if (called := record.baseline or "").startswith(f"{title(winner)}: "):
            wanted.setdefault(called, Baseline(called, params=nested(record.params)))
    if not wanted:
        return []
    contenders = [Baseline(title(winner), params=nested(winner.params)), *wanted.values()]
    return lacking(space, "each", there, seeds, contenders)


def read(space: Space, where: Addresses, winner: Record) -> Ablation | None:
    """What the changes of the winner show as far as they have come; None if there is none."""
    found = blocks(space, where, "each")
    return ablation(space, winner, found) if found else None


def ablation(space: Space, winner: Record, found: Blocks) -> Ablation | None:
    """The same from the trials of the studies that train the changes."""
    first = title(winner)
    names = dict.fromkeys(r.baseline for rows in found.values() for r in rows if _is_of(first, r.baseline or ""))
    if len(names) < 2:
        return None
    over = [block for block in chain(found) if names.keys() <= {record.baseline for record in found[block] if ended(record)}]
    done = sum(any(record.baseline == name and ended(record) for record in found[chain(found)[0]]) for name in names)
    seeds = tuple(space.seed + FRESH["each"] + seed for block in over for seed in range(block.first, block.last))
    scores = scored(space, over, found)
    changed = {record.baseline: record.params for block in over for record in found[block]}
    from pitprop.results import statistics  # numpy takes its time

    told = statistics.changed(
        scores[first], {n: scores[n] for n in names if n and n != first}, maximize=space.objective.sign > 0
    ) if over else {}  # fmt: skip
    widths = [(one.high - one.low) / 2 for one in told.values() if math.isfinite(one.high - one.low)]
    limits = space.objective.bounds([score for row in scores.values() for score in row])
    usual, effects = median(widths) if widths else math.inf, []
    for leaf in space.leaves:
        mine = [name for name in told if name.removeprefix(f"{first}: ").startswith(f"{leaf.name} ")]
        steps = [Step(changed[name].get(leaf.name), scores[name], statistics.within(told[name], limits)) for name in mine]
        if steps:
            steps.sort(key=lambda one: _place(leaf, one.value))
            effects.append(Effect(leaf.name, winner.params.get(leaf.name), tuple(steps), usual))
    effects.sort(key=lambda effect: -effect.size)
    return Ablation(winner.number, seeds, scores.get(first, ()), tuple(effects), len(names) if over else done, len(names))


def _is_of(first: str, name: str) -> bool:
    return name == first or name.startswith(f"{first}: ")


def _place(leaf: Leaf, value: Any) -> float:
    """Where a value stands among those of its parameter."""
    if not isinstance(leaf.domain, Choices):
        return float(value)
    choices = leaf.domain.choices
    return next((place for place, one in enumerate(choices) if same(leaf.decode(one), value)), len(choices))


def changes(
    space: Space, records: Sequence[Record], winner: Record, parameters: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each change of one of the parameters, or of any: its name, and all parameters then; none that breaks a constraint."""
    ranked = ranking.ranked(space, records)
    own = {leaf.name: leaf.encode(winner.params[leaf.name]) for leaf in space.leaves if leaf.name in winner.params}
    for leaf in space.leaves:
        if leaf.name not in own or (parameters and leaf.name not in parameters):
            continue
        for value in values(leaf, own[leaf.name], [record.params[leaf.name] for record in ranked if leaf.name in record.params]):
            drawn = _completed(space, {**own, leaf.name: value}, ranked)
            if not space.violated(drawn):
                yield leaf.name, space.flat(drawn)


def _completed(space: Space, wanted: Mapping[str, Any], ranked: Sequence[Record]) -> dict[str, Any]:
    """The values without what does not exist beside them; what exists only now is as in the best trial that has it."""
    drawn: dict[str, Any] = {}
    for leaf in space.active(drawn):
        had = next((leaf.encode(record.params[leaf.name]) for record in ranked if leaf.name in record.params), None)
        middle = leaf.domain.choices[0] if isinstance(leaf.domain, Choices) else leaf.domain.low
        drawn[leaf.name] = wanted.get(leaf.name, middle if had is None else had)
    return drawn


def values(leaf: Leaf, own: Any, ranked: Sequence[Any]) -> list[Any]:
    """The values to try in place of ``own``: every other choice, or numbers on both sides where the best of ``ranked`` lie.

    Two on each side, halfway and at the end of that range, on the scale of the search.
    """
    domain = leaf.domain
    if isinstance(domain, Choices):
        return [choice for choice in domain.choices if not same(choice, own)]
    low, high, log = float(domain.low), float(domain.high), domain.log

    def value(place: float) -> Any:
        number = math.exp(math.log(low) + place * (math.log(high) - math.log(low))) if log else low + place * (high - low)
        step = None if log else domain.step
        number = low + round((number - low) / step) * step if step else min(max(float(f"{number:.3g}"), low), high)
        return round(number) if domain.kind == "int" else number

    good = [at(domain, one) for one in ranked[: max(FEWEST, math.ceil(GOOD * len(ranked)))]]
    here = at(domain, own)
    ends = max(min([*good, here - AROUND]), 0.0), min(max([*good, here + AROUND]), 1.0)
    places = [ends[0], (ends[0] + here) / 2, (here + ends[1]) / 2, ends[1]]
    found = dict.fromkeys(value(place) for place in places if abs(place - here) >= NEAR)
    return [one for one in found if one != own]


def at(domain: Range, value: float) -> float:
    """Where a number lies in its range, 0 to 1, on the scale of the search; at an end if it lies outside."""
    here, low, high = (math.log(x) if domain.log else x for x in (max(value, domain.low), domain.low, domain.high))
    return min(max((here - low) / (high - low), 0.0), 1.0) if high > low else 0.0
