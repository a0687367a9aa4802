"""Draw the figures of a report: curves, predictions, parameters against the score, the Pareto front, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop.messages import _
from pitprop.study.record import Record, State, best_epoch
from pitprop.telemetry import Epoch, Telemetry, columns, finite
from pitprop.views import chart, words
from pitprop.views.chart import Curve
from pitprop.views.content import Content
from pitprop.views.landscape import Axis, died, label
from pitprop.views.report.svg import ACCENT, FAINT, INK, PAPER, SOFT, WIDTH, bare, evenly, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

GREY, POINTS, DOTS, SLICES = 150, 120, 250, 12
"""At most so many curves of stopped trials, readings of a curve, trials in a picture, and parameters are drawn."""
OTHERS = 2.0
"""How many times their own height the best curves leave to those that were stopped, above or below."""
STYLES = (("--", "s"), ("-.", "^"), (":", "D"), ((0, (6, 1, 1, 1, 1, 1)), "v"), ((0, (1, 3)), "P"))
"""Lines and marks of baselines."""
CLASSES, LEVELS, RARE = 6, 4, 0.1
"""Of up to so many classes the predictions are drawn, of so many the true counts; only the top of the counts is drawn where all
but one class make up less than the share `RARE`."""
PATTERNS = ((FAINT, ""), ("none", "////"), (SOFT, ""), ("none", "xxxx"), (FAINT, "----"), ("none", "||||"))
GOLDEN = 0.618
"""Multiples of it spread points of the same choice, the same way every time."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Pictures (SVG) that belong together, ``shown`` of ``of`` things in them; ``text`` stands for them where there are none."""

    pictures: tuple[str, ...]
    shown: int = 0
    of: int = 0
    text: str = ""


def figures(c: Content) -> dict[str, Figure]:
    """What there is to draw, by name."""
    drawn: Mapping[str, Callable[[Content], Figure | None]] = {
        "curve": _curve, "predicted": _predictions, "slices": _slices, "front": _front, "intervals": _intervals
    }  # fmt: skip
    return {name: figure for name, draw in drawn.items() if (figure := draw(c)) is not None}


# Curves


def curve_of(telemetry: Telemetry, metric: str) -> Curve:
    """The finite readings of a metric with their epochs."""
    column = telemetry.column(metric)
    return list(zip(column.steps, column.values, strict=True))


def _curve(c: Content) -> Figure | None:
    """The objective by epoch: the best, the baselines, and in grey what was stopped."""
    metric = c.space.objective.metric
    known = {number: evenly(found, POINTS) for number, curve in c.curves.items() if (found := curve_of(curve, metric))}
    if not known:
        return None
    stopped = [r.number for r in c.records if r.state == State.PRUNED and r.number in known and r is not c.best]
    ghosts = evenly(stopped, GREY)

    def draw(paper: Paper) -> None:
        axes = paper.add_subplot()
        for number in ghosts:
            axes.plot(*zip(*known[number], strict=True), color=FAINT, linewidth=0.6, zorder=1)
        if c.best is not None and c.best.number in known:
            _draw_best(c, axes, c.best, known[c.best.number])
        _draw_baselines(c, axes, known)
        shown = [r.number for r in c.records if r.number in known and (r is c.best or r.baseline is not None)] or list(known)
        levels = [[(0, value)] for value in c.summary.baselines.values() if value is not None and finite(value)]
        low, high = _bounds([*(known[number] for number in shown), *levels], [known[number] for number in ghosts])
        for number in ghosts:  # one that ends outside ends at the edge
            step, value = known[number][-1]
            axes.plot([step], [min(max(value, low), high)], "x", color=SOFT, markersize=3.5, markeredgewidth=0.8, zorder=2)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axes.set(xlabel=_("epoch"), ylabel=metric)
        if axes.get_legend_handles_labels()[1]:
            paper.legend(loc="outside lower center", ncols=2, handlelength=3.2)

    best = known.get(c.best.number, []) if c.best is not None else []
    text = "\n".join(chart.lines(best, mark=c.best_epoch))
    return Figure((render("curve", (WIDTH, 3.4), draw),), len(ghosts), len(stopped), text)


def _bounds(main: Sequence[Curve], ghosts: Sequence[Curve]) -> tuple[float, float]:
    """From where to where is drawn: all of the ``main`` curves, and of the others what does not crush these."""
    low, high = chart.bounds([value for curve in main for _step, value in curve], None)
    others = [value for curve in ghosts for _step, value in curve] or [low]
    span = OTHERS * (high - low)
    return max(min(*others, low), low - span), min(max(*others, high), high + span)


def _draw_best(c: Content, axes: Axes, best: Record, curve: Curve) -> None:
    title = _("{trial}, best").format(trial=words.trial(best.number))
    axes.plot(*zip(*curve, strict=True), color=ACCENT, linewidth=2.0, label=title, zorder=4)
    at = best_epoch(best, c.space.objective)
    value = dict(curve_of(c.curves[best.number], c.space.objective.metric)).get(at or 0)
    if at is not None and value is not None:
        axes.plot([at], [value], "*", color=ACCENT, markersize=11, zorder=5)


