"""By parameter, as an estimate: what a random forest that has learned the trials of a search expects of each change of the best.

Nothing is trained for it. A forest (Breiman 2001) takes conditional parameters, choices, and the cliffs at which trainings
collapse. The interval is that of 95 % of its trees, each of which has seen two thirds of the trials: wider than the doubt of the
forest as a whole, but where no tree asks for a parameter it says nothing, so that no effect seen is not the same as none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pitprop.results.ablation import Effect, Step, at, changes
from pitprop.results.statistics import BETTER, OPEN, WORSE, Difference
from pitprop.space import Choices, Space
from pitprop.space.distributions import same
from pitprop.study import ranking
from pitprop.study.record import Record

LEAST, TREES, LEAF = 12, 200, 2
"""Trials with a score below which nothing is estimated; trees, and the fewest trials in a leaf of one."""


def estimate(space: Space, records: Sequence[Record], best: Record) -> tuple[Effect, ...]:
    """What each change of the ``best`` trial is expected to do to the first objective.

    Nothing with fewer than `LEAST` trials, or where early stopping is searched.
    """
    known = [record for record in records if record.values and math.isfinite(record.values[0]) and not record.excluded]
    if len(known) < LEAST or space.searches_stopping:
        return ()
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=0)
    scores = space.objective.sign * np.array([ranking.score(record) for record in known])
    forest.fit([_coded(space, record.params) for record in known], scores)
    wanted = list(changes(space, records, best))
    points = np.array([_coded(space, params) for params in (best.params, *(params for _, params in wanted))])
    expected = np.array([tree.predict(points) for tree in forest.estimators_])
    effects = []
    for leaf in space.leaves:
        rows = [row for row, (name, _) in enumerate(wanted, start=1) if name == leaf.name]
        means = {row: space.objective.sign * float(expected[:, row].mean()) for row in rows}
        steps = [Step(wanted[row - 1][1][leaf.name], (means[row],), _difference(expected, row)) for row in rows]
        effects += [Effect(leaf.name, best.params.get(leaf.name), tuple(steps))] if steps else []
    return tuple(sorted(effects, key=lambda effect: -effect.size))


def _difference(expected: Any, row: int) -> Difference:
    import numpy as np

    apart = expected[:, row] - expected[:, 0]
    low, high = map(float, np.quantile(apart, (0.025, 0.975)))
    verdict = BETTER if low > 0 else WORSE if high < 0 else OPEN
    return Difference(float(apart.mean()), low, high, math.nan, math.nan, verdict)


def _coded(space: Space, params: Mapping[str, Any]) -> list[float]:
    """A configuration in numbers: 0 to 1 on the scale of the search, a column for each choice; -1 for what does not exist."""
    row: list[float] = []
    for leaf in space.leaves:
        there, value = leaf.name in params, params.get(leaf.name)
        if isinstance(leaf.domain, Choices):
            row += [float(there and same(leaf.decode(one), value)) if there else -1.0 for one in leaf.domain.choices]
        else:
            row.append(at(leaf.domain, value) if there and isinstance(value, int | float) else -1.0)
    return row
