"""The command ``pitprop``: its words and flags. Nothing heavy is imported before a subcommand runs."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TypeAlias

from pitprop.errors import UserError

Parser = argparse.ArgumentParser
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
RESUME = "what was finished is kept, and the same command goes on from there"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted, 143 terminated."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(getattr(importlib.import_module(options.module), options.command)(options))
    except KeyboardInterrupt:
        if options.command in ("search", "revive", "confirm"):
            print(f"pitprop: interrupted; {RESUME}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if (sentence := _sentence(error)) is None:
            raise
        print(f"pitprop: {sentence}", file=sys.stderr)
        return 1


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _sentence(error: Exception) -> str | None:
    """What a user is told of an error that is not a bug of ours; None if it is one."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}; {RESUME}"
    if type(error).__module__.startswith("sqlalchemy") or type(error).__name__ == "StorageInternalError":
        cause = error.__cause__ or error
        return f"the study database failed ({str(getattr(cause, 'orig', cause)).splitlines()[0]}); {RESUME}"
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pitprop", description="Search hyperparameters; stop collapsed trainings, and say why.")
    parser.set_defaults(module="pitprop.cli.train")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    runs = argparse.ArgumentParser(add_help=False)
    runs.add_argument("--runs", metavar="DIR", help="folder of studies, curves and the MLflow store (runs)")
    common = argparse.ArgumentParser(add_help=False, parents=[runs])
    common.add_argument("--json", action="store_true", help="print JSON, for scripts")
    space = argparse.ArgumentParser(add_help=False)
    space.add_argument("space", metavar="SPACE", help="name or path of a space")
    search = commands.add_parser("search", parents=[space, common], help="search a space, or go on with a search")
    search.add_argument(
        "--trials", type=_trials, metavar="N", help="trials in all, with the baselines; +N for N more than planned"
    )
    search.add_argument("--timeout", type=_seconds, metavar="S", help="seconds after which no more trials are started")
    _run_flags(search)
    commands.add_parser("preflight", parents=[space, common], help="what no hyperparameter can mend, before anything trains")
    revive = commands.add_parser("revive", parents=[space, common], help="continue parked trials to their full budget")
    revive.add_argument("trial", metavar="TRIAL", nargs="+", type=int, help="number of a parked trial")
    revive.set_defaults(timeout=None)
    _run_flags(revive)
    confirm = commands.add_parser(
        "confirm", parents=[space, common], help="train the best trials and the baselines on fresh seeds"
    )
    confirm.add_argument("--top", type=_whole, metavar="N", help="how many of the best trials (the space's, or 3)")
    confirm.add_argument("--seeds", type=_several, metavar="N", help="how many seeds (the space's, or 5)")
    confirm.set_defaults(timeout=None)
    _run_flags(confirm)
    _consulting(commands, space, common, runs)
    _serving(commands, runs)
    return parser


def _consulting(commands: Commands, space: Parser, common: Parser, runs: Parser) -> None:
    """The commands that look and train nothing."""
    look = argparse.ArgumentParser(add_help=False)
    look.set_defaults(module="pitprop.cli.look")
    commands.add_parser("status", parents=[space, common, look], help="how a study stands")
    show = commands.add_parser("show", parents=[space, common, look], help="the trials of a study, or the story of one")
    show.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="number of a trial")
    best = commands.add_parser("best", parents=[space, runs, look], help="the best configuration, to copy or to train again")
    ways = best.add_mutually_exclusive_group()
    ways.add_argument("--yaml", action="store_true", help="as YAML (what is printed anyway)")
    ways.add_argument("--command", dest="command_line", action="store_true", help="the command that trains it again")
    ways.add_argument("--register", metavar="NAME", help="as a version of the model NAME in MLflow's registry")
    report = commands.add_parser("report", parents=[space, runs, look], help="write a study's page, as HTML and Markdown")
    report.add_argument("--lang", choices=["en", "zh"], default="en", help="English or Chinese")
    compare = commands.add_parser("compare", parents=[common, look], help="set studies side by side")
    compare.add_argument("space", metavar="SPACE", nargs="+", help="names or paths of spaces")
    _diagnose_flags(commands.add_parser("diagnose", help="what the logs of a training show that is over, or runs elsewhere"))
    commands.add_parser("list", parents=[common, look], help="the spaces, trainers and signatures there are")
    commands.add_parser("schema", parents=[look], help="print the JSON Schema of a space, for editors")
    commands.add_parser("export", parents=[space, runs, look], help="bring MLflow up to date with a study")


