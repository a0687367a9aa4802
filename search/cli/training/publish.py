"""What a study shows to others: the page that people read, and MLflow's copy of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pitprop import messages
from pitprop.addresses import Addresses
from pitprop.cli.output import waiting
from pitprop.messages import _
from pitprop.results.confirmation_study import results_of as studies_of
from pitprop.results.results import Results
from pitprop.space import Space
from pitprop.study.record import StudyCard
from pitprop.study.source import next_command
from pitprop.track import Exporter
from pitprop.track.exporter import PATIENCE_AWAY, Beside
from rich.console import Console
from rich.markup import escape

NOTE = "exported"
"""The file in the folder of a study that says what MLflow has of it."""


def exporter(space: Space, where: Addresses, *, trains: bool = True) -> Exporter:
    """What sends the trials of the study of ``space`` to MLflow, with the code that trains them if any are trained now."""
    return Exporter(
        where.mlflow,
        where.artifacts,
        _card(space),
        where.folder(space.name) / "track.log",
        trainer=space.trainer if trains else None,
        options=space.options,
        home=space.home,
        export=next_command("export", space, where),
    )


def _card(space: Space) -> StudyCard:
    metric = space.objective.metric
    recorded = {b.name: b.values[metric] for b in space.baselines if b.values is not None and metric in b.values}
    how = space.searches_stopping, space.unit, space.objectives[1:]
    return StudyCard(space.name, space.question, space.objective, space.text, recorded, *how)


def write(results: Results) -> tuple[Path, Path]:
    """Writes the report of a study into its folder, as HTML and as Markdown, in the language in force."""
    from pitprop.views import report  # matplotlib and scipy are seconds to import
    from pitprop.views.content import Content

    return report.write(results.where.folder(results.space.name), Content.of(results), lang=messages.language())


def attach(mlflow: Exporter, results: Results) -> Path:
    """Writes the report, and has MLflow take it with the same answer; the page."""
    from pitprop.results import confirmation
    from pitprop.views.content import Content
    from pitprop.views.report import markdown

    paths = write(results)
    best = [record.number for record in confirmation.best(results.space, results.records, results.confirmation)]
    mlflow.attach(paths)
    shown = ("answer", "effects") if results.ablation is not None else ("answer",)
    answer, again = markdown.section(Content.of(results), *shown), [one.space.name for one in studies_of(results)]
    if again:
        answer += "\n\n" + _("Trained again: {studies}.").format(studies=", ".join(f"`{name}`" for name in again))
    mlflow.conclude(best, answer, again)
    return paths[0]


def is_complete(results: Results, *, report: bool) -> bool:
    """Whether MLflow has taken all of the study as it is, and its ``report`` is written, if it is wanted."""
    folder = results.where.folder(results.space.name)
    noted = folder / NOTE
    taken = noted.exists() and noted.read_text(encoding="utf-8") == _state(results)
    return taken and (not report or (folder / "report.html").exists())


def note_complete(mlflow: Exporter, results: Results) -> None:
    """Notes beside the study, and those that confirm it, that MLflow has taken all, if it has: else the next search exports what
    is missing."""
    _note(mlflow, results)
    for one in studies_of(results):
        if (sink := mlflow.studies.get(one.space.name)) is not None:
            _note(sink, one)


def _note(mlflow: Exporter | Beside, results: Results) -> None:
    noted = results.where.folder(results.space.name) / NOTE
    with suppress(OSError):
        if mlflow.complete:
            noted.write_text(_state(results), encoding="utf-8")
        else:
            noted.unlink(missing_ok=True)


def _state(results: Results) -> str:
    """What changes with the store, and with any trial that begins, ends, or is taken out of the answers."""
    trials = [(record.number, record.state, record.excluded) for record in results.records]
    return hashlib.sha256(json.dumps([results.where.mlflow, trials]).encode()).hexdigest()


def send(mlflow: Exporter, results: Results) -> None:
    """Gives all trials to the exporter, which passes over what MLflow has."""
    for record in results.records:
        mlflow.send(record)


def finish(
    mlflow: Exporter, console: Console | None, results: Results, *, report: bool, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Writes the ``report``, if it is wanted, and waits until MLflow has that and everything else; it does ``meanwhile`` first,
    while MLflow is at work."""
    console, lines = console or Console(quiet=True), []
    mlflow.hasten()
    if report:
        with waiting(console, _("writing the report")):
            lines = [_("The report: {path}").format(path=attach(mlflow, results))]
    send_confirmations(mlflow, results)
    lines.insert(0, waited_for(mlflow, console, meanwhile=meanwhile))
    note_complete(mlflow, results)
    for line in lines:
        console.print(f"[dim]{escape(line)}[/]", highlight=False, soft_wrap=True)


def beside(mlflow: Exporter, space: Space, where: Addresses, confirmed: str) -> Beside:
    """What sends the trials of a study that confirms another to MLflow, by the process that exports that; it says on its run
    where the answer is."""
    found = mlflow.beside(_card(space), where.folder(space.name) / "track.log")
    text = _("{question} The answer is on the run of {study}.")
    found.conclude([], text.format(question=space.question, study=f"`{confirmed}`"), [confirmed])
    return found


def lacking(results: Results) -> list[Results]:
    """The studies that confirm this one of which MLflow lacks something."""
    return [one for one in studies_of(results) if not is_complete(one, report=False)]


def send_confirmations(mlflow: Exporter, results: Results) -> None:
    """Has the studies exported beside this one that confirm it, as far as MLflow lacks something of them."""
    for one in lacking(results):
        if one.space.name not in mlflow.studies:
            sink = beside(mlflow, one.space, one.where, results.space.name)
            for record in one.records:
                sink.send(record)


def waited_for(
    mlflow: Exporter, console: Console, timeout: float = PATIENCE_AWAY, meanwhile: Callable[[], None] = lambda: None
) -> str:
    """Waits until MLflow has everything, and shows how far it is; a sentence on how it went. See `Exporter.finish`."""
    with waiting(console, _("bringing the trials to MLflow")) as told:
        return mlflow.finish(timeout, told, meanwhile)
