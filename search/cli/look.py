"""Commands that look at a study and train nothing. Each returns an exit code."""

from __future__ import annotations

from argparse import Namespace

from pitprop import space as spaces
from pitprop import trainer
from pitprop.cli import context
from pitprop.cli.answer import again, print_json
from pitprop.detection import signatures
from pitprop.errors import UserError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PATIENCE = 600.0
"""Seconds that an export which is asked for may take; one of a thousand trials takes two minutes."""


def status(options: Namespace) -> int:
    """How a study stands."""
    space, _ = context.opened(options)
    records, target = context.records(space, options)
    context.conclude(Console(stderr=options.json), space, records, target, options)
    return 0


def show(options: Namespace) -> int:
    """The trials of a study, or one of them."""
    from pitprop.views.terminal.trial_table import print_trial, print_trials

    (space, _), console = context.opened(options), Console()
    records, _ = context.records(space, options)
    if options.trial is not None:
        if not 0 <= options.trial < len(records):
            raise UserError(f"{space.name} has no trial {options.trial}: it has {len(records)}, from 0")
        records = records[options.trial : options.trial + 1]
    if options.json:
        print_json([record.to_json() for record in records] if options.trial is None else records[0].to_json())
    elif options.trial is not None:
        print_trial(console, records[0], space)
    else:
        print_trials(console, records, space)
    return 0


def best(options: Namespace) -> int:
    """The configuration of the best trial: as YAML, as the command that trains it again, or as a model in MLflow's registry."""
    from pitprop.cli import best

    space, where = context.opened(options)
    records, _ = context.records(space, options)
    found = context.best(space, records, where)
    if found is None:
        raise UserError(f"{space.name} has no trial that completed, so there is no best one: {again('search', options)}")
    if options.command_line:
        print(best.command(space, found, Namespace(**{**vars(options), "top": 1})))
    elif options.register is not None:
        print(best.register(space, found, where, options.register))
    else:
        print(best.yaml(space, found), end="")
    return 0


def report(options: Namespace) -> int:
    """Writes the page of a study, and the same as Markdown."""
    from pitprop.cli import publish

    space, where = context.opened(options)
    records, target = context.records(space, options)
    for path in publish.write(space, records, target, where, options.lang):
        print(path)
    return 0


def compare(options: Namespace) -> int:
    """Studies side by side."""
    from pitprop.views.terminal import comparison

    found = []
    for name in dict.fromkeys(options.space):
        one = Namespace(**{**vars(options), "space": name})
        space, where = context.opened(one)
        records, target = context.records(space, one)
        found.append(comparison.side(space, records, target, where))
    if options.json:
        print_json([one.to_json() for one in found])
    else:
        comparison.print_sides(Console(), found)
    return 0


def list(options: Namespace) -> int:
    """The spaces, trainers and signatures there are, with the first line of each."""
    found = {
        "spaces": {name: spaces.summary(name) for name in spaces.names()},
        "trainers": {name: trainer.card(f"pitprop.trainers.{name}").summary for name in trainer.names()},
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
    from pitprop.cli import publish

    space, where = context.opened(options)
    records, target = context.records(space, options)
    with publish.exporter(space, where, trains=False) as mlflow:
        for record in records:
            mlflow.send(record)
        publish.attach(mlflow, space, records, target, where)
        word = mlflow.finish(PATIENCE)
    if not mlflow.complete:
        raise UserError(word)
    print(word)
    return 0
