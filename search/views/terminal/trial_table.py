"""Print the trials of a study on the terminal: a line for each, or one trial in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pitprop import telemetry
from pitprop.messages import N_, _, in_unit, localized
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.views import words
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTED = 6
"""Lines of a trainer's log."""
COLUMNS = ("train/loss", "val/loss", "val/auc", "val/predicted/0", "val/predicted/1", "grad_norm", "lr")
ACTIONS = (N_("warn"), N_("warning"), N_("park"), N_("prune"))


def print_trial(console: Console, record: Record, space: Space) -> None:
    """One trial: what it was, how it went, why it ended."""
    head = _("{trial} of {space}").format(trial=f"[bold]{words.trial(record.number)}[/]", space=escape(space.name))
    role = _(", the baseline {name}").format(name=escape(record.baseline)) if record.baseline else ""
    state = _(": {state} after {epochs}").format(state=words.standing(record), epochs=words.budget(record.epochs, space.unit))
    origin = _(", {continues}").format(continues=words.continues(record, space)) if record.revives is not None else ""
    console.print(head + role + state + origin, highlight=False)
    for name, value in record.params.items():
        console.print(f"  {escape(name)}: {escape(json.dumps(value, ensure_ascii=False))}", highlight=False)
    if record.code:
        console.print(words.styled("dim", _("code {code}").format(code=_(", then ").join(record.code))), highlight=False)
    for place, (goal, value) in enumerate(zip(space.objectives, record.values or (), strict=False)):
        shown = words.number(value) if place else words.score(value)
        console.print(f"{escape(goal.metric)} [bold]{shown}[/]", highlight=False)
    for verdict in record.verdicts:
        action = "warning" if verdict in record.warnings else verdict.action
        where = in_unit(_("{signature} at epoch {epoch}"), space.unit).format(
            signature=escape(verdict.signature), epoch=verdict.step
        )
        console.print(f"[yellow]{_(action)}[/] {where}: {escape(localized(verdict.reason))}")
        if verdict.chance:
            console.print("  " + escape(_("chance: {chance}").format(chance=localized(verdict.chance))), highlight=False)
        if verdict.remedy:
            console.print("  " + escape(_("remedy: {remedy}").format(remedy=localized(verdict.remedy))))
    if record.error:
        console.print(f"[red]{escape(localized(record.error))}[/]")
    for log in sorted(Path(record.folder).glob("*.log")):  # what the trainer noted, such as how it went on
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-NOTED:]:
            console.print(f"[dim]{escape(log.stem)}: {escape(line)}[/]", highlight=False)
    _print_curve(console, record, space)


def _print_curve(console: Console, record: Record, space: Space) -> None:
    """The epochs of a trial, in as many columns as stay whole; the names of the others."""
    curve = telemetry.read(telemetry.file(record.folder))
    objectives = (space.objective.metric, *(goal.metric for goal in space.further))
    names = [name for name in dict.fromkeys((*objectives, *COLUMNS)) if telemetry.reports(curve, name)]
    # a gap is not NaN
    columns = {name: [f"{e.metrics[name]:.4g}" if name in e.metrics else "" for e in curve] for name in names}
    table, room = Table(box=None, pad_edge=False), console.width - 6
    table.add_column(words.unit_of(space, 1), justify="right")
    shown: list[str] = []
    for name, cells in columns.items():
        title = name.replace("val/predicted/", "predicted ")
        room -= 2 + max(map(len, (title, *cells)))
        if room < 0:
            break
        table.add_column(title, justify="right")
        shown.append(name)
    for place, epoch in enumerate(curve):
        table.add_row(str(epoch.step), *(columns[name][place] for name in shown))
    console.print(table)
    for said in words.course(curve, space):
        console.print(words.styled("dim", escape(said)), highlight=False)
    if len(shown) < len(names):
        rest = words.listed(names[len(shown) :])
        path = telemetry.file(record.folder)
        text = _("columns that did not fit: {columns}; all of them are in {path}").format(columns=rest, path=path)
        console.print(words.styled("dim", text), highlight=False, soft_wrap=True)


def print_trials(console: Console, records: Sequence[Record], space: Space) -> None:
    """A line for each trial."""
    table = Table(box=None, pad_edge=False)
    further = [goal.metric for goal in space.further]
    for name in (_("trial"), _("state"), words.unit_of(space, 2), space.objective.metric, *further):
        table.add_column(name, justify="right" if name != _("state") else "left")
    table.add_column(_("what"), overflow="fold")
    for record in records:
        score = words.score(record.values[0]) if record.values else ""
        others = [words.number(value) for value in (record.values or ())[1 : 1 + len(further)]] or [""] * len(further)
        cells = words.standing(record), str(record.epochs), score, *others, escape(words.story(record, space))
        table.add_row(str(record.number), *cells)
    console.print(table)
    if codes := words.codes(records):
        console.print(escape(codes), highlight=False)
