"""What orders the dead trials of a study: the one parameter by which some of them came further than others, where one does.

A parameter is taken if so clear an order would hardly come by chance: a permutation test of ranks (of Spearman's correlation; of
the mean ranks where the values are choices), at 5 % for all parameters together (Bonferroni), exact where trials are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING, Any, cast

from pitprop.detection.remedies.separation import LEVEL, identity, is_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 7
"""Of so many trials every order is counted; of more a sample is drawn."""
DRAWN = 4000
"""So many orders: of them 0.05 divided by forty parameters is still five."""
SHOWS = 0.7
"""The correlation of ranks that a test has to be able to find before it means anything that none was found."""
LEAST = 4
"""Trials of which even the clearest order tells nothing."""

Trial = tuple[Mapping[str, Any], float]
"""The parameters of a trial by dotted name, and how far it came; more is further."""


@dataclass(frozen=True, slots=True)
class Order:
    """That trials came further with more of ``name`` (``way`` +), with less (-), or with one of its choices (=).

    ``value`` is that of the trial which came furthest; ``end``: no other had more of it (less, if less is better).
    """

    name: str
    way: str
    value: Any
    end: bool


def order(trials: Sequence[Trial]) -> Order | None:
    """The clearest order of the ``trials``; None if none is sound, or if others go together with its parameter."""
    names = _searched(trials)
    found = {name: one for name in names if (one := _tested(_known(trials, name))) and one[0] * len(names) <= LEVEL}
    if not found:
        return None
    name = min(found, key=lambda one: (found[one][0], -abs(found[one][1])))
    if any(_together(trials, name, other) for other in found if other != name):
        return None
    known, strength = _known(trials, name), found[name][1]
    value, values = max(known, key=lambda one: one[1])[0], [one for one, _ in known]
    if not all(map(is_number, values)):
        return Order(name, "=", value, True)
    return Order(name, "+", value, value == max(values)) if strength > 0 else Order(name, "-", value, value == min(values))


def tells(trials: Sequence[Trial]) -> bool:
    """Whether so many trials would show an order by any searched parameter that matters much; not if nothing is searched."""
    names = _searched(trials)
    n = min((len(_known(trials, name)) for name in names), default=0)
    if n <= LEAST:
        return False
    ranks = _ranks(range(n))
    return float((_correlations(ranks, ranks) >= SHOWS - 1e-9).mean()) <= LEVEL / len(names)


def _searched(trials: Sequence[Trial]) -> list[str]:
    """The parameters with more than one value."""
    values: dict[str, set[str]] = {}
    for params, _ in trials:
        for name, value in params.items():
            values.setdefault(name, set()).add(identity(value))
    return [name for name, one in values.items() if len(one) > 1]


def _known(trials: Sequence[Trial], name: str) -> list[tuple[Any, float]]:
    return [(params[name], far) for params, far in trials if name in params]


def _tested(known: Sequence[tuple[Any, float]]) -> tuple[float, float] | None:
    """How often orders at random are as clear as this one, and how clear it is, -1 to 1; None where it tells nothing."""
    far = _ranks([one for _, one in known])
    if len(known) <= LEAST or not far.any():
        return None
    if all(is_number(value) for value, _ in known):
        found = _correlations(_ranks([value for value, _ in known]), far)
    else:
        words = [identity(value) for value, _ in known]
        found = _apart([[at for at, word in enumerate(words) if word == one] for one in sorted({*words})], far)
    return float((abs(found) >= abs(found[0]) - 1e-9).mean()), float(found[0])


def _together(trials: Sequence[Trial], one: str, other: str) -> bool:
    """Whether two parameters are so much alike among the trials that nobody can tell which one it is."""
    pairs = [(params[one], params[other]) for params, _ in trials if one in params and other in params]
    if len(pairs) <= LEAST or not all(is_number(value) for pair in pairs for value in pair):
        return False
    ranks = [_ranks([pair[side] for pair in pairs]) for side in (0, 1)]
    return bool(abs(_correlations(*ranks)[0]) >= SHOWS)


def _ranks(values: Sequence[float]) -> NDArray[Any]:
    """The ranks about their mean; equal values share one."""
    import numpy as np

    _, places, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return np.asarray(ranks - ranks.mean())


def _correlations(ranks: NDArray[Any], far: NDArray[Any]) -> NDArray[Any]:
    """Spearman's correlation as it is, then of the other orders of ``far``; 0 where a side is all alike."""
    scale = float((ranks @ ranks) * (far @ far)) ** 0.5
    return cast("NDArray[Any]", far[_orders(len(far))] @ ranks / (scale or 1.0))


def _apart(groups: Sequence[Sequence[int]], far: NDArray[Any]) -> NDArray[Any]:
    """The share of the ranks that goes with the groups (Kruskal and Wallis), in each order."""
    shuffled = far[_orders(len(far))]
    found = [len(group) * shuffled[:, group].mean(axis=1) ** 2 for group in groups]
    return cast("NDArray[Any]", sum(found[1:], found[0]) / float(far @ far))


@cache
def _orders(n: int) -> NDArray[Any]:
    """Orders of so many, the given one first: all of them, or some at random."""
    import numpy as np

    if n <= EXACT:
        return np.array(list(permutations(range(n))))
    rows = np.tile(np.arange(n), (DRAWN, 1))
    rows[1:] = np.random.default_rng(n).permuted(rows[1:], axis=1)
    return rows
