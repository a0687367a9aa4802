"""Optuna's samplers and pruners by the names that a space uses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "random": "RandomSampler",
    "grid": "GridSampler",
    "qmc": "QMCSampler",
    "nsga2": "NSGAIISampler",
}
PRUNERS = {
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "asha": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "wilcoxon": "WilcoxonPruner",
}


def sampler(name: str, options: Mapping[str, Any], seed: int, grid: Mapping[str, Sequence[Any]]) -> optuna.samplers.BaseSampler:
    """A fresh sampler. ``grid`` holds the values of each parameter, and only the grid sampler reads it."""
    options = dict(options)
    if name == "tpe":
        # Trials are asked for in groups: without the liar, a group would be proposed around the same point.
        options.setdefault("constant_liar", True)
    if name == "grid":
        options["search_space"] = grid
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made: optuna.samplers.BaseSampler = getattr(optuna.samplers, SAMPLERS[name])(seed=seed, **options)
    return made


def pruner(name: str, options: Mapping[str, Any]) -> optuna.pruners.BasePruner:
    """A fresh population pruner."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made: optuna.pruners.BasePruner = getattr(optuna.pruners, PRUNERS[name])(**options)
    return made


def values(distribution: BaseDistribution) -> list[Any] | None:
    """The values of a finite distribution, None if there is no end of them."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        count = round((distribution.high - distribution.low) / distribution.step)
        return [distribution.low + i * distribution.step for i in range(count + 1)]
    return None
