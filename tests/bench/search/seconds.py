"""Seconds to a score with real trainings on two cores: ``make bench-search ARGS=--seconds``.

Ours is the engine with a worker a core and lanes in each, under `promote`; Tune is OptunaSearch and ASHA with kept actors, one
a core; Optuna is TPE and Hyperband in a process a core. All train the same code, 64 trials at most, and end at the first epoch
that reaches the target of the workload's pool. Seconds begin as the process of a search does: Ray, the study and the workers
start within them, and ours and Tune's start a Ray each. The candidates take turns, so that what else the machine does hits all
alike. A search that misses the target, or has not reached it after a limit, counts with the seconds that it took and is said to
have missed it.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from pitprop import trainer
from pitprop.driver.loop import Search
from pitprop.driver.progress import Reported
from pitprop.space import Method, Space
from pitprop.study.study import opened
from pitprop.trainer import Context, Lane, Start
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.launch import Job
from pitprop.workers.share import Size

from tests.bench.search import pool
from tests.bench.search.table import suggest

CORES, TRIALS, LANES = 2, 64, 8
WORKLOADS = ("imbalanced", "steady", "late")
"""What is searched unless said otherwise: the workloads of which an epoch takes milliseconds."""
MODULE = (sys.executable, "-m", "tests.bench.search.seconds")


@dataclass(frozen=True, slots=True)
class Race:
    """A search to do: by ``candidate``, until a score reaches ``target`` or ``limit`` seconds are over, in its own ``folder``."""

    candidate: str
    workload: str
    target: float
    seed: int
    limit: float
    folder: str = ""
    began: float = 0.0
    """When the process of the search was started, on the clock that all processes of a machine share."""

    @property
    def now(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.began

    @property
    def space(self) -> Space:
        return pool.space(self.workload)


@dataclass(frozen=True, slots=True)
class Took:
    """How long a search took, and whether it reached its target."""

    seconds: float
    reached: bool


def scores(space: Space, values: Mapping[str, Any]) -> Iterator[float]:
    """What one training scores, alone."""
    context = Context(space.epochs, space.options, metric=space.objective.metric)
    training = trainer.load(space.trainer).train_lanes([Start(Lane(0, 0), space.params(values), space.seed, "")], context)
    with closing(training):
        for _, epochs in zip(range(space.epochs), training, strict=False):
            yield float(epochs[Lane(0, 0)].metrics[space.objective.metric])


def ours(race: Race) -> Took:
    """Our engine on Ray."""
    space, folder = race.space, Path(race.folder)
    metric, budget = space.objective.metric, TRIALS * space.epochs
    found = replace(space, scheduler=Method("promote", {}), trials=TRIALS, budget=budget, seed=race.seed)
    with opened(found, f"sqlite:///{folder}/study.db", folder) as study:
        study.checkpoints.mkdir()
        job = Job(found.trainer, Context(found.epochs, found.options, metric=metric), study.checkpoints)
        with closing(OnRay(job, Need(), Size(CORES), stall=600, address=None, logs=False)) as launcher:
            with closing(Search(found, study, launcher, width=lambda _workers: LANES).events()) as events:
                for event in events:
                    took = race.now
                    if isinstance(event, Reported) and event.epoch.metrics[metric] >= race.target:
                        return Took(took, True)
                    if took > race.limit:
                        break
            return Took(race.now, False)


def tune(race: Race) -> Took:
    """Ray Tune."""
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    import ray
    from ray import tune as tuning
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    logging.getLogger("ray").setLevel(logging.ERROR)
    space = race.space

    class Trial(tuning.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self._scores = scores(space, config)

        def step(self) -> dict[str, Any]:
            return {"score": next(self._scores), "done": self.iteration + 1 == space.epochs}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

    class Reached(tuning.Stopper):
        after = math.inf

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            if result["score"] >= race.target:
                self.after = min(self.after, race.now)
            return False

        def stop_all(self) -> bool:
            return self.after < math.inf or race.now > race.limit

    reached = Reached()
    paths = {"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "OMP_NUM_THREADS": "1"}}
    temporary = f"{race.folder}/ray"
    ray.init(
        address="local",
        num_cpus=CORES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=temporary,
        runtime_env=paths,
    )
    proposing = OptunaSearch({leaf.name: leaf.distribution for leaf in space.leaves}, metric="score", mode="max", seed=race.seed)
    asha = ASHAScheduler(metric="score", mode="max", max_t=space.epochs)
    config = tuning.TuneConfig(num_samples=TRIALS, search_alg=proposing, scheduler=asha, reuse_actors=True)
    saving = tuning.CheckpointConfig(checkpoint_at_end=False)
    run = tuning.RunConfig(storage_path=f"{race.folder}/tune", stop=reached, verbose=0, checkpoint_config=saving)
    tuning.Tuner(Trial, tune_config=config, run_config=run).fit()
    took = min(reached.after, race.now)
    ray.shutdown()
    return Took(took, reached.after < math.inf)


def hyperband(race: Race) -> Took:
    """Optuna's TPE and Hyperband in as many processes as there are cores, on one journal."""
    file = Path(race.folder, "reached")
    command = [*MODULE, "--part", json.dumps(_row(race))]
    parts = [subprocess.Popen([*command, str(race.seed * CORES + number)]) for number in range(CORES)]
    for one in parts:
        one.wait()
    if file.exists():
        return Took(float(file.read_text()) - race.began, True)
    return Took(race.now, False)


