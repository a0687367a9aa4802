"""Where trainers run: actors of Ray, or the driver's own process for debugging. The only importer of ray."""

from __future__ import annotations

import itertools
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pitprop.errors import UserError
from pitprop.imports import search_path
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Epochs, Start, public_environment
from pitprop.workers import deaths, reaper
from pitprop.workers.guards import exit_told, own_signals, silence_told
from pitprop.workers.worker import Cause, Failure, Worker

MARK = "PITPROP_SCRATCH"
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray's servers listen on 127.0.0.1, on every system: else whoever reaches them runs code as this user. Read on import."""
START = 300.0
"""Seconds in which Ray and its workers have to start; a busy machine takes minutes."""
LOOK = 2.0
"""Seconds between two looks at whether Ray itself is alive."""
SLOW = 20.0
"""Seconds after which a start of Ray that failed has run into a time limit of its own, so that another attempt may succeed."""
DEATHS = 3
"""How many deaths of the Ray that was started here are replaced in one run: more have a cause that stays."""


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

    def take(self, job: Job) -> bool:
        """Has the workers, none of which is at work, do another job; False if it takes other workers."""

    def close(self) -> None:
        """Ends everything that runs; nothing of it outlives the call."""


class LaunchError(UserError):
    """The workers could not be had: one sentence."""


class RayDied(Exception):
    """The Ray that was started here has died, and what it was asked is never answered: which of its processes, and how."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a search is built from: the trainer's location, its context, and where checkpoints go."""

    location: str
    context: Context
    folder: Path

    def arguments(self, generation: int) -> tuple[str, Context, str]:
        """The arguments of one `Worker`, with a checkpoint file that no other worker of any run writes to."""
        return self.location, self.context, str(self.folder / f"{time.time_ns()}-{generation}.ckpt")

    def like(self, other: Job) -> bool:
        """Whether the workers of the other job can do this one, in another folder."""
        return self == replace(other, folder=self.folder)


class Inline:
    """One worker in the driver's own process, where a debugger and a traceback reach the trainer.

    Nothing can end a training that hangs here; after ``stall`` seconds without an epoch a sentence says so.
    """

    size = 1

    def __init__(self, job: Job, *, cpus: float) -> None:
        _limit_threads(cpus)
        self._job = job
        self._worker = Worker(*job.arguments(0))
        self._stall = job.context.stall
        self._change: Change | None = None
        with own_signals():
            problem = self._worker.warm()
        if problem is not None:
            raise LaunchError(problem)

    def preflight(self, start: Start) -> Epoch | Failure | None:
        with own_signals(), silence_told(self._stall), exit_told():
            return self._worker.preflight(start.params, start.seed)

    def advance(self, worker: int, change: Change) -> None:
        self._change = change

    def steps(self) -> Iterator[Step]:
        while self._change is not None:
            change, self._change = self._change, None
            with own_signals(), silence_told(self._stall), exit_told():
                outcome = self._worker.advance(change)
            yield Step(0, outcome)

    def take(self, job: Job) -> bool:
        if job.like(self._job):
            self._job = job
            self._worker.move(job.arguments(0)[-1])
        return self._job is job

    def close(self) -> None:
        self._worker.close()


