"""How many epochs a search needs to reach a score, ours and its peers: ``make bench-search``.

Configurations of each workload's space are trained to the end once, into a folder that is kept; every method then searches the
same space, and its proposals are answered from there (see ``pool``). There is one worker and one training at a time, so that a
search is its epochs, each of which counts. It ends when an epoch reaches the target, a quantile of the pool's best scores, or
when all trials are spent; one that misses the target counts with the epochs that all trials would have had. Trained baselines,
points and early stopping are left out for all. Our gates are the space's, and a row shows us without them.

Seconds are epochs times what one takes alone on this machine (in lanes: beside seven others), and the method's own. All are
medians. Tune proposes one trial ahead, as it keeps its actors only then, and does fewer seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna

from tests.bench.search import pool
from tests.bench.search.figures import HEADER, OWN, lines, verdict
from tests.bench.search.meter import Found, Task
from tests.bench.search.ours import LANES, OURS, ended
from tests.bench.search.peers import PEERS

TUNE = "Ray Tune, OptunaSearch and ASHA"
METHODS: dict[str, Callable[[Task], Found]] = {**OURS, **PEERS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains what the pools lack, runs the searches that the log lacks, prints a table for each workload."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options = _options(arguments)
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
            for task in (task for task in tasks if task.seed < options.tune_seeds):
                log.run(TUNE, task, tuned.asha)
    for workload in options.workloads:
        _print(workload, [task for task in tasks if task.workload == workload], log, options.methods)
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
        print(f"  {task.workload}, seed {task.seed}, {name}: {found.epochs}{'' if found.reached else ', missed'}", flush=True)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([_key(name, task), found]) + "\n")

    def found(self, name: str, task: Task) -> Found | None:
        """How the search went; None if it has not been done."""
        return self._found.get(_key(name, task))


def _key(name: str, task: Task) -> str:
    return f"{name} on {task.workload}: {task.size}, {task.target:.6f}, {task.trials}, {task.seed}"


def _tasks(options: argparse.Namespace, workload: str) -> list[Task]:
    size = _size(options, workload)
    target = pool.load(options.pool, workload, size).table.target(options.target)
    return [Task(options.pool, workload, size, target, options.trials, seed) for seed in range(options.seeds)]


def _size(options: argparse.Namespace, workload: str) -> int:
    return int(options.size or pool.SIZES[workload])


def _print(workload: str, tasks: Sequence[Task], log: Log, methods: Sequence[str]) -> None:
    """The table of a workload, which begins with what the pool is like."""
    found, budget, target = tasks[0].pool, tasks[0].budget, tasks[0].target
    dead, reaching = ended(found), [max(curve) >= target for curve in found.table.scores]
    both = sum(one and other for one, other in zip(dead, reaching, strict=True))
    metric = found.space.objective.metric
    print(
        f"\n{workload} ({found.space.name}): {metric} of {target:.4f} within {budget} epochs; of {len(dead)} trainings the",
        end=" ",
    )
    print(f"signatures end {sum(dead)}, {both} of them among the {sum(reaching)} that reach it")
    rows = {name: [one for task in tasks if (one := log.found(name, task)) is not None] for name in methods}
    rows = {name: searches for name, searches in rows.items() if searches}
    widths = {name: LANES if name.endswith(" lanes") else 1 for name in rows}
    rates = {width: pool.seconds(found.space, width) for width in set(widths.values())}
    print(HEADER)
    for line in lines(rows, budget, {name: rates[widths[name]] for name in rows}):
        print(line)
    others = [name for name in rows if name not in OURS]
    if OWN in rows and others:
        print(verdict(rows, others, budget), flush=True)


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="tests.bench.search", description=(__doc__ or "").split("\n")[0])
    names = [*METHODS, TUNE]
    parser.add_argument("--workloads", nargs="+", choices=list(pool.SPACES), default=list(pool.SPACES), help="what to search")
    parser.add_argument("--methods", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {names}")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="searches of each method (20)")
    parser.add_argument("--tune-seeds", type=int, default=5, metavar="N", help="of Ray Tune, which takes the longest (5)")
    parser.add_argument("--trials", type=int, default=64, metavar="N", help="trials of a search (64)")
    parser.add_argument("--target", type=float, default=0.95, metavar="Q", help="quantile of the pool's best scores (0.95)")
    parser.add_argument("--size", type=int, metavar="N", help="configurations of a pool (128, or 512 where they train fast)")
    parser.add_argument("--pool", type=Path, default=Path("runs/bench-search"), help="folder of the pools (runs/bench-search)")
    parser.add_argument("--log", type=Path, help="a file for the searches, a line each; those in it are not run again")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
