"""Commands that look at a study, or at what there is, and train nothing. Each returns an exit code."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from pitprop import space as spaces
from pitprop import trainer
from pitprop.addresses import safe
from pitprop.cli.context import conclude, open_study
from pitprop.cli.options import Page, StudyOptions
from pitprop.cli.output import print_command, print_json
from pitprop.detection import signatures
from pitprop.errors import UserError
from pitprop.messages import _, in_unit, ngettext
from pitprop.results.results import Results
from pitprop.seeds import of_training
from pitprop.space import Space, nested
from pitprop.space.schema.editors import FILE
from pitprop.space.schema.yaml_text import FOLDER
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.study.source import next_command
from pitprop.trainer import Context
from pitprop.views import words
from pitprop.workers import checkpoint
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PATIENCE = 600.0
"""Seconds that a server has for an export which is asked for."""
LISTED = 50
"""Trials in a list, unless a limit is given."""


def status(options: StudyOptions, *, full: bool = False) -> int:
    """How a study stands; ``full`` with every reason, warning and interval."""
    console, results = Console(stderr=options.json), open_study(options)
    conclude(console, results, json=options.json, full=full)
    if results.summary.states[State.RUNNING] and not options.json:
        command = next_command("search", results.space, results.where)
        print_command(console, _("If no search of it is running, this resumes it:"), command)
    return 0


def show(options: StudyOptions, trial: int | None = None, page: Page | None = None) -> int:
    """The trials of a study, in the order and number of ``page``, or one of them. JSON holds all unless a limit is given."""
    from pitprop.views.terminal.trial_table import print_trial, print_trials

    results, console, page = open_study(options), Console(), page or Page()
    space, records = results.space, results.advised
    if trial is None:
        ordered = [record for record in _sorted(space, records, page.sort) if page.state in (None, record.word)]
        if options.json:
            print_json([record.to_json() for record in ordered[: page.limit]])
            return 0
        limit = page.limit or LISTED
        print_trials(console, ordered[:limit], space)
        if (more := len(ordered) - limit) > 0:
            flags = ["--sort", page.sort] if page.sort != "number" else []
            flags += ["--state", page.state] if page.state is not None else []
            flags += ["--limit", str(len(ordered))]
            rest = ngettext("… and {n} more trial:", "… and {n} more trials:", more).format(n=more)
            print_command(console, rest, next_command("show", space, results.where, *flags))
        if results.code_changes:
            console.print(words.code_changed(results.code_changes), style="yellow", markup=False, highlight=False)
        return 0
    if not 0 <= trial < len(records):
        text = _("{study} has no trial {number}: it has {count}, from 0")
        raise UserError(text.format(study=space.name, number=trial, count=len(records)))
    if options.json:
        print_json(records[trial].to_json())
    else:
        print_trial(console, records[trial], space)
    return 0


def _sorted(space: Space, records: Sequence[Record], key: str) -> list[Record]:
    """The trials by number, or the best, longest or last ended first; those without what is asked for come last."""
    keys: dict[str, Callable[[Record], float]] = {
        "number": lambda record: record.number,
        "score": lambda record: -space.objective.sign * ranking.score(record),
        "epochs": lambda record: -record.epochs,
        "ended": lambda record: -(record.ended or math.nan),
    }
    return sorted(records, key=lambda record: (math.isnan(keys[key](record)), keys[key](record), record.number))


def best(options: StudyOptions, *, command: bool = False, register: str | None = None) -> int:
    """Prints the configuration of the best trial: as YAML, as the ``command`` that trains it again, or what was registered.

    ``register`` is the name of a model in MLflow's registry, of which the trial becomes a version.
    """
    results = open_study(options)
    space, where, found = results.space, results.where, results.best_trial
    if found is None:
        text = _("{study} has no trial that completed, so there is no best one: {command}")
        raise UserError(text.format(study=space.name, command=next_command("search", space, where)))
    if command:
        print(_training(results, found))
    elif register is not None:
        from pitprop.track import registry

        print(registry.register(where.mlflow, space.name, found, register, next_command("export", space, where)))
    else:
        notes = [words.code_changed(results.code_changes)] if results.code_changes else []
        print(_configuration(results, found, notes), end="")
    return 0


def report(options: StudyOptions) -> int:
    """Writes the page of a study, and the same as Markdown."""
    from pitprop.cli.training import publish

    for path in publish.write(open_study(options)):
        print(path)
    return 0


def compare(options: StudyOptions, others: tuple[str, ...]) -> int:
    """The study of the options and ``others``, by name or path of their spaces, side by side."""
    from pitprop.views.content import Content
    from pitprop.views.terminal import comparison

    studies = [open_study(options.of(space)) for space in dict.fromkeys((options.space, *others))]
    found = [Content.of(one) for one in studies]
    if options.json:
        print_json([comparison.to_json(one) for one in found])
    else:
        comparison.print_comparison(Console(), found)
    return 0


def list_names(*, json: bool = False) -> int:
    """The spaces, trainers and signatures there are, with the first line of each."""
    found = {
        "spaces": {name: spaces.summary(name) for name in spaces.names()},
        "trainers": {name: trainer.card(f"pitprop.trainers.{name}").summary for name in trainer.names()},
        "signatures": {name: (signatures.load(name).__doc__ or "").split("\n")[0] for name in signatures.names()},
    }
    if json:
        print_json(found)
        return 0
    titles = {"spaces": _("spaces"), "trainers": _("trainers"), "signatures": _("signatures")}
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind, names in found.items():
        table.add_row(f"[bold]{titles[kind]}[/]")
        for name, line in names.items():
            table.add_row(f"  {name}", escape(_(line) if kind == "signatures" else line) + _needs(kind, name))
    Console().print(table)
    return 0


def schema() -> int:
    """The JSON Schema of a space, for editors: the one that ships, as making it takes seconds (`docs/build_schema.py`)."""
    print((FOLDER / FILE).read_text(encoding="utf-8"), end="")
    return 0


def exclude(options: StudyOptions, trials: Sequence[int], *, undo: bool = False) -> int:
    """Takes trials out of every answer, or back into it; what was trained stays."""
    from pitprop.study import study as studies

    found = open_study(options)
    space, where = found.space, found.where
    with studies.opened(space, where.study_db, where.folder(space.name)) as study:
        study.exclude(trials, undo=undo)
    told = words.numbers(trials)
    if undo:
        print(_("these trials count again: {trials}").format(trials=told))
        return 0
    print_command(
        Console(),
        _("These trials are in no answer any more: {trials}. To let them count again:").format(trials=told),
        next_command("exclude", space, where, *map(str, trials), "--undo"),
    )
    return 0


def export(options: StudyOptions, *, csv: str | None = None, parquet: str | None = None) -> int:
    """Brings MLflow up to date with a study, as a search does at its end; or writes its trials to a file instead."""
    from pitprop.cli.training import publish

    results = open_study(options)
    if csv is not None or parquet is not None:
        from pitprop.results import spreadsheet

        path = Path(csv or parquet or "")
        (spreadsheet.write_csv if csv is not None else spreadsheet.write_parquet)(path, results.records, results.space)
        if str(path) != "-":
            print(path)
        return 0
    with publish.exporter(results.space, results.where, trains=False) as mlflow:
        publish.send(mlflow, results)
        publish.attach(mlflow, results)
        publish.send_confirmations(mlflow, results)
        word = publish.waited_for(mlflow, Console(stderr=True), PATIENCE)
        publish.note_complete(mlflow, results)
    if not (mlflow.complete and all(one.complete for one in mlflow.studies.values())):
        raise UserError(word)
    print(word)
    return 0


def _needs(kind: str, name: str) -> str:
    """What a signature reads, in markup."""
    if kind != "signatures":
        return ""
    text = _("needs {readings}").format(readings=", ".join(signatures.load(name).READS))
    return f" [dim]{escape(text)}[/]"


def _configuration(results: Results, record: Record, notes: Sequence[str] = ()) -> str:
    """The whole tree of parameters as YAML, constants of the space included, as it stands in a space's ``baselines``.

    Comments above it say which trial that is, and where its trained states are.
    """
    space, sure = results.space, results.confirmation.winner if results.confirmation is not None else None
    score = f"{space.objective.metric} {record.values[0]:.4f}" if record.values else record.word
    head = _("{study}, trial {number}: {score} in {epochs}")
    lines = [head.format(study=space.name, number=record.number, score=score, epochs=words.budget(record.epochs, space.unit))]
    if sure is not None and sure.trial == record.number:
        mean = _("the best on fresh seeds: {metric} {mean} on average")
        lines.append(mean.format(metric=space.objective.metric, mean=f"{sure.mean:.4f}"))
    if (front := len(results.summary.best)) > 1:
        said = _("it leads a Pareto front of {n} trials; in the search it had {values}")
        lines.append(said.format(n=front, values=words.values(record, space)))
    text = yaml.safe_dump(nested(record.params), sort_keys=False, allow_unicode=True, default_flow_style=None)
    if not (sys.stdout.encoding or "utf-8").lower().startswith("utf") and not text.isascii():  # it is to be copied
        text = yaml.safe_dump(nested(record.params), sort_keys=False, default_flow_style=None)
    return "".join(f"# {line}\n" for line in (*lines, *_states(space, Path(record.folder)), *notes)) + str(text)


def _states(space: Space, folder: Path) -> list[str]:
    """Where what was trained is: a command's own files, else the state of each seed after its best epoch, or its last."""
    if space.card.shell:
        return [_("its files: {path}").format(path=folder)]
    paths = sorted(folder.glob("replica-*.best")) or sorted(folder.glob("replica-*.ckpt"))
    text = in_unit(_("its state after epoch {epoch}: {path}"), space.unit)
    places = {path: safe(checkpoint.stored_at(path)) or path for path in paths}
    return [text.format(epoch=e.step, path=place) for path, place in places.items() for e in checkpoint.epochs(path).values()]


def _training(results: Results, record: Record) -> str:
    """The command line that trains it again: the trainer's own, in a new folder here, if it has one, else our confirmation."""
    space = results.space
    if not space.card.shell:
        return next_command("confirm", space, results.where, "--trial", str(record.number))
    context = Context(
        space.epochs,
        space.options,
        seed=of_training(space.seed),
        folder=str(Path(f"{space.name}-{record.number}").resolve()),
        home=str(space.home),
        metric=space.objective.metric,
        cpus=space.resources.cpus,
        gpus=space.resources.gpus,
        unit=space.unit,
    )
    return str(trainer.load(space.trainer).shell(nested(record.params), context))


def init(program: str, output: str | None) -> int:
    """Writes a first space for a script or a trainer, to a file that is not there yet."""
    from pitprop.cli.draft import draft

    path = Path(program)
    target = Path(output) if output else path.with_name(f"{path.stem}.yaml")
    text = draft(path)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        said = _("{path} is there already: name another file with --output").format(path=target)
        raise UserError(said) from None
    console = Console()
    said = _("{path} is written: look at its ranges and its objective, then").format(path=target)
    print_command(console, said, shlex.join(["pitprop", "preflight", str(target)]))
    return 0
