"""Figures of the space: a parameter against the score, all parameters at once, importance, the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pitprop.study.record import Record
from pitprop.views import chart
from pitprop.views.report.axes import Axis, died, label
from pitprop.views.report.svg import ACCENT, FAINT, INK, PAPER, SOFT, WIDTH, bare, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GOLDEN = 0.618
"""Multiples of it spread points of the same choice, the same way every time."""


def importance(shares: Mapping[str, float]) -> str:
    """A bar for each parameter, the most important on top."""

    def draw(paper: Figure) -> None:
        axes = paper.add_subplot()
        places = range(len(shares))
        axes.barh(places, list(shares.values()), height=0.62, color=ACCENT)
        for place, share in zip(places, shares.values(), strict=True):
            axes.text(share, place, f" {share:.0%}", va="center")
        axes.set_yticks(places, list(shares))
        axes.set_ylim(len(shares) - 0.4, -0.6)
        axes.set_xlim(0, 1.15 * max(*shares.values(), 1e-9))
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        bare(axes)

    return render("importance", (WIDTH, 0.3 + 0.24 * len(shares)), draw)


def slices(
    axis: Axis, shown: Sequence[Record], ended: Sequence[Record], baselines: Sequence[Record], best: Record | None, metric: str
) -> str:
    """One parameter: scores above, those that died at the bottom, and below it their share by part of the range."""

    def draw(paper: Figure) -> None:
        above, below = paper.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        _scores(above, axis, shown, baselines, best)
        above.set_ylabel(metric)
        above.set_title(axis.name, loc="left", fontsize=9, fontweight="bold")
        cells = [(cell, died(record)) for record in ended if (cell := axis.cell(record.params.get(axis.name))) is not None]
        for cell in range(axis.cells):
            dead = [gone for one, gone in cells if one == cell]
            if dead:
                at, share = (cell + 0.5) / axis.cells, sum(dead) / len(dead)
                below.bar([at], [share], width=0.9 / axis.cells, color=SOFT)
                below.text(at, share + 0.06, f"{sum(dead)}/{len(dead)}", ha="center", va="bottom", fontsize=7)
        below.set_ylim(0, 1.55)
        below.set_yticks([])
        below.set_ylabel("dead", color=SOFT, fontsize=7.5)
        below.spines["left"].set_visible(False)
        _ticks(below, axis)

    return render(f"slice {axis.name}", (3.2, 2.7), draw)


def _scores(axes: Axes, axis: Axis, shown: Sequence[Record], baselines: Sequence[Record], best: Record | None) -> None:
    alive = [r for r in shown if not died(r) and r.values and axis.at(r.params.get(axis.name)) is not None]
    scores = [r.values[0] for r in (*alive, *baselines) if r.values]
    low, high = chart.bounds(scores, None) if scores else (0.0, 1.0)
    floor = low - 0.14 * (high - low)
    spread = 0.5 / axis.cells if axis.choices else 0.0

    def points(records: Sequence[Record], style: str, **more: object) -> None:
        xs, ys = [], []
        for record in records:
            at = axis.at(record.params.get(axis.name))
            if at is not None:
                xs.append(at + spread * ((record.number * GOLDEN) % 1 - 0.5))
                ys.append(floor if died(record) and record is not best else min(max((record.values or (low,))[0], low), high))
        axes.plot(xs, ys, style, **more)  # type: ignore[arg-type]

    points([r for r in shown if died(r) and r is not best], "x", color=SOFT, markersize=4, markeredgewidth=0.9)
    points(
        [r for r in alive if r is not best], "o", markersize=4, markerfacecolor=PAPER, markeredgecolor=INK, markeredgewidth=0.8
    )
    points([r for r in baselines if r.values], "D", markersize=4, color=INK)
    points([best] if best is not None else [], "*", markersize=11, color=ACCENT)
    axes.set_ylim(floor - 0.06 * (high - low), high + 0.08 * (high - low))


def _ticks(axes: Axes, axis: Axis) -> None:
    """The values that stand at an axis; words are turned where they are too long for each other."""
    axes.set_xlim(-0.02, 1.02)
    if not axis.choices:
        axes.set_xticks(*zip(*axis.ticks(), strict=True))
        return
    names = [label(choice) for choice in axis.choices]
    turned = sum(map(len, names)) > 26
    places = [(index + 0.5) / len(names) for index in range(len(names))]
    axes.set_xticks(places, names, rotation=35 if turned else 0, ha="right" if turned else "center", rotation_mode="anchor")


def parallel(axes_of: Sequence[Axis], shown: Sequence[Record], top: Sequence[Record]) -> str:
    """A row for each parameter, and each trial a line down through them; where it lacks one it is broken."""

    def draw(paper: Figure) -> None:
        axes = paper.add_subplot()
        rows = range(len(axes_of))
        for row, axis in zip(rows, axes_of, strict=True):
            axes.plot([0, 1], [row, row], color=SOFT, linewidth=0.7, zorder=1)
            ends = (axis.choices[0], axis.choices[-1]) if axis.choices else (float(axis.low), float(axis.high))
            axes.text(0, row - 0.13, axis.name, va="bottom", fontweight="bold", fontsize=8, zorder=5)
            for at, end, side in ((-0.02, ends[0], "right"), (1.02, ends[1], "left")):
                axes.text(at, row, label(end), va="center", ha=side, color=SOFT, fontsize=7.5)
        best = {record.number for record in top}
        for record in sorted(shown, key=lambda one: (one.number in best, not died(one))):
            xs = [_at(axis, record) for axis in axes_of]
            style = {"color": INK, "linewidth": 1.4} if record.number in best else {"color": FAINT, "linewidth": 0.7}
            axes.plot(xs, rows, **style, linestyle=":" if died(record) else "-", zorder=3 if record.number in best else 2)  # type: ignore[arg-type]
        axes.set_ylim(len(axes_of) - 0.8, -0.55)
        axes.set_xlim(-0.16, 1.16)
        axes.set_axis_off()

    return render("parallel", (WIDTH, 0.4 + 0.48 * len(axes_of)), draw)


def _at(axis: Axis, record: Record) -> float:
    at = axis.at(record.params.get(axis.name))
    if at is None:
        return float("nan")
    return at + (0.6 / axis.cells * ((record.number * GOLDEN) % 1 - 0.5) if axis.choices else 0.0)


def front(shown: Sequence[Record], best: Sequence[Record], baselines: Mapping[str, float | None], metric: str) -> str:
    """Scores over epochs, and the line of those that nothing beats in both."""

    def draw(paper: Figure) -> None:
        axes = paper.add_subplot()
        points = [r.values for r in shown if r.values and r not in best]
        axes.plot([p[1] for p in points], [p[0] for p in points], "o", markersize=4, markerfacecolor=PAPER, markeredgecolor=SOFT)
        line = sorted((r.values[1], r.values[0], r.number) for r in best if r.values)
        axes.plot([x for x, _, _ in line], [y for _, y, _ in line], "-s", color=ACCENT, markersize=5.5, drawstyle="steps-post")
        span, last = max((x for x, _, _ in line), default=1.0), math.inf
        for x, y, number in reversed(line):
            if last - x < 0.06 * span:
                continue  # its name would lie on that of its neighbour
            last = x
            axes.annotate(f"{number}", (x, y), (0, 6), textcoords="offset points", ha="center", fontsize=8)
        for (name, value), dashes in zip(baselines.items(), ("--", "-.", ":") * len(baselines), strict=False):
            if value is not None:
                axes.axhline(value, color=INK, linewidth=0.9, linestyle=dashes, label=name)
        axes.set(xlabel="epochs", ylabel=metric)
        if baselines:
            paper.legend(loc="outside lower center", ncols=2, handlelength=3.2)

    return render("front", (WIDTH, 3.2), draw)
