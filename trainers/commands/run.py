"""One run of a command: how it is started, and its epochs as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pitprop.messages import Message, message
from pitprop.telemetry import Epoch
from pitprop.trainer import Context
from pitprop.trainers.commands.arguments import CommandError
from pitprop.trainers.commands.attempt import Attempt, begin, log
from pitprop.trainers.commands.metric_sources import Sources
from pitprop.trainers.commands.plan import Plan, plan
from pitprop.trainers.commands.process import Process, locked
from pitprop.trainers.commands.settings import Settings

INTERVAL = 0.1
"""Seconds between two looks at the metrics."""
PATIENT = 0.95
"""The share of the space's ``stall`` after which silence is an error here, where more is known of it than in the driver."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command that was started; ``known`` are epochs that stood in its logs before."""

    attempt: Attempt
    sources: Sources
    known: Sequence[Epoch]
    process: Process


def started(settings: Settings, params: Mapping[str, Any], context: Context, folder: Path, spoiled: Sequence[str]) -> Run:
    """Starts the command, as soon as an earlier one in ``folder`` has ended; without the checkpoints that are ``spoiled``."""
    lock = locked(folder.with_suffix(".lock"))
    try:
        attempt = begin(settings, context, folder, spoiled)
        ready = plan(settings, params, context, folder, attempt.checkpoint)
        sources = Sources(ready.sources, context.metric, attempt.began, ready.arguments, by_steps=context.unit == "steps")
        known = sources.poll(ended=False)  # what was written, and not read
        log(folder, f"begins {attempt.says}")
        return Run(attempt, sources, known, _start(ready, folder, settings.grace, lock))
    finally:
        os.close(lock)


def epochs(run: Run, context: Context, folder: Path) -> Generator[Epoch, None, int]:
    """Yields what is new of a run; how the command ended. One that gave no epoch at all has failed, whatever it says."""
    known, last = (context.step if run.attempt.checkpoint is not None else 0), None
    try:
        for epoch in chain(run.known, _follow(run.process, run.sources, context.epochs, context.stall * PATIENT)):
            # From the folder of all trials, as that may be elsewhere where the trial goes on.
            context.state = {"folder": str(folder.relative_to(folder.parents[1])), "began": run.attempt.began}
            if known < epoch.step < context.epochs:
                yield epoch
            elif epoch.step >= context.epochs:
                if last is not None and epoch.step > last.step:
                    break
                last = epoch  # with it the training is over for the search, but the command may still have something to save
        if code := run.process.wait(0.0):
            return code
        if not run.sources.measured and run.attempt.checkpoint is None:
            raise CommandError(message("the command ended {lack}", lack=run.sources.lack()))
        if last is not None:
            yield last
        return 0
    finally:
        run.process.stop()
        log(folder, f"ended with exit code {run.process.wait(0.0)}")


def _start(ready: Plan, folder: Path, grace: float, lock: int) -> Process:
    ready.write()
    ready.cwd.mkdir(parents=True, exist_ok=True)
    log(folder, ready.shell)
    return Process(ready.arguments, cwd=ready.cwd, environment=ready.environment, folder=folder, grace=grace, lock=lock)


def _follow(process: Process, sources: Sources, budget: int, patience: float) -> Generator[Epoch, None, None]:
    """The epochs as they come; `CommandError` when none has come for so many seconds, and some are missing."""
    heard, code = time.monotonic(), None
    while code is None:
        code = process.wait(INTERVAL)
        for epoch in sources.poll(ended=code is not None, whole=code == 0):
            yield epoch
            heard = time.monotonic()
        if code is None and time.monotonic() - heard > patience:
            if sources.last >= budget:
                return
            late = message("no epoch came in {seconds:g} seconds (stall: in the space)", seconds=patience / PATIENT)
            raise CommandError(late if sources.last else Message.join([late, sources.lack()], " "))
