"""A stopper for Ray Tune: ``tune.RunConfig(stop=CollapseStopper(...))``."""

from __future__ import annotations

from typing import Any

from pitprop.adapters.monitor import Watches
from pitprop.detection.detect import Verdict
from ray import tune


class CollapseStopper(tune.Stopper):
    """Stops lost trials; an epoch is a ``training_iteration``, options are those of `Watch`."""

    def __init__(self, **options: Any) -> None:
        self._watches = Watches(options)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Why trials were stopped, by ``trial_id``."""
        return {trial: watch.verdict for trial, watch in self._watches.items() if watch.verdict}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return self._watches.over(trial_id).see(result["training_iteration"], result) is not None

    def stop_all(self) -> bool:
        """No trial's collapse ends the others."""
        return False
