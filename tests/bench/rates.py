"""Measures one rate in this process: ``python rates.py floor WORKLOAD | plain WORKLOAD EPOCHS | group WORKLOAD WIDTH EPOCHS``.

Prints trained epochs a second, those of all lanes together. What happens once, such as loading data, is left out.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitprop.trainer import Change
    from pitprop.workers.worker import Worker

LEAST = 1.0
"""Seconds that a training is timed for at least, as epochs of one lane are short."""
BUDGET = 1000
"""Epochs that a training here may go on for; it never ends by itself."""
SIDE = 1024
"""Of the square matrices whose product shows what the machine can do."""


def group(workload: str, width: int, epochs: int) -> float:
    """``width`` lanes that differ in their learning rates, trained by a worker that keeps checkpoints of them."""
    from pitprop.trainer import Change

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        worker = _worker(workload, folder)
        _advance(worker, _begin(width, folder))
        rate = width / _median(lambda: _advance(worker, Change()), epochs)
        worker.close()
    return rate


def plain(workload: str, epochs: int) -> float:
    """One training by hand, with the learning rate that one lane has."""
    from plain.training import train

    by_hand = importlib.import_module(f"plain.{workload}")
    training = train(by_hand.begin(by_hand.load(), {"lr": _rates(1)[0]}, BUDGET), BUDGET)
    next(training)
    return 1 / _median(lambda: next(training), epochs)


def floor(workload: str) -> float:
    """As many epochs as their products alone allow, at the rate of this machine's own large ones in float32 and one thread."""
    import torch
    from pitprop.trainer import Change
    from torch.utils.flop_counter import FlopCounterMode

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
    return float(2 * SIDE**3 / (counter.get_total_flops() * min(seconds)))


def _median(train: Callable[[], object], epochs: int) -> float:
    """Seconds of the median epoch, of as many as are asked for at least."""
    seconds: list[float] = []
    while len(seconds) < epochs or sum(seconds) < LEAST:
        began = time.perf_counter()
        train()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _worker(workload: str, folder: str) -> Worker:
    from pitprop.trainer import Context
    from pitprop.workers.worker import Worker

    worker = Worker(f"pitprop.trainers.{workload}", Context(epochs=BUDGET), str(Path(folder) / "group.ckpt"))
    problem = worker.warm()
    if problem is not None:
        raise SystemExit(problem)
    return worker


def _begin(width: int, folder: str) -> Change:
    from pitprop.trainer import Change, Lane, Start

    started = [Start(Lane(number, 0), {"lr": rate}, number, folder) for number, rate in enumerate(_rates(width))]
    return Change(started=started)


def _rates(width: int) -> list[float]:
    """Learning rates from 1e-4 to 1e-2."""
    return [1e-4 * 100 ** ((number + 0.5) / width) for number in range(width)]


def _advance(worker: Worker, change: Change) -> None:
    from pitprop.workers.worker import Failure

    answer = worker.advance(change)
    if isinstance(answer, Failure):
        raise SystemExit(answer.traceback or answer.error)


if __name__ == "__main__":
    measures: dict[str, Callable[..., float]] = {"group": group, "plain": plain, "floor": floor}
    kind, name, *numbers = sys.argv[1:]
    print(measures[kind](name, *map(int, numbers)))
