"""A search by Ray Tune and its OptunaSearch: ``python tuned.py fresh|reused FOLDER``, or

``python tuned.py plain FOLDER WORKLOAD TRIALS EPOCHS CORES``

``fresh`` is Tune as it comes, with a function for a trainable; ``reused`` keeps its actors and has no loggers. Both train what
`workload` says; ``plain`` is as ``reused``, but trains a workload of the package of this name. Prints when the first training
began and the last epoch was reported, in unix seconds, the epochs trained, and their rate.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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


class Plain(tune.Trainable):
    """A trial in plain PyTorch, whose actor goes on to the next one and keeps the data."""

    def setup(self, config: dict[str, Any]) -> None:
        self._plain = importlib.import_module(f"plain.{config['workload']}")
        self._data = self._plain.load()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        from plain import training

        epochs = new_config["epochs"]
        self._began = time.time()
        self._training = training.train(self._plain.begin(self._data, new_config["params"], epochs), epochs)
        return True

    def step(self) -> dict[str, float]:
        epoch = next(self._training)
        return {workload.METRIC: epoch.score, "val/loss": epoch.val_loss, "began": self._began, "ended": time.time()}


def search(
    trainable: Any, folder: Path, space: Mapping[str, Any], trials: int, epochs: int, *, reuse: bool
) -> list[dict[str, Any]]:
    """Runs the search; the last report of each trial."""
    tuner = tune.Tuner(
        trainable,
        param_space=dict(space),
        tune_config=tune.TuneConfig(
            metric=workload.METRIC,
            mode="max",
            num_samples=trials,
            # Tune keeps an actor only for a trial that is pending, so the limit must leave some; its CPUs set how many run.
            max_concurrent_trials=None if reuse else workload.WORKERS,
            search_alg=OptunaSearch(seed=0),
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "results"),
            stop={"training_iteration": epochs},
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False) if reuse else None,
        ),
    )
    results = tuner.fit()
    if results.num_errors:
        raise SystemExit(f"{results.num_errors} trials of Tune's failed: {results.errors[0]}")
    return [one.metrics or {} for one in (results[index] for index in range(len(results)))]


def rate(last: Sequence[Mapping[str, Any]]) -> float:
    """Epochs a second of all actors together, each from its first training on: that some start later is left out."""
    total = 0.0
    for actor in {row["pid"] for row in last}:
        rows = [row for row in last if row["pid"] == actor]
        seconds = max(row["ended"] for row in rows) - min(row["began"] for row in rows)
        total += sum(row["training_iteration"] for row in rows) / seconds
    return total


if __name__ == "__main__":
    kind, folder, numbers = sys.argv[1], Path(sys.argv[2]), [int(word) for word in sys.argv[4:]]
    trials, epochs, cores = numbers or (workload.TRIALS, workload.EPOCHS, workload.WORKERS)
    space = {"lr": tune.loguniform(1e-4, 1e-2), "weight_decay": tune.loguniform(1e-5, 1e-1)}
    if kind == "plain":
        space = {"params": space, "workload": sys.argv[3], "epochs": epochs}
    else:
        space |= {"focal": {"gamma": tune.uniform(0.0, 5.0)}, "prior_bias": tune.choice([False, True])}
    if kind != "fresh":
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(num_cpus=cores, _temp_dir=str(folder / "ray"))
    last = search({"fresh": train, "reused": Trial, "plain": Plain}[kind], folder, space, trials, epochs, reuse=kind != "fresh")
    began, ended = min(row["began"] for row in last), max(row["ended"] for row in last)
    trained = sum(row["training_iteration"] for row in last)
    print(json.dumps({"began": began, "ended": ended, "epochs": trained, "rate": rate(last)}))
