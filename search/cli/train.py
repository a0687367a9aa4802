"""Commands that train. Each returns an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from pitprop.addresses import Addresses
from pitprop.cli.context import conclude, open_space, open_study
from pitprop.cli.options import RunOptions, StudyOptions, Trials
from pitprop.cli.output import print_command, print_json
from pitprop.errors import UserError
from pitprop.messages import _, ngettext
from pitprop.results import confirmation_study
from pitprop.results.results import Results
from pitprop.space import Confirm, Space
from pitprop.study.commands import Repeat, next_command
from pitprop.study.record import Record, State
from rich.console import Console

if TYPE_CHECKING:
    from pitprop.cli.session import Crew
    from pitprop.study.study import Study


def search(options: StudyOptions, run: RunOptions, trials: Trials | None = None) -> int:
    """Runs a search, or resumes it, and confirms what it found if the space says so."""
    (space, where), console = open_space(options, run.seed, ask=True), Console(stderr=options.json)
    code, results = searched(space, where, run, trials, None if run.quiet else console)
    conclude(console, results, json=options.json, repeat=run.repeat())
    if code:
        _print_interrupted(console, next_command("search", space, where, *run.repeat().words("search")))
    return code or int(bool(results.records) and all(record.state == State.FAIL for record in results.records))


def searched(
    space: Space, where: Addresses, run: RunOptions, trials: Trials | None, console: Console | None
) -> tuple[int, Results]:
    """Searches, confirms if due, reports and exports: 0, or 130 if interrupted; and what the study says then."""
    from pitprop.cli import publish, session
    from pitprop.study import study as studies

    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        if trials is not None:
            study.plan(trials.number + (study.planned if trials.more else 0))
        code, ended = 0, _ended(study)
        if ended:
            session.sweep_checkpoints(space, study)  # it may have been killed after its last trial
        if ended and not confirmation_study.due(space, study.records(), where):
            if console is not None:
                _print_finished(console, study, where, run.repeat())
            return code, _published(_results(study, where), run, console)
        _check_code(study, where, run, console, "search")
        with publish.exporter(space, where) as mlflow:
            with closing(session.Crew()) as crew:
                if ended:
                    publish.send(mlflow, _results(study, where))
                else:
                    code = session.run(space, study, where, run, console=console, exporter=mlflow, crew=crew)
                if not code and _ended(study) and (plan := confirmation_study.due(space, study.records(), where)):
                    code = _confirm(space, plan, study.records(), where, run, console, crew)
            results = _results(study, where)
            publish.finish(mlflow, console, results, report=run.report and not code)
        return code, results


def _published(results: Results, run: RunOptions, console: Console | None) -> Results:
    """The results of a finished search, after a report and an export that an earlier one could not bring to their end."""
    from pitprop.cli import publish

    lacking = publish.export_confirmations(results, console)
    if lacking and console is not None:
        console.print(lacking, style="dim", highlight=False, soft_wrap=True, markup=False)
    if results.records and not publish.is_complete(results, report=run.report):
        with publish.exporter(results.space, results.where, trains=False) as mlflow:
            publish.send(mlflow, results)
            publish.finish(mlflow, console, results, report=run.report)
    return results


def confirm(
    options: StudyOptions,
    run: RunOptions,
    top: int | None = None,
    seeds: int | None = None,
    trials: tuple[int, ...] = (),
) -> int:
    """Trains the ``top`` trials, or those of the numbers ``trials``, and the baselines again on so many fresh ``seeds``.

    None is as the space says.
    """
    from pitprop.cli import publish
    from pitprop.cli.session import Crew

    before, console = open_study(options, run.seed, ask=True), Console(stderr=options.json)
    space, where = before.space, before.where
    if before.code_changes and not run.code_changed:
        raise UserError(_refusal(space, where, before.code_changes, "confirm", *run.repeat(top, seeds).words("confirm")))
    plan = space.confirm or Confirm()
    plan = Confirm(top or plan.top, seeds or plan.seeds)
    shown = None if run.quiet else console
    with publish.exporter(space, where) as mlflow:
        publish.send(mlflow, before)  # the note of the study's run is written from all of its trials
        with closing(Crew()) as crew:
            code = _confirm(space, plan, before.records, where, run, shown, crew, trials)
        results = Results(space, where, before.records, before.target)  # which reads the confirmation as it is now
        publish.finish(mlflow, shown, results, report=run.report and not code)
    conclude(console, results, json=options.json, repeat=run.repeat())
    if code:
        _print_interrupted(console, next_command("confirm", space, where, *run.repeat(top, seeds, trials).words("confirm")))
    return code


def preflight(options: StudyOptions) -> int:
    """Checks data, model and checkpoint before training; 1 if a finding would stop a search."""
    from pitprop.cli.session import inspect
    from pitprop.views.terminal.preflight_table import print_findings

    space, _where = open_space(options)
    findings = inspect(space)
    if options.json:
        print_json({"space": space.name, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(Console(), findings)
    return int(any(finding.severity == "stop" for finding in findings))


def revive(options: StudyOptions, run: RunOptions, trials: Sequence[int]) -> int:
    """Continues parked trials, and what else a killed search has left running; asks for no new ones."""
    from pitprop.cli import publish, session
    from pitprop.study import study as studies
    from pitprop.study.parking import revivals

    before, console = open_study(options, run.seed, ask=True), Console(stderr=options.json)
    space, where = before.space, before.where
    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        shown = None if run.quiet else console
        known = {parked: revival.state for parked, revival in revivals(study.records()).items()}
        numbers = [*dict.fromkeys(trials)]
        if any(known.get(number) == State.RUNNING for number in numbers):  # the same command resumes what was interrupted
            numbers = [number for number in numbers if known.get(number, State.FAIL) == State.FAIL]
        for reason in filter(None, map(study.parking().why_not, numbers)):  # of all, before the first is begun
            raise studies.StudyError(reason)
        _check_code(study, where, run, console, "revive", *map(str, trials))
        for number in numbers:
            study.revive(number)
        with publish.exporter(space, where) as mlflow:
            with closing(session.Crew()) as crew:
                code = session.run(space, study, where, run, console=shown, exporter=mlflow, crew=crew, asks=False)
            results = _results(study, where)
            publish.finish(mlflow, shown, results, report=run.report and not code)
    conclude(console, results, json=options.json, repeat=run.repeat())
    if code:
        words = (*map(str, trials), *run.repeat().words("revive"))
        _print_interrupted(console, next_command("revive", space, where, *words))
    told = revivals(results.records)
    return code or int(all(told[number].state == State.FAIL for number in trials))


def _confirm(
    space: Space,
    plan: Confirm,
    records: Sequence[Record],
    where: Addresses,
    run: RunOptions,
    console: Console | None,
    crew: Crew,
    trials: Sequence[int] = (),
) -> int:
    """Trains what is to be confirmed, in a study of its own that is exported beside the other: 0, or 130 if interrupted."""
    from pitprop.cli import publish, session
    from pitprop.study import study as studies
    from pitprop.views import words

    fresh = confirmation_study.space_of(space, plan, records, trials)
    if console is not None:
        trained = [baseline.name for baseline in fresh.baselines if baseline.params is not None]
        told = [name for name in trained if name in {baseline.name for baseline in space.baselines}]
        count = plan.seeds * len(trained)
        text = _("Confirming {trials} and {baselines} on {seeds} seeds that the search never used: {count} trainings")
        n = len(told)
        baselines = ngettext("{n} baseline", "{n} baselines", n).format(n=n)
        trials_told = words.trials(len(trained) - n)
        line = text.format(trials=trials_told, baselines=baselines, seeds=plan.seeds, count=count)
        console.print(f"\n{line} ({words.listed(trained)})", highlight=False, markup=False)
    with (
        studies.opened(fresh, where.study_db, where.folder(fresh.name)) as study,
        publish.exporter(fresh, where) as mlflow,
    ):
        _check_code(study, where, run, console, "confirm")
        unlimited = replace(run, timeout=None)
        code = 0
        if _ended(study):
            session.sweep_checkpoints(fresh, study)
            publish.send(mlflow, _results(study, where))
        else:
            code = session.run(fresh, study, where, unlimited, console=console, exporter=mlflow, crew=crew, checks=False)
            crew.close()
        publish.finish_confirmation(mlflow, console or Console(quiet=True), _results(study, where), space.name)
    return code


def _check_code(study: Study, where: Addresses, run: RunOptions, console: Console | None, verb: str, *numbers: str) -> None:
    """Notes the code that trains from now on; `UserError` if trials were trained by other code, unless that is allowed."""
    from pitprop.views import words

    if changes := study.code_changes:
        if not run.code_changed:
            raise UserError(_refusal(study.space, where, changes, verb, *numbers, *run.repeat().words(verb)))
        if console is not None:
            console.print(words.code_changed(changes), style="yellow", soft_wrap=True, markup=False, highlight=False)
    study.take_code()


def _refusal(space: Space, where: Addresses, changes: Sequence[str], verb: str, *flags: str) -> str:
    from pitprop.views import words

    text = _("{changed}; put it back, or train on with the code as it is now: {command}")
    command = next_command(verb, space, where, *flags, "--code-changed")
    return text.format(changed=words.code_changed(changes), command=command)


def _results(study: Study, where: Addresses) -> Results:
    """What an open study says now."""
    return Results(study.space, where, tuple(study.records()), study.target, study.code_changes)


def _ended(study: Study) -> bool:
    """Whether nothing is left to train."""
    from pitprop.driver.revival import due

    records = study.records()
    enough = len(records) >= study.target or study.satisfied
    return enough and all(record.state != State.RUNNING for record in records) and not due(study)


def _print_finished(console: Console, study: Study, where: Addresses, repeat: Repeat) -> None:
    space, flags = study.space, repeat.words("search")
    if study.satisfied:
        words = _("{space} has reached its target {target}; to continue, remove stop_when from the space:")
        words = words.format(space=space.name, target=space.stop_when)
        print_command(console, words, next_command("search", space, where, *flags))
    elif study.exhausted:
        words = _("{space} is finished: every trial that the space allows has been trained, so there is none to add.")
        console.print(words.format(space=space.name), highlight=False, markup=False)
    else:
        words = _("{space} is finished. To add trials:").format(space=space.name)
        print_command(console, words, next_command("search", space, where, "--trials", "+20", *flags))


def _print_interrupted(console: Console, command: str) -> None:
    print_command(console, _("Interrupted. To resume:"), command)
