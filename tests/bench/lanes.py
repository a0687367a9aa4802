"""What training trials as one gains, by workload and width: ``make bench-lanes``. Best on a machine that does nothing else.

Each figure is of a process of its own with one thread: a `search.worker.Worker` advances a group of lanes, checkpoints and all,
and the median epoch after the first counts. *floor* is what the matrix products and convolutions of a lane's epoch would take at
the rate of this machine's own large products. *plain* is the same training as one writes it by hand in PyTorch, with fewer
readings. The last lines of a workload are of processes side by side. These and the plain ones are the best of three runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from measure import HERE, execute

if TYPE_CHECKING:
    from search.trainer import Change
    from search.worker import Worker

BUDGETS = {"imbalanced": 24, "two_stream": 30, "contrastive": 30, "events": 20}
"""The epochs of a trial in the workload's shipped space."""
WIDTHS = (1, 2, 4, 8, 16, 32, 64)
LEAST = 1.0
"""Seconds that a group is timed for at least, as epochs of one lane are short."""
PLAIN, REPEATS = 16, 3
"""Trials of ten epochs that each process of the plain training goes through, and how often it is run."""
SIDE = 1024


def main() -> int:
    """Measures in turn and prints a line for each width."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workloads", nargs="+", choices=list(BUDGETS), default=list(BUDGETS), help="what to train")
    parser.add_argument("--widths", nargs="+", type=int, default=list(WIDTHS), metavar="K", help="lanes of a group")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="epochs to time at least (5), after one that is not")
    options = parser.parse_args()
    print(f"{'workload':<13}{'lanes':>6}{'lane-epochs/s':>15}{'times plain':>13}{'times 1':>9}{'of floor':>10}{'trials/h':>11}")
    for workload in options.workloads:
        _measure(workload, sorted(set(options.widths)), options.epochs)
    return 0


def _measure(workload: str, widths: Sequence[int], epochs: int) -> None:
    """Prints the floor, the plain training where there is one, and the widths of a workload; then both on every core."""
    floor = 1 / _answers([["floor", workload]])[0]
    _print(workload, "floor", floor, None, None, floor)
    plain = _plain(1) if workload == "imbalanced" else None
    if plain is not None:
        _print(workload, "plain", plain, plain, None, floor)
    rates = {}
    for width in widths:
        rates[width] = _answers([["group", workload, str(width), str(epochs)]])[0]
        _print(workload, str(width), rates[width], plain, rates.get(1), floor)
    cores = len(os.sched_getaffinity(0))
    if plain is not None and cores > 1:
        count, most = max(((count, _plain(count)) for count in range(2, cores + 1)), key=lambda pair: pair[1])
        _print(f"  {count} processes", "plain", most, most, None, None)
        best = max(rates, key=rates.__getitem__)
        command = ["group", workload, str(best), str(epochs)]
        side_by_side = max(sum(_answers([command] * cores)) for _ in range(REPEATS))
        _print(f"  {cores} processes", str(best), side_by_side, most, None, None)


def _print(workload: str, label: str, rate: float, plain: float | None, one: float | None, floor: float | None) -> None:
    ratios = [f"{rate / other:.2f}" if other else "" for other in (plain, one)]
    share = f"{rate / floor:.1%}" if floor else ""
    hourly = 3600 * rate / BUDGETS.get(workload, BUDGETS["imbalanced"])
    print(f"{workload:<13}{label:>6}{rate:>15.1f}{ratios[0]:>13}{ratios[1]:>9}{share:>10}{hourly:>11,.0f}", flush=True)


def _answers(commands: Sequence[Sequence[str]]) -> list[float]:
    """What this file prints in processes side by side."""
    return [float(output.splitlines()[-1]) for output in execute([[str(HERE / "lanes.py"), *command] for command in commands])]


def _plain(count: int) -> float:
    """Epochs a second of the plain training in ``count`` processes side by side."""
    commands = [[str(HERE / "bare.py"), "torch", str(PLAIN * n), str(PLAIN * (n + 1))] for n in range(count)]
    rates = []
    for _ in range(REPEATS):
        answers = [json.loads(output) for output in execute(commands)]
        rates.append(sum(answer["epochs"] / (answer["ended"] - answer["began"]) for answer in answers))
    return float(max(rates))


def group(workload: str, width: int, epochs: int) -> float:
    """Lane-epochs a second of ``width`` lanes that differ in their learning rates."""
    from search.trainer import Change

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        worker = _worker(workload, folder)
        _advance(worker, _begin(width, folder))
        seconds: list[float] = []
        while len(seconds) < epochs or sum(seconds) < LEAST:
            began = time.perf_counter()
            _advance(worker, Change())
            seconds.append(time.perf_counter() - began)
        worker.close()
    return width / statistics.median(seconds)


def floor(workload: str) -> float:
    """Seconds that the products of one lane's epoch take at the machine's best rate, in float32 and one thread."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from search.trainer import Change

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        worker = _worker(workload, folder)
        _advance(worker, _begin(1, folder))
        with FlopCounterMode(display=False) as counter:
            _advance(worker, Change())
        worker.close()
    a, b = torch.randn(2, SIDE, SIDE)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - began)
    return float(counter.get_total_flops() * min(seconds) / (2 * SIDE**3))


def _worker(workload: str, folder: str) -> Worker:
    from search.trainer import Context
    from search.worker import Worker

    worker = Worker(f"trainers.{workload}", Context(epochs=1000), str(Path(folder) / "group.ckpt"))
    problem = worker.warm()
    if problem is not None:
        raise SystemExit(problem)
    return worker


def _begin(width: int, folder: str) -> Change:
    from search.trainer import Change, Lane, Start

    rates = [1e-4 * 100 ** ((number + 0.5) / width) for number in range(width)]
    return Change(started=[Start(Lane(number, 0), {"lr": rate}, number, folder) for number, rate in enumerate(rates)])


def _advance(worker: Worker, change: Change) -> None:
    from search.worker import Failure

    answer = worker.advance(change)
    if isinstance(answer, Failure):
        raise SystemExit(answer.traceback or answer.error)


if __name__ == "__main__":
    if sys.argv[1:2] == ["group"]:
        print(group(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    elif sys.argv[1:2] == ["floor"]:
        print(floor(sys.argv[2]))
    else:
        sys.exit(main())