def _draw_baselines(c: Content, axes: Axes, known: Mapping[int, Curve]) -> None:
    """Trained ones as curves, recorded ones as levels; each with a line of its own."""
    trained = {record.baseline: record.number for record in c.records if record.baseline is not None}
    for place, (name, value) in enumerate(c.summary.baselines.items()):
        line, marker = STYLES[place % len(STYLES)]
        curve = known.get(trained.get(name, -1))
        title = name.removeprefix("_") or name  # matplotlib hides a label that begins so
        if curve:
            axes.plot(*zip(*curve, strict=True), color=INK, linewidth=1.1, linestyle=line, marker=marker, label=title, zorder=3,
                      markevery=max(len(curve) // 6, 1), markersize=4, markerfacecolor=PAPER)  # fmt: skip
        elif value is not None and finite(value):
            axes.axhline(value, color=INK, linewidth=0.9, linestyle=line, label=title, zorder=2)


def _predictions(c: Content) -> Figure | None:
    """What the best trial and a stopped one predicted: the first of the signature that stopped most; few classes only."""

    def counted(number: int) -> bool:
        return 0 < len({name for epoch in c.curves[number] for name in _counts(epoch, "predicted")}) <= CLASSES

    stopped = ((number, reason.signature) for reason in c.summary.pruned for number in reason.trials if counted(number))
    shown = {c.best.number: _("best")} if c.best is not None and counted(c.best.number) else {}
    for number, cause in list(stopped)[:1]:
        shown.setdefault(number, cause)
    titles = {number: f"{words.trial(number)}, {title}" for number, title in shown.items()}
    pictures = [_predicted(c.curves[number], title, c.space.epochs) for number, title in titles.items()]
    return Figure(tuple(pictures)) if pictures else None


def _predicted(curve: Telemetry, title: str, budget: int) -> str:
    epochs = [epoch for epoch in curve if _counts(epoch, "predicted")]
    epochs = epochs[:: max(1, math.ceil(len(epochs) / POINTS))]
    counts = [_counts(epoch, "predicted") for epoch in epochs]
    labels = next((found for epoch in epochs if (found := _counts(epoch, "labels"))), {})
    classes = sorted({name for row in counts for name in row}, key=lambda name: (-labels.get(name, 0.0), len(name), name))
    total, first = sum(counts[-1].values()), min(row.get(classes[0], 0.0) for row in counts)
    rest = max(total - first, total - labels.get(classes[0], total))

    def draw(paper: Paper) -> None:
        axes, edges = paper.add_subplot(), [*(epoch.step - 0.5 for epoch in epochs), epochs[-1].step + 0.5]
        bottom, level = [0.0] * len(epochs), 0.0
        for name, (colour, hatch) in zip(classes, PATTERNS, strict=False):
            top = [below + row.get(name, 0.0) for below, row in zip(bottom, counts, strict=True)]
            axes.stairs(top, edges, baseline=bottom, fill=True, facecolor=colour, hatch=hatch, edgecolor=SOFT, linewidth=0.5,
                        label=name)  # fmt: skip
            bottom = top
        for name in classes[:-1] if labels and len(classes) <= LEVELS else []:
            level += labels.get(name, 0.0)
            axes.axhline(level, color=ACCENT, linestyle="--", linewidth=1.1)
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.set_xlim(0.5, budget + 0.5)
        axes.set_xlabel(_("epoch"))
        if labels and 0 < rest < RARE * total:
            axes.set_ylim(total - 1.5 * rest, total)
        paper.legend(loc="outside lower center", ncols=4, handlelength=1.4, title=_("predicted class"))

    return render(f"predicted {title}", (3.2, 2.6), draw)


def _counts(epoch: Epoch, kind: str) -> dict[str, float]:
    """How many validation samples are ``predicted`` as each class, or have it by their ``labels``, where that is a number."""
    return {name: value for name, value in columns(epoch, f"val/{kind}/").items() if finite(value)}


# The space


def scored(record: Record) -> bool:
    """Whether there is a score that can be drawn."""
    return record.values is not None and finite(record.values[0])


def _slices(c: Content) -> Figure | None:
    """Each parameter against the score, the most important first; a trial that others continue is not drawn beside them."""
    if len(c.ended) < 2 or not c.axes:
        return None
    shown = evenly(c.ended, DOTS)
    baselines = [r for r in c.records if r.baseline is not None and scored(r)]
    pictures = [_slice(axis, shown, c.ended, baselines, c.best, c.space.objective.metric) for axis in c.axes[:SLICES]]
    return Figure(tuple(pictures), len(pictures), len(c.axes))


def _slice(
    axis: Axis, shown: Sequence[Record], ended: Sequence[Record], baselines: Sequence[Record], best: Record | None, metric: str
) -> str:
    """One parameter: scores above, those that died at the bottom, and below it their share by part of the range."""

    def draw(paper: Paper) -> None:
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
        below.set_ylabel(_("dead"), color=SOFT, fontsize=7.5)
        below.spines["left"].set_visible(False)
        _ticks(below, axis)

    return render(f"slice {axis.name}", (3.2, 2.7), draw)


def _scores(axes: Axes, axis: Axis, shown: Sequence[Record], baselines: Sequence[Record], best: Record | None) -> None:
    alive = [r for r in shown if not died(r) and scored(r) and axis.at(r.params.get(axis.name)) is not None]
    scores = [r.values[0] for r in (*alive, *baselines) if r.values]
    low, high = chart.bounds(scores, None) if scores else (0.0, 1.0)
    floor = low - 0.14 * (high - low)
    spread = 0.5 / axis.cells if axis.choices else 0.0

    def points(records: Sequence[Record], style: str, **more: Any) -> None:
        xs, ys = [], []
        for record in records:
            at = axis.at(record.params.get(axis.name))
            if at is not None:
                xs.append(at + spread * ((record.number * GOLDEN) % 1 - 0.5))
                ys.append(floor if died(record) and record is not best else min(max((record.values or (low,))[0], low), high))
        axes.plot(xs, ys, style, **more)

    points([r for r in shown if died(r) and r is not best], "x", color=SOFT, markersize=4, markeredgewidth=0.9)
    others = [r for r in alive if r is not best]
    points(others, "o", markersize=4, markerfacecolor=PAPER, markeredgecolor=INK, markeredgewidth=0.8)
    points(baselines, "D", markersize=4, color=INK)
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


# Two objectives, and the confirmation


def _front(c: Content) -> Figure | None:
    """Scores over epochs, and the line of those that nothing beats in both."""
    if not c.space.searches_stopping or c.best is None:
        return None
    shown = evenly([r for r in c.records if scored(r) and r.baseline is None], DOTS)

    def draw(paper: Paper) -> None:
        axes = paper.add_subplot()
        points = [r.values for r in shown if r.values and r not in c.summary.best]
        axes.plot([p[1] for p in points], [p[0] for p in points], "o", markersize=4, markerfacecolor=PAPER, markeredgecolor=SOFT)
        line = sorted((r.values[1], r.values[0], r.number) for r in c.summary.best if r.values)
        axes.plot([p[0] for p in line], [p[1] for p in line], "-s", color=ACCENT, markersize=5.5, drawstyle="steps-post")
        for x, y, number in _apart(line):
            axes.annotate(f"{number}", (x, y), (0, 6), textcoords="offset points", ha="center", fontsize=8)
        for (name, value), (dashes, _mark) in zip(c.summary.baselines.items(), STYLES * len(c.summary.baselines), strict=False):
            if value is not None and finite(value):
                axes.axhline(value, color=INK, linewidth=0.9, linestyle=dashes, label=name)
        axes.set(xlabel=_("epochs"), ylabel=c.space.objective.metric)
        if c.summary.baselines:
            paper.legend(loc="outside lower center", ncols=2, handlelength=3.2)

    return Figure((render("front", (WIDTH, 3.2), draw),))


def _apart(line: Sequence[tuple[float, float, int]]) -> Iterator[tuple[float, float, int]]:
    """The points whose name does not lie on that of a neighbour."""
    span, last = max((x for x, _y, _number in line), default=1.0), math.inf
    for point in reversed(line):
        if last - point[0] >= 0.06 * span:
            last = point[0]
            yield point


def _intervals(c: Content) -> Figure | None:
    """By how much each candidate is better than each baseline: mean and 95 % interval, the first on top."""
    told = c.confirmation.differences if c.confirmation is not None else {}
    rows = [(f"{name} – {against}", lead) for name, leads in told.items() for against, lead in leads.items()]
    rows = [(name, lead) for name, lead in rows if math.isfinite(lead.low) and math.isfinite(lead.high)]
    if not rows:
        return None

    def draw(paper: Paper) -> None:
        axes = paper.add_subplot()
        axes.axvline(0, color=SOFT, linewidth=0.8)
        for place, (_name, one) in enumerate(rows):
            fill = "none" if one.verdict == "not distinguishable" else ACCENT
            axes.plot([one.low, one.high], [place, place], color=ACCENT, linewidth=1.4, solid_capstyle="butt")
            axes.plot([one.mean], [place], "o", markersize=6, markerfacecolor=fill, markeredgecolor=ACCENT)
        axes.set_yticks(range(len(rows)), [name for name, _one in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(c.space.objective.metric)
        bare(axes)

    return Figure((render("intervals", (WIDTH, 0.6 + 0.26 * len(rows)), draw),))
