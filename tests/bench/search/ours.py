"""Our own engine as a method: the real loop, study and signatures; only the trainer replays a pool."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pitprop.detection import detect
from pitprop.driver.loop import Search
from pitprop.driver.progress import Reported, Started
from pitprop.space import Method, Space
from pitprop.study.study import opened
from pitprop.telemetry import Telemetry
from pitprop.trainer import Context
from pitprop.workers.launch import Inline, Job

from tests.bench.search.meter import Found, Meter, Task
from tests.bench.search.pool import Pool

REPLAY = Path(__file__).with_name("replay.py")
LANES = 8
"""How many trials train at once in the variant with lanes."""


def search(task: Task, *, lanes: int = 1, **changes: Any) -> Found:
    """A search as ``pitprop search`` does it, in the space with some ``changes``."""
    meter, asked = Meter(task), replace(space(task), **changes)
    nearest, table, metric = dict[int, int](), task.pool.table, asked.objective.metric
    with tempfile.TemporaryDirectory(prefix="bench-") as name, opened(asked, f"sqlite:///{name}/study.db", Path(name)) as study:
        study.checkpoints.mkdir()
        context = Context(asked.epochs, asked.options, metric=asked.objective.metric)
        launcher = Inline(Job(asked.trainer, context, study.checkpoints), cpus=1)
        with closing(launcher), closing(Search(asked, study, launcher, width=lambda _workers: lanes).events()) as events:
            for event in events:
                if isinstance(event, Started):
                    values = {leaf.name: value for leaf, value in asked.drawn(event.record.params)}
                    nearest[event.record.number] = table.nearest(values)
                if isinstance(event, Reported) and meter.take(event.epoch.metrics[metric], nearest[event.lane.trial]):
                    break
    return meter.found


def space(task: Task) -> Space:
    """The workload's space with the replaying trainer in place of its own, whose card still says what is reported."""
    found = task.pool.space
    options = {**found.options, "pool": [str(task.folder), task.workload, task.size]}
    return replace(found, trainer=str(REPLAY), options=options, trials=task.trials, seed=task.seed)


def ended(pool: Pool) -> list[bool]:
    """Which trainings of a pool the signatures would have ended, each judged by itself."""
    space = pool.space
    watching = [
        detect.Signature(name, one.action, one.thresholds) for name, one in space.signatures.items() if one.action != "off"
    ]
    return [_ended(space, values, curve, watching) for values, curve in zip(pool.values, pool.curves, strict=True)]


def _ended(space: Space, values: Mapping[str, Any], curve: Telemetry, watching: Sequence[detect.Signature]) -> bool:
    facts = space.known_of(values, space.flat(values))
    seen = Telemetry()
    for epoch in curve[: space.epochs - 1]:  # in the last there is nothing left to end
        seen.append(epoch)
        if any(verdict.ends for verdict in detect.judge(seen, facts, watching)):
            return True
    return False


OURS: dict[str, Callable[[Task], Found]] = {
    "pitprop": search,
    "pitprop, promote": partial(search, scheduler=Method("promote", {})),
    "pitprop, promote, factor 2": partial(search, scheduler=Method("promote", {"factor": 2})),
    f"pitprop, {LANES} lanes": partial(search, lanes=LANES),
    f"pitprop, promote, {LANES} lanes": partial(search, lanes=LANES, scheduler=Method("promote", {})),
    "pitprop, promote, no reserve": partial(search, scheduler=Method("promote", {"reserve": 0.0})),
}
