"""A random forest (Breiman 2001) that takes along, while it grows, what it is asked about.

scikit-learn's takes two seconds of a processor to import, more than all else that a search does after its last trial. All trees
grow at once here, a level at a time, so that numpy does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ROUNDING = 1e-9
"""Two gains that differ by less than this are the same, and one that is less is none; the values have a variance of 1."""
MOST = 1000
"""Rows that a tree draws at most, so that a study of thousands of trials costs no more than one of a thousand."""


def expected(rows: Any, values: Any, points: Any, *, trees: int, leaf: int, seed: int = 0) -> Any:
    """What each tree expects at each of the ``points``: an array of trees by points.

    Each has learned the ``values`` of as many ``rows`` as there are, or of `MOST`, drawn with replacement; ``leaf`` is the fewest
    different ones in a leaf.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(min(len(values), MOST), np.full(len(values), 1 / len(values)), size=trees)
    return grown(np.asarray(rows, float), np.asarray(values, float), np.asarray(points, float), drawn, leaf, generator)


def grown(rows: Any, values: Any, points: Any, drawn: Any, leaf: int, generator: np.random.Generator) -> Any:
    """As `expected`, where ``drawn`` says how often each tree has each row, and ``generator`` which of equal splits is taken."""
    middle, spread = values.mean(), values.std() or 1.0
    tree, row = np.nonzero(drawn)
    level = Level(tree, row, drawn[tree, row], (values[row] - middle) / spread)
    ranks = [np.unique(column, return_inverse=True)[1] for column in rows.T]
    found = np.empty((len(drawn), len(points)))
    node, place = np.indices(found.shape).reshape(2, -1)  # where each point is in each tree: at its root
    target = np.arange(found.size)
    while len(target):
        found.flat[target] = level.means[node]
        split = level.split(rows, ranks, leaf, generator)
        goes = split.parts[node]
        node, place, target = node[goes], place[goes], target[goes]
        node = split.child(node, points[place, split.feature[node]])
        level = level.parted(rows, split)
    return found * spread + middle


@dataclass(frozen=True, slots=True)
class Split:
    """By node of a level: whether it ``parts``, and by which feature, at which value."""

    parts: Any
    feature: Any
    cut: Any

    def child(self, node: Any, value: Any) -> Any:
        """The nodes of the next level to which ``value``, of each node's feature, belongs."""
        return 2 * (np.cumsum(self.parts) - 1)[node] + (value > self.cut[node])


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of all trees at one depth. Each entry is a row in a node, with how often it is there, and its value."""

    node: Any
    row: Any
    weight: Any
    value: Any

    @property
    def means(self) -> Any:
        """By node."""
        return np.bincount(self.node, self.weight * self.value) / np.bincount(self.node, self.weight)

    def parted(self, rows: Any, split: Split) -> Level:
        """The next level."""
        stays = split.parts[self.node]
        node, row = self.node[stays], self.row[stays]
        return Level(split.child(node, rows[row, split.feature[node]]), row, self.weight[stays], self.value[stays])

    def split(self, rows: Any, ranks: Any, leaf: int, generator: np.random.Generator) -> Split:
        """The splits that leave least variance; of equal ones any."""
        sizes = np.bincount(self.node)
        first = np.cumsum(sizes) - sizes
        gain, feature, cut = np.full(len(sizes), ROUNDING), np.zeros(len(sizes), int), np.zeros(len(sizes))
        for column, rank in enumerate(ranks):
            order = np.argsort(self.node * (rank.max() + 1) + rank[self.row])
            gains = self._gains(order, rank[self.row[order]], first, sizes, leaf)
            best = np.maximum.reduceat(gains, first)
            hits = np.flatnonzero(gains == best[self.node[order]])[::-1]
            at = np.empty(len(sizes), int)
            at[self.node[order[hits]]] = hits  # of equal ones the first
            score = best + ROUNDING * generator.random(len(sizes))
            better = score > gain
            gain[better], feature[better] = score[better], column
            values = rows[self.row[order], column]
            cut[better] = ((values[at] + values[np.minimum(at + 1, len(values) - 1)]) / 2)[better]
        return Split(gain > 2 * ROUNDING, feature, cut)

    def _gains(self, order: Any, ranks: Any, first: Any, sizes: Any, leaf: int) -> Any:
        """What is gained by a cut behind each entry, in an ``order`` by node and then by the ``ranks`` of a feature."""
        node, weight = self.node[order], self.weight[order].astype(float)
        sums = weight * self.value[order]
        whole, count = np.add.reduceat(weight, first)[node], np.arange(1, len(node) + 1) - first[node]
        total = np.add.reduceat(sums, first)[node]
        below, left = _running(weight, first, node), _running(sums, first, node)
        ends = np.append(ranks[1:] != ranks[:-1], True)
        able = ends & (count >= leaf) & (sizes[node] - count >= leaf)
        above = np.where(able, whole - below, 1.0)
        gains = (left**2 / below + (total - left) ** 2 / above - total**2 / whole) / whole
        return np.where(able, gains, 0.0)


def _running(values: Any, first: Any, node: Any) -> Any:
    """The sums of ``values`` up to each entry, within its node."""
    sums = np.cumsum(values)
    return sums - (sums[first] - values[first])[node]
