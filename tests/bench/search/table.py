"""Configurations in the unit cube of their space, with what each scored: all that a method of other people's sees of a pool."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from pitprop.space import Leaf, Space


def place(leaves: Sequence[Leaf], values: Mapping[str, Any]) -> NDArray[np.float64]:
    """The coordinates (d,) of Optuna's ``values``: 0 to 1, the index of a choice, NaN for a parameter that does not exist."""
    return np.array([_coordinate(leaf.distribution, values[leaf.name]) if leaf.name in values else math.nan for leaf in leaves])


def suggest(space: Space, trial: optuna.Trial) -> dict[str, Any]:
    """What a sampler of Optuna's proposes, by leaf."""
    drawn: dict[str, Any] = {}
    for leaf in space.active(drawn):
        drawn[leaf.name] = trial._suggest(leaf.name, leaf.distribution)
    return drawn


@dataclass(frozen=True, slots=True)
class Table:
    """``places`` (N, d), whether each coordinate is a choice (d,), and ``scores`` (N, epochs), NaN behind the end of a curve."""

    leaves: tuple[Leaf, ...]
    places: NDArray[np.float64]
    choices: NDArray[np.bool_]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, space: Space, values: Sequence[Mapping[str, Any]], curves: Sequence[Sequence[float]]) -> Table:
        """The table of configurations, as Optuna's values, and their curves, of at most the space's epochs."""
        scores = np.full((len(curves), space.epochs), math.nan)
        for number, curve in enumerate(curves):
            scores[number, : len(curve)] = curve
        choices = np.array([hasattr(leaf.distribution, "choices") for leaf in space.leaves])
        return cls(space.leaves, np.stack([place(space.leaves, one) for one in values]), choices, scores)

    def nearest(self, values: Mapping[str, Any]) -> int:
        """The configuration nearest to Optuna's ``values``, the first of equals.

        Near is by the Euclidean distance in the unit cube: numbers are scaled to their range, in logarithms where the space has
        them so; different choices are 1 apart, and so is a parameter that only one of the two has.
        """
        here = place(self.leaves, values)
        apart = np.abs(np.nan_to_num(self.places) - np.nan_to_num(here))
        different = (np.isnan(self.places) != np.isnan(here)) | (self.choices & (apart > 0))
        return int(np.argmin((np.where(different, 1.0, apart) ** 2).sum(axis=1)))

    def target(self, quantile: float) -> float:
        """The quantile of the best scores of the configurations; one that never was a number counts with the worst of all."""
        known = np.where(np.isnan(self.scores), np.nanmin(self.scores), self.scores)
        return float(np.quantile(known.max(axis=1), quantile))


def _coordinate(distribution: Any, value: Any) -> float:
    if hasattr(distribution, "choices"):
        return float(distribution.to_internal_repr(value))
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (float(value) - low) / (high - low) if high > low else 0.0
