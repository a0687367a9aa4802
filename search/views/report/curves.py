"""Curves of a search: the objective by epoch of the best trial, of the baselines, and of what was stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitprop.study.record import Record
from pitprop.study.story import best_epoch
from pitprop.telemetry import Telemetry
from pitprop.views import chart
from pitprop.views.chart import Curve
from pitprop.views.report import predicted
from pitprop.views.report.document import Block, Figure, Section, Text, code
from pitprop.views.report.material import Material
from pitprop.views.report.svg import ACCENT, FAINT, INK, PAPER, SOFT, WIDTH, evenly, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

GREY = 150
"""So many curves of stopped trials, evenly chosen, are told apart by nobody."""
POINTS = 120
"""The readings of a curve that are drawn."""
OTHERS = 2.0
"""How many times their own height the best curves leave to those that were stopped, above or below."""
STYLES = (("--", "s"), ("-.", "^"), (":", "D"), ((0, (6, 1, 1, 1, 1, 1)), "v"), ((0, (1, 3)), "P"))
OTHERS = 2.0
"""How many times their own height the best curves leave to those that were stopped, above or below."""
LEVELS = 4
"""Up to so many classes have their true counts drawn."""


def section(m: Material) -> Section:
    """The figures, as far as there is anything reported."""
    known = {number: evenly(found, POINTS) for number, curve in m.curves.items() if (found := curve_of(curve, m.metric))}
    blocks: list[Block] = []
    if not known:
        blocks.append(Text(m.words.say("no curves", metric=code(m.metric))))
    else:
        blocks.append(_objective(m, known))
        blocks += predicted.figures(m)
    return Section("curves", m.words.text("curves"), tuple(blocks))


def curve_of(telemetry: Telemetry, metric: str) -> Curve:
    """The finite readings of a metric with their epochs."""
    column = telemetry.column(metric)
    return list(zip(column.steps, column.values, strict=True))


def _objective(m: Material, known: dict[int, Curve]) -> Figure:
    stopped = [r.number for r in m.records if r.state == "PRUNED" and r.number in known and r is not m.best]
    ghosts = evenly(stopped, GREY)
    caption = [m.words.say("curves caption", metric=code(m.metric))]
    if len(ghosts) < len(stopped):
        caption.append(m.words.say("curves some", n=len(stopped), shown=len(ghosts)))
    if m.space.seeds > 1:
        caption.append(m.words.say("curves first seed"))

    def draw(paper: Paper) -> None:
        axes = paper.add_subplot()
        for number in ghosts:
            xs, ys = zip(*known[number], strict=True)
            axes.plot(xs, ys, color=FAINT, linewidth=0.6, zorder=1)
        if m.best is not None and m.best.number in known:
            _draw_best(m, axes, m.best, known[m.best.number])
        _draw_baselines(m, axes, known)
        shown = [r.number for r in m.records if r.number in known and (r is m.best or r.baseline is not None)] or list(known)
        levels = [[(0, value)] for value in m.summary.baselines.values() if value is not None and math.isfinite(value)]
        low, high = _bounds([*(known[number] for number in shown), *levels], [known[number] for number in ghosts])
        for number in ghosts:  # one that ends outside ends at the edge
            step, value = known[number][-1]
            axes.plot([step], [min(max(value, low), high)], "x", color=SOFT, markersize=3.5, markeredgewidth=0.8, zorder=2)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axes.set(xlabel="epoch", ylabel=m.metric)
        if axes.get_legend_handles_labels()[1]:
            paper.legend(loc="outside lower center", ncols=2, handlelength=3.2)

    best = known.get(m.best.number, []) if m.best is not None else []
    text = "\n".join(chart.lines(best, mark=best_epoch(m.best, m.space) if m.best else None))
    return Figure("curve", (render("curve", (WIDTH, 3.4), draw),), m.words.paragraph(caption), text)


def _bounds(main: Sequence[Curve], ghosts: Sequence[Curve]) -> tuple[float, float]:
    """From where to where is drawn: all of the ``main`` curves, and of the others what does not crush these."""
    low, high = chart.bounds([value for curve in main for _, value in curve], None)
    others = [value for curve in ghosts for _, value in curve] or [low]
    span = OTHERS * (high - low)
    return max(min(*others, low), low - span), min(max(*others, high), high + span)


def _draw_best(m: Material, axes: Axes, best: Record, curve: Curve) -> None:
    xs, ys = zip(*curve, strict=True)
    axes.plot(xs, ys, color=ACCENT, linewidth=2.0, label=f"trial {best.number}, best", zorder=4)
    at = best_epoch(best, m.space)
    value = next((value for step, value in curve_of(m.curves[best.number], m.metric) if step == at), None)
    if at is not None and value is not None:
        axes.plot([at], [value], "*", color=ACCENT, markersize=11, zorder=5)


def _draw_baselines(m: Material, axes: Axes, known: dict[int, Curve]) -> None:
    """Trained ones as curves, recorded ones as levels; each with a line of its own."""
    trained = {record.baseline: record.number for record in m.records if record.baseline is not None}
    for place, (name, value) in enumerate(m.summary.baselines.items()):
        line, marker = STYLES[place % len(STYLES)]
        curve = known.get(trained.get(name, -1))
        label = name.removeprefix("_") or name
        if curve:
            xs, ys = zip(*curve, strict=True)
            every = max(len(xs) // 6, 1)
            axes.plot(xs, ys, color=INK, linewidth=1.1, linestyle=line, marker=marker, markevery=every, markersize=4,
                      markerfacecolor=PAPER, label=label, zorder=3)  # fmt: skip
        elif value is not None and math.isfinite(value):
            axes.axhline(value, color=INK, linewidth=0.9, linestyle=line, label=label, zorder=2)
