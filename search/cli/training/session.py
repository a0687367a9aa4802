"""One run of a search: workers, exporter and screen around the loop, and a clean end whatever ends it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from pitprop.addresses import Addresses
from pitprop.cli.options import RunOptions
from pitprop.cli.training.crew import Crew, job, storage
from pitprop.driver.journal import Journal
from pitprop.driver.loop import Search
from pitprop.driver.preflight import inspection
from pitprop.driver.preflight.findings import Finding
from pitprop.driver.progress import Ended, Event, FailedAlike, Reported, SearchError
from pitprop.messages import Message, message, ngettext
from pitprop.space import Space
from pitprop.study.parking import lanes
from pitprop.study.record import State
from pitprop.study.source import next_command
from pitprop.study.study import Study
from pitprop.track.exporter import Sink
from pitprop.views.terminal.live import Screen
from pitprop.views.terminal.preflight_table import print_outcome
from pitprop.views.terminal.status import print_inactive, print_known, print_notes
from pitprop.workers import checkpoint
from pitprop.workers.files import home
from pitprop.workers.files.best_states import Bests
from pitprop.workers.launch import Inline
from rich.console import Console

PROGRESS = 30.0
"""Seconds between two exports of a trial that runs."""
GENERATIONS = 4
"""A search is cut into at least this many groups, so that the sampler learns between them."""


def run(
    space: Space,
    study: Study,
    where: Addresses,
    options: RunOptions,
    *,
    console: Console | None = None,
    exporter: Sink | None = None,
    crew: Crew,
    asks: bool = True,
    checks: bool = True,
    then: str = "",
) -> int:
    """Searches until the target or the time limit is reached: 0, or 130 if it was interrupted.

    Without a ``console`` nothing is shown, without an ``exporter`` nothing goes to MLflow. With ``asks=False`` only the trials
    that the study holds are brought to an end. With ``checks=False`` nothing is said of inactive checks and there is no
    preflight: a search with the same trainer has done both. ``crew`` has the workers, and keeps them. ``then`` says what is
    trained after it.
    """
    console = console or Console(quiet=True)
    study.checkpoints.mkdir(parents=True, exist_ok=True)
    (study.folder / "space.yaml").write_text(space.text, encoding="utf-8")
    if checks:
        _tell_before(console, space, study)
    records = study.records()
    if exporter is not None:
        for record in records:
            exporter.send(record)
    count = (study.target if asks else sum(record.state == State.RUNNING for record in records)) * space.seeds
    launcher = crew.launcher(space, where, options, console, count)
    if exporter is not None:
        exporter.begin()
    if checks and all(record.state == State.RUNNING for record in records):  # no trial has shown yet that the trainer works
        findings = inspection.inspect(space, launcher)
        print_outcome(console, findings)
        inspection.refuse(findings, next_command("preflight", space, where))
    learns = asks and study.target > sum(baseline.params is not None for baseline in space.baselines)
    width = partial(_width, space, count, GENERATIONS if learns else 1)
    timeout = options.timeout or space.timeout
    deadline = time.time() + timeout if timeout else None  # which is no time to start Ray in
    search = Search(space, study, launcher, width=width, deadline=deadline, asks=asks)
    screen = Screen(console, space, study.target, records, confirms=not checks, then=then)
    journal = Journal(options.events, space, study.target, records, confirms=not checks)
    shows = None if options.events is not None else partial(next_command, "show", space, where)  # who follows those has others
    code = _watch(search, study, exporter, screen, journal, shows)
    if not code and asks and deadline is not None and time.time() >= deadline:
        _tell_time_over(console, study)
    if code:
        _close(crew, code if options.exits else 0)
    sweep_checkpoints(space, study, storage(space, where, options))
    return code


def _tell_before(console: Console, space: Space, study: Study) -> None:
    """Says what a search does otherwise than its file asks for, what nothing can see, and what its sampler knows already."""
    print_notes(console, space)
    print_inactive(console, space)
    print_known(console, study.knows)


def _explained(failed: FailedAlike, command: str) -> Message:
    """Why the search stops, and what comes next."""
    return message(
        "{why}; correct the cause, and the same search continues with the trials that are left; more on a trial: {command}",
        why=failed.args[0],
        command=command,
    )


def _close(crew: Crew, code: int) -> None:
    """Ends the workers of a search that was interrupted. With a ``code`` the process exits then, and a second Ctrl-C at once."""
    if code:  # what is open is left as it is: the next search resumes from the checkpoints all the same
        signal.signal(signal.SIGINT, lambda *_: os._exit(code))
    crew.close()


def _tell_time_over(console: Console, study: Study) -> None:
    """Says how many trials a search has not begun whose time is over."""
    n = study.target - len(study.records())
    if not study.all_begun:
        said = ngettext("its time is over: {n} trial has not begun", "its time is over: {n} trials have not begun", n)
        console.print(f"{study.space.name}: {said.format(n=n)} (timeout)", style="dim", highlight=False, soft_wrap=True)


def inspect(space: Space) -> list[Finding]:
    """What a preflight finds, in this process and without a study."""
    with closing(Inline(job(space, Path(), here=True), cpus=space.resources.cpus)) as launcher:
        return inspection.inspect(space, launcher)


def _watch(
    search: Search, study: Study, exporter: Sink | None, screen: Screen, journal: Journal, shows: Callable[[str], str] | None
) -> int:
    """Shows, writes down and exports what happens in a search, to its end: 0, or 130 if it was interrupted.

    ``shows`` gives the command line that shows a trial, for whoever is told that all fail alike.
    """
    last: dict[int, float] = {}
    try:
        with screen, closing(search.events()) as events:
            for event in events:
                screen.show(event)
                journal.show(event)
                _export(event, study, exporter, last)
    except KeyboardInterrupt:
        return 130
    except FailedAlike as failed:
        if shows is None:
            raise
        raise SearchError(_explained(failed, shows(str(failed.trial)))) from failed
    finally:  # also where the service ends this process: how far the search came is what it shows from then on
        journal.tell()
    return 0


def _export(event: Event, study: Study, exporter: Sink | None, last: dict[int, float]) -> None:
    """Sends a trial when it ends, and from time to time while it runs."""
    now = time.monotonic()
    if isinstance(event, Ended) and event.traceback:
        Path(event.record.folder).mkdir(parents=True, exist_ok=True)  # its trainer may have removed it
        Path(event.record.folder, "traceback.txt").write_text(event.traceback, encoding="utf-8")
    if exporter is None:
        return
    if isinstance(event, Ended):
        exporter.send(event.record)
    elif isinstance(event, Reported) and now - last.setdefault(event.lane.trial, now) >= PROGRESS:
        last[event.lane.trial] = now
        exporter.send(study.record(event.lane.trial))


def sweep_checkpoints(space: Space, study: Study, storage: str) -> None:
    """Leaves nothing of the workers when no trial runs: what is kept of it alone goes to the folders of its trials."""
    records = study.records()
    if any(record.state == State.RUNNING for record in records):
        return
    folders = {lane: Path(record.folder) for record in records for lane in lanes(space, record.number)}
    if study.checkpoints.exists():
        Bests(space.objective.metric, space.objective.best_by).salvage(folders, study.checkpoints)
        kept = {lane: checkpoint.path(folder, lane.replica) for lane, folder in folders.items()}
        checkpoint.sweep(study.checkpoints, kept, study.parking().only_with_workers())
    for draft in (*study.folder.glob("trials/*/replica-*.part"), *study.folder.glob("trials/*/telemetry*.part")):
        draft.unlink(missing_ok=True)
    if storage:
        home.sweep(study.folder, storage)


def _width(space: Space, lanes: int, generations: int, workers: int) -> int:
    """How many lanes each of so many workers trains at once, of so many in all."""
    if space.resources.lanes is not None:
        return min(space.resources.lanes, space.card.width)
    return max(1, min(space.card.width, -(-lanes // (generations * workers))))
