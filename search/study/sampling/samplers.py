"""Optuna's samplers and pruners by the names that a space uses, and what they are shown of trials that collapsed or failed.

Optuna's GP and NSGA-II read complete trials only: a pruned one leaves no trace in them, nor would a constraint that it violates.
The GP then takes the places where trainings die for unknown ones, and goes there again and again. `Learning` shows such a trial
as a complete one. What it shows is a pure function of the trials in the study, and nothing is stored, so a search that is
opened again has learned the same.

TPE weighs every trial against every proposal, so that a proposal of the ten thousandth trial costs 0.2 s. `Bounded` shows it at
most `SHOWN` trials that have ended: its model of what is good is that of all trials, to the digit, for it is made of the best
25 (of two objectives, of the best tenth); its model of the rest is a density, and is made of an even sample of them.
"""

from __future__ import annotations

import copy
import heapq
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from pitprop.space.sampling import COLLAPSED, PRUNERS, SAMPLERS
from pitprop.study import storage
from pitprop.study.record import REACHED
from pitprop.study.storage import Filtered

SHOWN = 1000
"""So many trials that have ended TPE is shown at most; a study of fewer is shown as it is."""
BEST = 100
"""So many of them are the best. TPE takes 25 at most for good, and of two objectives a tenth of what it is shown."""
GOLDEN = 2654435769
"""2**32 over the golden ratio: the multiples of it, modulo 2**32, lie evenly however many there are."""

WAITS = "waits"
"""The attribute, in memory alone, of a trial that has trained a part of its budget: what it has reached."""
EXPLORING = 1 / 3
"""The share of trials that are drawn at random where trials wait: TPE, taught by early scores, ran into one corner without."""

AROUND: tuple[str, Mapping[str, Any]] = ("tpe", {"n_ei_candidates": 1})
"""A method that draws around the best trials, in place of one that proposed what is likely to fail: that one would do so again,
for it takes what is the most promising, not what is likely."""


def sampler(name: str, options: Mapping[str, Any], seed: int, fresh: int = 0) -> optuna.samplers.BaseSampler:
    """A fresh sampler; "grid" is none, as `pitprop.study.memory` walks that.

    ``fresh`` seeds what QMC draws outside its sequence, as it does until a trial has completed. With the sequence's ``seed``,
    which is always the same, it would propose for ever what a constraint refused.
    ``options`` are the constructor's, and ``collapsed``, one of `STANDINGS`, for a sampler in `COLLAPSED`.
    """
    options = dict(options)
    standing = options.pop("collapsed", COLLAPSED.get(name, "pruned"))
    if name == "tpe":
        # Trials are asked for in groups: without the liar, a group would be proposed around the same point.
        options.setdefault("constant_liar", True)
    if name == "qmc":
        options.setdefault("independent_sampler", optuna.samplers.RandomSampler(fresh))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made: optuna.samplers.BaseSampler = getattr(optuna.samplers, SAMPLERS[name])(seed=seed, **options)
    if name in COLLAPSED:
        made = Learning(made, standing)
    return Bounded(made) if name == "tpe" else made