class OnRay:
    """Actors that are kept from group to group, each with ``cpus`` and ``gpus`` (fractions too) to itself.

    An actor that dies, or that says nothing for ``stall`` seconds, is replaced, and the step says what happened to its
    group. ``address`` joins a cluster; None starts one here, which ends with the launcher. That is started anew when it has died,
    up to `DEATHS` times. ``logs`` shows what the workers print.
    """

    def __init__(self, job: Job, *, size: int, cpus: float, gpus: float, stall: float, address: str | None, logs: bool) -> None:
        self.size = size
        self._job, self._stall = job, stall
        self._cpus, self._gpus, self._address, self._logs = cpus, gpus, address, logs
        self._generations = itertools.count()
        self._pending: dict[Any, tuple[int, float]] = {}
        self._starting: dict[int, Any] = {}
        self._notes: dict[int, Path] = {}
        self._deaths = 0
        self._start()

    def _start(self) -> None:
        """Starts Ray, or joins it, and the workers; what dies of it meanwhile is replaced."""
        self._scratch = Path(tempfile.mkdtemp(prefix="pitprop-"))
        self._reaper = reaper.start(self._scratch, public_environment())
        cpus, gpus = self._cpus, self._gpus
        try:
            self._ray = _connect(self._address, self._scratch, cpus, self.size, self._logs)
            self._refuse_too_much(cpus, gpus)
            self._remote = self._ray.remote(Worker).options(num_cpus=cpus, num_gpus=gpus, enable_task_events=False)
            self._actors = [self._actor(worker) for worker in range(self.size)]
            self._await_start()
        except RayDied as died:
            self._start_anew(died)
        except BaseException as error:
            self.close()
            if type(error).__module__.startswith("ray."):
                raise LaunchError(f"the workers did not start: {str(error).splitlines()[0]}") from error
            raise

    def _start_anew(self, died: RayDied) -> None:
        """Replaces a Ray that has died, with all that was left of it. `LaunchError` if that does not help."""
        self.close()
        self._deaths += 1
        kept = "finished trials are kept, and the same command resumes"
        if self._deaths > DEATHS:
            raise LaunchError(f"{died}, as Ray has done {DEATHS} times before in this search; {kept}")
        try:
            self._start()
        except LaunchError as error:
            raise LaunchError(f"{died}, and is not replaced: {error}; {kept}") from error

    def preflight(self, start: Start) -> Epoch | Failure | None:
        try:
            reference = self._actors[0].preflight.remote(start.params, start.seed)
            deadline = self._deadline(0)
            while not (ready := self._ready([reference], deadline)) and time.monotonic() < deadline:
                pass
            answer: Epoch | Failure | None = self._answer(0, reference) if ready else self._stalled(0)
            return answer
        except RayDied as died:
            self._start_anew(died)
            return self.preflight(start)

    def advance(self, worker: int, change: Change) -> None:
        reference = self._actors[worker].advance.remote(change)
        self._pending[reference] = worker, self._deadline(worker)

    def steps(self) -> Iterator[Step]:
        while self._pending:
            try:
                answers = self._answers()
            except RayDied as died:
                lost = [worker for worker, _ in self._pending.values()]
                self._start_anew(died)
                answers = [Step(worker, Failure(f"{died}, and was replaced", Cause.RAY_DIED)) for worker in lost]
            yield from answers

    def take(self, job: Job) -> bool:
        if job.like(self._job):
            self._job = job
            for actor in self._actors:
                actor.move.remote(job.arguments(next(self._generations))[-1])
        return self._job is job

    def _answers(self) -> list[Step]:
        """What has come in after a while of waiting at most."""
        ready = self._ready(list(self._pending), min(deadline for _, deadline in self._pending.values()))
        self._note_starts()
        asked = {reference: self._pending[reference][0] for reference in ready or self._late()}
        answers = [Step(w, self._answer(w, reference) if ready else self._stalled(w)) for reference, w in asked.items()]
        for reference in asked:  # only now, as Ray may have died while it was asked for one of them
            del self._pending[reference]
        return answers

    def close(self) -> None:
        self._pending.clear()
        self._starting.clear()
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        self._reaper.communicate()

    def _ready(self, references: list[Any], deadline: float, count: int = 1) -> list[Any]:
        """Which of them are answered, after a while of waiting at most. `RayDied` if Ray itself has."""
        patience = min(LOOK, max(0.0, deadline - time.monotonic()))
        ready, _ = self._ray.wait(references, num_returns=count, timeout=patience)
        _refuse_dead(self._ray)
        return list(ready)

    def _deadline(self, worker: int) -> float:
        """When a worker that is asked now has been silent for too long; one that still starts is given the time for that."""
        return time.monotonic() + self._stall + (START if worker in self._starting else 0.0)

    def _note_starts(self) -> None:
        """From when a worker has started, its silence counts."""
        for worker, starting in list(self._starting.items()):
            if self._ray.wait([starting], timeout=0)[0]:
                del self._starting[worker]
                renewed = {ref: (one, self._deadline(one)) for ref, (one, _) in self._pending.items() if one == worker}
                self._pending |= renewed

    def _await_start(self) -> None:
        deadline, waiting = time.monotonic() + START, list(self._starting.values())
        while len(self._ready(waiting, deadline, len(waiting))) < len(waiting):
            if time.monotonic() >= deadline:
                raise LaunchError(
                    f"the workers did not start in {START:g} seconds, so the machine is too busy, or other programs hold Ray's "
                    f"CPUs; the same command tries again"
                )
        self._starting.clear()
        for problem in self._ray.get(waiting):
            if problem is not None:
                raise LaunchError(problem)

    def _late(self) -> list[Any]:
        now = time.monotonic()
        return [reference for reference, (_, deadline) in self._pending.items() if deadline <= now]

    def _answer(self, worker: int, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            _refuse_dead(self._ray)
            told = deaths.told(self._notes[worker])
            if isinstance(error, self._ray.exceptions.OutOfMemoryError):
                told = "was ended by Ray, as the memory of its machine is nearly full"
            elif "Died" not in type(error).__name__:
                told = f"died ({type(error).__name__})"
            self._replace(worker)
            return Failure(f"its worker {told}", Cause.WORKER_DIED)

    def _stalled(self, worker: int) -> Failure:
        _refuse_dead(self._ray)
        self._replace(worker)
        return Failure(f"no epoch came in {self._stall:g} seconds (stall: in the space)")

    def _actor(self, worker: int) -> Any:
        generation = next(self._generations)
        actor = self._remote.remote(*self._job.arguments(generation))
        self._notes[worker] = self._scratch / f"worker-{generation}.note"
        actor.watch.remote(str(self._notes[worker]))
        self._starting[worker] = actor.warm.remote()
        return actor

    def _replace(self, worker: int) -> None:
        self._ray.kill(self._actors[worker])
        self._actors[worker] = self._actor(worker)

    def _refuse_too_much(self, cpus: float, gpus: float) -> None:
        have = self._ray.cluster_resources()
        for kind, each in (("GPU", gpus), ("CPU", cpus)):
            if each * self.size > have.get(kind, 0) + 1e-9:
                raise LaunchError(
                    f"{self.size} workers with {each:g} {kind}s each ask for {each * self.size:g} {kind}s and Ray has "
                    f"{have.get(kind, 0):g}: lower resources.{kind.lower()}s in the space, or --workers"
                )


def _refuse_dead(ray: Any) -> None:
    """`RayDied` if the Ray that was started here has."""
    node = ray._private.worker._global_node
    for name, process in node.dead_processes() if node is not None else ():
        if name in ("raylet", "gcs_server"):
            code = process.poll()
            how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            raise RayDied(f"{name} of the local Ray has died ({how})")


def _limit_threads(cpus: float) -> None:
    # With default threads, two trials on two cores ran 5 to 30 times slower than with one thread per CPU asked for.
    os.environ["OMP_NUM_THREADS"] = str(max(1, int(cpus)))


def _connect(address: str | None, folder: Path, cpus: float, size: int, logs: bool) -> Any:
    _limit_threads(cpus)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for limit in ("raylet_start_wait_time_s", "worker_register_timeout_seconds"):
        os.environ.setdefault(f"RAY_{limit}", f"{START:.0f}")
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
        _init(ray, address, logs, {} if address else own)
    finally:
        for name in changed.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
    return ray


@contextmanager
def _lean(ray: Any, logs: bool) -> Iterator[None]:
    """Has a Ray that is started here start no process for its dashboard, nor one that reads the workers' ``logs`` for nobody.

    `ray.init` has no flag for it: without a dashboard it still starts that one's server, and waits until it has imported all.
    """
    services, node = ray._private.services, ray._private.node.Node
    before = services.start_api_server, node.start_log_monitor
    services.start_api_server = lambda *_args, **_options: ("", None)
    if not logs:
        node.start_log_monitor = lambda _node: None
    try:
        yield
    finally:
        services.start_api_server, node.start_log_monitor = before


def _init(ray: Any, address: str | None, logs: bool, own: Mapping[str, Any]) -> None:
    """Starts Ray, or joins it; once more where it was too slow, as it gives up on a busy machine. `LaunchError`."""
    deadline = time.monotonic() + START
    while True:
        began = time.monotonic()
        try:
            with _lean(ray, logs):
                ray.init(address=address or "local", log_to_driver=logs, logging_level=logging.ERROR, **own)
            return
        except Exception as error:  # Ray raises bare ones, too
            ray.shutdown()
            if not address and time.monotonic() - began > SLOW and time.monotonic() < deadline:
                continue
            where = f"at {address}" if address else "here"
            said = (str(error) or repr(error)).splitlines()[0]
            raise LaunchError(f"Ray does not start {where}: {said}; the same command tries again") from error
