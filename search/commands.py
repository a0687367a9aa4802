"""What each subcommand of ``pitprop`` does, given its parsed flags. Each returns an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search import signatures, trainer
from search import space as spaces
from search.addresses import addresses
from search.answer import again, print_json, print_way
from search.errors import UserError
from search.record import Record
from search.space import Space


def search(options: Namespace) -> int:
    """Runs a search, or goes on with it."""
    from search import study as studies
    from search.revival import due

    space, where, console = _loaded(options), addresses(options.runs), Console(stderr=options.json)
    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        if options.trials is not None:
            more = study.planned if options.trials.startswith("+") else 0
            study.plan(int(options.trials.removeprefix("+")) + more)
        records, code = study.records(), 0
        if len(records) >= study.target and all(record.state != "RUNNING" for record in records) and not due(study):
            print_way(console, f"{space.name} is finished. To go on:", again("search", options, "+20"))
        else:
            from search.run import run

            code = run(space, study, where, options, console)
        _conclude(console, space, study.records(), study.target, options)
    if code:
        print_way(console, "Interrupted. To go on:", again("search", options))
    failed = bool(records := study.records()) and all(record.state == "FAIL" for record in records)
    return code or int(failed)


def preflight(options: Namespace) -> int:
    """What no hyperparameter of a space can mend, before anything trains; 1 if that would stop a search."""
    from search.preflight import print_findings
    from search.run import inspect

    space = spaces.load(options.space)
    findings = inspect(space)
    if options.json:
        print_json({"space": space.name, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(Console(), findings)
    return int(any(finding.severity == "stop" for finding in findings))


def revive(options: Namespace) -> int:
    """Continues parked trials, and what else a killed search has left running; asks for no new ones."""
    from search import study as studies
    from search.parking import revivals
    from search.run import run

    space, where, console = _loaded(options), addresses(options.runs), Console(stderr=options.json)
    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        known = {parked: revival.state for parked, revival in revivals(study.records()).items()}
        numbers = [*dict.fromkeys(options.trial)]
        if any(known.get(number) == "RUNNING" for number in numbers):  # the same command goes on with what was interrupted
            numbers = [number for number in numbers if known.get(number, "FAIL") == "FAIL"]
        for hurdle in filter(None, map(study.hurdle, numbers)):  # of all, before the first is begun
            raise studies.StudyError(hurdle)
        for number in numbers:
            study.revive(number)
        code = run(space, study, where, options, console, asks=False)
        _conclude(console, space, study.records(), study.target, options)
        told = revivals(study.records())
    if code:
        print_way(console, "Interrupted. To go on:", again("revive", options))
    return code or int(all(told[number].state == "FAIL" for number in options.trial))


def status(options: Namespace) -> int:
    """How a study stands."""
    space = spaces.load(options.space)
    records, target = _records(space, options)
    _conclude(Console(stderr=options.json), space, records, target, options)
    return 0


def show(options: Namespace) -> int:
    """The trials of a study, or one of them."""
    from search.page import print_trial, print_trials

    space, console = spaces.load(options.space), Console()
    records, _ = _records(space, options)
    if options.trial is not None:
        if not 0 <= options.trial < len(records):
            raise UserError(f"{space.name} has no trial {options.trial}: it has {len(records)}, from 0")
        records = records[options.trial : options.trial + 1]
    if options.json:
        print_json([asdict(record) for record in records] if options.trial is None else asdict(records[0]))
    elif options.trial is not None:
        print_trial(console, records[0], space)
    else:
        print_trials(console, records, space)
    return 0


def list(options: Namespace) -> int:
    """The spaces, trainers and signatures there are, with the first line of each."""
    found = {
        "spaces": {name: spaces.summary(name) for name in spaces.names()},
        "trainers": {name: trainer.card(f"trainers.{name}").summary for name in trainer.names()},
        "signatures": {name: (signatures.load(name).__doc__ or "").split("\n")[0] for name in signatures.names()},
    }
    if options.json:
        print_json(found)
        return 0
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind, names in found.items():
        table.add_row(f"[bold]{kind}[/]")
        for name, line in names.items():
            needs = f" [dim]needs {escape(', '.join(signatures.load(name).READS))}[/]" if kind == "signatures" else ""
            table.add_row(f"  {name}", escape(line) + needs)
    Console().print(table)
    return 0


def export(options: Namespace) -> int:
    """Brings MLflow up to date with a study, as a search does at its end."""
    from search.run import exporter

    space = spaces.load(options.space)
    records, _ = _records(space, options)
    with exporter(space, addresses(options.runs)) as mlflow:
        for record in records:
            mlflow.send(record)
        word = mlflow.finish()
    if not mlflow.complete:
        raise UserError(word)
    print(word)
    return 0


def ui(options: Namespace) -> int:
    """Serves the MLflow UI on loopback, and opens a browser on the experiment once it answers."""
    from search.track import ENVIRONMENT, ui_command

    where, name = addresses(options.runs), options.space and spaces.load(options.space).name
    if where.mlflow.startswith("sqlite:") and not (where.runs / "mlflow.db").exists() and "MLFLOW_TRACKING_URI" not in os.environ:
        raise UserError(f"there are no runs in {where.runs} yet: make search SPACE=focal_alpha")
    try:
        command = ui_command(where.mlflow, where.artifacts, options.port)
    except ValueError as error:
        raise UserError(str(error)) from error
    address = f"http://127.0.0.1:{options.port}"
    print(f"MLflow UI on {address} (Ctrl-C ends it)", flush=True)
    if not options.no_browser:
        threading.Thread(target=_browse, args=(address, name), daemon=True).start()
    server = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, start_new_session=True)
    try:
        return server.wait()
    finally:
        # MLflow's server is a family of processes, and however we end they end with us.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)


def _browse(address: str, name: str | None) -> None:
    """Opens the experiment ``name`` in a browser, or the page of all, when the server answers."""
    from search.track import page

    for _ in range(120):
        try:
            query = f"api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(name)}" if name else "health"
            with urllib.request.urlopen(f"{address}/{query}", timeout=5) as answer:
                body = answer.read()
            webbrowser.open(page(address, json.loads(body)["experiment"]["experiment_id"]) if name else address)
            return
        except urllib.error.HTTPError:
            webbrowser.open(address)  # it answers, but knows no such experiment
            return
        except OSError:
            time.sleep(0.5)


def _loaded(options: Namespace) -> Space:
    """The space to search, with the seed that was asked for."""
    space = spaces.load(options.space)
    return space if options.seed is None else replace(space, seed=options.seed)


def _records(space: Space, options: Namespace) -> tuple[Sequence[Record], int]:
    from search.archive import read_records
    from search.database import safe

    where = addresses(options.runs)
    found = read_records(where.study_db, space.name, where.folder(space.name))
    if found is None:
        raise UserError(f"there is no study of {space.name!r} in {safe(where.study_db)} yet: {again('search', options)}")
    return found


def _conclude(console: Console, space: Space, records: Sequence[Record], target: int, options: Namespace) -> None:
    """The summary, for a person and, if asked for, for a script."""
    from search.page import print_summary
    from search.summary import summarise

    summary = summarise(space, records, target)
    if options.json:
        print_json(summary.to_json())
        return
    print_summary(console, summary, addresses(options.runs).folder(space.name))
    if summary.revivable:
        one = Namespace(**{**vars(options), "trial": summary.revivable[:1]})
        print_way(console, "Continue a parked trial:", again("revive", one))
    print_way(console, "Open the runs: ", again("ui", options))
