"""What a study costs as it grows: opening it, asking for a trial, and every command that looks at it: ``make bench-study``.

Builds finished studies through `pitprop.study.storage`, a third of their trials parked, and prints for each act the seconds of
the processor (of this process and of those that it starts), and how many times those of the study before. A study that is twice
as large should take at most twice as long, and asking no longer at all. Commands run as a user runs them, imports included.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from pitprop import space as spaces
from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.driver import revival
from pitprop.space import Space
from pitprop.study import database, storage
from pitprop.study.ownership import claim
from pitprop.study.study import opened
from pitprop.telemetry import Epoch
from pitprop.trainer import Lane
from pitprop.workers import checkpoint

TEXT = """
trainer: {trainer}
question: What does it cost?
objective: {{metric: val/macro_f1}}
epochs: 20
trials: {trials}
sampler: tpe
confirm: off
params: {{speed: {{float: [0.05, 1.0]}}, x: {{float: [1.0e-4, 1.0], log: true}}, dead: {{choice: [false, true]}}}}
targets: {{far: 2.0}}
"""
TOY = Path(__file__).parents[1] / "toys" / "curve.py"
PARKED = Verdict("chance_plateau", 5, "park", "no better than chance", {}, "be quicker", {"speed": {"times": 1.01}})
BEGAN = datetime(2026, 1, 1)
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status",),
    "show": ("show",),
    "best": ("best",),
    "compare": ("compare",),
    "report": ("report",),
}


def space(folder: Path, trials: int) -> Space:
    """A space that asks for so many trials."""
    path = folder / "costs.yaml"
    path.write_text(TEXT.format(trainer=TOY, trials=trials), encoding="utf-8")
    return spaces.load(str(path))


def fill(made: Space, url: str, folder: Path, trials: int) -> None:
    """Writes so many finished trials: every third is parked, with five epochs and a checkpoint."""
    draw = random.Random(0)
    connection = database.connect(url)
    study, _planned = claim(connection, made, folder)
    for number in range(trials):
        parked = number % 3 == 0
        params = {"speed": draw.uniform(0.05, 1.0), "x": 10 ** draw.uniform(-4, 0), "dead": draw.random() < 0.5}
        home = folder / "trials" / f"{number:04d}"
        home.mkdir(parents=True)
        steps = range(1, (5 if parked else 20) + 1)
        curve = [Epoch(step, {"val/macro_f1": params["speed"] * step / 20, "val/loss": 1 / step}) for step in steps]
        telemetry.rewrite(telemetry.file(home), curve)
        if parked:
            checkpoint.write(home / "replica-0.ckpt", {Lane(number, 0): curve[-1]}, 0.0, stacked=False)
        storage.begin(connection, study, _trial(made, number, params, curve, parked))
    connection.engine.dispose()


def _trial(made: Space, number: int, params: Mapping[str, Any], curve: list[Epoch], parked: bool) -> FrozenTrial:
    """A finished trial as `pitprop.study.study.Study.tell` leaves it."""
    score, began = curve[-1].metrics["val/macro_f1"], BEGAN + timedelta(seconds=20 * number)
    attributes = {"params": dict(params), "epochs": len(curve), "recovery": 0}
    return FrozenTrial(
        number=number,
        state=TrialState.PRUNED if parked else TrialState.COMPLETE,
        value=score,
        datetime_start=began,
        datetime_complete=began + timedelta(seconds=10),
        params=dict(params),
        distributions={leaf.name: leaf.distribution for leaf in made.leaves},
        user_attrs=attributes | ({"verdicts": [PARKED.to_json()]} if parked else {}),
        system_attrs={},
        intermediate_values={len(curve): score} if parked else {},
        trial_id=-1,
    )


def seconds(act: Callable[[], Any], times: int = 1) -> float:
    """The least processor time of so many calls, as the machine may be at work elsewhere; with that of ended children."""
    found = []
    for _ in range(times):
        began = os.times()
        act()
        ended = os.times()
        found.append(sum(ended[:4]) - sum(began[:4]))
    return min(found)


def costs(folder: Path, trials: int) -> dict[str, float]:
    """Seconds of each act in a study of so many trials."""
    made, url = space(folder, trials), f"sqlite:///{folder / 'study.db'}"
    fill(made, url, folder / "costs", trials)
    found = {}

    def open_once() -> None:
        with opened(made, url, folder / "costs"):
            pass

    found["open"] = seconds(open_once, 3)
    with opened(replace(made, revive=5), url, folder / "costs") as study:
        found["revival.due"] = seconds(lambda: revival.due(study))
        found["only_with_workers"] = seconds(lambda: study.parking().only_with_workers(), 3)
    more = {"ask": made, "ask, stop_when": replace(made, stop_when="far"), "ask, remedies: try": replace(made, remedies="try")}
    for name, one in more.items():
        with opened(one, url, folder / "costs") as study:
            study.plan(len(study.records()) + 20)
            study.ask()
            found[name] = seconds(lambda: [study.ask() for _ in range(5)]) / 5
    command = [sys.executable, "-m", "pitprop.cli.main"]
    for name, words in COMMANDS.items():
        line = [*command, *words, made.path, "--runs", str(folder)]
        found[f"pitprop {name}"] = seconds(lambda line=line: subprocess.run(line, check=True, stdout=subprocess.DEVNULL))
    return found


def main() -> None:
    """Prints a table: a line for each act, a column for each size, and the growth from the size before."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--trials", type=int, nargs="+", default=[1000, 2000, 4000, 10000])
    sizes = options.parse_args().trials
    found = []
    for trials in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            found.append(costs(Path(folder), trials))
            print(f"{trials} trials measured; {memory():.0f} MB held at most so far", file=sys.stderr, flush=True)
    print(f"{'seconds of the processor':<26}" + "".join(f"{f'{trials:,} trials':>22}" for trials in sizes))
    for name in found[0]:
        cells = [f"{found[0][name]:.4f}".rjust(22)]
        for before, after in itertools.pairwise(found):
            growth = f"(x {after[name] / before[name]:.1f})" if before[name] > 0.001 else ""
            cells.append(f"{after[name]:.4f} {growth:>9}".rjust(22))
        print(f"{name:<26}" + "".join(cells))
    print(f"memory of this process, which held the largest study: {memory():.0f} MB")


def memory() -> float:
    """The most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
