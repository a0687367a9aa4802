"""What separates the trials of a study that died from those that lived: splits by one parameter, where one is sound.

A split is taken if so many deaths on its one side would hardly come by chance: Fisher's exact test (hypergeometric tail), at 5 %
for all sides together that were looked at (Bonferroni). What one split explains is left out of the search for the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median_low
from typing import Any

from pitprop.messages import N_, Message, message

LEVEL = 0.05
FEW = 3
"""As many trials have to lie on either side."""
PURE = 0.9
"""The share of a side that has to have died: below it, the parameter alone is not what kills."""
LIVING = 5
"""As many have to have lived before it means anything that none lived somewhere."""
MOST = 4
"""So many splits at most."""

NOT_COUNTED = (0, 0, 0, 0, 1.0)

Trial = tuple[Mapping[str, Any], bool]
"""The parameters of a trial by dotted name, and whether it died."""


@dataclass(frozen=True, slots=True)
class Split:
    """Where trials die: with ``name`` above, below or equal (``=``) to ``bound``.

    Of ``trials`` there, ``dead`` ones died, of the ``rest`` the ``others``. ``target`` is the value to take instead: the median
    of those that lived, of choices the one with which most lived.
    """

    name: str
    side: str
    bound: Any
    trials: int
    dead: int
    rest: int
    others: int
    chance: float
    target: Any = None

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether a trial lies where trials die."""
        if self.name not in params:
            return False
        value = params[self.name]
        if self.side == "=":
            return identity(value) == identity(self.bound)
        return is_number(value) and (value > self.bound if self.side == "above" else value < self.bound)

    def told(self, trial: int, value: Any) -> Message:
        """What the study says of a ``trial`` with this ``value``, and what to take instead."""
        what = {
            "above": message("{name} above {bound}", name=self.name, bound=shown(self.bound)),
            "below": message("{name} below {bound}", name=self.name, bound=shown(self.bound)),
            "=": message("{name} {bound}", name=self.name, bound=shown(self.bound)),
        }[self.side]
        said = {"dead": self.dead, "n": self.trials, "what": what, "others": self.others, "rest": self.rest}
        if self.side == "=":
            text = N_("{dead} of {n} trials with {what} died, {others} of the other {rest}: take {target}")
            return message(text, **said, target=shown(self.target))
        text = N_("{dead} of {n} trials with {what} died, {others} of the other {rest}; trial {trial} has {value}: take {target}")
        return message(text, **said, trial=trial, value=shown(value), target=shown(self.target))


def splits(trials: Sequence[Trial], names: Sequence[str]) -> tuple[Split, ...]:
    """What separates the ``trials``, the surest first; ``names`` are the parameters to look at."""
    found, left = list[Split](), list(trials)
    while len(found) < MOST:
        sides = [one for name in names for one in _sides(left, name)]
        best = min(sides, key=lambda one: (one.chance, one.name, one.side), default=None)
        if best is None or best.chance > LEVEL / max(1, _looked_at(left, names)):
            break
        found.append(best)
        left = [trial for trial in left if not best.holds(trial[0])]
    return tuple(one for split in found if (one := _counted(split, found, trials)))


def nothing_lived(trials: Sequence[Trial], names: Sequence[str]) -> tuple[Split, ...]:
    """Where trials died and none lived at all: no proof of what kills, but worth leaving first."""
    found = []
    for name in names:
        known = [(one[name], died) for one, died in trials if name in one]
        living = [value for value, died in known if not died]
        if len(living) < LIVING:
            continue
        if all(is_number(value) for value, _ in known):
            found += [Split(name, "above", max(living), *NOT_COUNTED), Split(name, "below", min(living), *NOT_COUNTED)]
        else:
            lived, values = {identity(value) for value in living}, {identity(value): value for value, _ in known}
            found += [Split(name, "=", value, *NOT_COUNTED) for key, value in values.items() if key not in lived]
    return tuple(one for split in found if (one := _counted(split, found, trials)) and one.trials >= FEW)


