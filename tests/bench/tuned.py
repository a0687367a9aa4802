"""The same search by Ray Tune and its OptunaSearch: ``python tuned.py fresh|reused FOLDER``.

``fresh`` is Tune as it comes, with a function for a trainable; ``reused`` keeps its actors and has no loggers. Prints when the
first training began and the last epoch was reported, in unix seconds, and the epochs trained.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import workload
from ray import tune
from ray.tune.search.optuna import OptunaSearch


def _reports(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    began = time.time()
    for epoch in workload.epochs(config):
        yield {**epoch.metrics, "began": began, "ended": time.time()}


def train(config: dict[str, Any]) -> None:
    """A trial as a function."""
    for report in _reports(config):
        tune.report(report)


class Trial(tune.Trainable):
    """A trial as a class, whose actor goes on to the next one."""

    def setup(self, config: dict[str, Any]) -> None:
        self._training = _reports(config)

    def step(self) -> dict[str, float]:
        return next(self._training)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True


def search(trainable: Any, folder: Path, *, reuse: bool) -> list[dict[str, Any]]:
    """Runs the search; the last report of each trial."""
    config = {
        "lr": tune.loguniform(1e-4, 1e-2),
        "weight_decay": tune.loguniform(1e-5, 1e-1),
        "focal": {"gamma": tune.uniform(0.0, 5.0)},
        "prior_bias": tune.choice([False, True]),
    }
    tuner = tune.Tuner(
        trainable,
        param_space=config,
        tune_config=tune.TuneConfig(
            metric=workload.METRIC,
            mode="max",
            num_samples=workload.TRIALS,
            # Tune keeps an actor only for a trial that is pending, so the limit must leave some; its CPUs set how many run.
            max_concurrent_trials=None if reuse else workload.WORKERS,
            search_alg=OptunaSearch(seed=0),
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "results"),
            stop={"training_iteration": workload.EPOCHS},
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False) if reuse else None,
        ),
    )
    results = tuner.fit()
    if results.num_errors:
        raise SystemExit(f"{results.num_errors} trials of Tune's failed: {results.errors[0]}")
    return [one.metrics or {} for one in (results[index] for index in range(len(results)))]


if __name__ == "__main__":
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind == "reused":
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(num_cpus=workload.WORKERS, _temp_dir=str(folder / "ray"))
    last = search(Trial, folder, reuse=True) if kind == "reused" else search(train, folder, reuse=False)
    began, ended = min(row["began"] for row in last), max(row["ended"] for row in last)
    print(json.dumps({"began": began, "ended": ended, "epochs": sum(row["training_iteration"] for row in last)}))
