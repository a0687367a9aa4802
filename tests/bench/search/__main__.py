"""How many epochs a search needs to reach a score, ours and its peers: ``make bench-search``.

Configurations of each workload's space are trained to the end once, into a folder that is kept; every method then searches the
same space, and its proposals are answered from there (see ``pool``). There is one worker and one training at a time, so that a
search is its epochs, each of which counts. It ends when an epoch reaches the higher of two targets, quantiles of the pool's best
scores, or when all trials are spent; with ``--whole`` it goes on until they are, which tells how good a search is in the end. One
that misses a target counts with the epochs that all trials would have had. Trained baselines, points, remedies and early
stopping are left out for all. Our gates are the space's.

Seconds are epochs times what one takes alone on this machine (in lanes: beside seven others), and the method's own. All are
medians. Tune proposes one trial ahead, as it keeps its actors only then, and does fewer seeds.

A late winner (see ``pool``) is lost by a search that proposed it and did not train it to its best. With a target that is what a
search ends with; with ``--whole`` it is what a method never trains.

With ``--seconds`` trainings are real, and what counts is the time (see ``seconds``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from tests.bench.search import pool
from tests.bench.search.figures import HEADER, lines, spent, verdict
from tests.bench.search.meter import Found, Task
from tests.bench.search.ours import LANES, OURS, ended
from tests.bench.search.peers import PEERS

TUNE = "Ray Tune, OptunaSearch and ASHA"
METHODS: dict[str, Callable[[Task], Found]] = {**OURS, **PEERS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains what the pools lack, runs the searches that the log lacks, prints a table for each workload."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options = _options(arguments)
    if options.seconds:
        from tests.bench.search import seconds

        chosen = seconds.WORKLOADS if options.workloads == list(pool.SPACES) else options.workloads
        for workload in chosen:
            pool.train(options.pool, workload, pool.SIZES[workload])
        seconds.table(options.pool, chosen, _seeds(options), options.limit)
        return 0
    for workload in options.workloads:
        pool.train(options.pool, workload, _size(options, workload))
    tasks = [task for workload in options.workloads for task in _tasks(options, workload)]
    log = Log(options.log)
    for task in tasks:
        for name in (name for name in options.methods if name != TUNE):
            log.run(name, task, METHODS[name])
    if TUNE in options.methods and options.tune_seeds:
        from tests.bench.search import tuned

        with tuned.running():
            for task in (task for task in tasks if task.seed in _seeds(options)[: options.tune_seeds]):
                log.run(TUNE, task, tuned.asha)
    medians: dict[str, list[float]] = {}
    for workload in options.workloads:
        for name, median in _print(workload, [task for task in tasks if task.workload == workload], log, options).items():
            medians.setdefault(name, []).append(median)
    complete = {name: values for name, values in medians.items() if len(values) == len(options.workloads)}
    if peers := [name for name in complete if not name.startswith("pitprop")]:
        print("\nGeometric means over the workloads:", *verdict(complete, peers), sep="\n", flush=True)
    return 0


class Log:
    """The searches done, in memory and in a file, a line each; those in the file are not run again."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        rows = file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []
        self._found = {key: Found(*found) for key, found in map(json.loads, rows)}

    def run(self, name: str, task: Task, method: Callable[[Task], Found]) -> None:
        """Does the search if it has not been done."""
        if self.found(name, task) is not None:
            return
        found = self._found[_key(name, task)] = method(task)
        print(f"  {task.workload}, seed {task.seed}, {name}: {found.epochs}", flush=True)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([_key(name, task), found]) + "\n")

    def found(self, name: str, task: Task) -> Found | None:
        """How the search went; None if it has not been done."""
        return self._found.get(_key(name, task))


def _key(name: str, task: Task) -> str:
    return f"{name} on {task.workload}: {task.size}, {task.stop:.6f}, {task.trials}, {task.seed}"


def _tasks(options: argparse.Namespace, workload: str) -> list[Task]:
    size = _size(options, workload)
    stop = math.inf if options.whole else max(_targets(options, workload))
    return [Task(options.pool, workload, size, stop, options.trials, seed) for seed in _seeds(options)]


def _seeds(options: argparse.Namespace) -> range:
    return range(options.first_seed, options.first_seed + options.seeds)


def _targets(options: argparse.Namespace, workload: str) -> list[float]:
    table = pool.load(options.pool, workload, _size(options, workload)).table
    return [table.target(quantile) for quantile in options.targets]


def _size(options: argparse.Namespace, workload: str) -> int:
    return int(options.size or pool.SIZES[workload])


def _print(workload: str, tasks: Sequence[Task], log: Log, options: argparse.Namespace) -> dict[str, float]:
    """The table of a workload, which begins with what the pool is like; the median epochs of each method to the first target."""
    found, budget, targets = tasks[0].pool, tasks[0].budget, _targets(options, workload)
    dead, reaching = ended(found), [max(curve) >= targets[0] for curve in found.table.scores]
    both = sum(one and other for one, other in zip(dead, reaching, strict=True))
    wanted = " and ".join(f"{target:.4f}" for target in targets)
    print(f"\n{workload} ({found.space.name}): {found.space.objective.metric} of {wanted} within {budget} epochs;", end=" ")
    print(
        f"of {len(dead)} trainings the signatures end {sum(dead)}, {both} of them among the {sum(reaching)} that reach it;",
        end=" ",
    )
    print(f"{len(found.late)} winners learn late")
    rows = {name: [one for task in tasks if (one := log.found(name, task)) is not None] for name in options.methods}
    rows = {name: searches for name, searches in rows.items() if searches}
    widths = {name: LANES if name.endswith(" lanes") else 1 for name in rows}
    rates = {width: pool.seconds(found.space, width) for width in set(widths.values())}
    print(HEADER)
    ceiling = float(np.nanmax(found.table.scores))
    for line in lines(rows, budget, targets, ceiling, {name: rates[widths[name]] for name in rows}):
        print(line, flush=True)
    return {name: float(np.median(spent(searches, targets[0], budget))) for name, searches in rows.items()}


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="tests.bench.search", description=(__doc__ or "").split("\n")[0])
    names = [*METHODS, TUNE]
    parser.add_argument("--workloads", nargs="+", choices=list(pool.SPACES), default=list(pool.SPACES), help="what to search")
    parser.add_argument("--methods", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {names}")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="searches of each method (20)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="the others follow it (0)")
    parser.add_argument("--tune-seeds", type=int, default=5, metavar="N", help="of Ray Tune, which takes the longest (5)")
    parser.add_argument("--trials", type=int, default=64, metavar="N", help="trials of a search (64)")
    two = "two quantiles of the pool's best scores (0.95 0.99)"
    parser.add_argument("--targets", type=float, nargs=2, default=[0.95, 0.99], metavar="Q", help=two)
    parser.add_argument("--whole", action="store_true", help="go on until all trials are spent")
    races = "seconds to the first target with real trainings instead, ours in lanes, Tune's ASHA and Optuna's Hyperband"
    parser.add_argument("--seconds", action="store_true", help=races)
    parser.add_argument("--limit", type=float, default=60, metavar="S", help="with --seconds: what a search may take (60)")
    parser.add_argument("--size", type=int, metavar="N", help="configurations of a pool (128, or 512 where they train fast)")
    parser.add_argument("--pool", type=Path, default=Path("runs/bench-search"), help="folder of the pools (runs/bench-search)")
    parser.add_argument("--log", type=Path, help="a file for the searches, a line each; those in it are not run again")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
