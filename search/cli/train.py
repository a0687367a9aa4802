"""Commands that train. Each takes its parsed flags and returns an exit code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pitprop.cli import context
from pitprop.cli.answer import again, print_json, print_way
from pitprop.results import confirmation_study
from pitprop.space import Confirm, Space
from pitprop.study.addresses import Addresses
from pitprop.study.record import Record
from rich.console import Console

if TYPE_CHECKING:
    from pitprop.study.study import Study


def search(options: Namespace) -> int:
    """Runs a search, or goes on with it, and confirms what it found if the space says so."""
    from pitprop.cli import publish
    from pitprop.cli.session import run
    from pitprop.study import study as studies

    (space, where), console = context.opened(options, ask=True), Console(stderr=options.json)
    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        if options.trials is not None:
            more = study.planned if options.trials.startswith("+") else 0
            study.plan(int(options.trials.removeprefix("+")) + more)
        code = 0
        if _ended(study) and not confirmation_study.due(space, study.records(), where):
            _print_finished(console, study, options)
        else:
            with publish.exporter(space, where) as mlflow:
                code = 0 if _ended(study) else run(space, study, where, options, console, mlflow)
                if not code and _ended(study) and (plan := confirmation_study.due(space, study.records(), where)):
                    code = _confirm(space, plan, study.records(), where, options, console)
                report = not (code or options.no_report)
                publish.finish(mlflow, console, space, study.records(), study.target, where, report=report)
        records, target = study.records(), study.target
    context.conclude(console, space, records, target, options)
    if code:
        print_way(console, "Interrupted. To go on:", again("search", options))
    return code or int(bool(records) and all(record.state == "FAIL" for record in records))


def confirm(options: Namespace) -> int:
    """Trains the best trials and the baselines again on fresh seeds."""
    from pitprop.cli import publish

    (space, where), console = context.opened(options, ask=True), Console(stderr=options.json)
    records, target = context.records(space, options)
    plan = space.confirm or Confirm()
    plan = Confirm(options.top or plan.top, options.seeds or plan.seeds)
    with publish.exporter(space, where) as mlflow:
        code = _confirm(space, plan, records, where, options, console)
        publish.finish(mlflow, console, space, records, target, where, report=not (code or options.no_report))
    context.conclude(console, space, records, target, options)
    if code:
        print_way(console, "Interrupted. To go on:", again("confirm", options))
    return code


def preflight(options: Namespace) -> int:
    """What no hyperparameter of a space can mend, before anything trains; 1 if that would stop a search."""
    from pitprop.cli.session import inspect
    from pitprop.views.terminal.preflight_table import print_findings

    space, _ = context.opened(options)
    findings = inspect(space)
    if options.json:
        print_json({"space": space.name, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(Console(), findings)
    return int(any(finding.severity == "stop" for finding in findings))


def revive(options: Namespace) -> int:
    """Continues parked trials, and what else a killed search has left running; asks for no new ones."""
    from pitprop.cli import publish
    from pitprop.cli.session import run
    from pitprop.study import study as studies
    from pitprop.study.parking import revivals

    (space, where), console = context.opened(options, ask=True), Console(stderr=options.json)
    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        known = {parked: revival.state for parked, revival in revivals(study.records()).items()}
        numbers = [*dict.fromkeys(options.trial)]
        if any(known.get(number) == "RUNNING" for number in numbers):  # the same command goes on with what was interrupted
            numbers = [number for number in numbers if known.get(number, "FAIL") == "FAIL"]
        for reason in filter(None, map(study.parking().why_not, numbers)):  # of all, before the first is begun
            raise studies.StudyError(reason)
        for number in numbers:
            study.revive(number)
        with publish.exporter(space, where) as mlflow:
            code = run(space, study, where, options, console, mlflow, asks=False)
            report = not (code or options.no_report)
            publish.finish(mlflow, console, space, study.records(), study.target, where, report=report)
        records, target = study.records(), study.target
    context.conclude(console, space, records, target, options)
    if code:
        print_way(console, "Interrupted. To go on:", again("revive", options))
    told = revivals(records)
    return code or int(all(told[number].state == "FAIL" for number in options.trial))


def _confirm(
    space: Space, plan: Confirm, records: Sequence[Record], where: Addresses, options: Namespace, console: Console
) -> int:
    """Trains what is to be confirmed, in a study of its own that is exported beside the other: 0, or 130 if interrupted."""
    from pitprop.cli import publish
    from pitprop.cli.session import run
    from pitprop.study import study as studies

    again = confirmation_study.space_of(space, plan, records)
    names = ", ".join(baseline.name for baseline in again.baselines if baseline.params is not None)
    console.print(f"\nConfirming on {plan.seeds} fresh seeds: {names}", highlight=False, markup=False)
    unhurried = Namespace(**{**vars(options), "timeout": None})
    with (
        studies.opened(again, where.study_db, where.folder(again.name)) as study,
        publish.exporter(again, where) as mlflow,
    ):
        code = 0 if _ended(study) else run(again, study, where, unhurried, console, mlflow)
        mlflow.finish()
    return code


def _ended(study: Study) -> bool:
    """Whether nothing is left to train."""
    from pitprop.driver.revival import due

    records = study.records()
    enough = len(records) >= study.target or study.satisfied
    return enough and all(record.state != "RUNNING" for record in records) and not due(study)


def _print_finished(console: Console, study: Study, options: Namespace) -> None:
    space = study.space
    if study.satisfied:
        words = f"{space.name} has reached its target {space.stop_when}; to go on, take stop_when out of the space:"
        print_way(console, words, again("search", options))
    else:
        print_way(console, f"{space.name} is finished. To go on:", again("search", options, "+20"))
