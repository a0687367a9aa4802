"""What training trials as one gains, by workload and width: ``make bench-lanes``. Best on a machine that does nothing else.

Each figure is of processes of their own with one thread each, and of the median epoch after the first. Lanes are a group that a
`pitprop.workers.worker.Worker` advances, checkpoints and all. *floor* is what the matrix products and convolutions of an epoch
would take at the rate of this machine's own large products. *plain* is the same training as one writes it by hand in PyTorch, one
trial at a time and with fewer readings: see ``plain/``. The last lines of a workload fill the cores with processes side by side:
plain ones, as many as do best; Ray Tune with one CPU a trial, whose actors train plainly and are kept, data and all, and without
loggers; and groups of the best width. Plain lines and those of several groups are the best of three runs, all others one run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence

from measure import HERE, execute

BUDGETS = {"imbalanced": 24, "two_stream": 30, "contrastive": 30, "events": 20}
"""The epochs of a trial in the workload's shipped space."""
WIDTHS = (1, 4, 8, 16, 32)
"""32 is as wide as a search makes its groups by itself."""
REPEATS = 3
"""How often that is run of which the best run counts."""
TUNED = 15.0
"""Seconds that Tune's trials take at least, about, if they were all that runs."""
COLUMNS = {"plain": "times plain", "tune": "times Tune", "one": "times 1"}


def main() -> int:
    """Measures in turn and prints a line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workloads", nargs="+", choices=list(BUDGETS), default=list(BUDGETS), help="what to train")
    parser.add_argument("--widths", nargs="+", type=int, default=list(WIDTHS), metavar="K", help="lanes of a group")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="epochs to time at least (5), after one that is not")
    parser.add_argument("--no-tune", action="store_true", help="leave Ray Tune out")
    options = parser.parse_args()
    columns = "".join(f"{title:>13}" for title in COLUMNS.values())
    print(f"{'workload':<13}{'lanes':>6}{'lane-epochs/s':>15}{columns}{'of floor':>10}{'trials/h':>11}")
    for workload in options.workloads:
        floor, plain, best = _alone(workload, sorted(set(options.widths)), options.epochs)
        _together(workload, floor, plain, best, options.epochs, not options.no_tune)
    return 0


def _alone(workload: str, widths: Sequence[int], epochs: int) -> tuple[float, float, int]:
    """Prints what one process does; the floor, the plain rate, and the best of the widths."""
    floor = _rate("floor", workload)
    _print(workload, workload, "floor", floor, floor)
    plain = max(_rate("plain", workload, epochs) for _ in range(REPEATS))
    _print(workload, workload, "plain", plain, floor, plain=plain)
    rates: dict[int, float] = {}
    for width in widths:
        rates[width] = _rate("group", workload, width, epochs)
        _print(workload, workload, str(width), rates[width], floor, plain=plain, one=rates.get(1))
    return floor, plain, max(rates, key=rates.__getitem__)


def _together(workload: str, floor: float, plain: float, best: int, epochs: int, tune: bool) -> None:
    """Prints what processes do that fill the cores."""
    cores = len(os.sched_getaffinity(0))
    counts = sorted({cores, -(-cores // 2), -(-cores // 4)} - {1}) or [1]  # one process for each core need not be the most
    count, most = max(((n, _most("plain", workload, epochs, processes=n)) for n in counts), key=lambda pair: pair[1])
    _print(workload, _processes(count), "plain", most, None, plain=most)
    tuned = _tuned(workload, cores, max(2, round(TUNED * plain / BUDGETS[workload]))) if tune else None
    if tuned is not None:
        _print(workload, _processes(cores), "Tune", tuned, None, plain=most, tune=tuned)
    groups = _most("group", workload, best, epochs, processes=cores)
    _print(workload, _processes(cores), str(best), groups, None, plain=most, tune=tuned)


def _print(workload: str, first: str, second: str, rate: float, floor: float | None, **others: float | None) -> None:
    ratios = [f"{rate / other:.2f}" if (other := others.get(name)) else "" for name in COLUMNS]
    share = f"{rate / floor:.1%}" if floor else ""
    hourly = 3600 * rate / BUDGETS[workload]
    print(f"{first:<13}{second:>6}{rate:>15.1f}{''.join(f'{one:>13}' for one in ratios)}{share:>10}{hourly:>11,.0f}", flush=True)


def _processes(count: int) -> str:
    return f"  {count} processes"


def _most(*arguments: object, processes: int) -> float:
    """The best of several runs."""
    return max(_rate(*arguments, processes=processes) for _ in range(REPEATS))


def _rate(*arguments: object, processes: int = 1) -> float:
    """Lane-epochs a second of ``processes`` side by side, each as `rates` has it."""
    command = [str(HERE / "rates.py"), *map(str, arguments)]
    return sum(float(output.splitlines()[-1]) for output in execute([command] * processes))


def _tuned(workload: str, cores: int, trials: int) -> float:
    """Epochs a second of Ray Tune, with so many trials for each of the ``cores``."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        numbers = [cores * trials, BUDGETS[workload], cores]
        (output,) = execute([[str(HERE / "tuned.py"), "plain", folder, workload, *map(str, numbers)]])
    return float(json.loads(output.splitlines()[-1])["rate"])


if __name__ == "__main__":
    sys.exit(main())
