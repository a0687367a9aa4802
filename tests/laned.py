"""A lane trainer driven as a worker drives it, and epochs compared: what the tests of every workload share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start

Record = dict[Lane, list[Epoch]]


def trained(
    trainer: ModuleType, starts: Sequence[Start], epochs: int, plan: Mapping[int, Change] | None = None, **given: Any
) -> tuple[Record, list[Any]]:
    """Every lane to its budget, with the changes of ``plan`` after the rounds that it names; epochs by lane, and all states."""
    context = Context(epochs=epochs, **given)
    generator = trainer.train_lanes(starts, context)
    record, states, step = Record(), list[Any](), 0
    shown = next(generator)
    while True:
        step += 1
        for lane, epoch in shown.items():
            record.setdefault(lane, []).append(epoch)
        order = list(shown)
        states.append({lane: {name: rows[order.index(lane)].clone() for name, rows in context.state.items()} for lane in order})
        change = (plan or {}).get(step, Change())
        done = [lane for lane, epoch in shown.items() if epoch.step == epochs]
        try:
            shown = generator.send(Change([*change.stopped, *done], change.started))
        except StopIteration:
            return record, states


def same(ours: Sequence[Epoch], others: Sequence[Epoch], tolerance: float = 1e-5) -> None:
    """The same steps, and metrics within ``tolerance``, but for the time they took."""
    assert [epoch.step for epoch in ours] == [epoch.step for epoch in others]
    for one, other in zip(ours, others, strict=True):
        left, right = dict(one.metrics), dict(other.metrics)
        del left["seconds"], right["seconds"]
        assert left == pytest.approx(right, rel=tolerance, abs=tolerance, nan_ok=True)
