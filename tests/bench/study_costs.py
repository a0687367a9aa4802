"""What a study costs as it grows: asking for a trial, and finding the parked trials that can be revived.

Prints milliseconds of the processor for a growing number of trials, a third of them parked: each grows linearly at most.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pitprop import space as spaces
from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.driver import revival
from pitprop.space import Space
from pitprop.study.record import Completed, Pruned
from pitprop.study.study import Study, opened
from pitprop.telemetry import Epoch
from pitprop.trainer import Lane
from pitprop.workers import checkpoint

TEXT = """
trainer: {trainer}
question: What does it cost?
objective: {{metric: val/macro_f1}}
epochs: 20
trials: {trials}
sampler: random
params: {{speed: {{float: [0.05, 1.0]}}, dead: {{choice: [false, true]}}}}
targets: {{far: 2.0}}
"""
TOY = Path(__file__).parents[1] / "toys" / "curve.py"
PARKED = Verdict("chance_plateau", 5, "park", "no better than chance", {}, "be quicker", {"speed": {"times": 1.01}})


def space(folder: Path, trials: int) -> Space:
    """A space that asks for so many trials."""
    path = folder / "costs.yaml"
    path.write_text(TEXT.format(trainer=TOY, trials=trials), encoding="utf-8")
    return spaces.load(str(path))


def fill(study: Study, trials: int) -> None:
    """Ends trials until there are so many: every third is parked, with five epochs and a checkpoint."""
    while len(study.records()) < trials and (trial := study.ask()) is not None:
        parked = trial.number % 3 == 0
        folder = study.trial_folder(trial.number)
        folder.mkdir(parents=True)
        curve = [Epoch(step, {"val/macro_f1": trial.params["speed"] * step / 20}) for step in range(1, (5 if parked else 20) + 1)]
        telemetry.rewrite(telemetry.file(folder), curve)
        if parked:
            checkpoint.write(folder / "replica-0.ckpt", {Lane(trial.number, 0): curve[-1]}, 0.0, stacked=False)
        score = curve[-1].metrics["val/macro_f1"]
        study.tell(trial, Pruned(5, (PARKED,), score) if parked else Completed(20, (score,)), recovery=0)


def milliseconds(act: Callable[[], Any]) -> float:
    """The least processor time of three calls, as the machine may be at work elsewhere."""
    times = []
    for _ in range(3):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return 1000 * min(times)


def costs(folder: Path, trials: int) -> dict[str, float]:
    """Milliseconds of each act in a study of so many trials."""
    made, url = space(folder, trials), f"sqlite:///{folder / 'study.db'}"
    found = {}
    with opened(made, url, folder / "costs") as study:
        fill(study, trials)
    with opened(replace(made, revive=5), url, folder / "costs") as study:
        found["revival.due"] = milliseconds(lambda: revival.due(study))
        found["only_with_workers"] = milliseconds(lambda: study.parking().only_with_workers())
        study.plan(trials + 10)
    more = {"ask": made, "ask, stop_when": replace(made, stop_when="far"), "ask, remedies: try": replace(made, remedies="try")}
    for name, one in more.items():
        with opened(one, url, folder / "costs") as study:
            study.plan(len(study.records()) + 10)
            found[name] = milliseconds(study.ask)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, nargs="+", default=[300, 1200, 2000])
    for trials in options.parse_args().trials:
        with tempfile.TemporaryDirectory() as folder:
            shown = ", ".join(f"{name} {taken:.1f} ms" for name, taken in costs(Path(folder), trials).items())
            print(f"{trials} trials: {shown}", flush=True)


if __name__ == "__main__":
    main()
