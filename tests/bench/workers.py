"""What a search's driver costs by its number of workers: ``make bench-workers``, on a real Ray with trainings that only wait.

Each training yields an epoch every ``--pause`` seconds. Printed are, by workers: seconds from the launch to the first epoch, how
many epochs came in a second and how many could have, and what share of a core the driver's process took (Ray's threads in it too)
between the first epoch and the last. All of it is of a machine that may be busy: the load is printed beside it.

``--trials 10000`` is a study of so many trials instead, on simulated workers that answer at once, so that all of the time is the
driver's: after each thousand the milliseconds of the processor that a trial has cost, and of these what asking, judging and
telling took. The share of a core is what that comes to where 64 workers train an epoch each ``--pause`` seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from pitprop import space as spaces
from pitprop.driver.judging import Judge
from pitprop.driver.loop import Search
from pitprop.driver.progress import Ended, Reported
from pitprop.study.study import Study, opened
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.launch import Job, Step, nothing
from pitprop.workers.share import Size

EPOCHS = 10
CPUS = 0.1
"""Of each worker, so that Ray takes many of them on a small machine."""
TRAINER = """'''Waits.'''
import time
from pitprop.telemetry import Epoch

def train(params, context):
    for step in range(1, context.epochs + 1):
        time.sleep(context.options["pause"])
        context.state = step
        yield Epoch(step, {"val/macro_f1": params["x"] * step})
"""


def measure(workers: int, rounds: int, pause: float) -> dict[str, float]:
    """One search of ``rounds`` trials a worker."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        folder = Path(name)
        (folder / "waits.py").write_text(TRAINER)
        rows = {"question": "What does it cost?", "trainer": str(folder / "waits.py"), "objective": {"metric": "val/macro_f1"}}
        rows |= {"epochs": EPOCHS, "trials": workers * rounds, "params": {"x": {"float": [0.0, 1.0]}}, "signatures": "off"}
        space = spaces.load({**rows, "options": {"pause": pause}}, "waits")
        began, first, epochs = time.monotonic(), 0.0, 0
        with opened(space, f"sqlite:///{folder}/study.db", folder / "waits") as study:
            study.checkpoints.mkdir(parents=True)
            job = Job(space.trainer, Context(EPOCHS, space.options, metric="val/macro_f1"), study.checkpoints)
            size = Size(workers * rounds, workers, least=workers)
            with closing(OnRay(job, Need(CPUS), size, stall=600, address=None, logs=False)) as launcher:
                spent = 0.0
                for event in Search(space, study, launcher, width=lambda _workers: 1).events():
                    if isinstance(event, Reported):
                        epochs += 1
                        if epochs == 1:
                            first, spent = time.monotonic(), time.process_time()
                whole = time.monotonic() - first
                share = (time.process_time() - spent) / whole
        return {"first": first - began, "rate": epochs / whole, "possible": workers / pause, "driver": share}


class Simulated:
    """Workers that have trained an epoch as soon as they are asked for one, in the order in which they were asked."""

    def __init__(self, workers: int) -> None:
        self.size = workers
        self._held: dict[int, dict[Lane, tuple[float, int]]] = {worker: {} for worker in range(workers)}
        self._asked: deque[int] = deque()

    def preflight(self, start: Start) -> None:
        return None

    def free(self) -> list[int]:
        return [worker for worker in self._held if worker not in self._asked]

    def employs(self, worker: int) -> bool:
        return True

    def advance(self, worker: int, change: Change) -> None:
        held = self._held[worker]
        for lane in change.stopped:
            held.pop(lane, None)
        held.update({start.lane: (start.params["x"], start.step) for start in change.started})
        self._asked.append(worker)

    def steps(self, left: Callable[[], bool] = nothing) -> Iterator[Step]:
        while self._asked:
            worker = self._asked.popleft()
            held = {lane: (x, step + 1) for lane, (x, step) in self._held[worker].items() if step < EPOCHS}
            self._held[worker] = held
            yield Step(worker, {lane: Epoch(step, _learned(x, step)) for lane, (x, step) in held.items()})

    def take(self, job: Job, count: int) -> bool:
        return False

    def close(self) -> None:
        return


def _learned(x: float, step: int) -> dict[str, float]:
    done = 1 - math.exp(-x * step)
    return {"train/loss": 1.1 - done, "val/loss": 1.2 - done, "val/accuracy": 0.3 + 0.6 * done}


@contextmanager
def counted(spent: dict[str, float]) -> Iterator[None]:
    """Within the block, the processor's seconds of asking, judging and telling are added up in ``spent``."""
    with ExitStack() as stack:
        for owner, name in ((Study, "ask"), (Judge, "judge"), (Study, "tell")):
            stack.enter_context(_timed(owner, name, spent))
        yield


@contextmanager
def _timed(owner: Any, name: str, spent: dict[str, float]) -> Iterator[None]:
    plain = getattr(owner, name)

    def timed(*given: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return plain(*given, **named)
        finally:
            spent[name] += time.process_time() - began

    setattr(owner, name, timed)
    yield
    setattr(owner, name, plain)


def simulate(trials: int, workers: int, pause: float) -> None:
    """One study, a line for each thousand trials."""
    print("trials  a trial  asking  judging  telling  driver's share of a core  load")
    rows = {"question": "What does it cost?", "objective": {"metric": "val/accuracy"}, "confirm": "off"}
    rows |= {"epochs": EPOCHS, "trials": trials, "params": {"x": {"float": [0.05, 1.0]}, "y": {"float": [0.0, 1.0]}}}
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        folder = Path(name)
        (folder / "waits.py").write_text(TRAINER)
        space = spaces.load({**rows, "trainer": str(folder / "waits.py"), "options": {"pause": pause}}, "waits")
        spent = dict.fromkeys(("ask", "judge", "tell"), 0.0)
        with opened(space, f"sqlite:///{folder}/study.db", folder / "waits") as study, counted(spent):
            study.checkpoints.mkdir(parents=True)
            ended, began, before = 0, time.process_time(), dict(spent)
            for event in Search(space, study, Simulated(workers), width=lambda _workers: 1).events():
                ended += isinstance(event, Ended)
                if isinstance(event, Ended) and ended % min(1000, trials) == 0:
                    each = (time.process_time() - began) / min(1000, trials)
                    parts = [(spent[name] - before[name]) / min(1000, trials) * 1000 for name in spent]
                    told = f"{each * 1000:5.1f} ms  {parts[0]:6.1f}  {parts[1]:7.1f}  {parts[2]:7.1f}"
                    print(f"{ended:6}  {told}  {each * workers / EPOCHS / pause:24.2f}  {os.getloadavg()[0]:4.0f}", flush=True)
                    began, before = time.process_time(), dict(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workers", nargs="*", type=int, default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=3, help="trials that each worker trains")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds of an epoch")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, help="a study of so many on simulated workers")
    given = parser.parse_args()
    if given.trials:
        simulate(given.trials, max(given.workers), given.pause)
        return
    if given.one:
        print(json.dumps(measure(given.workers[0], given.rounds, given.pause)))
        return
    print("workers  first epoch  epochs/s  (at most)  driver's share of a core  load")
    for workers in given.workers:
        words = [sys.executable, "-m", "tests.bench.workers", str(workers), "--one"]
        command = [*words, "--rounds", str(given.rounds), "--pause", str(given.pause)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        told = f"{row['first']:9.1f} s  {row['rate']:8.1f}  {row['possible']:9.1f}  {row['driver']:24.2f}"
        print(f"{workers:7}  {told}  {os.getloadavg()[0]:4.0f}", flush=True)


if __name__ == "__main__":
    main()
