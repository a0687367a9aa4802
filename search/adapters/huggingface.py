"""A callback for Hugging Face's Trainer. It judges the log that the Trainer keeps in its state and restores with it."""

from __future__ import annotations

import math
from typing import Any

from pitprop.adapters.monitor import Watch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

NAMES = {"loss": "train/loss"}


class CollapseCallback(TrainerCallback):
    """Stops a lost training; ``watch.verdict`` says why. Options are those of `Watch`; each evaluation is an epoch."""

    def __init__(self, *, names: dict[str, str] | None = None, **options: Any) -> None:
        self._options = {"metric": "eval_loss", "names": {**NAMES, **(names or {})}, **options}
        self.watch = Watch(**{"budget": 1, **self._options})

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if args.eval_strategy == "no":
            raise ValueError("CollapseCallback judges evaluations, and there are none: say eval_strategy='epoch' or 'steps'")
        steps = args.eval_strategy == "steps"
        budget = math.ceil(state.max_steps / state.eval_steps) if steps else state.num_train_epochs
        self.watch = Watch(**{"budget": budget, **self._options})

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        epochs, since = dict[float, dict[str, float]](), dict[str, float]()
        for row in state.log_history:
            since |= row
            if not row["step"]:  # of eval_on_start
                self.watch.before(row)
            elif any(name.startswith("eval_") for name in row):
                epochs[row["step"]], since = {**since, **epochs.get(row["step"], {})}, {}
        if epochs:
            self.watch.follow(dict(enumerate(epochs.values(), 1)))
            control.should_training_stop |= self.watch.judge() is not None