def part(race: Race, seed: int) -> None:
    """One of the processes of `hyperband`."""
    space, file = race.space, Path(race.folder, "reached")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(f"{race.folder}/journal"))
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=space.epochs)
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(
        storage=storage, study_name="hyperband", direction="maximize", load_if_exists=True, sampler=sampler, pruner=pruner
    )

    def objective(trial: optuna.Trial) -> float:
        best = -math.inf
        for step, score in enumerate(scores(space, suggest(space, trial)), 1):
            best = max(best, score)
            if score >= race.target and not file.exists():
                file.write_text(str(time.monotonic()))
            if file.exists() or race.now > race.limit:
                trial.study.stop()
                break
            trial.report(score, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    study.optimize(objective, n_trials=TRIALS // CORES)


OURS = "pitprop, promote, lanes"
CANDIDATES: dict[str, Callable[[Race], Took]] = {OURS: ours, "Ray Tune, ASHA": tune, "Optuna TPE, Hyperband": hyperband}


def table(folder: Path, workloads: Sequence[str], seeds: Sequence[int], limit: float) -> None:
    """Runs the candidates in turn; prints the medians of each workload and their ratios to ours."""
    ratios: dict[str, list[float]] = {}
    for workload in workloads:
        target = pool.load(folder, workload, pool.SIZES[workload]).table.target(0.95)
        taken: dict[str, list[Took]] = {name: [] for name in CANDIDATES}
        for seed in seeds:
            for name, rows in taken.items():
                rows.append(_alone(Race(name, workload, target, seed, limit)))
                missed = "" if rows[-1].reached else " (missed)"
                print(
                    f"  {workload}, seed {seed}, {name}: {rows[-1].seconds:.1f} s{missed}, load {os.getloadavg()[0]:.0f}",
                    flush=True,
                )
        medians = {name: statistics.median(one.seconds for one in rows) for name, rows in taken.items()}
        for name, rows in taken.items():
            ratios.setdefault(name, []).append(medians[name] / medians[OURS])
            said = f"{medians[name]:>8.1f} s{ratios[name][-1]:>8.2f} times ours, {sum(not one.reached for one in rows)} missed"
            print(f"{workload:<16}{name:<26}{said}", flush=True)
    for name, found in ratios.items():
        print(f"{'geometric mean':<16}{name:<26}{statistics.geometric_mean(found):>18.2f} times ours")


def _alone(race: Race) -> Took:
    """Does a search in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        command = [*MODULE, "--one", json.dumps(_row(replace(race, folder=folder, began=time.monotonic())))]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Took(*json.loads(said.splitlines()[-1]))


def _row(race: Race) -> list[Any]:
    return [race.candidate, race.workload, race.target, race.seed, race.limit, race.folder, race.began]


def main() -> None:
    """Does what `_alone` and `hyperband` ask of a process."""
    parser = argparse.ArgumentParser(prog="tests.bench.search.seconds")
    parser.add_argument("--one", type=json.loads, metavar="RACE", help="a search")
    parser.add_argument("--part", nargs=2, metavar=("RACE", "SEED"), help="a process of one")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.part:
        race, seed = options.part
        part(Race(*json.loads(race)), int(seed))
    else:
        race = Race(*options.one)
        took = CANDIDATES[race.candidate](race)
        print(json.dumps([took.seconds, took.reached]))


if __name__ == "__main__":
    main()
