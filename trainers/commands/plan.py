"""All that one run of a command takes: arguments, environment, the configuration file, and where its metrics will be."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pitprop.messages import Message, message
from pitprop.trainer import Context, public_environment
from pitprop.trainers.commands import flags
from pitprop.trainers.commands.arguments import PARAMS, CommandError, NotHere, fill, flat, placed, written
from pitprop.trainers.commands.quoting import fill_all
from pitprop.trainers.commands.settings import STREAMS, Settings, Source
from pitprop.trainers.commands.template import render

REPORT = "PITPROP_REPORT"
"""The environment variable that tells `pitprop.reporting` where to write."""
SCRIPTS = (".py", ".sh")
RATED = re.compile(
    r"(?<![a-z])(?:lr\w*|(?:learning_?)?rates?|warm_?up\w*|sched\w*|optim\w*|sgd|adam\w*|rmsprop|lion|milestones?|(?:weight_?)?decay|"
    r"torch|tensorflow|keras|jax|flax|paddle|mxnet|lightning|transformers|mmengine|ultralytics|timm)(?![a-z])",
    re.I,
)
"""What names a learning rate, a schedule or an optimizer, or a library that brings its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A command that is ready to run; `written` is its configuration file and what goes into it, if there is one."""

    arguments: list[str]
    cwd: Path
    given: Mapping[str, str]
    written: tuple[Path, str] | None
    sources: list[Source]

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment: ours without its passwords, and what the space and the trial's resources set."""
        return {**public_environment(), **self.given}

    @property
    def shell(self) -> str:
        """The same as a line that a person can run."""
        given = "".join(f"{name}={shlex.quote(value)} " for name, value in self.given.items())
        return f"cd {shlex.quote(str(self.cwd))}; {given}{shlex.join(self.arguments)}"

    def write(self) -> None:
        """Writes the configuration file, if there is one."""
        if self.written is not None:
            path, text = self.written
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def plan(settings: Settings, params: Mapping[str, Any], context: Context, folder: Path, checkpoint: Path | None) -> Plan:
    """The command for ``params``, to go on from ``checkpoint`` if there is one; `CommandError` if it cannot be meant."""
    home, values = Path(context.home).resolve(), dict(flat(params))
    template = _template(home / settings.template) if settings.template else ""
    config = folder / Path(settings.template).name if settings.template else None
    ours = _words(context, folder, config, checkpoint)
    words, style = {**ours, **values}, settings.style
    if style.opening in settings.command:
        style = replace(style, opening="")
    texts = [*settings.command, *settings.resume, *settings.env.values(), settings.cwd]
    named = placed([*texts, template])
    rest = {name: value for name, value in values.items() if name not in named}
    arguments, variables = fill_all(settings.command, words, rest, style, "options.command")
    if checkpoint is not None:
        further, more = fill_all(settings.resume, words, rest, style, "options.resume", len(variables))
        arguments, variables = arguments + further, variables | more
    cwd = home / fill(settings.cwd, words, rest, style, "options.cwd")
    env = {name: fill(value, words, rest, style, f"options.env.{name}") for name, value in settings.env.items()}
    if style.environment:
        env |= {_upper(pair.partition("=")[0]): pair.partition("=")[2] for pair in written(rest, style)}
    given = {**_resources(context), REPORT: str(folder / "report.jsonl"), **env, **variables}
    if any("\0" in one for one in (*arguments, *given.values())):
        raise CommandError("a value holds the character NUL, which no argument or variable of a program can hold")
    places = [fill(source.place, words, rest, style, "options.metrics") for source in settings.metrics]
    sources = [_placed(source, place, cwd, folder) for source, place in zip(settings.metrics, places, strict=True)]
    file = (config, render(template, words, _tree(rest), config.suffix)) if config else None
    if rest and PARAMS not in named and not style.environment:
        lost = next(iter(rest))
        raise CommandError(f"the parameter {lost!r} does not reach the command: write {{params}} or {{{lost}}} where it goes")
    try:
        _check(arguments, cwd, folder, {**os.environ, **given}.get("PATH"))
    except NotHere as error:
        files = [settings.command[0], settings.cwd, *(word for word in settings.command if word.endswith(SCRIPTS))]
        if placed(files) & values.keys():  # a value chose it, so that another machine lacks it as well
            raise CommandError(str(error)) from error
        raise
    return Plan(arguments, cwd, given, file, [Source(str(folder / "report.jsonl"), "report", (), settings.names), *sources])


