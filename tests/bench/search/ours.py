"""Our own engine as a method: the real loop, study and signatures; only the trainer replays a pool."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from pitprop.detection import detect
from pitprop.driver.loop import Search
from pitprop.driver.progress import Reported
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


@cache
def search(
    task: Task, *, gates: bool = True, revive: int = 0, halving: bool = False, lanes: int = 1, scheduler: str = "full"
) -> Found:
    """A search as ``pitprop search`` does it, until an epoch reaches the target.

    Without ``gates`` those of the space are left out; with ``halving`` the space says ``pruner: {asha: {min_resource: 1}}``.
    """
    began, meter = time.perf_counter(), Meter(task.target)
    asked = space(task)
    pruner = Method("asha", {"min_resource": 1}) if halving else None
    asked = replace(asked, gates=asked.gates if gates else (), revive=revive, pruner=pruner, scheduler=Method(scheduler, {}))
    with tempfile.TemporaryDirectory(prefix="bench-") as name, opened(asked, f"sqlite:///{name}/study.db", Path(name)) as study:
        study.checkpoints.mkdir()
        context = Context(asked.epochs, asked.options, metric=asked.objective.metric)
        launcher = Inline(Job(asked.trainer, context, study.checkpoints), cpus=1)
        with closing(launcher), closing(Search(asked, study, launcher, width=lanes).events()) as events:
            for event in events:
                if isinstance(event, Reported) and meter.take(event.epoch.metrics[asked.objective.metric]):
                    break
    return Found(meter.epochs, meter.reached, time.perf_counter() - began)


def ungated(task: Task) -> Found:
    """The search without gates, which is the same where none of them ends a trial."""
    return search(task, gates=not any(gate.action in detect.ENDING for gate in task.pool.space.gates))


def revived(task: Task) -> Found:
    """The search that revives the two most promising parked trials at its end, if it comes there."""
    first = search(task)
    return first if first.reached else search(task, revive=2)


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
    "pitprop": lambda task: search(task),
    "pitprop, no gates": ungated,
    "pitprop, revive 2": revived,
    "pitprop, pruner asha": partial(search, halving=True),
    f"pitprop, {LANES} lanes": partial(search, lanes=LANES),
    "promote": partial(search, scheduler="promote"),
    "thaw": partial(search, scheduler="thaw"),
}
