"""A callback for the Trainers of ``lightning`` and of ``pytorch_lightning``, whichever is there."""

from __future__ import annotations

import math
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pitprop.adapters.monitor import Watch
from pitprop.telemetry import Epoch, dumps, loads

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
_THERE = [name for name in PACKAGES if name in sys.modules]  # what the user imported: importing the other one takes seconds
_FIRST = next((name for name in PACKAGES if find_spec(name.partition(".")[0])), PACKAGES[-1])
BASES = tuple(import_module(name).Callback for name in _THERE or [_FIRST])


class CollapseCallback(*BASES):  # type: ignore[misc]
    """Stops a lost fit; ``watch.verdict`` says why. Options are those of `Watch`; each validation is an epoch.

    The usual ones are spelled out, as LightningCLI takes no others.
    """

    def __init__(
        self,
        metric: str = "val_loss",
        budget: int | None = None,
        maximize: bool | None = None,
        labels: dict[str, int] | None = None,
        classes: int | None = None,
        chance_score: float | None = None,
        chance_loss: float | None = None,
        **options: Any,
    ) -> None:
        given = {"maximize": maximize, "classes": classes, "chance_score": chance_score, "chance_loss": chance_loss, **options}
        self._options = {"metric": metric, **given, "labels": labels or {}}
        self._budget, self._before, self._begun = budget, list[Epoch](), dict[str, Any]()
        self.watch = Watch(**{"budget": 1 if budget is None else budget, **self._options})

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.enable_validation:
            raise ValueError("CollapseCallback judges validations, and this fit has none: give it a validation_step and data")
        each = max(1, trainer.num_training_batches // (trainer.val_check_batch or math.inf))
        budget = int((trainer.max_epochs or 0) * each) if self._budget is None else self._budget
        self.watch = Watch(**{"budget": budget, **self._options})
        self.watch.telemetry.extend(self._before)
        self.watch.before(self._begun)
        self._before = []

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking and trainer.num_sanity_val_steps == math.inf:  # of all batches, so it is a whole validation
            self._begun = dict(trainer.callback_metrics)
        elif trainer.state.fn == "fit" and not trainer.sanity_checking:
            metrics = {"lr": trainer.optimizers[0].param_groups[0].get("lr"), **trainer.callback_metrics}
            lost = self.watch.see(max(trainer.current_epoch, self.watch.last) + 1, metrics) is not None
            trainer.should_stop |= trainer.strategy.reduce_boolean_decision(lost, all=False)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [dumps(epoch) for epoch in self.watch.telemetry]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = [loads(line) for line in state_dict["epochs"]]
