"""What a person reads of a study on the terminal: the answer first, then the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pitprop.results.reasons import Reason
from pitprop.results.summary import Summary
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.study.story import best_epoch, continues, drawn, epochs, what
from rich.console import Console
from rich.markup import escape
from rich.table import Table

TRIALS_SHOWN = 6
WARNINGS_SHOWN = 8
PARKED_SHOWN = 12
SUGGESTED_SHOWN = 3


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
    if summary.remedied:
        console.print(_remedied(summary))
    if summary.pruned:
        console.print(_reasons("Pruned or parked" if summary.parked else "Pruned", summary.pruned, summary.revived))
    if summary.warned:
        console.print(_reasons("Warned of", summary.warned[:WARNINGS_SHOWN], {}))
    if len(summary.warned) > WARNINGS_SHOWN:
        names = ", ".join(f"{reason.signature} {len(reason.trials)}" for reason in summary.warned[WARNINGS_SHOWN:])
        console.print(f"[dim]… and of {names}[/]")
    if summary.suggested:
        tries = "; ".join(
            f"trial {one.remedy_of} with {_change(one.change, one.cause)}" for one in summary.suggested[:SUGGESTED_SHOWN]
        )
        console.print(f"[dim]to try (remedies: try in the space does so): {escape(tries)}[/]", highlight=False)
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
    if best.state == State.PRUNED:
        word = "was parked after that" if best.parked else "collapsed after that and was stopped"
        console.print(f"  [yellow]it {word}:[/] {escape(what(best, space))}")
    for name, against in summary.baselines.items():
        delta = summary.delta(best, name)
        if against is None or delta is None:
            console.print(f"  baseline {name}: not known yet")
        else:
            word = {"ahead": "ahead of", "behind": "behind", "level": "level with"}[ranking.standing(delta)]
            console.print(f"  {word} baseline {name} ({against:.4f}) by [bold]{delta:+.4f}[/]")
    for target in summary.targets:
        reached = "not reached" if target.trial is None else f"reached by trial {target.trial}"
        console.print(f"  target {escape(target.name)} ({target.value:.4f}): {reached}", highlight=False)


def _remedied(summary: Summary) -> Table:
    """The trials that tried a remedy: of which trial, what was changed, and whether it helped."""
    table = Table(title="Remedies tried", title_justify="left", box=None, pad_edge=False)
    for name in ("trial", "mends", "gain"):
        table.add_column(name, justify="right")
    table.add_column("what", overflow="fold")
    for one in summary.remedied:
        gain = "" if one.gain is None else f"{one.gain:+.4f}"
        table.add_row(str(one.trial), str(one.mends), gain, escape(_change(one.changed, one.cause)))
    return table


def _change(changed: Mapping[str, Any], cause: str) -> str:
    """``lr 0.001 (explosion)``."""
    values = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in changed.items()]
    return f"{', '.join(values)} ({cause})"


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
