"""The pool of a workload: configurations of its space, drawn at random and trained to the end once, however they go.

Every method searches the same space, and a proposal is answered by the recorded curve of the nearest configuration, as in
benchmarks by table such as NAS-Bench-101 (Ying et al., ICML 2019).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
from pitprop import space as spaces
from pitprop import telemetry, trainer
from pitprop.detection import levels
from pitprop.space import Space
from pitprop.telemetry import Epoch, Telemetry
from pitprop.trainer import Change, Context, Epochs, Lane, Start

from tests.bench.search.table import Table, suggest

SPACES = {
    "imbalanced": "focal_alpha",
    "two_stream": "loss_weights",
    "contrastive": "contrastive_warmup",
    "events": "events_lr",
    "steady": str(Path(__file__).with_name("steady.yaml")),
    "late": str(Path(__file__).with_name("late.yaml")),
}
"""The space of each workload. The last two are ``imbalanced`` again: where collapses are rare, and where winners learn late."""
SIZES = {"imbalanced": 512, "two_stream": 128, "contrastive": 128, "events": 128, "steady": 512, "late": 256}
"""Configurations of each pool, as many as a core trains in a few minutes. Where they are few, neighbours are far apart."""
GROUP = 32
GOOD, LATE, READINGS = 0.9, 0.4, 3
"""Winners are above this quantile; a late one has so many readings above chance only after this share of the budget."""
TIMED = 6
"""Epochs that are timed, after one that is not."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Configurations by number: their ``values``, as Optuna's, and their curves."""

    space: Space
    values: Sequence[Mapping[str, Any]]
    curves: Sequence[Telemetry]
    table: Table
    late: frozenset[int]
    """The winners that learn late: of the best tenth, those that leave chance after 40 % of the budget."""


def space(workload: str) -> Space:
    """The space of a workload without what gives a search a start: trained baselines and points. No early stopping either.

    Nor are remedies tried: in a pool of 128 the configuration nearest to one is mostly that which it is to mend.
    """
    found = spaces.load(SPACES[workload])
    recorded = tuple(baseline for baseline in found.baselines if baseline.params is None)
    return replace(found, baselines=recorded, points=(), early_stopping=None, timeout=None, remedies="suggest")


def drawn(found: Space) -> Iterator[dict[str, Any]]:
    """Configurations at random that hold the constraints, always the same."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=found.seed))
    while True:
        values = suggest(found, study.ask())
        if not found.violated(values):
            yield values


def train(folder: Path, workload: str, size: int) -> None:
    """Trains what the pool lacks of ``size`` configurations; what was trained before is kept."""
    found, file = space(workload), folder / f"{workload}.jsonl"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_asked(found)) + "\n", encoding="utf-8")
    have = len(file.read_text(encoding="utf-8").splitlines()) - 1
    wanted = [values for _, values in zip(range(size), drawn(found), strict=False)][have:]
    for group in (wanted[at : at + GROUP] for at in range(0, len(wanted), GROUP)):
        began = time.perf_counter()
        curves = trained(found, group)
        rows = [{"values": values, "curve": curve} for values, curve in zip(group, curves, strict=True)]
        with file.open("a", encoding="utf-8") as out:
            out.write("".join(json.dumps(row) + "\n" for row in rows))
        print(f"  {workload}: {len(group)} trained in {time.perf_counter() - began:.0f} s", flush=True)


@cache
def load(folder: Path, workload: str, size: int) -> Pool:
    """The first ``size`` configurations of a pool; ``ValueError`` if the space has changed since they were trained."""
    found, file = space(workload), folder / f"{workload}.jsonl"
    head, *rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[: size + 1])
    if head != _asked(found):
        raise ValueError(f"{file} was trained in another space of {workload}: remove it, or say --pool with another folder")
    values = [row["values"] for row in rows]
    curves = [Telemetry(Epoch(epoch.pop("step"), epoch) for epoch in row["curve"]) for row in rows]
    scores = [telemetry.series(curve, found.objective.metric) for curve in curves]
    table = Table.of(found, values, scores)
    return Pool(found, values, curves, table, frozenset(_late(found, values, curves, table)))


def _late(found: Space, values: Sequence[Mapping[str, Any]], curves: Sequence[Telemetry], table: Table) -> Iterator[int]:
    for number in np.flatnonzero(np.nan_to_num(table.scores, nan=-math.inf).max(axis=1) >= table.target(GOOD)):
        left = levels.left_chance(curves[number], found.known_of(values[number], found.flat(values[number])), READINGS)
        if left is not None and left > LATE * found.epochs:
            yield int(number)


def seconds(found: Space, lanes: int) -> float:
    """Seconds that an epoch of one training takes beside others, ``lanes`` in all: the median of a few, in this process."""
    training = _training(found, [values for _, values in zip(range(lanes), drawn(found), strict=False)])
    took = []
    for _ in range(TIMED + 1):
        began = time.perf_counter()
        next(training)
        took.append(time.perf_counter() - began)
    training.close()
    return median(took[1:]) / lanes


def _asked(found: Space) -> dict[str, Any]:
    """What a curve depends on, as JSON gives it back."""
    leaves = {leaf.name: str(leaf.distribution) for leaf in found.leaves}
    asked = {"epochs": found.epochs, "seed": found.seed, "options": found.options, "constants": found.constants, "leaves": leaves}
    return dict(json.loads(json.dumps(asked)))


def trained(found: Space, group: Sequence[Mapping[str, Any]]) -> list[list[dict[str, float]]]:
    curves: list[list[dict[str, float]]] = [[] for _ in group]
    training = _training(found, group)
    for _, epochs in zip(range(found.epochs), training, strict=False):
        for lane, epoch in epochs.items():
            curves[lane.trial].append({"step": epoch.step, **epoch.metrics})
    training.close()
    return curves


def _training(found: Space, group: Sequence[Mapping[str, Any]]) -> Generator[Epochs, Change, None]:
    context = Context(found.epochs, found.options, metric=found.objective.metric)
    starts = [Start(Lane(number, 0), found.params(values), found.seed, "") for number, values in enumerate(group)]
    training: Generator[Epochs, Change, None] = trainer.load(found.trainer).train_lanes(starts, context)
    return training
