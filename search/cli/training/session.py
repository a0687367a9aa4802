"""One run of a search: workers, exporter and screen around the loop, and a clean end whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from pitprop.addresses import Addresses, shared_ray
from pitprop.cli.options import RunOptions
from pitprop.cli.output import waiting
from pitprop.driver import preflight
from pitprop.driver.journal import Journal
from pitprop.driver.loop import Search
from pitprop.driver.preflight_checks import Finding
from pitprop.driver.progress import Ended, Event, Reported
from pitprop.messages import Message, _, localized, ngettext
from pitprop.space import Space, Workers, scripts
from pitprop.study.parking import lanes
from pitprop.study.record import State
from pitprop.study.source import next_command
from pitprop.study.study import Study
from pitprop.track.exporter import Sink
from pitprop.trainer import Context
from pitprop.views.terminal.live import Screen
from pitprop.views.terminal.preflight_table import print_outcome
from pitprop.views.terminal.status import print_inactive, print_known, print_notes
from pitprop.workers import checkpoint
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.cluster.runtime_env import Code
from pitprop.workers.files import home
from pitprop.workers.files.best_states import Bests
from pitprop.workers.launch import Inline, Job, Launcher, LaunchError
from pitprop.workers.share import Share, Size
from rich.console import Console

PROGRESS = 30.0
"""Seconds between two exports of a trial that runs."""
GENERATIONS = 4
"""A search is cut into at least this many groups, so that the sampler learns between them."""


def run(
    space: Space,
    study: Study,
    where: Addresses,
    options: RunOptions,
    *,
    console: Console | None = None,
    exporter: Sink | None = None,
    crew: Crew,
    asks: bool = True,
    checks: bool = True,
) -> int:
    """Searches until the target or the time limit is reached: 0, or 130 if it was interrupted.

    Without a ``console`` nothing is shown, without an ``exporter`` nothing goes to MLflow. With ``asks=False`` only the trials
    that the study holds are brought to an end. With ``checks=False`` nothing is said of inactive checks and there is no
    preflight: a search with the same trainer has done both. ``crew`` has the workers, and keeps them.
    """
    console = console or Console(quiet=True)
    study.checkpoints.mkdir(parents=True, exist_ok=True)
    (study.folder / "space.yaml").write_text(space.text, encoding="utf-8")
    if checks:
        print_notes(console, space)
        print_inactive(console, space)
        print_known(console, study.knows)
    records = study.records()
    if exporter is not None:
        for record in records:
            exporter.send(record)
    count = (study.target if asks else sum(record.state == State.RUNNING for record in records)) * space.seeds
    launcher = crew.launcher(space, study, where, options, console, count)
    if checks and all(record.state == State.RUNNING for record in records):  # no trial has shown yet that the trainer works
        findings = preflight.inspect(space, launcher)
        print_outcome(console, findings)
        preflight.refuse(findings, next_command("preflight", space, where))
    learns = asks and study.target > sum(baseline.params is not None for baseline in space.baselines)
    width = partial(_width, space, count, GENERATIONS if learns else 1)
    timeout = options.timeout or space.timeout
    deadline = time.time() + timeout if timeout else None  # which is no time to start Ray in
    search = Search(space, study, launcher, width=width, deadline=deadline, asks=asks)
    with Screen(console, space, study.target, records, confirms=not checks) as screen:
        journal = Journal(options.events, space, study.target, records, confirms=not checks)
        code = _watch(search, study, exporter, screen, journal)
        journal.tell()
    if not code and asks and deadline is not None and time.time() >= deadline:
        _tell_time_over(console, study)
    if code and options.exits:
        # From here on a second Ctrl-C ends at once; the next search resumes from the checkpoints all the same.
        signal.signal(signal.SIGINT, lambda *_: os._exit(code))
    if code:
        crew.close()
    sweep_checkpoints(space, study, storage(space, where, options))
    return code


def _tell_time_over(console: Console, study: Study) -> None:
    """Says how many trials a search has not begun whose time is over."""
    n = study.target - len(study.records())
    if not study.all_begun:
        said = ngettext("its time is over: {n} trial has not begun", "its time is over: {n} trials have not begun", n)
        console.print(f"{study.space.name}: {said.format(n=n)} (timeout)", style="dim", highlight=False, soft_wrap=True)


def inspect(space: Space) -> list[Finding]:
    """What a preflight finds, in this process and without a study."""
    with closing(Inline(_job(space, Path(), here=True), cpus=space.resources.cpus)) as launcher:
        return preflight.inspect(space, launcher)


def _watch(search: Search, study: Study, exporter: Sink | None, screen: Screen, journal: Journal) -> int:
    last: dict[int, float] = {}
    try:
        with closing(search.events()) as events:
            for event in events:
                screen.show(event)
                journal.show(event)
                _export(event, study, exporter, last)
    except KeyboardInterrupt:
        return 130
    return 0


def _export(event: Event, study: Study, exporter: Sink | None, last: dict[int, float]) -> None:
    """Sends a trial when it ends, and from time to time while it runs."""
    now = time.monotonic()
    if isinstance(event, Ended) and event.traceback:
        Path(event.record.folder).mkdir(parents=True, exist_ok=True)  # its trainer may have removed it
        Path(event.record.folder, "traceback.txt").write_text(event.traceback, encoding="utf-8")
    if exporter is None:
        return
    if isinstance(event, Ended):
        exporter.send(event.record)
    elif isinstance(event, Reported) and now - last.setdefault(event.lane.trial, now) >= PROGRESS:
        last[event.lane.trial] = now
        exporter.send(study.record(event.lane.trial))


def storage(space: Space, where: Addresses, options: RunOptions) -> str:
    """Where checkpoints go that every node is to reach: as a flag says, or the environment, or the space; empty if none does."""
    return options.storage or where.storage or space.storage or ""


def sweep_checkpoints(space: Space, study: Study, storage: str) -> None:
    """Leaves nothing of the workers when no trial runs: what is kept of it alone goes to the folders of its trials."""
    records = study.records()
    if any(record.state == State.RUNNING for record in records):
        return
    folders = {lane: Path(record.folder) for record in records for lane in lanes(space, record.number)}
    if study.checkpoints.exists():
        Bests(space.objective.metric, space.objective.best_by).salvage(folders, study.checkpoints)
        kept = {lane: checkpoint.path(folder, lane.replica) for lane, folder in folders.items()}
        checkpoint.sweep(study.checkpoints, kept, study.parking().only_with_workers())
    for draft in (*study.folder.glob("trials/*/replica-*.part"), *study.folder.glob("trials/*/telemetry*.part")):
        draft.unlink(missing_ok=True)
    if storage:
        home.sweep(study.folder, storage)


class Crew:
    """The workers of one command: those that have searched confirm what was found, too, so that Ray starts once."""

    def __init__(self) -> None:
        self._launcher: Launcher | None = None

    def launcher(
        self, space: Space, study: Study, where: Addresses, options: RunOptions, console: Console, count: int
    ) -> Launcher:
        """Workers for ``count`` trainings of the study: those that there are, if they will do, else new ones."""
        here = options.inline or _is_here(where)
        job = _job(space, study.checkpoints, storage(space, where, options), here=here)
        size, need = _size(space, where, options, count), _need(space)
        if self._launcher is not None and self._launcher.take(job, count):
            return self._launcher
        self.close()
        if options.inline:
            self._launcher = Inline(job, cpus=need.cpus)
            return self._launcher

        def tell(said: Message) -> None:
            console.print(localized(said), style="dim", highlight=False, soft_wrap=True, markup=False)

        with waiting(console, _starting(where, size)):
            code = Code(scripts.folders(space), scripts.modules(space), space.pip, [where.runs])
            self._launcher = OnRay(
                job, need, size, stall=space.stall, address=where.ray, logs=options.worker_logs, code=code, tell=tell
            )
        return self._launcher

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


def _job(space: Space, folder: Path, storage: str = "", *, here: bool) -> Job:
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


def _width(space: Space, lanes: int, generations: int, workers: int) -> int:
    """How many lanes each of so many workers trains at once, of so many in all."""
    if space.resources.lanes is not None:
        return min(space.resources.lanes, space.card.width)
    return max(1, min(space.card.width, -(-lanes // (generations * workers))))


def _sees_gpu() -> bool:
    """Whether the CUDA driver shows this process a GPU; PyTorch, which could say so too, takes seconds to import."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
