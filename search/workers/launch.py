"""Where trainers run: workers, as a search sees them, and the one in the driver's own process, for debugging."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pitprop.errors import UserError
from pitprop.messages import N_, _
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Epochs, Start
from pitprop.workers.guards import exit_told, own_signals, silence_told
from pitprop.workers.worker import Failure, Worker


@dataclass(frozen=True, slots=True)
class Step:
    """What a worker answered to an advance; one that has just started answers with no epochs."""

    worker: int
    outcome: Epochs | Failure


def nothing() -> bool:
    """Says that nothing is left to train."""
    return False


class Launcher(Protocol):
    """Workers by number, each of which holds a group of lanes from call to call. Later there may be more of them, or fewer."""

    @property
    def size(self) -> int:
        """How many workers there are to be at present, those that still start among them."""

    def preflight(self, start: Start) -> Epoch | Failure | None:
        """What the trainer measures before a training begins; None if it measures nothing. Only while no worker is at work."""

    def free(self) -> Sequence[int]:
        """The workers that can be given work now."""

    def employs(self, worker: int) -> bool:
        """Whether a worker is to be given further lanes; one that is not ends when it has none."""

    def advance(self, worker: int, change: Change) -> None:
        """Asks an idle worker for its next epoch."""

    def steps(self, left: Callable[[], bool] = nothing) -> Iterator[Step]:
        """The answers as they come in, until no worker is asked for anything.

        While there is no worker that could be asked, it waits for one as long as something is ``left`` to train.
        """

    def take(self, job: Job, count: int) -> bool:
        """Has the workers, none of which is at work, do another job of ``count`` trainings; False if it takes other workers."""

    def close(self) -> None:
        """Ends everything that runs; nothing of it outlives the call."""


class LaunchError(UserError):
    """The workers could not be had: one sentence."""


KEPT = N_("finished trials are kept, and the same command resumes")


def died_again(died: Exception, times: int) -> LaunchError:
    """Of a Ray that has died as often before."""
    text = _("{died}, as Ray has done {times} times before in this search; {kept}")
    return LaunchError(text.format(died=died, times=times, kept=_(KEPT)))


def not_replaced(died: Exception, error: Exception) -> LaunchError:
    """Of a Ray that has died, where another does not start."""
    return LaunchError(_("{died}, and is not replaced: {error}; {kept}").format(died=died, error=error, kept=_(KEPT)))


def dying(n: int, error: Exception) -> LaunchError:
    """Of workers that die before they can be asked anything."""
    text = _("workers die as they start, {n} in a row: {said}; {kept}")
    return LaunchError(text.format(n=n, said=" ".join(str(error).split())[:200], kept=_(KEPT)))


def late(seconds: float) -> LaunchError:
    """Of workers that take longer than so many seconds to start."""
    text = _(
        "the workers did not start in {seconds:g} seconds, so the machine is too busy, or other programs hold Ray's CPUs; the "
        "same command tries again"
    )
    return LaunchError(text.format(seconds=seconds))


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a search is built from: the trainer's location, its context, and where checkpoints go.

    ``folder`` is that of the study's ``checkpoints``; ``storage`` is for workers that do not see it.
    """

    location: str
    context: Context
    folder: Path
    storage: str = ""

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
        limit_threads(cpus)
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

    def free(self) -> Sequence[int]:
        return [0] if self._change is None else []

    def employs(self, worker: int) -> bool:
        return True

    def advance(self, worker: int, change: Change) -> None:
        self._change = change

    def steps(self, left: Callable[[], bool] = nothing) -> Iterator[Step]:
        while self._change is not None:
            change, self._change = self._change, None
            with own_signals(), silence_told(self._stall), exit_told():
                outcome = self._worker.advance(change)
            yield Step(0, outcome)

    def take(self, job: Job, count: int) -> bool:
        if job.like(self._job):
            self._job = job
            self._worker.move(job.arguments(0)[-1])
        return self._job is job

    def close(self) -> None:
        self._worker.close()


def limit_threads(cpus: float) -> None:
    """Has libraries that are loaded from now on, here and in child processes, use as many threads as a worker has CPUs."""
    # With default threads, two trials on two cores ran 5 to 30 times slower than with one thread per CPU asked for.
    os.environ["OMP_NUM_THREADS"] = str(max(1, int(cpus)))
