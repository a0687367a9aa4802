"""What a person reads of a study on the terminal: the answer first, then the reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search import telemetry
from search.record import Record
from search.space import Space
from search.story import best_epoch, continues, drawn, epochs, state, warnings, what
from search.summary import Reason, Summary

TRIALS_SHOWN = 6
WARNINGS_SHOWN = 8
PARKED_SHOWN = 12
COLUMNS = ("train/loss", "val/loss", "val/auc", "val/predicted/0", "val/predicted/1", "grad_norm", "lr")


def print_summary(console: Console, summary: Summary, folder: Path) -> None:
    """The end of a search, or `pitprop status`."""
    space = summary.space
    console.print(f"\n[bold]{space.name}[/]  {sum(summary.states.values())} of {summary.target} trials: {_counts(summary)}")
    if summary.saved > 0:
        console.print(f"{summary.saved} of {epochs(summary.budget)} saved ({summary.saved / summary.budget:.0%})")
    if not summary.best:
        console.print("No trial has completed yet, so there is no best one.")
    elif space.searches_stopping:
        console.print(_front(summary))
    else:
        _print_winner(console, summary, summary.best[0])
    if summary.pruned:
        console.print(_reasons("Pruned or parked" if summary.parked else "Pruned", summary.pruned, summary.revived))
    if summary.warned:
        console.print(_reasons("Warned of", summary.warned[:WARNINGS_SHOWN], {}))
    if len(summary.warned) > WARNINGS_SHOWN:
        names = ", ".join(f"{reason.signature} {len(reason.trials)}" for reason in summary.warned[WARNINGS_SHOWN:])
        console.print(f"[dim]… and of {names}[/]")
    for record in summary.failed[:TRIALS_SHOWN]:
        console.print(f"[red]failed[/] trial {record.number}: {escape(record.error or '')}")
    if len(summary.failed) > TRIALS_SHOWN:
        console.print(
            f"… and {len(summary.failed) - TRIALS_SHOWN} more that failed; pitprop status {space.name} --json lists all"
        )
    console.print(f"Curves and checkpoints: {escape(str(folder))}", style="dim", soft_wrap=True, highlight=False)


def print_unwatched(console: Console, space: Space) -> None:
    """One line on the signatures that cannot see what the trainer does not report; nothing if all can."""
    lacking: dict[str, list[str]] = {}
    for name, reading in space.unwatched():
        lacking.setdefault(reading, []).append(name)
    if lacking:
        names = ", ".join(f"{', '.join(signatures)} ({reading})" for reading, signatures in lacking.items())
        console.print(
            f"[dim]not watched, for want of readings: {escape(names)}; pitprop list tells what each needs[/]", highlight=False
        )


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
        action = "warning" if verdict in warnings(record) else verdict["action"]
        console.print(f"[yellow]{action}[/] {verdict['signature']} at epoch {verdict['step']}: {escape(verdict['reason'])}")
        if verdict["remedy"]:
            console.print(f"  remedy: {escape(verdict['remedy'])}")
    if record.error:
        console.print(f"[red]{escape(record.error)}[/]")
    table = Table(box=None, pad_edge=False)
    curve = telemetry.read(Path(record.folder) / "telemetry.jsonl")
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


def _print_winner(console: Console, summary: Summary, best: Record) -> None:
    space, score = summary.space, (best.values or (float("nan"),))[0]
    at = best_epoch(best, space)
    console.print(
        f"[bold green]Best[/] trial {best.number}: {space.objective.metric} [bold]{score:.4f}[/]"
        + (f" at epoch {at}" if at else "")
    )
    console.print("  " + escape(", ".join(drawn(best, space))), highlight=False)
    if best.revives is not None:
        console.print(f"  it {continues(best)}", highlight=False)
    if best.state == "PRUNED":
        word = "was parked after that" if best.parked else "collapsed after that and was stopped"
        console.print(f"  [yellow]it {word}:[/] {escape(what(best, space))}")
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


def _reasons(title: str, reasons: Iterable[Reason], revived: Mapping[int, int]) -> Table:
    """For each signature that spoke: of how many trials, what it said of the first, and what to change."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("trials", justify="right")
    table.add_column("signature, and why in the first of them", overflow="fold")
    for reason in reasons:
        lines = [f"[bold]{reason.signature}[/]: {escape(reason.example)} (trial {reason.trials[0]})"]
        lines += [f"[dim]remedy: {escape(reason.remedy)}[/]"] if reason.remedy else []
        parked = [f"{number} (revived as {revived[number]})" if number in revived else str(number) for number in reason.parked]
        more = [f"{len(parked) - PARKED_SHOWN} more"] if len(parked) > PARKED_SHOWN else []
        lines += [f"[cyan]parked: {', '.join([*parked[:PARKED_SHOWN], *more])}[/]"] if parked else []
        table.add_row(str(len(reason.trials)), "\n".join(lines))
    return table


def _counts(summary: Summary) -> str:
    """How many trials stand how: ``12 complete, 9 pruned, 4 parked (1 revived)``."""
    states, parked = summary.states, len(summary.parked)
    revived = f" ({len(summary.revived)} revived)" if summary.revived else ""
    counts = (
        (states["COMPLETE"], "complete"),
        (states["PRUNED"] - parked, "pruned"),
        (parked, f"parked{revived}"),
        (states["FAIL"], "failed"),
        (states["RUNNING"], "running"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count or word in ("complete", "pruned"))
