"""Which parameters matter, by PED-ANOVA (Watanabe et al., IJCAI 2023), which takes conditional parameters too.

It compares where the best trials lie with where all of them do, so it wants a score and nothing else: a trial that was stopped
counts with the score that it had reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitprop.space import Space
from pitprop.study.record import Record

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST = 10
"""Trials with a score below which nothing is said."""

TOP = 5
"""As many trials as PED-ANOVA's authors want among the best, at least."""


def quantile(count: int) -> float:
    """The share of trials that are called the best: a tenth, or `TOP` of them."""
    return min(0.5, max(0.1, TOP / count))


def importances(space: Space, scored: Sequence[Record]) -> dict[str, float] | None:
    """The share of each parameter, the largest first; None where there are too few trials, or nothing that differs."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    if len(scored) < LEAST:
        return None
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize" if space.objective.goal == "maximize" else "minimize")
        study.add_trials([_frozen(space, record) for record in scored])
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile(len(scored))))
    except ValueError:  # where every score is the same there are no best ones
        return None
    finally:
        optuna.logging.set_verbosity(level)


def _frozen(space: Space, record: Record) -> FrozenTrial:
    from optuna.trial import create_trial

    values = {leaf.name: leaf.encode(record.params[leaf.name]) for leaf in space.leaves if leaf.name in record.params}
    inside = {leaf.name: leaf.distribution for leaf in space.leaves if leaf.name in values and leaf.holds(values[leaf.name])}
    assert record.values is not None
    return create_trial(params={name: values[name] for name in inside}, distributions=inside, value=record.values[0])
