"""Several diagnosed trainings side by side, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pitprop.logs.diagnosis import ALIKE, Diagnosis, advice
from pitprop.telemetry import reports
from pitprop.views.terminal.findings import answer, chosen, number, unit, when
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

MOST = 6
"""Curves side by side."""


def print_comparison(console: Console, found: Sequence[Diagnosis], baseline: Mapping[str, float]) -> None:
    """Several trainings, in the order in which they were named; ``baseline`` is what they should beat, by metric."""
    console.print(f"[bold]{len(found)} trainings[/], {sum(one.dead for one in found)} dead\n", highlight=False)
    console.print(_table(found, baseline))
    for one in found:
        if one.verdicts:
            _print_why(console, one)
    alike = [one for one in found if one.curve and (one.facts.metric, one.unit) == (found[0].facts.metric, found[0].unit)]
    if 1 < len(alike) <= MOST:
        console.print(f"\n{found[0].facts.metric} by {found[0].unit}", highlight=False)
        console.print(Padding(_curves(alike), (0, 0, 0, 2)))
    names: dict[str, list[str]] = {}
    for one in found:
        for remedy in advice(one):
            names.setdefault(remedy, []).append(one.name)
    for remedy, which in names.items():
        console.print(f"\n[bold]next[/] for {escape(', '.join(which))}: {escape(remedy)}", highlight=False)


def _table(found: Sequence[Diagnosis], baseline: Mapping[str, float]) -> Table:
    """A row for each: the best, what it gains on the baseline, what else the baseline names, and gates."""
    others = [name for name in baseline if any(name != one.facts.metric and reports(one.telemetry, name) for one in found)]
    gates = any(one.gates for one in found)
    table = Table(box=None, pad_edge=False)
    table.add_column("training", overflow="fold", min_width=min(24, max(len(one.name) for one in found)))
    table.add_column("")
    more = [*(["gain", *others] if baseline else []), *(["gates"] if gates else [])]
    for name in ("best", "at", "last", *more):
        table.add_column(name.removeprefix("val/"), justify="right")
    for one in found:
        best, known = one.best, baseline.get(one.facts.metric)
        cells = [number(best[1]), str(best[0]), number(one.curve[-1][1])] if best else ["", "", ""]
        if baseline:
            gain = f"{one.facts.sign * (best[1] - known):+.4f}" if best and known is not None else ""
            cells += [gain, *(number(one.there.get(name)) for name in others)]
        if gates:
            missed = sum(reason is not None for _, _, reason in one.gates)
            cells.append(f"{missed} missed" if missed else "passed")
        table.add_row(escape(one.name), answer(one), *cells)
    return table


def _print_why(console: Console, one: Diagnosis) -> None:
    """What was seen, in a line."""
    own = [verdict for verdict in one.verdicts if not verdict.ends and not verdict.signature.startswith("gate:")]
    warned = [f"{verdict.signature} ({verdict.reason})" if verdict.signature == ALIKE else verdict.signature for verdict in own]
    words = when(one) if one.dead else f": warned of {', '.join(warned)}" if warned else ""
    missed = [f"{gate.metric} {value:.4g} at {unit(one)} {gate.epoch}" for gate, value, reason in one.gates if reason and value]
    words += f"{';' if words else ':'} missed {', '.join(missed)}" if missed else ""
    if words:
        console.print(Padding(f"[dim]{escape(one.name)}{escape(words)}[/]", (0, 0, 0, 2)), highlight=False)


def _curves(found: Sequence[Diagnosis]) -> Table:
    """The objective of each, by epoch."""
    table = Table(box=None, pad_edge=False)
    table.add_column(unit(found[0]), justify="right")
    for one in found:
        table.add_column(escape(one.name.rsplit("/", 1)[-1]), justify="right", overflow="fold")
    curves = [dict(one.curve) for one in found]
    steps = sorted({step for curve in curves for step in curve})
    for index in chosen(steps, [one.best[0] for one in found if one.best]):
        table.add_row(str(steps[index]), *(number(curve.get(steps[index])) for curve in curves))
    return table
