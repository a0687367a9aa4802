"""A plain Optuna study whose lost trials are pruned with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from pitprop.adapters.optuna import CollapsePruner, report
from test_adapters_monitor import DEAD, LABELS, alive, example


def pruner(**options: Any) -> CollapsePruner:
    return CollapsePruner(**{"budget": 20, "metric": "val_accuracy", "labels": LABELS, **options})


def lasting(study: optuna.Study, trial: optuna.Trial, metrics: Any, steps: range = range(1, 21)) -> int | None:
    """The step at which the trial was pruned."""
    for step in steps:
        report(trial, step, metrics(step) if callable(metrics) else metrics)
        if trial.should_prune():
            return step
    return None


def test_the_docs_prune_the_dying_trial_with_a_reason_and_leave_the_healthy_one_alone() -> None:
    dying, healthy = example(1)["study"].trials
    assert (dying.state, healthy.state) == (TrialState.PRUNED, TrialState.COMPLETE)
    assert dying.last_step < 30
    assert "chance" in dying.user_attrs["verdict"]["reason"]
    assert healthy.last_step == 30
    assert "verdict" not in healthy.user_attrs
    assert healthy.value > 0.6


def test_another_process_judges_a_trial_by_what_the_storage_keeps(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    whole = optuna.create_study(direction="maximize", pruner=pruner())
    pruned = lasting(whole, whole.ask(), DEAD)
    assert pruned is not None
    first = optuna.create_study(study_name="one", storage=url, direction="maximize", pruner=pruner())
    trial = first.ask()
    assert lasting(first, trial, DEAD, range(1, pruned)) is None
    second = optuna.load_study(study_name="one", storage=url, pruner=pruner())
    same = optuna.trial.Trial(second, trial._trial_id)
    assert lasting(second, same, DEAD, range(pruned, 21)) == pruned
    assert second.trials[0].user_attrs["verdict"] == whole.trials[0].user_attrs["verdict"]


def test_the_direction_is_the_studys() -> None:
    study = optuna.create_study(direction="minimize", pruner=pruner(metric="val_perplexity", chance_score=2.0))
    trial = study.ask()
    assert lasting(study, trial, lambda step: {"val_loss": 0.7 * 0.9**step, "val_perplexity": 2 * 0.9**step}) is None
    assert trial.study.trials[0].intermediate_values[1] == pytest.approx(1.8)


def test_where_no_signature_objects_the_other_pruner_is_asked() -> None:
    study = optuna.create_study(direction="maximize", pruner=pruner(otherwise=optuna.pruners.ThresholdPruner(upper=0.7)))
    assert lasting(study, study.ask(), alive) == 5
    assert "verdict" not in study.trials[0].user_attrs


def test_an_objective_that_calls_only_trial_report_is_judged_by_its_scores_from_epoch_0_on() -> None:
    study = optuna.create_study(direction="maximize", pruner=pruner())
    trial = study.ask()
    for step in range(3):
        trial.report(0.5, step)
        assert not trial.should_prune()
    assert [epoch.step for epoch in study.pruner.watch(study, 0).telemetry] == [1, 2, 3]


def test_a_report_to_a_study_with_another_pruner_is_an_error() -> None:
    with pytest.raises(ValueError, match="with a CollapsePruner, this one has a MedianPruner"):
        report(optuna.create_study().ask(), 1, DEAD)


def test_a_report_without_the_objective_is_an_error_at_the_first_epoch() -> None:
    study = optuna.create_study(direction="maximize", pruner=pruner(metric="val_acuracy"))
    with pytest.raises(ValueError, match="did you mean 'val/accuracy'"):
        report(study.ask(), 1, DEAD)
    with pytest.raises(ValueError, match="no option 'budge'"):
        pruner(budge=3)