def _words(context: Context, folder: Path, config: Path | None, checkpoint: Path | None) -> dict[str, Any]:
    """The words that are no parameters. GPUs are numbered as the command sees them, from 0."""
    gpus = math.ceil(context.gpus)
    return {
        "folder": str(folder),
        "seed": context.seed,
        context.unit: context.epochs,
        "device": context.device,
        "gpu": ",".join(map(str, range(gpus))),
        "gpus": gpus,
        "python": sys.executable,
        **({"config": str(config)} if config else {}),
        "checkpoint": str(checkpoint or ""),
    }


def _resources(context: Context) -> dict[str, str]:
    """The environment that keeps a command to its trial's share. PYTHONUNBUFFERED lets what it prints be read as it goes."""
    gpus = math.ceil(context.gpus)
    seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
    threads = max(1, int(context.cpus) // max(1, gpus))
    devices = ",".join(seen.split(",")[:gpus])
    return {"CUDA_VISIBLE_DEVICES": devices, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


def _upper(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name).upper()


def _tree(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = value
    return tree


def _template(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"options.template {str(path)!r} cannot be read: {getattr(error, 'strerror', error)}") from error


def _placed(source: Source, place: str, cwd: Path, folder: Path) -> Source:
    """The source with its path; one that all trials would share is refused."""
    path = folder / f"{place}.log" if place in STREAMS else Path(os.path.normpath(cwd / place))
    if not path.is_relative_to(folder):
        raise CommandError(
            f"options.metrics: {place!r} is one file for all trials; put it under {{folder}}, or say cwd: '{{folder}}'"
        )
    return Source(str(path), source.format, source.pattern, source.names)


def _check(arguments: list[str], cwd: Path, folder: Path, path: str | None) -> None:
    """`NotHere` if the program, the script or the folder is not there; a folder below ``folder`` will be made."""
    if not cwd.is_relative_to(folder) and not cwd.is_dir():
        text = message(
            "options.cwd {path} is no folder; a relative one starts at the folder of the space's file", path=repr(str(cwd))
        )
        raise NotHere(text)
    program = arguments[0]
    if shutil.which(str(cwd / program) if os.sep in program else program, path=path) is None:
        text = message(
            "the command {program} is not found, neither on PATH nor in {folder}, or may not be executed",
            program=repr(program),
            folder=str(cwd),
        )
        own = message("{word} stands for the Python that runs the search", word="{python}")
        raise NotHere(Message.join([text, own], "; ") if program.startswith("python") else text)
    if (script := _script(arguments)) is not None and not (cwd / arguments[script]).exists():
        text = message(
            "the script {script} is not in {folder}: correct options.command or options.cwd",
            script=repr(arguments[script]),
            folder=str(cwd),
        )
        raise NotHere(text)


def _script(arguments: Sequence[str]) -> int | None:
    """Where the script that a command runs stands in its arguments, behind a launcher too, as far as one can tell."""
    for index, word in enumerate(arguments[1:], 1):
        if word.endswith(SCRIPTS):
            before = arguments[index - 1]
            return None if before.startswith("--") and "=" not in before else index  # it may be what that flag takes
    return None


def rated(ready: Plan) -> bool:
    """Whether the command, its configuration or its script name a learning rate, or what has one; true if it cannot be read."""
    index = _script(ready.arguments)
    script = None if index is None else ready.cwd / ready.arguments[index]
    texts = flags.read(script) if script is not None and script.suffix == ".py" else []
    told = [*(Path(word).name for word in ready.arguments), *ready.given, *map(str, (ready.written or ())[1:]), *texts]
    return not texts or any(RATED.search(text) for text in told)


def doubts(ready: Plan, folder: Path) -> list[str]:
    """What a run of the command would fail by, as far as reading its script says so: a sentence each."""
    index, found = _script(ready.arguments), []
    script = None if index is None else ready.cwd / ready.arguments[index]
    if script is not None and index is not None and script.suffix == ".py":
        found += flags.refused(script, ready.arguments[index + 1 :])
    told = [*ready.arguments, *ready.given.values(), str(ready.cwd), *(ready.written or ())[1:]]
    for source in ready.sources[1:]:
        streams = [str(folder / f"{stream}.log") for stream in STREAMS]
        unknown = not any(str(folder) in one for one in told if one != ready.given[REPORT])
        if source.place not in streams and unknown:
            found.append(
                f"the metrics are to be in {source.place}, in the folder of the trial, which the command is not told: write "
                f"{{folder}} into options.command, options.env or options.cwd"
            )
    return found
