"""Commands that train. Each returns an exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from pitprop.addresses import Addresses, addresses, is_job_server
from pitprop.cli.context import conclude, open_space, open_study
from pitprop.cli.options import ConfirmOptions, RunOptions, StudyOptions, Trials
from pitprop.cli.output import print_command, print_json
from pitprop.errors import UserError
from pitprop.messages import _, ngettext
from pitprop.results import confirmation_study
from pitprop.results.results import Results
from pitprop.space import STAGNATION, Confirm, Space
from pitprop.study.ranking import STAGNANT
from pitprop.study.record import Record, State
from pitprop.study.source import Repeat, next_command
from rich.console import Console

if TYPE_CHECKING:
    from pitprop.cli.training.crew import Crew
    from pitprop.study.study import Study
    from pitprop.track import Exporter


def search(options: StudyOptions, run: RunOptions, trials: Trials | None = None) -> int:
    """Runs a search, or resumes it, and confirms what it found if the space says so."""
    if run.inline and run.share is not None:
        raise UserError(_("--share is for workers on Ray, and --inline trains in this process: leave one of them out"))
    if is_job_server(addresses(options.runs, options.ray).ray) and not run.inline:
        from pitprop.cli.training.handover import hand_over

        if run.share is not None:
            raise UserError(_("--share is a file here, which a job on the cluster does not see: leave it out"))
        return hand_over("search", options, run, *(["--trials", str(trials)] if trials is not None else []))
    (space, where), console = open_space(options, run.seed, ask=True), Console(stderr=options.json)
    code, results = searched(space, where, run, trials, None if run.quiet else console)
    _tell(run, results)
    conclude(console, results, json=options.json, repeat=run.repeat())
    if code:
        _print_interrupted(console, next_command("search", space, where, *run.repeat().words("search")))
    return code or int(bool(results.records) and all(record.state == State.FAIL for record in results.records))


def searched(
    space: Space, where: Addresses, run: RunOptions, trials: Trials | None, console: Console | None
) -> tuple[int, Results]:
    """Searches, confirms if due, reports and exports: 0, or 130 if interrupted; and what the study says then."""
    from pitprop.cli.training.crew import Crew

    with closing(Crew()) as crew:
        if not where.folder(space.name).exists():  # its first search, in which there is something to train
            planned = space.trials if trials is None else trials.number + (space.trials if trials.more else 0)
            shown = console or Console(quiet=True)
            crew.call(space, where, run, shown, planned * space.seeds, lambda: import_module("pitprop.cli.training.session"))
        return _searched(space, where, run, trials, console, crew)


def _searched(
    space: Space, where: Addresses, run: RunOptions, trials: Trials | None, console: Console | None, crew: Crew
) -> tuple[int, Results]:
    from pitprop.cli.training import publish, session
    from pitprop.cli.training.crew import storage
    from pitprop.driver import revival
    from pitprop.driver.journal import Journal
    from pitprop.study import study as studies
    from pitprop.workers.launch import LaunchError

    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        before = study.planned, len(study.records())
        if trials is not None:
            study.plan(trials.number + (study.planned if trials.more else 0))
        code, ended = 0, revival.ended(study)
        if ended:
            # it may have been killed after its last trial
            session.sweep_checkpoints(space, study, storage(space, where, run))
            Journal(run.events, space, study.target, study.records())
        if ended and not _due(space, space.confirm, study.records(), where):
            _sweep_confirmations(space, where, run)
            if console is not None:
                _print_finished(console, study, where, run.repeat())
            return code, _published(_results(study, where), run, console)
        _check_code(study, where, run, console, "search")
        with publish.exporter(space, where) as mlflow:
            if ended:
                publish.send(mlflow, _results(study, where))
            else:
                then = _then(space.confirm)
                try:
                    code = session.run(space, study, where, run, console=console, exporter=mlflow, crew=crew, then=then)
                except LaunchError:
                    if trials is not None and len(study.records()) == before[1]:
                        study.plan(before[0])  # so that the same command adds its trials once
                    raise
            if not code and revival.ended(study):
                due = partial(_due, space, space.confirm, study.records(), where)
                code = _confirm(due, space, space.confirm, where, run, console, crew, mlflow)
            results = _results(study, where)
            publish.finish(mlflow, console, results, report=run.report and not code, meanwhile=crew.close)
        return code, results


def _published(results: Results, run: RunOptions, console: Console | None) -> Results:
    """The results of a finished search, after a report and an export that an earlier one could not bring to their end."""
    from pitprop.cli.training import publish

    if results.records and (publish.lacking(results) or not publish.is_complete(results, report=run.report)):
        with publish.exporter(results.space, results.where, trains=False) as mlflow:
            publish.send(mlflow, results)
            publish.finish(mlflow, console, results, report=run.report)
    return results


def confirm(options: StudyOptions, run: RunOptions, confirms: ConfirmOptions) -> int:
    """Trains the best trials, or those that are asked for, and the baselines on fresh seeds; then each change of the winner."""
    from pitprop.cli.training import publish
    from pitprop.cli.training.crew import Crew

    _refuse_handing(options, run)
    before, console = open_study(options, run.seed, ask=True), Console(stderr=options.json)
    space, where, words = before.space, before.where, run.repeat(confirms).words("confirm")
    if before.code_changes and not run.code_changed:
        raise UserError(_refusal(space, where, before.code_changes, "confirm", *words))
    if before.summary.best == ():
        raise UserError(_("nothing to confirm: no trial of {study} has completed yet; search it first").format(study=space.name))
    plan = _plan(space, confirms)
    _due(space, plan, before.records, where, confirms)  # which finds what is misspelt before anything is exported
    shown = None if run.quiet else console
    with publish.exporter(space, where) as mlflow, closing(Crew()) as crew:
        publish.send(mlflow, before)  # the note of the study's run is written from all of its trials
        due = partial(_due, space, plan, before.records, where, confirms)
        code = _confirm(due, space, plan, where, run, shown, crew, mlflow)
        results = Results(
            space, where, before.records, before.target, knows=before.knows
        )  # which reads the confirmation as it is now
        publish.finish(mlflow, shown, results, report=run.report and not code, meanwhile=crew.close)
    _tell(run, results)
    conclude(console, results, json=options.json, repeat=run.repeat())
    if code:
        _print_interrupted(console, next_command("confirm", space, where, *words))
    return code


def _refuse_handing(options: StudyOptions, run: RunOptions) -> None:
    """Only a search is handed to a job server."""
    if is_job_server(address := addresses(options.runs, options.ray).ray) and not run.inline:
        text = _("{address} takes only searches: run this command on a node of the cluster, with --ray auto")
        raise UserError(text.format(address=address))


def _plan(space: Space, asked: ConfirmOptions) -> Confirm:
    """What a space says of its confirmation, with what was asked for in its place; `UserError` if that is not searched."""
    from pitprop.results import ablation

    plan = space.confirm or Confirm()
    ablation.check(space, [name for name in asked.each if name])  # now: the changes are due only after all seeds of the best
    each = True if "" in asked.each else list(asked.each) or plan.each
    return replace(plan, top=asked.top or plan.top, seeds=asked.seeds or plan.seeds, each=each)


def preflight(options: StudyOptions) -> int:
    """Checks data, model and checkpoint before training; 1 if a finding would stop a search."""
    from pitprop.cli.training.session import inspect
    from pitprop.views.terminal.preflight_table import print_findings
    from pitprop.views.terminal.status import print_notes

    space, _where = open_space(options)
    findings = inspect(space)
    if options.json:
        print_json({"space": space.name, "findings": [asdict(finding) for finding in findings]})
    else:
        print_notes(Console(), space)
        print_findings(Console(), findings)
    return int(any(finding.severity == "stop" for finding in findings))


def revive(options: StudyOptions, run: RunOptions, trials: Sequence[int]) -> int:
    """Continues parked trials, and what else a killed search has left running; asks for no new ones."""
    from pitprop.cli.training import publish, session
    from pitprop.cli.training.crew import Crew
    from pitprop.study import study as studies
    from pitprop.study.parking import revivals

    _refuse_handing(options, run)
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
        with publish.exporter(space, where) as mlflow, closing(Crew()) as crew:
            code = session.run(space, study, where, run, console=shown, exporter=mlflow, crew=crew, asks=False)
            results = _results(study, where)
            publish.finish(mlflow, shown, results, report=run.report and not code, meanwhile=crew.close)
    _tell(run, results)
    conclude(console, results, json=options.json, repeat=run.repeat())
    if code:
        words = (*map(str, trials), *run.repeat().words("revive"))
        _print_interrupted(console, next_command("revive", space, where, *words))
    told = revivals(results.records)
    return code or int(all(told[number].state == State.FAIL for number in trials))


def _due(
    space: Space, plan: Confirm | None, records: Sequence[Record], where: Addresses, asked: ConfirmOptions | None = None
) -> list[Space]:
    """The studies to be trained next for a confirmation: of the best first, then of the changes of the winner among them."""
    if plan is None:
        return []
    if found := confirmation_study.pending(space, plan, records, where, asked.trials if asked is not None else ()):
        return found
    if not plan.each:
        return []
    from pitprop.results import ablation, confirmation

    seeds = asked.seeds if asked is not None and asked.seeds else max(plan.seeds, ablation.SEEDS)
    names = plan.each if isinstance(plan.each, list) else ()
    winner = next(iter(confirmation.best(space, records, confirmation.read(space, records, where))), None)
    return ablation.pending(space, records, where, winner, names, seeds) if winner is not None else []


def _confirm(
    due: Callable[[], Sequence[Space]],
    space: Space,
    plan: Confirm | None,
    where: Addresses,
    run: RunOptions,
    console: Console | None,
    crew: Crew,
    mlflow: Exporter,
) -> int:
    """Trains the studies that confirm the one of ``space`` while any is ``due``: 0, or 130. Each is exported beside it, by the
    same process, and nothing waits for that before the end."""
    from pitprop.cli.training import publish, session
    from pitprop.study import study as studies

    trained = set[tuple[str, int]]()
    while wanted := [one for one in due() if (one.name, one.trials) not in trained]:
        fresh = wanted[0]
        trained.add((fresh.name, fresh.trials))
        if console is not None:
            console.print(f"\n{_task(fresh, space)}", highlight=False, markup=False)
        with studies.opened(fresh, where.study_db, where.folder(fresh.name)) as study:
            _check_code(study, where, run, console, "confirm")
            unlimited, sink = replace(run, timeout=None), publish.beside(mlflow, fresh, where, space.name)
            then, train = _then(plan, confirms=fresh), partial(session.run, console=console, crew=crew, checks=False)
            code = train(fresh, study, where, unlimited, exporter=sink, then=then)
        if code:
            return code
    _sweep_confirmations(space, where, run)
    return 0


def _then(plan: Confirm | None, confirms: Space | None = None) -> str:
    """What is trained after a search by the ``plan`` of its space, or after a study that ``confirms`` it."""
    if plan is None or (confirms is not None and (_changes(confirms) or not plan.each)):
        return ""
    if confirms is not None:
        return _("then each parameter of the best")
    return _("then confirmation and each parameter of the best") if plan.each else _("then confirmation")


def _sweep_confirmations(space: Space, where: Addresses, run: RunOptions) -> None:
    """Removes the workers' checkpoints of confirmations that were killed after their last training."""
    from pitprop.cli.training import session
    from pitprop.cli.training.crew import storage
    from pitprop.study import study as studies

    for one in confirmation_study.results_of(Results(space, where, (), 0)):
        folder = where.folder(one.space.name)
        if (folder / "checkpoints").exists():
            with studies.opened(one.space, where.study_db, folder) as study:
                session.sweep_checkpoints(one.space, study, storage(one.space, where, run))


