"""Pools of the built-in workloads as data sets: configurations drawn at random from a space, all trained to the end.

They are those of ``tests.bench.search.pool``, which trains them: ``make bench-search`` leaves one file a workload.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pitprop.detection import levels, reading
from pitprop.telemetry import Telemetry, series

from tests.bench.detect.curves import Run
from tests.bench.detect.figures import Share, Stops
from tests.bench.search import pool

DEAD, POOR, FALLEN = 0.1, 0.5, 0.1
"""Bounds of the labels, as shares of the way from chance to the best of the pool: those of the other data sets."""
LATE, TOP = 0.4, 0.25
"""The share of the budget after which a training leaves chance late, and the share of all that counts as good for it."""


def workloads(folder: Path) -> list[str]:
    """The workloads whose pools are in ``folder``."""
    return [name for name in pool.SPACES if (folder / f"{name}.jsonl").exists()]


def runs(folder: Path, workload: str) -> list[Run]:
    """The trainings of a pool, in their order, labelled as other runs are; ``ValueError`` if its space has changed since."""
    with (folder / f"{workload}.jsonl").open(encoding="utf-8") as lines:
        size = sum(1 for _ in lines) - 1
    found = pool.load(folder, workload, size)
    facts = found.space.known_of()
    chances = [facts.sign * level for curve in found.curves if (level := levels.known(curve, facts)) is not None]
    scores = [[facts.sign * s for s in series(curve, facts.metric)] for curve in found.curves]
    bests = [max((s for s in one if not math.isnan(s)), default=-math.inf) for one in scores]
    chance = chances[0] if chances else min(best for best in bests if math.isfinite(best))  # where it is not known, the worst
    ranked, room = sorted(bests, reverse=True), max(bests) - chance
    tail = max(1, facts.budget // 10)
    rows = []
    for number, (curve, score, best) in enumerate(zip(found.curves, scores, bests, strict=True)):
        share, last = (
            (best - chance) / room,
            (max((s for s in score[-tail:] if not math.isnan(s)), default=chance) - chance) / room,
        )
        label = "dead" if share < DEAD else "late_collapse" if last < FALLEN else "poor" if share < POOR else "healthy"
        top = best >= ranked[max(1, size // 10) - 1] and label == "healthy"
        broken = tuple(math.isnan(epoch.metrics.get("train/loss", 0.0)) for epoch in curve)
        rows.append(Run(number, workload, label, top, best, chance, tuple(score), broken, tuple(curve), facts))
    return rows


def late(dataset: Sequence[Run], where: Stops) -> Share:
    """How many were stopped of those that left chance after `LATE` of the budget and ended in the best `TOP` of the pool."""
    least = sorted((run.best for run in dataset), reverse=True)[max(0, int(TOP * len(dataset)) - 1)]
    pairs = [(run, stop) for run, stop in zip(dataset, where, strict=True) if run.best >= least and _leaves(run) > LATE]
    return Share(sum(stop is not None for _, stop in pairs), len(pairs))


def _leaves(run: Run) -> float:
    """When a training left chance, as a share of its budget; 0 if it never stood there."""
    curve = Telemetry(run.epochs)
    return (levels.left_chance(curve, run.facts, reading.window(curve, run.facts, 5)) or 0) / run.facts.budget
