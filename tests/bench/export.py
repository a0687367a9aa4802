"""What exporting a large study costs: 1,000 trials of 100 epochs of 12 metrics, from nothing, into a SQLite store of its own.

It goes the way of ``pitprop export``: a driver sends all records to the exporting process and waits for it.
"""

from __future__ import annotations

import argparse
import math
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.space.stops import Objective
from pitprop.study.record import Record, State, StudyCard
from pitprop.telemetry import Epoch
from pitprop.track import Exporter

METRICS = ("train/loss", "val/loss", "val/macro_f1", "val/accuracy", "val/auc", "val/logit_spread")
METRICS += ("lr", "grad_norm", "update_ratio", "val/predicted/0", "val/predicted/1", "seconds")
START = 1_700_000_000.0
VERDICT = Verdict(
    "constant_prediction",
    40,
    "prune",
    "every sample is predicted as class 0",
    {"val/predicted/0": 295.0},
    "raise alpha for the minority class",
)


def study(folder: Path, trials: int, epochs: int) -> list[Record]:
    """The records of a study, a fifth of them pruned, with their telemetry in ``folder``."""
    found = []
    for number in range(trials):
        home = folder / f"{number:04d}"
        home.mkdir(parents=True)
        curve = [Epoch(e, {name: math.sin(number + e + i) for i, name in enumerate(METRICS)}) for e in range(1, epochs + 1)]
        telemetry.rewrite(home / "telemetry.jsonl", curve)
        pruned = number % 5 == 4
        params = {"lr": 10 ** -(1 + number % 50 / 10), "gamma": float(number % 4), "bias": bool(number % 2), "alpha": [1.0, 3.4]}
        value = 0.5 + 0.2 * math.sin(number)
        fields = (params, (value,), "model_1" if number == 0 else None, (VERDICT,) if pruned else (), None)
        started = START + number
        record = Record(number, State.PRUNED if pruned else State.COMPLETE, *fields, epochs, str(home), started, started + 60.0)
        found.append(record)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=1000)
    options.add_argument("--epochs", type=int, default=100)
    options.add_argument("--keep", type=Path, help="a folder that keeps the store, to be looked at with mlflow server")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        records = study(Path(scratch) / "trials", given.trials, given.epochs)
        card = StudyCard("bench", "How long does it take?", Objective("val/macro_f1"), "name: bench\n", {"paper": 0.6})
        for round_ in ("from nothing", "again, when nothing is new"):
            began, spent = time.perf_counter(), os.times()
            with Exporter(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts", card, folder / "track.log") as exporter:
                for record in records:
                    exporter.send(record)
                said = exporter.finish(timeout=3600)
            took, now = time.perf_counter() - began, os.times()
            cpu = sum(now[:4]) - sum(spent[:4])
            print(f"{round_}: {took:.1f} s ({cpu:.1f} s of CPU, {1000 * took / given.trials:.0f} ms a trial): {said}", flush=True)
        database = sqlite3.connect(folder / "mlflow.db")
        (rows,) = database.execute("SELECT count(*) FROM metrics").fetchone()
        database.close()
        print(f"{rows:,} points, {(folder / 'mlflow.db').stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
