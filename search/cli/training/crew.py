"""The workers of one command: what each has to itself, how many there are, and when they start."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from pitprop.addresses import Addresses, shared_ray
from pitprop.cli.options import RunOptions
from pitprop.cli.output import waiting
from pitprop.messages import Message, _, localized, ngettext
from pitprop.space import Space, Workers, scripts
from pitprop.trainer import Context
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.cluster.runtime_env import Code
from pitprop.workers.launch import Inline, Job, Launcher, LaunchError
from pitprop.workers.share import Share, Size
from rich.console import Console


class Crew:
    """The workers of one command: those that have searched confirm what was found, too, so that Ray starts once."""

    def __init__(self) -> None:
        self._launcher: Launcher | None = None
        self._called: OnRay | None = None

    def call(
        self, space: Space, where: Addresses, options: RunOptions, console: Console, count: int, meanwhile: Callable[[], object]
    ) -> None:
        """Starts a Ray here and its workers before there is a study for them. ``meanwhile`` is done while Ray starts, in a
        thread: not what needs the environment, in which there are no passwords then."""
        if not options.inline and where.ray is None:
            self._launcher = self._called = self._on_ray(space, where, options, console, count, meanwhile)

    def launcher(self, space: Space, where: Addresses, options: RunOptions, console: Console, count: int) -> Launcher:
        """Workers for ``count`` trainings of the study of ``space``: those that there are, if they will do, else new ones."""
        called, self._called = self._called, None
        if called is not None:
            with waiting(console, _("starting the workers")) if console.is_terminal else nullcontext():
                called.await_start()
        if self._launcher is not None and self._launcher.take(_job_in(space, where, options), count):
            return self._launcher
        self.close()
        if options.inline:
            self._launcher = Inline(_job_in(space, where, options), cpus=_need(space).cpus)
        else:
            self._launcher = self._on_ray(space, where, options, console, count)
        return self._launcher

    def _on_ray(
        self,
        space: Space,
        where: Addresses,
        options: RunOptions,
        console: Console,
        count: int,
        meanwhile: Callable[[], object] | None = None,
    ) -> OnRay:
        size = _size(space, where, options, count)

        def tell(said: Message) -> None:
            console.print(localized(said), style="dim", highlight=False, soft_wrap=True, markup=False)

        with waiting(console, _starting(where, size)):
            return OnRay(
                _job_in(space, where, options),
                _need(space),
                size,
                stall=space.stall,
                address=where.ray,
                logs=options.worker_logs,
                code=Code(scripts.folders(space), scripts.modules(space), space.pip, [where.runs]),
                tell=tell,
                meanwhile=meanwhile,
            )

    def close(self) -> None:
        """Ends the workers, and all that they run."""
        launcher, self._launcher = self._launcher, None
        if launcher is not None:
            launcher.close()


def _need(space: Space) -> Need:
    """What each worker has to itself."""
    said = space.resources
    return Need(said.cpus, said.gpus, said.accelerator_type)


def _size(space: Space, where: Addresses, options: RunOptions, count: int) -> Size:
    """How many workers there are to be, for ``count`` trainings."""
    said = space.resources.workers
    share = Share(options.share) if options.share is not None else None
    if isinstance(said, Workers) and options.workers is None:
        here = _local_workers(space) if _is_here(where) else None
        return Size(count, said.max if here is None else min(here, said.max or here), said.min, here is None, share)
    most = options.workers or (said if isinstance(said, int) else None)
    return Size(count, most if most is not None or not _is_here(where) else _local_workers(space), share=share)


def _is_here(where: Addresses) -> bool:
    """Whether all workers are on this machine."""
    return where.ray is None or shared_ray(where.ray) is not None


def _local_workers(space: Space) -> int:
    """How many workers the CPUs of this machine hold."""
    return max(1, int(_cores() // space.resources.cpus))


def _starting(where: Addresses, size: Size) -> str:
    if not _is_here(where):
        return _("joining Ray at {address} (some seconds)").format(address=where.ray)
    n = min(size.most or size.count, size.count)
    return ngettext("starting {n} worker on Ray (some seconds)", "starting {n} workers on Ray (some seconds)", n).format(n=n)


def _cores() -> int:
    """The CPUs that this process may use; on macOS, which cannot say so, those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _job_in(space: Space, where: Addresses, options: RunOptions) -> Job:
    here = options.inline or _is_here(where)
    return job(space, where.folder(space.name) / "checkpoints", storage(space, where, options), here=here)


def job(space: Space, folder: Path, storage: str = "", *, here: bool) -> Job:
    """What workers are built from that train ``space``, on this machine (``here``) or on another."""
    gpus = space.resources.gpus
    if gpus and here and not _sees_gpu():
        raise LaunchError(_("resources.gpus in the space asks for a GPU, and CUDA shows none here: set it to 0"))
    context = Context(
        epochs=space.epochs,
        options=space.options,
        device="cuda" if gpus else "cpu",
        home=str(space.home),
        metric=space.objective.metric,
        goal=space.objective.best_by,
        stall=space.stall,
        cpus=space.resources.cpus,
        gpus=gpus,
        unit=space.unit,
    )
    return Job(space.trainer, context, folder, storage)


def storage(space: Space, where: Addresses, options: RunOptions) -> str:
    """Where checkpoints go that every node is to reach: as a flag says, or the environment, or the space; empty if none does."""
    return options.storage or where.storage or space.storage or ""


def _sees_gpu() -> bool:
    """Whether the CUDA driver shows this process a GPU; PyTorch, which could say so too, takes seconds to import."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
