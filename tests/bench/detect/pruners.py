"""Optuna's own pruners on the recorded curves: a study's runs are told to a real study in memory, one after another."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from optuna.trial import TrialState

from tests.bench.detect.curves import Run
from tests.bench.detect.figures import Stop, Stops
from tests.bench.detect.score import parallel

PRUNERS: Mapping[str, Callable[[int, float], BasePruner]] = {
    "Median": lambda budget, bound: MedianPruner(),
    "Median (10 start-up, 25 % warm-up)": lambda budget, bound: MedianPruner(10, math.ceil(0.25 * budget)),
    "Percentile 25": lambda budget, bound: PercentilePruner(25.0),
    "SuccessiveHalving": lambda budget, bound: SuccessiveHalvingPruner(),
    "Hyperband": lambda budget, bound: HyperbandPruner(max_resource=budget),
    "Patient 5": lambda budget, bound: PatientPruner(None, patience=5),
    "Patient 5 (Median)": lambda budget, bound: PatientPruner(MedianPruner(), patience=5),
    "Threshold at chance from 25 %": lambda budget, bound: ThresholdPruner(lower=bound, n_warmup_steps=math.ceil(0.25 * budget)),
}
"""From the budget in epochs and the score that is just above chance."""
MARGIN = 0.02
Curve = tuple[int, Sequence[float]]


def pruned(dataset: Sequence[Run], processes: int = 2) -> dict[str, Stops]:
    """Where each of the pruners stops each run."""
    studies: dict[str, list[Run]] = {}
    for run in dataset:
        studies.setdefault(run.study, []).append(run)
    tasks = [(name, study, *_plan(runs)) for study, runs in studies.items() for name in PRUNERS]
    tasks.sort(key=lambda task: -len(task[2]))
    found: dict[str, dict[int, Stop | None]] = {name: {} for name in PRUNERS}
    for (name, *_), stops in zip(tasks, parallel(replayed, tasks, processes, chunk=1), strict=True):
        found[name] |= stops
    return {name: [stops[run.number] for run in dataset] for name, stops in found.items()}


def replayed(task: tuple[str, str, Sequence[Curve], float]) -> dict[int, Stop | None]:
    """Where a pruner, by name, stops the curves of a study, in their order; ``bound`` is the score just above chance."""
    name, study, curves, bound = task
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():  # pruners that are marked as experimental, and NaN in their percentiles
        warnings.simplefilter("ignore")
        pruner = PRUNERS[name](max(len(scores) for _, scores in curves), bound)
        sampler = optuna.samplers.RandomSampler(seed=0)
        search = optuna.create_study(study_name=study, direction="maximize", sampler=sampler, pruner=pruner)
        return {number: _trained(search, scores, name) for number, scores in curves}


def _trained(search: optuna.Study, scores: Sequence[float], name: str) -> Stop | None:
    trial = search.ask()
    for step, score in enumerate(scores, 1):
        trial.report(score, step)
        if trial.should_prune():
            search.tell(trial, state=TrialState.PRUNED)
            return Stop(step, name)
    if math.isnan(scores[-1]):
        search.tell(trial, state=TrialState.FAIL)
    else:
        search.tell(trial, scores[-1])
    return None


def _plan(runs: Sequence[Run]) -> tuple[list[Curve], float]:
    """The curves in an order that is fixed and tells nothing, and the score 2 % of the room above chance (or of the loss)."""
    ordered = sorted(runs, key=lambda run: hashlib.sha256(f"{run.study} {run.number}".encode()).hexdigest())
    chance = max(run.chance for run in runs)
    room = 1 - chance if runs[0].facts.maximize else abs(chance)
    return [(run.number, run.scores) for run in ordered], chance + MARGIN * room
