"""Any training command, with no change to its script: parameters as flags or a file, metrics from its logs.

docs/commands.md says how; `pitprop.trainers.commands` is what it is made of. The command runs ahead while an epoch is judged, and
all that it has started ends with its trial.

A trial that goes on continues the command if the space says with which arguments (``resume``) and the script's checkpoint is
there. Else the command starts again at its first epoch; those that are known already are not recorded twice. So goes on a
command that was killed after at least an epoch; and one that fails with a checkpoint tries an earlier one, and then none.
``command-SEED.log`` in the trial's folder says which, and why.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from pitprop.logs.assumptions import said
from pitprop.logs.lines import stated
from pitprop.telemetry import Epoch
from pitprop.trainer import Context
from pitprop.trainers.commands import failure
from pitprop.trainers.commands.arguments import CommandError
from pitprop.trainers.commands.attempt import log
from pitprop.trainers.commands.inputs import inspected
from pitprop.trainers.commands.metric_sources import Sources
from pitprop.trainers.commands.plan import doubts, plan, rated
from pitprop.trainers.commands.run import epochs, started
from pitprop.trainers.commands.settings import read, wrong

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
    "data": [],  # files it reads, checked before a search: paths, globs, {files: train.json, label: label, needs: "x/{id}.npz"}
    "grace": 10.0,  # seconds from TERM to KILL
}
REPLAYS = True
"""A command that is started again counts from its first epoch again."""
KILLED = (137, 143)
"""Exit codes of a command that was killed (KILL, TERM), which is no fault of the trial."""


def train(params: Mapping[str, Any], context: Context) -> Generator[Epoch, None, None]:
    if context.step >= context.epochs:
        return
    settings, folder = read({**OPTIONS, **context.options}), _folder(context)
    folder.parent.mkdir(parents=True, exist_ok=True)
    spoiled: list[str] = []
    while True:
        run = started(settings, params, context, folder, spoiled)
        before = max(context.step, run.sources.last)
        code = yield from epochs(run, context, folder)
        if not code:
            return
        further, error = run.sources.last > before, _failed(code, folder, params)
        if code in KILLED and further:
            spoiled = []
        elif run.attempt.checkpoint is not None and not further:
            spoiled.append(run.attempt.checkpoint.name)  # it may be torn: what was killed was perhaps just writing it
        else:
            raise error
        context.step = min(max(before, run.sources.last), context.epochs)
        log(folder, f"once more, as {error}")


def preflight(params: Mapping[str, Any], context: Context) -> Epoch:
    """Whether the command can be started at all with ``params``: what it names is there, every parameter has its place, and its
    script takes the flags, as far as its text says; and what ``data`` says that it reads."""
    settings, folder = read({**OPTIONS, **context.options}), _folder(context)
    for checkpoint in (None, folder / "checkpoint") if settings.resume else (None,):
        ready = plan(settings, params, context, folder, checkpoint)
    Sources(ready.sources, context.metric, 0.0)
    told = said(stated.of(" ".join(ready.arguments)), by_steps=context.unit == "steps")
    if found := doubts(ready, folder):
        raise CommandError("; ".join(found))
    scheduled = {} if rated(ready) else {"facts/rate": 0.0}
    return Epoch(0, {**inspected(settings.data, ready.cwd), **told, **scheduled})


def check_options(options: Mapping[str, Any]) -> list[str]:
    """What is wrong with the options of a space, a sentence each."""
    return wrong({**OPTIONS, **options})


def shell(params: Mapping[str, Any], context: Context) -> str:
    """The command as a line to run by hand, which makes the folder that its reports go to.

    Its configuration file, if it takes one, is written into the context's folder.
    """
    folder = _folder(context)
    ready = plan(read({**OPTIONS, **context.options}), params, context, folder, None)
    ready.write()
    return f"mkdir -p {shlex.quote(str(folder))}; {ready.shell}"


def _folder(context: Context) -> Path:
    """The folder of the command's own; the seeds of a trial have one each."""
    return Path(context.folder).resolve() / f"command-{context.seed}"


def _failed(code: int, folder: Path, params: Mapping[str, Any]) -> CommandError:
    error = CommandError(failure.sentence(code, folder, params))
    error.add_note("\n".join(["the last lines of stderr:", *failure.tail(folder / "stderr.log", 20)]))
    return error
