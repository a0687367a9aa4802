"""What a person reads of a study on the terminal: the answer first, then the reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search import telemetry
from search.record import Record
from search.space import Space
from search.summary import Summary, best_epoch

TRIALS_SHOWN = 6
COLUMNS = ("train/loss", "val/loss", "val/auc", "val/predicted/0", "val/predicted/1", "grad_norm", "lr")


def print_summary(console: Console, summary: Summary, folder: Path) -> None:
    """The end of a search, or `pitprop status`."""
    states, space = summary.states, summary.space
    counts = ", ".join(
        f"{states[name]} {word}"
        for name, word in (("COMPLETE", "complete"), ("PRUNED", "pruned"), ("FAIL", "failed"), ("RUNNING", "running"))
        if states[name] or name in ("COMPLETE", "PRUNED")
    )
    console.print(f"\n[bold]{space.name}[/]  {sum(states.values())} of {summary.target} trials: {counts}")
    if summary.saved > 0:
        console.print(f"{summary.saved} of {epochs(summary.budget)} saved ({summary.saved / summary.budget:.0%})")
    if not summary.best:
        console.print("No trial has completed yet, so there is no best one.")
    elif space.searches_stopping:
        console.print(_front(summary))
    else:
        _print_winner(console, summary, summary.best[0])
    if summary.pruned:
        console.print(_pruned(summary))
    for record in summary.failed[:TRIALS_SHOWN]:
        console.print(f"[red]failed[/] trial {record.number}: {escape(record.error or '')}")
    if len(summary.failed) > TRIALS_SHOWN:
        console.print(
            f"… and {len(summary.failed) - TRIALS_SHOWN} more that failed; pitprop status {space.name} --json lists all"
        )
    console.print(f"Curves and checkpoints: {escape(str(folder))}", style="dim", soft_wrap=True, highlight=False)


def print_trial(console: Console, record: Record, space: Space) -> None:
    """One trial's story: what it was, how it went, why it ended."""
    role = f", the baseline {record.baseline}" if record.baseline else ""
    console.print(f"[bold]trial {record.number}[/] of {space.name}{role}: {record.state.lower()} after {epochs(record.epochs)}")
    for name, value in record.params.items():
        console.print(f"  {name}: {json.dumps(value)}", highlight=False)
    if record.values:
        console.print(f"{space.objective.metric} [bold]{record.values[0]:.4f}[/]")
    for verdict in record.verdicts:
        console.print(
            f"[yellow]{verdict['action']}[/] {verdict['signature']} at epoch {verdict['step']}: {escape(verdict['reason'])}"
        )
        if verdict["remedy"]:
            console.print(f"  remedy: {escape(verdict['remedy'])}")
    if record.error:
        console.print(f"[red]{escape(record.error)}[/]")
    table = Table(box=None, pad_edge=False)
    curve = telemetry.read(Path(record.folder) / "telemetry.jsonl")
    names = [name for name in _columns(space) if telemetry.reports(curve, name)]
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
        table.add_row(str(record.number), record.state.lower(), str(record.epochs), score, escape(what(record, space)))
    console.print(table)


def what(record: Record, space: Space) -> str:
    """The line that tells one trial from the others: why it ended, its baseline, or what was drawn."""
    verdict = next((v for v in record.verdicts if v["action"] == "prune"), None)
    if record.state == "PRUNED" and verdict is not None:
        return f"{verdict['signature']}: {verdict['reason']}"
    if record.error:
        return record.error
    return f"baseline {record.baseline}" if record.baseline else ", ".join(drawn(record, space))


def epochs(count: int) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{count} epoch{'' if count == 1 else 's'}"


def drawn(record: Record, space: Space) -> Iterator[str]:
    """The searched parameters of a trial."""
    for leaf in space.leaves:
        if leaf.name in record.params:
            value = record.params[leaf.name]
            yield f"{leaf.name} {value:.4g}" if isinstance(value, float) else f"{leaf.name} {json.dumps(value)}"


def _print_winner(console: Console, summary: Summary, best: Record) -> None:
    space, score = summary.space, (best.values or (float("nan"),))[0]
    at = best_epoch(best, space)
    console.print(
        f"[bold green]Best[/] trial {best.number}: {space.objective.metric} [bold]{score:.4f}[/]"
        + (f" at epoch {at}" if at else "")
    )
    console.print("  " + escape(", ".join(drawn(best, space))), highlight=False)
    if best.state == "PRUNED":
        console.print(f"  [yellow]it collapsed after that and was stopped:[/] {escape(what(best, space))}")
    for name, against in summary.baselines.items():
        delta = summary.delta(best, name)
        if against is None or delta is None:
            console.print(f"  baseline {name}: not known yet")
        else:
            word = "ahead of" if delta > 0 else "behind" if delta < 0 else "level with"
            console.print(f"  {word} baseline {name} ({against:.4f}) by [bold]{delta:+.4f}[/]")
    if summary.baselines and space.seeds == 1:
        console.print("  [dim]one seed each: a hint, not a proof; seeds: in the space trains every trial more than once[/]")


def _front(summary: Summary) -> Table:
    table = Table(title="Pareto front: more epochs have to buy a better score", title_justify="left", box=None, pad_edge=False)
    for name in ("trial", summary.space.objective.metric, "epochs"):
        table.add_column(name, justify="right")
    table.add_column("what")
    for name in summary.baselines:
        table.add_column(f"to {name}", justify="right")
    for record in summary.best:
        score, epochs = record.values or (float("nan"), float("nan"))
        deltas = [summary.delta(record, name) for name in summary.baselines]
        shown = ["" if delta is None else f"{delta:+.4f}" for delta in deltas]
        table.add_row(str(record.number), f"{score:.4f}", f"{epochs:g}", ", ".join(drawn(record, summary.space)), *shown)
    return table


def _pruned(summary: Summary) -> Table:
    table = Table(title="Pruned", title_justify="left", pad_edge=False)
    table.add_column("signature")
    table.add_column("trials", justify="right")
    table.add_column("why, in the first of them", overflow="fold")
    for reason in summary.pruned:
        remedy = f"\n[dim]remedy: {escape(reason.remedy)}[/]" if reason.remedy else ""
        table.add_row(reason.signature, str(len(reason.trials)), f"trial {reason.trials[0]}: {escape(reason.example)}{remedy}")
    return table


def _columns(space: Space) -> list[str]:
    wanted = [
        space.objective.metric,
        "train/loss",
        "val/loss",
        "val/auc",
        "val/predicted/0",
        "val/predicted/1",
        "grad_norm",
        "lr",
    ]
    return list(dict.fromkeys(wanted))
