"""A trainer that trains nothing: each lane replays the recorded curve of the configuration nearest to its parameters."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Epochs, Lane, Start

from tests.bench.search.pool import load

WIDTH = 32


def train_lanes(lanes: Sequence[Start], context: Context) -> Generator[Epochs, Change, None]:
    """Replays until no lane is left. The option ``pool`` holds what `load` takes."""
    folder, workload, size = context.options["pool"]
    pool = load(Path(folder), workload, size)
    living: dict[Lane, Sequence[Epoch]] = {}
    change = Change(started=lanes)
    while True:
        for lane in change.stopped:
            living.pop(lane, None)
        for start in change.started:
            values = {leaf.name: value for leaf, value in pool.space.drawn(start.params)}
            living[start.lane] = pool.curves[pool.table.nearest(values)][start.step :]
        living = {lane: curve for lane, curve in living.items() if curve}
        if not living:
            return
        epochs = {lane: curve[0] for lane, curve in living.items()}
        living = {lane: curve[1:] for lane, curve in living.items()}
        context.state = {"step": [epoch.step for epoch in epochs.values()]}
        change = yield epochs