def _serving(commands: Commands, runs: Parser) -> None:
    """The commands that serve a page until they are interrupted."""
    ui = commands.add_parser("ui", parents=[runs], help="open the MLflow UI on the runs")
    ui.add_argument("space", metavar="SPACE", nargs="?", help="the space whose experiment to open")
    ui.add_argument("--port", type=_whole, default=5000, help="port on the loopback address (5000)")
    ui.add_argument("--no-browser", action="store_true", help="serve, but open no browser")
    dashboard = commands.add_parser("dashboard", parents=[runs], help="open Optuna's dashboard on the study database")
    dashboard.add_argument("--port", type=_whole, default=8080, help="port on the loopback address (8080)")
    for command in (ui, dashboard):
        command.set_defaults(module="pitprop.cli.serve")


def _diagnose_flags(command: argparse.ArgumentParser) -> None:
    command.set_defaults(module="pitprop.cli.diagnose")
    command.add_argument("path", metavar="PATH", nargs="+", help="a log, or a folder of them")
    command.add_argument("--compare", action="store_true", help="set them side by side, as is done with several")
    command.add_argument("--json", action="store_true", help="print JSON, for scripts")
    command.add_argument("--plot", metavar="FILE", help="draw the curves to a .png, .svg or .pdf")
    command.add_argument("--baseline", metavar="RUN", help="what to beat: a log, or the start's numbers: val/top1=0.89,...")
    command.add_argument(
        "--gate", metavar="G", action="append", default=[], help="a bound to have met, and what then: val/top1@5>=0.885: lower lr"
    )
    facts = command.add_argument_group("facts that a log may lack")
    facts.add_argument("--metric", metavar="NAME", help="the objective (the usual score, or the loss)")
    facts.add_argument("--goal", choices=["minimize", "maximize"], help="its direction (by its name)")
    facts.add_argument("--epochs", type=_whole, metavar="N", help="epochs of the whole training (as its log says)")
    facts.add_argument("--class-counts", type=_counts, metavar="N,N", help="validation samples by class: 696,204")
    facts.add_argument("--classes", type=_whole, metavar="K", help="classes, or tokens of a vocabulary")
    facts.add_argument("--loss", choices=["cross_entropy", "supcon", "ntxent", "clip"], help="what the loss is")
    facts.add_argument("--batch", type=_whole, metavar="N", help="samples in a batch")
    facts.add_argument("--chance-loss", type=float, metavar="X", help="the loss of a model that has learned nothing")
    logs = command.add_argument_group("reading")
    logs.add_argument("--format", metavar="NAME", help="csv, huggingface, jsonl, telemetry, tensorboard or text (by content)")
    logs.add_argument(
        "--pattern", metavar="RE", action="append", default=[], help=r"step (?P<step>\d+): .* val loss (?P<val_loss>\S+)"
    )
    logs.add_argument(
        "--name", metavar="A=B", action="append", default=[], help="what they call A is our B: acc/pose=val/pose/top1"
    )


def _run_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=_whole, metavar="N", help="workers (as many as the CPUs or GPUs allow)")
    command.add_argument("--seed", type=int, metavar="N", help="seed of the sampler and of the trainings (the space's)")
    command.add_argument("--inline", action="store_true", help="train in this process, without Ray: a debugger works")
    command.add_argument("--no-report", action="store_true", help="write no report at the end, which takes some seconds")
    command.add_argument("--worker-logs", action="store_true", help="show what the trainers print")


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _several(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 2, for one seed shows no spread")
    return int(text)


def _counts(text: str) -> list[int]:
    return [_whole(part.strip()) for part in text.split(",")]


def _trials(text: str) -> str:
    _whole(text.removeprefix("+"))
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
