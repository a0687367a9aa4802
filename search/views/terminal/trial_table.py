"""The trials of a study on the terminal: a line for each, or one trial's whole story."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pitprop import telemetry
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.study.story import continues, epochs, state, warnings, what
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTED = 6
"""Lines of a trainer's log."""
COLUMNS = ("train/loss", "val/loss", "val/auc", "val/predicted/0", "val/predicted/1", "grad_norm", "lr")


def print_trial(console: Console, record: Record, space: Space) -> None:
    """One trial's story: what it was, how it went, why it ended."""
    role = f", the baseline {record.baseline}" if record.baseline else ""
    origin = f", {continues(record)}" if record.revives is not None else ""
    console.print(
        f"[bold]trial {record.number}[/] of {space.name}{role}: {state(record)} after {epochs(record.epochs)}{origin}",
        highlight=False,
    )
    for name, value in record.params.items():
        console.print(f"  {name}: {json.dumps(value)}", highlight=False)
    if record.values:
        console.print(f"{space.objective.metric} [bold]{record.values[0]:.4f}[/]")
    for verdict in record.verdicts:
        action = "warning" if verdict in warnings(record) else verdict.action
        console.print(f"[yellow]{action}[/] {verdict.signature} at epoch {verdict.step}: {escape(verdict.reason)}")
        if verdict.remedy:
            console.print(f"  remedy: {escape(verdict.remedy)}")
    if record.error:
        console.print(f"[red]{escape(record.error)}[/]")
    for log in sorted(Path(record.folder).glob("*.log")):  # what the trainer noted, such as how it went on
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-NOTED:]:
            console.print(f"[dim]{escape(log.stem)}: {escape(line)}[/]", highlight=False)
    table = Table(box=None, pad_edge=False)
    curve = telemetry.read(telemetry.file(record.folder))
    names = [name for name in dict.fromkeys((space.objective.metric, *COLUMNS)) if telemetry.reports(curve, name)]
    for name in ("epoch", *names):
        table.add_column(name.replace("val/predicted/", "predicted "), justify="right")
    for epoch in curve:
        table.add_row(str(epoch.step), *(f"{epoch.metrics.get(name, float('nan')):.4g}" for name in names))
    console.print(table)


def print_trials(console: Console, records: Sequence[Record], space: Space) -> None:
    """A line for each trial."""
    table = Table(box=None, pad_edge=False)
    for name in ("trial", "state", "epochs", space.objective.metric):
        table.add_column(name, justify="right" if name != "state" else "left")
    table.add_column("what", overflow="fold")
    for record in records:
        score = f"{record.values[0]:.4f}" if record.values else ""
        table.add_row(str(record.number), state(record), str(record.epochs), score, escape(what(record, space)))
    console.print(table)
