"""Any training command, with no change to its script: parameters as flags or a file, metrics from its logs.

docs/commands.md says how; `trainers.commands` is what it is made of. The command runs ahead while an epoch is judged, and all
that it has started ends with its trial.

A trial that goes on continues the command if the space says with which arguments (``resume``) and the script's checkpoint is
there. Else the command starts again at its first epoch; those that are known already are not recorded twice.
``command-SEED.log`` in the trial's folder says which, and why.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from search.telemetry import Epoch
from search.trainer import Context
from trainers.commands import failure
from trainers.commands.arguments import CommandError
from trainers.commands.attempt import begin, log
from trainers.commands.plan import Plan, plan
from trainers.commands.process import Process, locked
from trainers.commands.settings import read
from trainers.commands.sources import Sources

OPTIONS: dict[str, Any] = {
    "command": [],  # a list of arguments, with {params} or {lr} in it
    "style": "flags",  # how parameters are written: flags, equals, lightning, dotted, cfg-options, env
    "lists": None,  # spread, comma, json or repeat, where the style's own does not fit
    "booleans": None,  # flag, switch, lower or title
    "cwd": ".",  # from the folder of the space's file
    "env": {},
    "template": None,  # of a configuration file, which becomes {config}
    "metrics": [{"from": "stdout"}],  # each with from, and if need be format, pattern, names
    "names": {},  # the script's names for metrics, and ours
    "resume": [],  # further arguments that continue from {checkpoint}
    "checkpoint": None,  # the script's checkpoint, a path or a glob
    "grace": 10.0,  # seconds from TERM to KILL
}
INTERVAL = 0.1
"""Seconds between two looks at the metrics."""
PATIENT = 0.95
"""The share of the space's ``stall`` after which silence is an error here, where more is known of it than in the driver."""


def train(params: Mapping[str, Any], context: Context) -> Generator[Epoch, None, None]:
    if context.step >= context.epochs:
        return
    settings, folder = read({**OPTIONS, **context.options}), _folder(context)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = locked(folder.with_suffix(".lock"))
    try:
        attempt = begin(settings, context, folder)
        ready = plan(settings, params, context, folder, attempt.checkpoint)
        sources = Sources(ready.sources, context.metric, attempt.began)
        log(folder, f"begins {attempt.says}")
        process = _start(ready, folder, settings.grace, lock)
    finally:
        os.close(lock)
    known, last = (context.step if attempt.checkpoint is not None else 0), None
    try:
        for epoch in _follow(process, sources, context.epochs, context.stall * PATIENT):
            context.state = {"folder": str(folder), "began": attempt.began}
            if known < epoch.step < context.epochs:
                yield epoch
            elif epoch.step == context.epochs:
                last = epoch  # with it the training is over for the search, but the command may still have something to save
            elif epoch.step > context.epochs:
                break
        if code := process.wait(0.0):
            raise _failed(code, folder, params)
        if last is not None:
            yield last
        elif not sources.last:
            raise CommandError(f"the command ended {sources.lack()}")
    finally:
        process.stop()
        log(folder, f"ended with exit code {process.wait(0.0)}")


def preflight(params: Mapping[str, Any], context: Context) -> Epoch:
    """Whether the command can be started at all with ``params``: what it names is there, and every parameter has its place."""
    settings, folder = read({**OPTIONS, **context.options}), _folder(context)
    for checkpoint in (None, folder / "checkpoint") if settings.resume else (None,):
        ready = plan(settings, params, context, folder, checkpoint)
    Sources(ready.sources, context.metric, 0.0)
    return Epoch(0, {"files/missing": 0.0, "files/empty": 0.0})


def _folder(context: Context) -> Path:
    """The folder of the command's own; the seeds of a trial have one each."""
    return Path(context.folder).resolve() / f"command-{context.seed}"


def _start(ready: Plan, folder: Path, grace: float, lock: int) -> Process:
    if ready.written is not None:
        path, text = ready.written
        path.write_text(text, encoding="utf-8")
    ready.cwd.mkdir(parents=True, exist_ok=True)
    given = [f"{name}={shlex.quote(value)}" for name, value in ready.given.items()]
    log(folder, f"cd {shlex.quote(str(ready.cwd))}; {' '.join(given)} {shlex.join(ready.arguments)}")
    return Process(ready.arguments, cwd=ready.cwd, environment=ready.environment, folder=folder, grace=grace, lock=lock)


def _follow(process: Process, sources: Sources, budget: int, patience: float) -> Generator[Epoch, None, None]:
    """The epochs as they come; `CommandError` when none has come for so many seconds, and some are missing."""
    heard, code = time.monotonic(), None
    while code is None:
        code = process.wait(INTERVAL)
        for epoch in sources.poll(ended=code is not None):
            yield epoch
            heard = time.monotonic()
        if code is None and time.monotonic() - heard > patience:
            if sources.last >= budget:
                return
            why = "" if sources.last else f" {sources.lack()}"
            raise CommandError(f"no epoch came in {patience / PATIENT:g} seconds (stall: in the space){why}")


def _failed(code: int, folder: Path, params: Mapping[str, Any]) -> CommandError:
    error = CommandError(failure.sentence(code, folder, params))
    error.add_note("\n".join(["the last lines of stderr:", *failure.tail(folder / "stderr.log", 20)]))
    return error
