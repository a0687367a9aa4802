"""What a person reads of a diagnosed training on the terminal: the answer first, then why, what next, and what was not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pitprop.detection import signatures
from pitprop.detection.detect import Verdict
from pitprop.logs.diagnosis import Diagnosis, advice
from pitprop.telemetry import reports
from pitprop.views import chart
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

ROWS = 12
"""Rows of a curve's table."""
WIDEST = 7
"""Its columns."""


def print_diagnosis(console: Console, found: Diagnosis, baseline: Mapping[str, float]) -> None:
    """One training; ``baseline`` is what it should beat, by metric."""
    console.print(f"{answer(found)}  [bold]{escape(found.name)}[/]{escape(when(found))}", highlight=False)
    _print_verdicts(console, found)
    if found.best:
        _print_curve(console, found, baseline)
    console.print()
    console.print(Padding(_table(found), (0, 0, 0, 2)))
    console.print()
    for note in _notes(found):
        console.print(f"[dim]{escape(note)}[/]", highlight=False)


def answer(found: Diagnosis) -> str:
    """One word."""
    return "[bold red]dead[/]" if found.dead else "[bold green]alive[/]"


def when(found: Diagnosis) -> str:
    """Of what it died, and when that could have been known; or what was seen of one that lives."""
    spent, ended, total = found.telemetry[-1].step, found.ended, found.facts.budget
    if ended:
        saved = f", and {1 - ended.step / spent:.0%} of its time been saved" if ended.step < spent else ""
        return f": {ended.signature}; could have been known at {unit(found)} {ended.step} of {total}{saved}"
    if back := next((verdict for verdict in found.verdicts if verdict.ends), None):
        return f": it came back; a search would have stopped it at {unit(found)} {back.step} of {total}"
    warned = len(found.verdicts)
    seen = f"{warned} warning{'s' * (warned > 1)}" if warned else "nothing wrong seen"
    return f": {seen} in {spent} of {total} {unit(found)}s"


def unit(found: Diagnosis) -> str:
    """What to call an epoch in front of its number."""
    return found.unit.split(" ")[0]


def chosen(steps: Sequence[int], must: Iterable[int]) -> list[int]:
    """Up to `ROWS` places in ``steps``, evenly spread, and those of ``must``."""
    spread = {round(i * (len(steps) - 1) / (ROWS - 1)) for i in range(ROWS)} if len(steps) > ROWS else set(range(len(steps)))
    return sorted(spread | {steps.index(step) for step in must if step in steps})


def number(value: float | None) -> str:
    return "" if value is None else "nan" if math.isnan(value) else f"{value:.4g}"


def _print_verdicts(console: Console, found: Diagnosis) -> None:
    """The one that ended it first and what else would have in a line; then warnings, and gates."""
    also = [verdict for verdict in found.verdicts if found.ended and verdict.ends and verdict is not found.ended]
    for verdict in sorted(found.verdicts, key=lambda one: one is not found.ended):
        if verdict not in also:
            _print_verdict(console, found, verdict)
    if also:
        names = ", ".join(f"{verdict.signature} at {unit(found)} {verdict.step}" for verdict in also)
        console.print(Padding(f"[dim]also {names}[/]", (0, 0, 0, 2)), highlight=False)
    for gate, value, missed in found.gates:
        if missed is None:
            word = "not reached" if value is None else f"passed with {value:.4g}"
            console.print(f"  [green]gate[/] {escape(gate.metric)} at {unit(found)} {gate.epoch}: {word}", highlight=False)


def _print_verdict(console: Console, found: Diagnosis, verdict: Verdict) -> None:
    color = "red" if verdict is found.ended else "yellow"
    word = "[bold]next[/]" if verdict.remedy in advice(found) else "remedy:"
    head = f"[{color}]{verdict.action}[/] {escape(verdict.signature)} at {unit(found)} {verdict.step}: "
    console.print(Padding(head + escape(verdict.reason), (0, 0, 0, 2)), highlight=False)
    if verdict.remedy:
        console.print(Padding(f"{word} {escape(verdict.remedy)}", (0, 0, 0, 4)), highlight=False)


def _print_curve(console: Console, found: Diagnosis, baseline: Mapping[str, float]) -> None:
    """How far it came, against the baseline in all that this names, and the curve."""
    metric, (step, value) = found.facts.metric, found.best or (0, math.nan)
    line = f"\n{metric} best [bold]{value:.4g}[/] at {unit(found)} {step}, last {found.curve[-1][1]:.4g}"
    if (known := baseline.get(metric)) is not None:
        ahead = (value - known) * found.facts.sign
        line += f", {'ahead of' if ahead > 0 else 'behind'} the baseline ({known:.4g}) by {abs(ahead):.4f}"
    console.print(line, highlight=False)
    for name, known in baseline.items():
        if name != metric and (here := found.there.get(name)) is not None:
            console.print(f"  {escape(name)} {here:.4g} there, the baseline {known:.4g}: {here - known:+.4f}", highlight=False)
    for drawn in chart.lines(found.curve, found.chance, found.ended.step if found.ended else None):
        console.print(f"  {drawn}", style="cyan", highlight=False, soft_wrap=True, markup=False)


def _table(found: Diagnosis) -> Table:
    """The readings of some epochs, among them the best and that of the verdict."""
    names = list(_columns(found))[:WIDEST]
    table = Table(box=None, pad_edge=False)
    for name in (unit(found), *names):
        table.add_column(name.replace("val/predicted/", "predicted "), justify="right")
    must = [found.ended.step if found.ended else 0, found.best[0] if found.best else 0]
    for index in chosen([epoch.step for epoch in found.telemetry], must):
        epoch = found.telemetry[index]
        table.add_row(str(epoch.step), *(number(epoch.metrics.get(name)) for name in names))
    return table


def _columns(found: Diagnosis) -> Iterator[str]:
    """The objective, branches, losses, counts of predictions, and what else is looked at."""
    known = sorted({name for epoch in found.telemetry for name in epoch.metrics})
    counts = [name for name in known if name.startswith("val/predicted/")]
    aside = ("val/predicted/", "val/labels/", "val/true_positives/")
    branches = [name for name in known if name.startswith("val/") and name.count("/") == 2 and not name.startswith(aside)]
    names = (found.facts.metric, *branches[:3], "train/loss", "val/loss", "val/auc", *counts[:4], "grad_norm", "lr")
    yield from (name for name in dict.fromkeys(names) if reports(found.telemetry, name))


def _notes(found: Diagnosis) -> Iterator[str]:
    """What is called an epoch, what was concluded, and what could have ended the training and was not seen."""
    if found.unit != "epoch":
        yield f"an epoch is here one {found.unit}, of which there are {found.telemetry[-1].step}"
    yield from found.notes
    lacking: dict[str, list[str]] = {}
    for name, needs in found.unwatched.items():
        if signatures.action(name) != "warn":
            lacking.setdefault(needs[0].split(" or ")[0], []).append(name)
    advice = sum(signatures.action(name) == "warn" for name in found.unwatched)
    parts = [f"{', '.join(names)} ({need})" for need, names in lacking.items()] + [f"{advice} that only warn"] * (advice > 0)
    if parts:
        yield f"not watched, for want of readings: {', '.join(parts)}"
