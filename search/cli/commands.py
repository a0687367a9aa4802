"""The commands of ``pitprop`` that work on this machine, with their flags. Nothing heavy is imported before one runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path

from pitprop.cli.command import Flags, command, server_flag, server_of
from pitprop.cli.command import json_flag as _json
from pitprop.cli.options import (
    SORTS,
    STATES,
    ConfirmOptions,
    DiagnoseOptions,
    Page,
    RunOptions,
    ServeOptions,
    StudyOptions,
    counts,
    natural,
    seconds,
    several,
    trials,
    whole,
)
from pitprop.cli.parser import completing

# Flags that several commands have, and the options made of them


def _runs(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", metavar="DIR", help="folder of studies, curves and the MLflow store (./runs)")


def _study(parser: ArgumentParser) -> None:
    completing(parser.add_argument("space", metavar="SPACE", help="path of a space, or name of a study or of a space that ships"))
    _runs(parser)


def _training(parser: ArgumentParser) -> None:
    parser.add_argument("--workers", type=whole, metavar="N", help="workers (as many as the CPUs or GPUs allow)")
    parser.add_argument("--seed", type=natural, metavar="N", help="seed of the sampler and of the trainings (the space's)")
    parser.add_argument("--quiet", action="store_true", help="show nothing while it trains, only the answer")
    parser.add_argument("--inline", action="store_true", help="train in this process, without Ray: a debugger works")
    parser.add_argument("--no-report", action="store_true", help="write no report at the end, which takes some seconds")
    parser.add_argument("--code-changed", action="store_true", help="train on though the trainer's code has changed")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="Ray to train on: auto, HOST:PORT or http://HOST:8265 (RAY_ADDRESS, or one of its own)"
    )
    parser.add_argument(
        "--storage", metavar="URL", help="where checkpoints go that every node reaches: a shared folder, s3://bucket/path, ..."
    )
    parser.add_argument("--worker-logs", action="store_true", help="show what the trainers print")
    parser.add_argument("--events", metavar="FILE", type=Path, help="append what happens to FILE (JSON lines, also in English)")
    parser.add_argument(
        "--start",
        type=natural,
        metavar="N",
        help="number of this start of a service's search, which ends once it has a later one",
    )


def _port(default: int) -> Flags:
    return lambda parser: parser.add_argument(
        "--port", type=whole, default=default, help=f"port on the loopback address ({default})"
    )


def _study_options(given: Namespace) -> StudyOptions:
    return StudyOptions(given.space, given.runs, getattr(given, "json", False), getattr(given, "ray", None))


def _run_options(given: Namespace, timeout: float | None = None) -> RunOptions:
    return RunOptions(
        given.workers,
        given.seed,
        timeout,
        given.inline,
        not given.no_report,
        given.worker_logs,
        given.code_changed,
        quiet=given.quiet,
        ray=given.ray,
        storage=given.storage,
        share=getattr(given, "share", None),
        events=given.events,
    )


# Commands that train


def _search_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--trials", type=trials, metavar="N", help="trials in all, with the baselines; +N for N more than planned"
    )
    parser.add_argument("--timeout", type=seconds, metavar="S", help="seconds after which no more trials are started")
    parser.add_argument(
        "--share", type=Path, metavar="FILE", help="a file with the number of workers that there may be now, read again and again"
    )


@command("search", "search a space, or resume its search", _study, _json, _search_flags, _training, trains=True)
def _search(given: Namespace) -> int:
    from pitprop.cli.training import train

    return train.search(_study_options(given), _run_options(given, given.timeout), given.trials)


@command("preflight", "check data, model and checkpoint before training", _study, _json)
def _preflight(given: Namespace) -> int:
    from pitprop.cli.training import train

    return train.preflight(_study_options(given))


def _revive_flags(parser: ArgumentParser) -> None:
    parser.add_argument("trial", metavar="TRIAL", nargs="+", type=int, help="number of a parked trial")


@command(
    "revive", "continue parked trials to their full budget", _study, _revive_flags, _json, _training, server_flag, trains=True
)
def _revive(given: Namespace) -> int:
    if url := server_of(given):
        from pitprop.cli.server import asking

        return asking.revive(given, url)
    from pitprop.cli.training import train

    return train.revive(_study_options(given), _run_options(given), given.trial)


def _confirm_flags(parser: ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--top", type=whole, metavar="N", help="how many of the best trials (the space's, or 3)")
    which.add_argument(
        "--trial", type=int, metavar="N", action="append", default=[], help="this trial; several times for several"
    )
    parser.add_argument("--seeds", type=several, metavar="N", help="how many seeds (the space's, or 5)")
    parser.add_argument(
        "--each", metavar="PARAMETER", nargs="?", const="", action="append", default=[],
        help="change parameters of the winner one at a time, on 8 seeds: this one, several times for several, without a name all",
    )  # fmt: skip


@command(
    "confirm", "train the best trials and the baselines on fresh seeds", _study, _json, _confirm_flags, _training, trains=True
)
def _confirm(given: Namespace) -> int:
    from pitprop.cli.training import train

    confirms = ConfirmOptions(given.top, given.seeds, tuple(given.trial), tuple(given.each))
    return train.confirm(_study_options(given), _run_options(given), confirms)


# Commands that look, and train nothing


def _full(parser: ArgumentParser) -> None:
    parser.add_argument("--full", action="store_true", help="with every reason, warning and interval")


@command("status", "how a study stands: the answer, and what was stopped", _study, _full, _json, server_flag)
def _status(given: Namespace) -> int:
    if url := server_of(given):
        from pitprop.cli.server import asking

        return asking.status(given, url)
    from pitprop.cli import look

    return look.status(_study_options(given), full=given.full)


def _show_flags(parser: ArgumentParser) -> None:
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="number of a trial")
    parser.add_argument("--sort", choices=SORTS, default="number", help="what comes first: the lowest number, the best score, "
                        "the most epochs, the last ended (number)")  # fmt: skip
    parser.add_argument("--limit", type=whole, metavar="N", help="trials to list at most (50; with --json all)")
    parser.add_argument("--state", choices=STATES, help="only those that stand so: " + ", ".join(STATES), metavar="STATE")


@command("show", "list the trials of a study, or tell all about one", _study, _show_flags, _json)
def _show(given: Namespace) -> int:
    from pitprop.cli import look

    return look.show(_study_options(given), given.trial, Page(given.sort, given.limit, given.state))


def _best_flags(parser: ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--yaml", action="store_true", help="as YAML (the default)")
    ways.add_argument("--command", dest="command_line", action="store_true", help="as the command that trains it again")
    ways.add_argument("--register", metavar="NAME", help="as a version of the model NAME in MLflow's registry")


@command("best", "print the best configuration, to copy or to train again", _study, _best_flags)
def _best(given: Namespace) -> int:
    from pitprop.cli import look

    return look.best(_study_options(given), command=given.command_line, register=given.register)


@command("report", "write the report of a study, as HTML and Markdown", _study)
def _report(given: Namespace) -> int:
    from pitprop.cli import look

    return look.report(_study_options(given))


def _others(parser: ArgumentParser) -> None:
    parser.add_argument("others", metavar="SPACE", nargs="*", help="further spaces")


@command("compare", "compare studies side by side", _study, _others, _json)
def _compare(given: Namespace) -> int:
    from pitprop.cli import look

    return look.compare(_study_options(given), tuple(given.others))


def _diagnose_flags(parser: ArgumentParser) -> None:
    parser.epilog = f"exit code: 0 alive, 1 dead, 2 could not judge or read\n{parser.epilog}"
    add = parser.add_argument
    add("path", metavar="PATH", nargs="+", help="a log, or a folder of them")
    add("--compare", action="store_true", help="compare them side by side, as is done with several")
    add("--plot", metavar="FILE", help="draw the curves to a .png, .svg or .pdf")
    add("--baseline", metavar="RUN", help="what to beat: a log, or the start's numbers: val/top1=0.89,...")
    add("--gate", metavar="G", action="append", default=[], help="a bound, and what to do: val/top1@5>=0.885: lower lr")
    add = parser.add_argument_group("facts that a log may lack").add_argument
    add("--metric", metavar="NAME", help="the objective (the usual score, or the loss)")
    add("--goal", choices=["minimize", "maximize"], help="its direction (by its name)")
    add("--epochs", type=whole, metavar="N", help="epochs of the whole training (as its log says)")
    add("--class-counts", type=counts, default=(), metavar="N,N", help="validation samples by class: 696,204")
    add("--classes", type=whole, metavar="K", help="classes, or tokens of a vocabulary")
    add("--loss", choices=["cross_entropy", "supcon", "ntxent", "clip"], help="what the loss is")
    add("--batch", type=whole, metavar="N", help="samples in a batch")
    add("--chance-loss", type=float, metavar="X", help="the loss of a model that has learned nothing")
    add("--chance-score", type=float, metavar="X", help="the objective of a model that has learned nothing")
    add = parser.add_argument_group("how to read the log").add_argument
    add("--format", metavar="NAME", help="name of the format (found by content)")
    add("--pattern", metavar="RE", action="append", default=[], help=r"step (?P<step>\d+): .* val loss (?P<val_loss>\S+)")
    add("--name", metavar="A=B", action="append", default=[], help="the log's name A is our B: acc/pose=val/pose/top1")


@command("diagnose", "judge a training from its logs, without a search", _diagnose_flags, _json, error=2)
def _diagnose(given: Namespace) -> int:
    from pitprop.cli import diagnose

    flags = {field.name: getattr(given, field.name) for field in fields(DiagnoseOptions)}
    lists = {name: tuple(value) for name, value in flags.items() if isinstance(value, list)}
    return diagnose.diagnose(DiagnoseOptions(**flags | lists))


def _doctor_flags(parser: ArgumentParser) -> None:
    known = parser.add_argument("space", metavar="SPACE", nargs="?", help="a space that is to be searched")
    completing(known)
    parser.add_argument("--ray", metavar="ADDRESS", help="Ray to train on, as for a search")
    parser.add_argument("--storage", metavar="URL", help="where checkpoints go, as for a search")


@command("doctor", "look before a long search whether all that it needs is well", _doctor_flags, _runs, _json)
def _doctor(given: Namespace) -> int:
    from pitprop.cli import doctor

    return doctor.doctor(doctor.DoctorOptions(given.space, given.runs, given.ray, given.storage, given.json))


@command("list", "list the spaces, trainers and signatures there are", _runs, _json)
def _list(given: Namespace) -> int:
    from pitprop.cli import look

    return look.list_names(json=given.json)


def _init_flags(parser: ArgumentParser) -> None:
    parser.add_argument("program", metavar="PROGRAM", help="a script, or a file with a trainer")
    parser.add_argument("--output", metavar="FILE", help="the space to write (PROGRAM with .yaml)")


@command("init", "write a first space for a script or trainer, by what its text says", _init_flags)
def _init(given: Namespace) -> int:
    from pitprop.cli import look

    return look.init(given.program, given.output)


@command("schema", "print the JSON Schema of a space, for editors")
def _schema(given: Namespace) -> int:
    from pitprop.cli import look

    return look.schema()


def _export_flags(parser: ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--csv", metavar="FILE", help="write the trials to this file as CSV instead")
    ways.add_argument("--parquet", metavar="FILE", help="write the trials to this file as Parquet instead")


@command("export", "bring MLflow up to date with a study, or write its trials to a file", _study, _export_flags)
def _export(given: Namespace) -> int:
    from pitprop.cli import look

    return look.export(_study_options(given), csv=given.csv, parquet=given.parquet)


def _exclude_flags(parser: ArgumentParser) -> None:
    parser.add_argument("trial", metavar="TRIAL", nargs="+", type=int, help="number of a trial")
    parser.add_argument("--undo", action="store_true", help="let them count again")


@command("exclude", "take trials out of every answer, or back into it", _study, _exclude_flags)
def _exclude(given: Namespace) -> int:
    from pitprop.cli import look

    return look.exclude(_study_options(given), given.trial, undo=given.undo)


# Commands that serve a page until they are interrupted


def _browser(parser: ArgumentParser) -> None:
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


@command(
    "watch", "open the report of a study as a page that follows its search", _study, _browser, _port(8300), _json, server_flag
)
def _watch(given: Namespace) -> int:
    if url := server_of(given):
        from pitprop.cli.server import asking

        return asking.watch(given, url)
    from pitprop.cli import serve

    return serve.watch(_study_options(given), given.port, browser=not given.no_browser)


def _ui_flags(parser: ArgumentParser) -> None:
    parser.add_argument("space", metavar="SPACE", nargs="?", help="the space whose experiment to open")


@command("ui", "open the MLflow UI on the runs", _ui_flags, _browser, _runs, _port(5000))
def _ui(given: Namespace) -> int:
    from pitprop.cli import serve

    return serve.ui(ServeOptions(given.runs, given.port, given.space, not given.no_browser))


@command("dashboard", "open Optuna's dashboard on the study database", _runs, _port(8080))
def _dashboard(given: Namespace) -> int:
    from pitprop.cli import serve

    return serve.dashboard(ServeOptions(given.runs, given.port))
