"""Whether what a verdict advises helps: ``make bench-remedies``.

For each workload and seed a search of trials drawn at random, with ``remedies: try``. Then what is left to try at its end is
trained too, to the whole budget. A try has left chance if it was not stopped, and the last tenth of its readings stands a tenth
of the way from chance to the best of its search, the rule by which the development curves are labelled; of a contrastive
training, whose neighbours need no training, the loss below 97 % of ln(batch - 1). Gates are left out, and what warnings
advise to trials that were not stopped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import ceil, isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from pitprop import telemetry
from pitprop.detection import chance
from pitprop.driver.loop import Search
from pitprop.space import Method, Space
from pitprop.study.record import Record, State
from pitprop.study.remedies import FollowUps
from pitprop.study.study import opened
from pitprop.telemetry import Epoch, Telemetry
from pitprop.trainer import Context
from pitprop.workers.launch import Inline, Job

from tests.bench.search import pool

WORKLOADS = ("imbalanced", "two_stream", "contrastive", "events")
OBJECTIVES = {"imbalanced": ("val/macro_f1", 0.0), "two_stream": ("val/top1", 0.1), "events": ("val/element_f1", 0.0)}
"""The objective and its chance, which for the first is that of predicting the majority."""
AWAY = 0.1
LOSS = 0.97


@dataclass
class Tally:
    """Of one workload: trials that signatures stopped, and of ``tried`` remedies those that ``left`` chance, by their cause."""

    trials: int = 0
    stopped: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    later: Counter[str] = field(default_factory=Counter)
    later_left: Counter[str] = field(default_factory=Counter)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each workload, and of how many remedies that were tried how many left chance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="searches of each workload (2)")
    parser.add_argument("--trials", type=int, default=48, metavar="N", help="trials of a search (48)")
    parser.add_argument("--verbose", action="store_true", help="print every try")
    options = parser.parse_args(arguments)
    tallies = {}
    print(f"{'':<12}{'trials':>7}{'stopped':>9}{'tried':>7}{'left chance':>13}{'tried later':>13}{'left chance':>13}")
    for workload in options.workloads:
        tally = tallies[workload] = Tally()
        for seed in range(1, options.seeds + 1):
            measure(workload, seed, options.trials, tally, options.verbose)
        print(_row(workload, [tally]), flush=True)
        for cause in sorted(tally.tried + tally.later):
            told = f"{tally.left[cause]} of {tally.tried[cause]}, later {tally.later_left[cause]} of {tally.later[cause]}"
            print(f"  {cause}: {told}", flush=True)
    print(_row("all", list(tallies.values())))
    return 0


def measure(workload: str, seed: int, trials: int, tally: Tally, verbose: bool) -> None:
    """Adds one search and what was left to try at its end."""
    found = replace(pool.space(workload), seed=seed, trials=trials, sampler=Method("random", {}), gates=(), remedies="try")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        records = list(_searched(found, Path(name)))
        curves = {record.number: telemetry.read(telemetry.file(record.folder)) for record in records}
    scores = [score for curve in curves.values() for score in telemetry.series(curve, found.objective.metric) if isfinite(score)]
    best = max(scores)
    tally.trials += len(records)
    tally.stopped += sum(record.ending is not None for record in records)
    for record in records:
        if record.remedy_of is not None and records[record.remedy_of].ending is not None:
            good = record.state == State.COMPLETE and left_chance(workload, curves[record.number], best)
            tally.tried[record.cause] += 1
            tally.left[record.cause] += good
            if verbose:
                parent = records[record.remedy_of]
                _tell(good, record.cause, parent.params, {n: v for n, v in record.params.items() if parent.params.get(n) != v})
    later = [one for one in FollowUps(found, records).all() if records[one.remedy_of].ending is not None]
    for group in (later[at : at + pool.GROUP] for at in range(0, len(later), pool.GROUP)):
        for one, rows in zip(group, pool.trained(found, [one.values for one in group]), strict=True):
            curve = Telemetry(Epoch(int(row.pop("step")), row) for row in rows)
            good = len(curve) == found.epochs and left_chance(workload, curve, best)
            tally.later[one.cause] += 1
            tally.later_left[one.cause] += good
            if verbose:
                _tell(good, one.cause, records[one.remedy_of].params, one.change)


def left_chance(workload: str, curve: Telemetry, best: float) -> bool:
    """Whether the last tenth of a training stands away from chance, in a study whose best score is ``best``."""
    count = ceil(len(curve) / 10)
    if workload == "contrastive":
        losses = telemetry.series(curve, "val/loss_ratio")[-count:]
        return bool(losses) and all(map(isfinite, losses)) and fmean(losses) < LOSS
    name, level = {"imbalanced": ("val/macro_f1", 0.0), "two_stream": ("val/top1", 0.1), "events": ("val/element_f1", 0.0)}[
        workload
    ]
    if workload == "imbalanced":
        counts = [count for metric, count in curve[0].metrics.items() if metric.startswith("val/labels/")]
        level = chance.macro_f1(counts, counts.index(max(counts)))
    scores = [score if isfinite(score) else level for score in telemetry.series(curve, name)[-count:]]
    return bool(scores) and fmean(scores) - level > AWAY * (best - level)


def _searched(found: Space, folder: Path) -> Iterator[Record]:
    with opened(found, f"sqlite:///{folder}/study.db", folder) as study:
        study.checkpoints.mkdir()
        launcher = Inline(Job(found.trainer, Context(found.epochs, found.options), study.checkpoints), cpus=1)
        with closing(launcher):
            for _ in Search(found, study, launcher, width=lambda _workers: 8).events():
                pass
        yield from study.records()


def _row(name: str, tallies: Sequence[Tally]) -> str:
    trials, stopped = (sum(getattr(one, what) for one in tallies) for what in ("trials", "stopped"))
    tried, left, later, later_left = (
        sum(getattr(one, what).total() for one in tallies) for what in ("tried", "left", "later", "later_left")
    )
    shares = [f"{good} ({good / of:.0%})" if of else "" for good, of in ((left, tried), (later_left, later))]
    return f"{name:<12}{trials:>7}{stopped:>9}{tried:>7}{shares[0]:>13}{later:>13}{shares[1]:>13}"


def _tell(good: bool, cause: str, params: Mapping[str, Any], change: Mapping[str, Any]) -> None:
    print(f"    {'left' if good else 'DEAD'} {cause}: {dict(change)} instead of {dict(params)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
