"""What a search's driver costs by its number of workers: ``make bench-workers``, on a real Ray with trainings that only wait.

Each training yields an epoch every ``--pause`` seconds. Printed are, by workers: seconds from the launch to the first epoch, how
many epochs came in a second and how many could have, and what share of a core the driver's process took (Ray's threads in it too)
between the first epoch and the last. All of it is of a machine that may be busy: the load is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from pitprop import space as spaces
from pitprop.driver.loop import Search
from pitprop.driver.progress import Reported
from pitprop.study.study import opened
from pitprop.trainer import Context
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.launch import Job
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workers", nargs="*", type=int, default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=3, help="trials that each worker trains")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds of an epoch")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
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
