"""Where trials fail: whether a proposal lies where, by all that is known, a trial fails by itself, such as for want of memory.

A sampler weighs a failed trial as a bad one, and where the best trials lie beside those that fail it goes on to propose both: of
nets that had to fit into memory, TPE's failed as often at the end as at first. So a proposal that is likely to fail is drawn
again, around the best trials.

The model is a logistic regression on the parameters as the sampler draws them (logarithms where these are searched): memory is a
product of sizes, so what is too much lies beyond a plane. It counts only where it explains the failures better than their share
does, by a likelihood-ratio test: failures that strike anywhere, as those of a network, turn no proposal away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 3
"""Of fewer failures nothing is concluded."""
LATEST = 500
"""So many trials are looked at, the latest: what a proposal costs does not grow with the study."""
RISK = 0.4
"""A proposal that fails with a greater probability is drawn again."""
DRAWS = 24
"""So often; then the one is taken that is the least likely to fail."""
DOUBT = 0.01
"""The probability, at most, of taking failures that strike anywhere for those of a region."""
FLATTENING = 0.001
"""The weight of the squared coefficients. With none, they have no end where what fails lies apart from what does not."""


class Risky(NamedTuple):
    """A proposal that is likely to fail."""

    risk: float
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Region:
    """Where trials fail: the ``weights`` of the parameters' places, and of 1, in the log-odds of failure."""

    distributions: Mapping[str, BaseDistribution]
    middle: NDArray[Any]
    weights: NDArray[Any]

    def risk(self, params: Mapping[str, Any]) -> float:
        """The probability that a trial with such parameters fails."""
        at = _row(params, self.distributions) - self.middle
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, float(at @ self.weights[:-1] + self.weights[-1])))))


def region(trials: Sequence[FrozenTrial], fails: Sequence[bool]) -> Region | None:
    """Where these trials fail; None if they are too few to say, or fail anywhere."""
    if not FEW <= sum(fails) < len(fails):
        return None
    import numpy as np
    from scipy import optimize, special

    distributions = {name: one for trial in trials for name, one in trial.distributions.items()}
    rows = np.array([_row(trial.params, distributions) for trial in trials])
    middle, sign = rows.mean(axis=0), np.where(fails, 1.0, -1.0)
    sides = np.column_stack([rows - middle, np.ones(len(rows))]) * sign[:, None]
    flat = np.append(np.full(rows.shape[1], FLATTENING), 0.0)

    def loss(weights: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        odds = sides @ weights
        value = np.logaddexp(0.0, -odds).sum() + 0.5 * (flat * weights**2).sum()
        return value, flat * weights - sides.T @ special.expit(-odds)

    share = sum(fails) / len(fails)
    found = optimize.minimize(loss, np.append(np.zeros(rows.shape[1]), special.logit(share)), jac=True, method="L-BFGS-B")
    alike = -len(fails) * (share * math.log(share) + (1 - share) * math.log1p(-share))
    free = int(np.linalg.matrix_rank(rows - middle))
    if not free or 2 * (alike - found.fun) < special.chdtri(free, DOUBT):
        return None
    return Region(distributions, middle, found.x)


def _row(params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> NDArray[Any]:
    """Where parameters lie: each from 0 to 1, and of a choice a 1 for the one taken; the middle, or none, where one is absent."""
    import numpy as np

    row: list[float] = []
    for name, distribution in distributions.items():
        if isinstance(distribution, CategoricalDistribution):
            taken = distribution.to_internal_repr(params[name]) if name in params else -1
            row += [float(index == taken) for index in range(len(distribution.choices))]
        else:
            row.append(_place(params[name], distribution) if name in params else 0.5)
    return np.array(row)


def _place(value: float, distribution: Any) -> float:
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else 0.5
