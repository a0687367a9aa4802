"""Ray Tune as a method: OptunaSearch proposes, ASHA stops. One Ray for all searches, a kept actor, one trial at a time."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from tests.bench.search.meter import Found, Meter, Task
from tests.bench.search.table import Table

REPOSITORY = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # which prints a header for each search, whatever its verbosity
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Tune keeps an actor only for a trial that is pending, so one is proposed while another trains.
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
}


class Trial(tune.Trainable):
    """Replays the curve nearest to its configuration. ``best`` is so far, as the objective is the best of a trial."""

    def setup(self, config: dict[str, Any], table: Table) -> None:  # type: ignore[override]  # as `with_parameters` has it
        self._number, self._at = table.nearest(config), 0
        self._scores = [float(score) for score in table.scores[self._number]]

    def step(self) -> dict[str, Any]:
        self._at += 1
        seen = [score for score in self._scores[: self._at] if score == score]
        now = {"score": self._scores[self._at - 1], "best": max(seen, default=0.0), "number": self._number}
        return {**now, "done": self._at == len(self._scores)}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)  # type: ignore[call-arg]  # Tune adds the table
        return True


class Stopper(tune.Stopper):
    """Counts each epoch that comes in, and ends everything when the target is reached."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return self._meter.take(result["score"], result["number"])

    def stop_all(self) -> bool:
        return self._meter.over


def asha(task: Task) -> Found:
    """ASHA with Tune's defaults, a quarter of each rung goes on, and budgets from one epoch to the space's."""
    meter, space = Meter(task), task.pool.space
    proposing = OptunaSearch({leaf.name: leaf.distribution for leaf in space.leaves}, metric="best", mode="max", seed=task.seed)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tune.Tuner(
            tune.with_parameters(Trial, table=task.pool.table),
            tune_config=tune.TuneConfig(
                num_samples=task.trials,
                search_alg=proposing,
                scheduler=ASHAScheduler(metric="score", mode="max", max_t=space.epochs),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                stop=Stopper(meter),
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
    return meter.found


@contextmanager
def running() -> Iterator[None]:
    """A Ray of one CPU, so that trials train one after another."""
    os.environ.update(ENVIRONMENT)
    logging.getLogger("ray").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=2**27,
            _temp_dir=folder,
            runtime_env={"env_vars": {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}},
        )
        try:
            yield
        finally:
            ray.shutdown()