def _trained(fresh: Space) -> list[str]:
    return [baseline.name for baseline in fresh.baselines if baseline.params is not None]


def _changes(fresh: Space) -> bool:
    """Whether a study trains one trial with one parameter changed at a time."""
    names = _trained(fresh)
    return bool(names[1:]) and all(name.startswith(f"{names[0]}: ") for name in names[1:])


def _task(fresh: Space, space: Space) -> str:
    """What a confirmation is about to train, in a line."""
    from pitprop.views import words

    names = _trained(fresh)
    shown = {"seeds": fresh.seeds, "count": fresh.seeds * len(names)}
    if _changes(fresh):
        text = _("Changing one parameter of {trial} at a time, on {seeds} seeds that were not used before: {count} trainings")
        return text.format(trial=names[0], **shown)
    n = len({baseline.name for baseline in space.baselines} & set(names))
    baselines = ngettext("{n} baseline", "{n} baselines", n).format(n=n)
    text = _("Confirming {trials} and {baselines} on {seeds} seeds that the search never used: {count} trainings")
    line = text.format(trials=words.trials(len(names) - n), baselines=baselines, **shown)
    return f"{line} ({words.listed(names)})"


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


def _tell(run: RunOptions, results: Results) -> None:
    """Tells whoever follows the run which trial is to be taken, and what it reached: on fresh seeds where it was confirmed."""
    from pitprop.driver import journal
    from pitprop.study import ranking

    first, sure = results.best_trial, results.confirmation
    if run.events is None or first is None:
        return
    winner = sure.winner if sure is not None else None
    score = winner.mean if winner is not None else ranking.score(first)
    journal.write(run.events, "answer", {"trial": first.number, "score": score, "seeds": len(winner.scores) if winner else 0})


