"""A pruner for ``study.optimize``: told of the objective by ``trial.report``, and of more by `report` instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from pitprop.adapters.monitor import Watch, Watches

KEY = "pitprop:epoch:"  # of an epoch among the trial's system attributes, which every storage keeps for every process


class CollapsePruner(optuna.pruners.BasePruner):
    """Prunes lost trials, and others where ``otherwise`` does. The study's direction counts; options are those of `Watch`."""

    def __init__(self, *, otherwise: optuna.pruners.BasePruner | None = None, **options: Any) -> None:
        self._otherwise, self._watches = otherwise, Watches(options)

    def watch(self, study: optuna.Study, trial: int) -> Watch:
        return self._watches.over((study.study_name, trial), maximize=study.direction.name == "MAXIMIZE")

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        watch, kept = self.watch(study, trial.number), trial.system_attrs
        epochs = {int(key.removeprefix(KEY)): epoch for key, epoch in kept.items() if key.startswith(KEY)}
        epochs = epochs or {step: {watch.facts.metric: value} for step, value in trial.intermediate_values.items()}
        watch.follow({step + (0 in epochs): epoch for step, epoch in epochs.items()})  # who counts from 0 has trained one by then
        if verdict := watch.judge():
            study._storage.set_trial_user_attr(trial._trial_id, "verdict", verdict.to_json())
        return verdict is not None or (self._otherwise is not None and self._otherwise.prune(study, trial))


def report(trial: optuna.Trial, step: int, metrics: Mapping[str, Any]) -> None:
    """Tells the signatures what was measured after ``step`` epochs, and Optuna the objective if it is in it."""
    if not isinstance(pruner := trial.study.pruner, CollapsePruner):
        raise ValueError(f"report() is for a study with a CollapsePruner, this one has a {type(pruner).__name__}")
    found = (watch := pruner.watch(trial.study, trial.number)).read(step, metrics).metrics
    trial.storage.set_trial_system_attr(trial._trial_id, f"{KEY}{step}", dict(found))
    if watch.facts.metric in found:
        trial.report(found[watch.facts.metric], step)