def pruner(name: str, options: Mapping[str, Any]) -> optuna.pruners.BasePruner:
    """A fresh population pruner."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made: optuna.pruners.BasePruner = getattr(optuna.pruners, PRUNERS[name])(**options)
    return made


def failed(trial: FrozenTrial) -> bool:
    """Whether a trial failed by itself, such as by running out of memory; not where any other trial would have failed alike."""
    return trial.state == TrialState.FAIL and "error" in trial.user_attrs and not trial.user_attrs.get("alike")


def violation(trial: FrozenTrial) -> float:
    """By how much a trial breaks the constraint that trainings live: 1 + 1 / epochs if it collapsed or failed, else -1.

    So the earlier it died the more, and well apart from what lived, for a model of the constraint. What was stopped by a
    population pruner or a gate is slow, not dead. A trial that ended as it should counts by its value, whatever was said
    of it: baselines are never stopped, and one seed of several may collapse.
    """
    verdicts = trial.user_attrs.get("verdicts", ()) if trial.state == TrialState.PRUNED else ()
    dead = any(verdict["action"] in ("prune", "park") and ":" not in verdict["signature"] for verdict in verdicts)
    return 1 + 1 / max(1, trial.user_attrs.get("epochs", 1)) if dead or failed(trial) else -1.0


def shown(trials: Sequence[FrozenTrial], maximize: Sequence[bool], standing: str) -> list[FrozenTrial]:
    """The trials as a sampler is to see those that collapsed or failed; ``maximize`` has an item for each objective.

    Optuna shows failed trials to no sampler, so it would go again and again to where memory is too small. With the ``standing``
    "pruned" they are pruned ones without a score, the worst that there are; else complete ones, as those that collapsed.

    A trial keeps what it reached before it collapsed; where it has no score it gets the worst known of each objective. One that
    was revived, to an end, stays pruned: the trial that continued it tells the rest. With ``constrained`` all trials that have
    ended carry their `violation` where Optuna's samplers look for it.
    """
    if standing == "pruned":
        return [_as_pruned(trial) if failed(trial) else trial for trial in trials]
    constrained = standing == "infeasible"
    revived = {trial.user_attrs.get("revives") for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)}
    dead = {trial.number for trial in trials if violation(trial) > 0} - revived
    valued = [trial.values for trial in trials if trial.state.is_finished() and trial.values]
    if not dead or not valued:
        return list(trials)
    worst = [min(column) if up else max(column) for up, column in zip(maximize, zip(*valued, strict=True), strict=True)]
    seen = [copy.copy(trial) if trial.state.is_finished() else trial for trial in trials]
    for trial in seen:
        if trial.state.is_finished() and constrained:
            broken = violation(trial) if trial.number in dead else -1.0
            trial.system_attrs = {**trial.system_attrs, "constraints": [broken]}
        if trial.number in dead:
            trial.state, trial.values = TrialState.COMPLETE, trial.values or trial.user_attrs.get(REACHED) or worst
    return seen


def _so_far(trial: FrozenTrial) -> FrozenTrial:
    """A trial that waits as a complete one with what it has reached: its scheduler thinks little of it, but it is no failure."""
    if trial.state.is_finished() or WAITS not in trial.user_attrs:
        return trial
    seen = copy.copy(trial)
    seen.state, seen.values = TrialState.COMPLETE, [trial.user_attrs[WAITS]]
    return seen


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    seen = copy.copy(trial)
    seen.state, seen.values, seen.intermediate_values = TrialState.PRUNED, None, {}
    return seen


def sample(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """At most about `SHOWN` of the trials that have ended, and all that run: the best, and of the rest an even sample.

    The sample goes by the numbers of trials, so it changes by a trial or so from proposal to proposal, and is as old as the rest.
    The first trial with each set of parameters is in it, for by these TPE finds out which it can draw together.
    """
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or failed(trial)]
    if len(ended) <= SHOWN:
        return list(trials)
    kept = {trial.number for trial in storage.best(study, [trial for trial in ended if not failed(trial)], BEST)}
    kept |= {*{tuple(trial.params): trial.number for trial in reversed(ended)}.values()}
    rest = (trial.number for trial in ended if trial.number not in kept)
    kept |= set(heapq.nsmallest(SHOWN - len(kept), rest, key=lambda number: number * GOLDEN % 2**32))
    return [trial for trial in trials if trial.number in kept or not trial.state.is_finished()]


class Viewing(optuna.samplers.BaseSampler):
    """A sampler that is asked about a study as ``view`` shows its trials."""

    def __init__(self, made: optuna.samplers.BaseSampler) -> None:
        self._made = made

    def view(self, study: optuna.Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """What is shown of the trials of a study."""
        raise NotImplementedError

    def _shown(self, study: optuna.Study) -> Filtered:
        return Filtered(study, lambda trials: self.view(study, [_so_far(trial) for trial in trials]))

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._made.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._made.infer_relative_search_space(self._shown(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._made.sample_relative(self._shown(study), trial, search_space)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        return self._made.sample_independent(self._shown(study), trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._made.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._made.reseed_rng()


class Learning(Viewing):
    """A sampler that learns from trials that collapsed or failed: it is asked about the study with its trials as in `shown`."""

    def __init__(self, made: optuna.samplers.BaseSampler, standing: str) -> None:
        super().__init__(made)
        self._standing = standing

    def view(self, study: optuna.Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        maximize = [way == optuna.study.StudyDirection.MAXIMIZE for way in study.directions]
        return shown(trials, maximize, self._standing)


class Bounded(Viewing):
    """TPE, which is shown a `sample` of the trials, the same for all that it asks about one proposal."""

    def __init__(self, made: optuna.samplers.BaseSampler) -> None:
        super().__init__(made)
        self._seen: tuple[int, list[FrozenTrial]] | None = None

    def view(self, study: optuna.Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        if self._seen is None or self._seen[0] != len(trials):
            self._seen = len(trials), sample(study, trials)
        return self._seen[1] if len(self._seen[1]) < len(trials) else trials  # as they are now, if all are shown


class Knowing(Viewing):
    """A sampler that is shown trials of elsewhere behind those of the study; `pitprop.study.sampling.warm_start` makes them."""

    def __init__(self, made: optuna.samplers.BaseSampler, others: Sequence[FrozenTrial]) -> None:
        super().__init__(made)
        self._others = others

    def view(self, study: optuna.Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        return [*trials, *self._others]