def _results(study: Study, where: Addresses) -> Results:
    """What an open study says now."""
    return Results(study.space, where, tuple(study.records()), study.target, study.code_changes, study.knows)


def _print_finished(console: Console, study: Study, where: Addresses, repeat: Repeat) -> None:
    from pitprop.driver import revival

    space, flags = study.space, repeat.words("search")
    if study.satisfied and space.stop_when == STAGNATION:
        words = _("{space} has stopped: none of its last {n} trials is better than those before; to continue, remove stop_when:")
        words = words.format(space=space.name, n=STAGNANT)
        print_command(console, words, next_command("search", space, where, *flags))
    elif study.satisfied:
        words = _("{space} has reached its target {target}; to continue, remove stop_when from the space:")
        words = words.format(space=space.name, target=space.stop_when)
        print_command(console, words, next_command("search", space, where, *flags))
    elif revival.over(study):
        words = _("{space} has spent its budget of {budget}; to continue, raise budget in the space:")
        words = words.format(space=space.name, budget=space.budget)
        print_command(console, words, next_command("search", space, where, *flags))
    elif study.exhausted:
        words = _("{space} is finished: every trial that the space allows has been trained, so there is none to add.")
        console.print(words.format(space=space.name), highlight=False, markup=False)
    else:
        words = _("{space} is finished. To add trials:").format(space=space.name)
        print_command(console, words, next_command("search", space, where, "--trials", "+20", *flags))


def _print_interrupted(console: Console, command: str) -> None:
    print_command(console, _("Interrupted. To resume:"), command)
