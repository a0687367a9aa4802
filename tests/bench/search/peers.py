"""Other people's methods in this process: Optuna's TPE, alone and with its pruners, and one epoch for all, then the best few."""

from __future__ import annotations

import math
import warnings
from functools import partial

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner

from tests.bench.search.meter import Found, Meter, Task
from tests.bench.search.promotion import PROMOTING
from tests.bench.search.table import suggest

SHARE = 8
"""Of so many configurations that were trained for one epoch, one goes on."""


def tpe(task: Task) -> Found:
    """Optuna's default sampler, every trial trained to its end."""
    return _optimised(task, NopPruner())


def hyperband(task: Task) -> Found:
    """TPE under Hyperband with Optuna's defaults: a third of a bracket goes on at each rung."""
    return _optimised(task, HyperbandPruner(min_resource=1, max_resource=task.pool.space.epochs))


def median(task: Task) -> Found:
    """TPE under the median rule with Optuna's defaults: after five trials, from the first epoch on."""
    return _optimised(task, MedianPruner())


def top_k(task: Task) -> Found:
    """As many random configurations as there may be trials, one epoch each; then the best eighth of them goes on, best first."""
    meter = Meter(task)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=task.seed))
    table = task.pool.table
    drawn = [table.nearest(suggest(task.pool.space, study.ask())) for _ in range(task.trials)]
    best = sorted(drawn, key=lambda number: np.nan_to_num(table.scores[number, 0], nan=-math.inf), reverse=True)
    epochs = [(number, 0) for number in drawn]
    epochs += [(number, epoch) for number in best[: task.trials // SHARE] for epoch in range(1, task.pool.space.epochs)]
    for number, epoch in epochs:
        if meter.take(float(table.scores[number, epoch]), number):
            break
    return meter.found


PEERS = {
    "Optuna TPE": tpe,
    "Optuna TPE, Hyperband": hyperband,
    "Optuna TPE, median": median,
    "one epoch, then the best eighth": top_k,
    **PROMOTING,
}


def _optimised(task: Task, pruner: BasePruner) -> Found:
    meter = Meter(task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NaN in the percentiles of pruners
        sampler = optuna.samplers.TPESampler(seed=task.seed)
        study = optuna.create_study(study_name=f"bench {task.seed}", direction="maximize", sampler=sampler, pruner=pruner)
        study.optimize(partial(_objective, task, meter), n_trials=task.trials)
    return meter.found


def _objective(task: Task, meter: Meter, trial: optuna.Trial) -> float:
    best, table = -math.inf, task.pool.table
    number = table.nearest(suggest(task.pool.space, trial))
    for step, score in enumerate(map(float, table.scores[number]), 1):
        best = max(best, score) if score == score else best
        if meter.take(score, number):
            trial.study.stop()
            break
        trial.report(score, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return best
