"""A callback for Lightning's Trainer: that of ``pytorch_lightning``, and that of ``lightning``, which brings the other."""

from __future__ import annotations

import math
from typing import Any

from pitprop.adapters.monitor import Watch
from pitprop.telemetry import Epoch, dumps, loads
from pytorch_lightning import Callback, LightningModule, Trainer


class CollapseCallback(Callback):
    """Stops a lost fit; ``watch.verdict`` says why. Options are those of `Watch`; each validation is an epoch."""

    def __init__(self, **options: Any) -> None:
        self._options, self._before = {"metric": "val_loss", **options}, list[Epoch]()
        self.watch = Watch(**{"budget": 1, **self._options})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.enable_validation:
            raise ValueError("CollapseCallback judges validations, and this fit has none: give it a validation_step and data")
        each = max(1, trainer.num_training_batches // (trainer.val_check_batch or math.inf))
        self.watch = Watch(**{"budget": int((trainer.max_epochs or 0) * each), **self._options})
        self.watch.telemetry.extend(self._before)
        self._before = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            metrics = {"lr": trainer.optimizers[0].param_groups[0].get("lr"), **trainer.callback_metrics}
            lost = self.watch.see(max(trainer.current_epoch, self.watch.last) + 1, metrics) is not None
            trainer.should_stop |= trainer.strategy.reduce_boolean_decision(lost, all=False)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [dumps(epoch) for epoch in self.watch.telemetry]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = [loads(line) for line in state_dict["epochs"]]
