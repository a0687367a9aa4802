"""Hugging Face's trainer_state.json, written again as a whole at every checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.formats.json import loads
from pitprop.logs.formats.jsonl import readings
from pitprop.logs.names import Names

ENDLESS = 1 << 31
"""More epochs than a training has: what is written for a data set without an end."""
TRAITS = Traits(Unit.DOCUMENT, {"trainer_state.json": 0}, exact=True, judged="What is evaluated, `eval_...`, which is `val/...`.")


def recognises(head: bytes, path: Path) -> bool:
    return head.lstrip().startswith(b"{") and (b'"log_history"' in head or (b'"best_model_checkpoint"' in head[:4096]))


class Reader:
    """Its ``epoch`` is a fraction: a number of epochs is only taken from it if every evaluation stands at a whole one."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._seen = names, 0
        self.facts: dict[str, int] = {"pretrained": 1}  # as nearly always

    def feed(self, data: bytes) -> Iterator[Row]:
        state = loads(data.decode("utf-8", "replace"))
        history = state.get("log_history") if isinstance(state, dict) else None
        if not isinstance(history, list):
            return  # not yet written so far
        history = [entry for entry in history if isinstance(entry, dict)]
        said = {"max_epochs": state.get("num_train_epochs"), "max_iters": state.get("max_steps")}
        self.facts |= {name: int(value) for name, value in said.items() if isinstance(value, int | float) and 0 < value < ENDLESS}
        whole = _by_epoch(history)
        for entry in history[self._seen :]:
            kind = "val" if any(name.startswith(("eval_", "test_")) for name in entry) else "train"
            metrics = readings(entry, lambda name, kind=kind: self._names(name, kind))  # type: ignore[misc]
            epoch = entry.get("epoch")
            number = max(1, -int(-epoch // 1)) if whole and isinstance(epoch, int | float) else None
            step = entry.get("step")
            if metrics and "train_runtime" not in entry:  # the last entry sums all up
                yield Row(kind, metrics, step if isinstance(step, int) else None, number)
        self._seen = max(self._seen, len(history))


def _by_epoch(history: Sequence[Mapping[str, Any]]) -> bool:
    at = [entry.get("epoch") for entry in history if any(name.startswith("eval_") for name in entry)]
    return bool(at) and all(isinstance(epoch, int | float) and abs(epoch - round(epoch)) < 1e-3 for epoch in at)
