"""Whether a search learns from trials that collapse: ``make bench-constraint``.

Whole searches in this process, every trial trained: by each sampler that takes constraints, with each standing of collapsed
trials (``STANDINGS`` of `pitprop.study.sampling.samplers`), from several seeds. For each standing the table says which
share of the trials of the
second half collapsed, how many trials and epochs it took to reach the target, the best score, and the epochs of the search:
means over the seeds, each with its difference to the standing ``pruned`` and the standard error of that paired difference. The
target is a share of the best advantage over chance that any of the searches found; one that misses it counts as one trial more.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pitprop import space as spaces
from pitprop import telemetry
from pitprop.detection import chance
from pitprop.driver.loop import Search
from pitprop.space.sampling import Method
from pitprop.study.sampling import samplers
from pitprop.study.study import opened
from pitprop.trainer import Context
from pitprop.workers.launch import Inline, Job

OPTIONS = {"nsga2": {"population_size": 8}}
"""Optuna's 50 would make 64 trials one generation, drawn at random."""
Run = Mapping[str, Any]
"""One search: space, sampler, standing, seed, lanes, chance, and by trial ``scores``, ``epochs`` and ``collapsed``."""


def main() -> int:
    """Runs the searches that the log does not hold yet, and prints the table of all that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--space", default="focal_alpha", help="one with a single objective (focal_alpha)")
    parser.add_argument("--samplers", nargs="+", choices=list(samplers.COLLAPSED), default=list(samplers.COLLAPSED))
    parser.add_argument("--standings", nargs="+", choices=samplers.STANDINGS, default=samplers.STANDINGS)
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="searches of each kind (8)")
    parser.add_argument("--trials", type=int, default=64, metavar="N", help="trials of a search (64)")
    parser.add_argument("--lanes", type=int, default=8, metavar="K", help="trials that train at once (8)")
    parser.add_argument("--target", type=float, default=0.95, metavar="SHARE", help="of the best advantage over chance (0.95)")
    parser.add_argument("--log", type=Path, help="a file for the searches, a line each; those in it are not run again")
    options = parser.parse_args()
    runs = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log and options.log.exists() else []
    wanted = [
        {
            "space": options.space,
            "trials": options.trials,
            "lanes": options.lanes,
            "sampler": s,
            "standing": standing,
            "seed": seed,
        }
        for seed in range(1, options.seeds + 1)
        for s in options.samplers
        for standing in options.standings
    ]
    for want in wanted:
        if not any(want.items() <= run.items() for run in runs):
            runs.append({**want, **search(**want)})
            half = runs[-1]["collapsed"][options.trials // 2 :]
            print(f"  {want['sampler']:<6} {want['standing']:<11} seed {want['seed']}: {sum(half)} of {len(half)}", flush=True)
            if options.log:
                with options.log.open("a") as log:
                    log.write(json.dumps(runs[-1]) + "\n")
    print_table([run for run in runs if any(want.items() <= run.items() for want in wanted)], options.target)
    return 0


def search(space: str, sampler: str, standing: str, seed: int, trials: int, lanes: int) -> dict[str, Any]:
    """One search, with its own seed for sampler and trainings."""
    method = Method(sampler, {"collapsed": standing, **OPTIONS.get(sampler, {})})
    found = dataclasses.replace(spaces.load(space), sampler=method, seed=seed, trials=trials, timeout=None)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, opened(found, f"sqlite:///{name}/study.db", Path(name)) as study:
        (study.folder / "checkpoints").mkdir()
        launcher = Inline(Job(found.trainer, Context(found.epochs, found.options), study.folder / "checkpoints"), cpus=1)
        for _ in Search(found, study, launcher, width=lambda _workers: lanes).events():
            pass
        launcher.close()
        records = study.records()
        first = telemetry.read(Path(records[0].folder) / "telemetry.jsonl")[0].metrics
    counts = [count for metric, count in first.items() if metric.startswith("val/labels/")]
    return {
        "chance": chance.macro_f1(counts, counts.index(max(counts))),
        "scores": [record.values[0] if record.values else 0.0 for record in records],
        "epochs": [record.epochs for record in records],
        "collapsed": [record.state == "PRUNED" for record in records],
    }


def figures(run: Run, target: float) -> dict[str, float]:
    """What the table says of one search."""
    scores, epochs, collapsed = run["scores"], run["epochs"], run["collapsed"]
    reached = next((index + 1 for index, score in enumerate(scores) if score >= target), len(scores) + 1)
    return {
        "collapsed": statistics.fmean(collapsed[len(collapsed) // 2 :]),
        "trials to target": reached,
        "epochs to target": sum(epochs[:reached]),
        "best": max(scores),
        "epochs": sum(epochs),
    }


def print_table(runs: Sequence[Run], share: float) -> None:
    """A line for each sampler and standing: the means, and the paired differences to ``pruned`` with their standard errors."""
    base = runs[0]["chance"]
    target = base + share * (max(max(run["scores"]) for run in runs) - base)
    print(f"\nchance {base:.4f}, target {target:.4f}")
    found = {(run["sampler"], run["standing"], run["seed"]): figures(run, target) for run in runs}
    for sampler, standing in dict.fromkeys((run["sampler"], run["standing"]) for run in runs):
        print(f"\n{sampler}, {standing}")
        seeds = [seed for one, two, seed in found if (one, two) == (sampler, standing)]
        for name in next(iter(found.values())):
            mine = [found[sampler, standing, seed][name] for seed in seeds]
            pairs = [
                (found[sampler, standing, s][name], found[sampler, "pruned", s][name])
                for s in seeds
                if (sampler, "pruned", s) in found
            ]
            print(f"  {name:<18}{statistics.fmean(mine):>10.4g}{_difference([a - b for a, b in pairs]):>26}")


def _difference(values: Sequence[float]) -> str:
    if len(values) < 2 or not any(values):
        return "the same" if values else ""
    return f"{statistics.fmean(values):+.3g} +- {statistics.stdev(values) / math.sqrt(len(values)):.2g}"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's samplers warn of what is experimental
        sys.exit(main())