def _counted(split: Split, found: Sequence[Split], trials: Sequence[Trial]) -> Split | None:
    """The split with its counts over all trials, and what to take instead; None if nothing lived that says it."""
    inside, outside = list[bool](), list[Trial]()
    for params, died in trials:
        if split.holds(params):
            inside.append(died)
        elif split.name in params:
            outside.append((params, died))
    alike = [one for one in found if one.name == split.name]
    values = [params[split.name] for params, died in outside if not died and not any(one.holds(params) for one in alike)]
    if not values or sum(inside) < PURE * len(inside):
        return None
    target = median_low(values) if all(map(is_number, values)) else _safest(split.name, outside)
    counts = len(inside), sum(inside), len(outside), sum(died for _, died in outside)
    return replace(split, trials=counts[0], dead=counts[1], rest=counts[2], others=counts[3], target=target)


def _safest(name: str, trials: Sequence[Trial]) -> Any:
    """The choice with which the largest share lived; few trials count for less (Laplace's rule of succession)."""
    values = {identity(params[name]): params[name] for params, _ in trials}
    ends = {key: [died for params, died in trials if identity(params[name]) == key] for key in values}
    return values[max(ends, key=lambda key: (ends[key].count(False) + 1) / (len(ends[key]) + 2))]


def _sides(trials: Sequence[Trial], name: str) -> Iterator[Split]:
    """The sides of a parameter on which nearly all died."""
    known = [(params[name], died) for params, died in trials if name in params]
    total, dead = len(known), sum(died for _, died in known)

    def enough(n: int, lost: int) -> bool:
        return FEW <= n <= total - FEW and lost >= PURE * n

    def split(side: str, bound: Any, n: int, lost: int) -> Split:
        return Split(name, side, bound, n, lost, total - n, dead - lost, _tail(total, dead, n, lost))

    if min(total - dead, dead) < FEW:
        return
    if not all(is_number(value) for value, _ in known):
        ends = dict[str, tuple[Any, list[bool]]]()
        for value, died in known:
            ends.setdefault(identity(value), (value, []))[1].append(died)
        yield from (split("=", value, len(one), sum(one)) for value, one in ends.values() if enough(len(one), sum(one)))
        return
    for side, up in (("above", True), ("below", False)):
        row, lost = sorted(known, key=lambda one: one[0], reverse=up), 0
        for n, ((value, died), (after, dies)) in enumerate(pairwise(row), 1):
            lost += died
            wider = dies and (n + 1 == total or row[n + 1][0] != after)  # a side with one more that died is surer
            if value != after and not wider and enough(n, lost):
                yield split(side, _between(after, value, up), n, lost)


def _looked_at(trials: Sequence[Trial], names: Sequence[str]) -> int:
    """How many sides there are to choose from: two of a range, wherever it is cut, and one for each choice."""
    values = [[params[name] for params, _ in trials if name in params] for name in names]
    return sum(2 if all(map(is_number, one)) else len({identity(value) for value in one}) for one in values)


def _tail(total: int, dead: int, n: int, lost: int) -> float:
    """The chance that of ``n`` trials drawn from ``total``, of which ``dead`` died, at least ``lost`` did."""

    def ways(of: int, k: int) -> float:
        return math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)

    found = 0.0
    for k in range(max(lost, n - (total - dead)), min(n, dead) + 1):
        part = math.exp(ways(dead, k) + ways(total - dead, n - k) - ways(total, n))
        found += part
        if part < 1e-4 * found:  # those that follow are smaller still
            break
    return found


def _between(outside: float, inside: float, up: bool) -> float:
    """A bound between the last value inside and the first one outside, with as few digits as will do."""
    if isinstance(outside, int) and isinstance(inside, int):
        return outside
    low, high = min(outside, inside), max(outside, inside)
    middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
    rounded = (float(f"{middle:.{digits}g}") for digits in range(1, 17))
    return next((one for one in rounded if low < one < high), low if up else high)


def shown(value: Any) -> str:
    """A value as a sentence tells it."""
    if is_number(value):
        return f"{value:.3g}" if isinstance(value, float) else str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def identity(value: Any) -> str:
    """What tells choices apart: unlike ``==``, true is not 1."""
    return json.dumps(value, sort_keys=True, default=str)
