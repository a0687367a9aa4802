"""Where trainers run: actors of Ray, or the driver's own process for debugging. The only importer of ray."""

from __future__ import annotations

import itertools
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pitprop.errors import UserError
from pitprop.imports import search_path
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Epochs, Start, public_environment
from pitprop.workers import reaper
from pitprop.workers.worker import Cause, Failure, Worker

MARK = "PITPROP_SCRATCH"
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray's servers listen on 127.0.0.1, on every system: else whoever reaches them runs code as this user. Read on import."""
DEATH = "killed, out of memory, or crashed in native code"


@dataclass(frozen=True, slots=True)
class Step:
    """What a worker answered to an advance."""

    worker: int
    outcome: Epochs | Failure


class Launcher(Protocol):
    """Workers, each of which holds a group of lanes from call to call."""

    size: int

    def preflight(self, start: Start) -> Epoch | Failure | None:
        """What the trainer measures before a training begins; None if it measures nothing. Only while no worker is at work."""

    def advance(self, worker: int, change: Change) -> None:
        """Asks an idle worker for its next epoch."""

    def steps(self) -> Iterator[Step]:
        """The answers as they come in, until no worker is asked for anything."""

    def close(self) -> None:
        """Ends everything that runs; nothing of it outlives the call."""


class LaunchError(UserError):
    """The workers could not be had: one sentence."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a search is built from: the trainer's location, its context, and where checkpoints go."""

    location: str
    context: Context
    folder: Path

    def arguments(self, generation: int) -> tuple[str, Context, str]:
        """The arguments of one `Worker`, with a checkpoint file that no other worker of any run writes to."""
        return self.location, self.context, str(self.folder / f"{time.time_ns()}-{generation}.ckpt")


class Inline:
    """One worker in the driver's own process, where a debugger and a traceback reach the trainer."""

    size = 1

    def __init__(self, job: Job, *, cpus: float) -> None:
        _limit_threads(cpus)
        self._worker = Worker(*job.arguments(0))
        self._change: Change | None = None
        if (problem := self._worker.warm()) is not None:
            raise LaunchError(problem)

    def preflight(self, start: Start) -> Epoch | Failure | None:
        return self._worker.preflight(start.params, start.seed)

    def advance(self, worker: int, change: Change) -> None:
        self._change = change

    def steps(self) -> Iterator[Step]:
        while self._change is not None:
            change, self._change = self._change, None
            yield Step(0, self._worker.advance(change))

    def close(self) -> None:
        self._worker.close()


class OnRay:
    """Actors that are kept from group to group, each with ``cpus`` and ``gpus`` (fractions too) to itself.

    An actor that dies, or that says nothing for ``stall`` seconds, is replaced, and the step says what happened to its
    group. ``address`` joins a cluster; None starts one here, which ends with the launcher. ``logs`` shows what the workers print.
    """

    def __init__(self, job: Job, *, size: int, cpus: float, gpus: float, stall: float, address: str | None, logs: bool) -> None:
        self.size = size
        self._job, self._stall = job, stall
        self._generations = itertools.count()
        self._pending: dict[Any, tuple[int, float]] = {}
        self._scratch = Path(tempfile.mkdtemp(prefix="pitprop-"))
        self._reaper = reaper.start(self._scratch, public_environment())
        try:
            self._ray = _connect(address, self._scratch, cpus, size, logs)
            self._refuse_too_much(cpus, gpus)
            self._remote = self._ray.remote(Worker).options(num_cpus=cpus, num_gpus=gpus, enable_task_events=False)
            self._actors = [self._actor() for _ in range(size)]
            for problem in self._ray.get([actor.warm.remote() for actor in self._actors], timeout=stall):
                if problem is not None:
                    raise LaunchError(problem)
        except BaseException as error:
            self.close()
            if type(error).__module__.startswith("ray."):
                raise LaunchError(f"the workers did not start: {str(error).splitlines()[0]}") from error
            raise

    def preflight(self, start: Start) -> Epoch | Failure | None:
        reference = self._actors[0].preflight.remote(start.params, start.seed)
        ready, _ = self._ray.wait([reference], timeout=self._stall)
        answer: Epoch | Failure | None = self._answer(0, reference) if ready else self._stalled(0)
        return answer

    def advance(self, worker: int, change: Change) -> None:
        reference = self._actors[worker].advance.remote(change)
        self._pending[reference] = worker, time.monotonic() + self._stall

    def steps(self) -> Iterator[Step]:
        while self._pending:
            deadline = min(deadline for _, deadline in self._pending.values())
            patience = max(0.0, deadline - time.monotonic())
            ready, _ = self._ray.wait(list(self._pending), timeout=patience)
            for reference in ready or self._late():
                worker, _ = self._pending.pop(reference)
                yield Step(worker, self._answer(worker, reference) if ready else self._stalled(worker))

    def close(self) -> None:
        self._pending.clear()
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        self._reaper.communicate()

    def _late(self) -> list[Any]:
        now = time.monotonic()
        return [reference for reference, (_, deadline) in self._pending.items() if deadline <= now]

    def _answer(self, worker: int, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._replace(worker)
            kind = DEATH if "Died" in type(error).__name__ else type(error).__name__
            return Failure(f"its worker died ({kind})", Cause.WORKER_DIED)

    def _stalled(self, worker: int) -> Failure:
        self._replace(worker)
        return Failure(f"no epoch came in {self._stall:g} seconds (stall: in the space)")

    def _actor(self) -> Any:
        return self._remote.remote(*self._job.arguments(next(self._generations)))

    def _replace(self, worker: int) -> None:
        self._ray.kill(self._actors[worker])
        self._actors[worker] = self._actor()

    def _refuse_too_much(self, cpus: float, gpus: float) -> None:
        have = self._ray.cluster_resources()
        for kind, each in (("GPU", gpus), ("CPU", cpus)):
            if each * self.size > have.get(kind, 0) + 1e-9:
                raise LaunchError(
                    f"{self.size} workers with {each:g} {kind}s each ask for {each * self.size:g} {kind}s and Ray has "
                    f"{have.get(kind, 0):g}: lower resources.{kind.lower()}s in the space, or --workers"
                )


def _limit_threads(cpus: float) -> None:
    # With default threads, two trials on two cores ran 5 to 30 times slower than with one thread per CPU asked for.
    os.environ["OMP_NUM_THREADS"] = str(max(1, int(cpus)))


def _connect(address: str | None, folder: Path, cpus: float, size: int, logs: bool) -> Any:
    _limit_threads(cpus)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not logs:  # Ray prints deaths of workers between our lines otherwise; the step that comes of one says so
        os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."
    if not address:
        os.environ.update(LOOPBACK)
    import ray

    own: dict[str, Any] = {
        "num_cpus": max(1, math.ceil(cpus * size)),
        "include_dashboard": False,
        "object_store_memory": 2**27,
        "_temp_dir": str(folder),
    }
    # What Ray starts finds the package that this process has, and the reaper finds what Ray starts, under whatever title.
    before, changed = dict(os.environ), {MARK: str(folder), "PYTHONPATH": search_path()}
    for name in before.keys() - public_environment().keys():
        del os.environ[name]
    os.environ.update(changed)
    try:
        ray.init(address=address or "local", log_to_driver=logs, logging_level=logging.ERROR, **({} if address else own))
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"at {address}" if address else "here"
        raise LaunchError(f"Ray does not start {where}: {str(error).splitlines()[0]}") from error
    finally:
        for name in changed.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
    return ray
