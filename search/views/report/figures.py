"""Find what the figures of a report show: plain numbers, which the page draws by ``page/page.js``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pitprop.messages import _, localized
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.telemetry import Epoch, Telemetry, columns, finite
from pitprop.track import view
from pitprop.views import chart, words
from pitprop.views.chart import Curve
from pitprop.views.content import Content
from pitprop.views.front import complete
from pitprop.views.landscape import Axis, died, label

GREY, POINTS, READINGS, SLICES = 150, 120, 12_000, 12
"""At most so many curves of stopped trials, epochs of a curve, epochs of all curves, and parameters are shown."""
OTHERS = 2.0
"""How many times their own height the best curves leave to those that were stopped, above or below."""
CLASSES, LEVELS, RARE = 6, 4, 0.1
"""Of up to so many classes the predictions are drawn, of so many the true counts; only the top of the counts is drawn where all
but one class make up less than the share `RARE`."""
GOLDEN = 0.618
"""Multiples of it spread points of the same choice, the same way every time."""
BESIDE = ("train/loss", "val/loss")
"""What is drawn beside the objective of a single trial."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """``data`` for the page, with ``shown`` of ``of`` things in it; ``text`` stands for it where nothing can be drawn."""

    data: Mapping[str, Any] = field(default_factory=dict)
    shown: int = 0
    of: int = 0
    text: str = ""


def figures(c: Content) -> dict[str, Figure]:
    """What there is to draw, by name."""
    drawn: Mapping[str, Callable[[Content], Figure | None]] = {
        "curve": _curve, "predicted": _predicted, "parallel": _parallel, "slices": _slices, "front": _front,
        "intervals": _intervals, "effects": _effects,
    }  # fmt: skip
    return {name: figure for name, draw in drawn.items() if (figure := draw(c)) is not None}


def evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly chosen, the first and the last among them: nobody tells more apart."""
    return items if len(items) <= most else [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def page_data(c: Content, drawn: Mapping[str, Figure]) -> dict[str, Any]:
    """All that the page's script needs: the trials, whose rows can be opened and which the figures name by number."""
    runs = view.addresses_of(c.where, c.space.name, c.records)
    return {
        "metric": c.space.objective.metric,
        "goal": c.space.objective.goal,
        "unit": words.unit_of(c.space, 1),
        "budget": c.space.epochs,
        "ui": c.command("ui"),
        "best": None if c.best is None else c.best.number,
        "trials": [_trial(c, record) | ({"run": runs[record.number]} if runs else {}) for record in c.records],
        "figures": {name: figure.data for name, figure in drawn.items() if figure.data},
        "words": _words(),
    }


def _words() -> dict[str, str]:
    """What the page's script says, in the language in force."""
    return {
        "filter": _("Filter trials"), "all": _("all states"), "shown": _("{n} of {all} trials"), "reset": _("Show all"),
        "none": _("no trial is left: change the filter, or the brush"), "open": _("open trial {n}"),
        "died": _("died"), "dead": _("{n} of {all} died"), "others": _("and {n} more"), "predicted": _("predicted class"),
        "remedy": _("What to change"), "warnings": _("Warnings"), "files": _("files of the trial"),
        "again": _("This prints all of it:"), "revive": _("This continues it:"), "mlflow": _("In MLflow:"),
        "run": _("its run"), "serves": _("while this serves it:"),
        "live": _("This page follows the search."),
        "stale": _("pitprop watch has ended: this page stays as it is"),
    }  # fmt: skip


# Trials


def _trial(c: Content, record: Record) -> dict[str, Any]:
    """One trial: where it stands, what became of it, and its curves; what does not apply is left out."""
    verdict, best = record.ending, record is c.best
    value = ranking.score(record)
    found = {
        "n": record.number,
        "state": record.word,
        "title": _titled(record, best=best),
        "params": words.parameters(words.searched(record, c.space)),
        "score": _digits(value) if value is not None and finite(value) else None,
        "baseline": record.baseline,
        "dead": died(record) and not best,
        "at": [_digits(axis.at(record.params.get(axis.name))) for axis in c.axes],
        "reason": localized(verdict.reason) if verdict else localized(record.error),
        "signature": words.signature(verdict.signature) if verdict else None,
        "remedy": localized(verdict.remedy) if verdict else None,
        "warnings": [_warning(c, one) for one in record.warnings],
        "show": c.command("show", str(record.number)),
        "revive": c.command("revive", str(record.number)) if record.number in c.summary.revivable else None,
        "curve": _readings(c, record.number),
    }
    return {name: one for name, one in found.items() if one not in (None, "", [], {})}


def _titled(record: Record, *, best: bool) -> str:
    said = (words.trial(record.number), record.baseline or "", _("best") if best else "", words.standing(record))
    return words.listed(filter(None, said))


def _warning(c: Content, verdict: Any) -> str:
    text = _("{signature}, {unit} {step}: {reason}.")
    if verdict.remedy:
        text = _("{signature}, {unit} {step}: {reason}. What to change: {remedy}.")
    said = {"signature": words.signature(verdict.signature), "unit": words.unit_of(c.space, 1), "step": verdict.step}
    return text.format(**said, reason=localized(verdict.reason), remedy=localized(verdict.remedy))


def _readings(c: Content, number: int) -> dict[str, Any]:
    """The epochs of a curve, its objective and losses, and the predictions where there are few classes."""
    most = max(12, min(POINTS, READINGS // max(len(c.records), 1)))
    epochs = evenly(c.curves[number], most)
    names = [name for name in dict.fromkeys((c.space.objective.metric, *BESIDE)) if any(name in e.metrics for e in epochs)]
    found: dict[str, Any] = {"x": [epoch.step for epoch in epochs]} if epochs else {}
    found |= {"y": {name: [_digits(epoch.metrics.get(name)) for epoch in epochs] for name in names}} if names else {}
    counts = [_counts(epoch, "predicted") for epoch in epochs]
    labels = next((known for epoch in epochs if (known := _counts(epoch, "labels"))), {})
    classes = sorted({name for row in counts for name in row}, key=lambda name: (-labels.get(name, 0.0), len(name), name))
    if 0 < len(classes) <= CLASSES:
        found["predicted"] = {name: [_digits(row.get(name)) for row in counts] for name in classes}
        found |= _levels(classes, counts, labels)
    return found


def _levels(classes: Sequence[str], counts: Sequence[Mapping[str, float]], labels: Mapping[str, float]) -> dict[str, Any]:
    """Where the true counts lie, and from where to draw: only the top where nearly all is of one class."""
    drawn = [row for row in counts if row]
    total, first = sum(drawn[-1].values()), min(row.get(classes[0], 0.0) for row in drawn)
    rest = max(total - first, total - labels.get(classes[0], total))
    levels, below = [], 0.0
    for name in classes[:-1] if labels and len(classes) <= LEVELS else []:
        below += labels.get(name, 0.0)
        levels.append(_digits(below))
    return {"levels": levels, "from": _digits(total - 1.5 * rest) if labels and 0 < rest < RARE * total else 0}


def _counts(epoch: Epoch, kind: str) -> dict[str, float]:
    """How many validation samples are ``predicted`` as each class, or have it by their ``labels``, where that is a number."""
    return {name: value for name, value in columns(epoch, f"val/{kind}/").items() if finite(value)}


def _digits(value: float | None) -> float | None:
    """Four digits, which is what can be seen; None for what is not known or not finite."""
    return None if value is None or not finite(value) else float(f"{value:.4g}")


# Curves


def curve_of(telemetry: Telemetry, metric: str) -> Curve:
    """The finite readings of a metric with their epochs."""
    column = telemetry.column(metric)
    return list(zip(column.steps, column.values, strict=True))


def _curve(c: Content) -> Figure | None:
    """The objective by epoch: the best, the baselines, and in grey what was stopped."""
    metric = c.space.objective.metric
    known = {number: found for number, curve in c.curves.items() if (found := curve_of(curve, metric))}
    if not known:
        return None
    stopped = [r.number for r in c.records if r.state == State.PRUNED and r.number in known and r is not c.best]
    ghosts = evenly(stopped, GREY)
    first = [r.number for r in c.records if r.number in known and (r is c.best or r.baseline is not None)]
    others = [r.number for r in c.ended if r.number in known and not died(r) and r is not c.best]
    trained = {r.baseline for r in c.records if r.number in known}
    levels = {name: value for name, value in c.summary.baselines.items() if value is not None and finite(value)}
    low, high = _bounds(
        [*(known[number] for number in first or known), *([(0, value)] for value in levels.values())],
        [known[number] for number in ghosts],
    )
    data = {
        "lines": first,
        "others": list(evenly(others, GREY)),
        "stopped": list(ghosts),
        "levels": {name: _digits(value) for name, value in levels.items() if name not in trained},
        "low": _digits(low - 0.05 * (high - low)),
        "high": _digits(high + 0.05 * (high - low)),
        "star": c.best_epoch,
    }
    best = known.get(c.best.number, []) if c.best is not None else []
    return Figure(data, len(ghosts), len(stopped), "\n".join(chart.lines(best, mark=c.best_epoch)))


def _bounds(main: Sequence[Curve], ghosts: Sequence[Curve]) -> tuple[float, float]:
    """From where to where is drawn: all of the ``main`` curves, and of the others what does not crush these."""
    low, high = chart.bounds([value for curve in main for _step, value in curve], None)
    others = [value for curve in ghosts for _step, value in curve] or [low]
    span = OTHERS * (high - low)
    return max(min(*others, low), low - span), min(max(*others, high), high + span)


def _predicted(c: Content) -> Figure | None:
    """What the best trial and a stopped one predicted: the first of the signature that stopped most; few classes only."""

    def counted(number: int) -> bool:
        return 0 < len({name for epoch in c.curves[number] for name in _counts(epoch, "predicted")}) <= CLASSES

    shown = [c.best.number] if c.best is not None and counted(c.best.number) else []
    stopped = (number for reason in c.summary.pruned for number in reason.trials if counted(number) and number not in shown)
    shown += list(stopped)[:1]
    return Figure({"trials": shown}) if shown else None


# The space


def scored(record: Record) -> bool:
    """Whether there is a score that can be drawn."""
    return record.values is not None and finite(record.values[0])


def _axis(axis: Axis) -> dict[str, Any]:
    """A parameter's axis from 0 to 1: its name, and the values that stand at it."""
    names = [((index + 0.5) / axis.cells, label(choice)) for index, choice in enumerate(axis.choices)]
    return {"name": axis.name, "ticks": [(_digits(at), name) for at, name in names or axis.ticks()]}


def _parallel(c: Content) -> Figure | None:
    """All parameters side by side and the score last: a line for each trial."""
    if len(c.ended) < 2 or not c.axes:
        return None
    low, high = chart.bounds([r.values[0] for r in c.records if r.values and scored(r) and not died(r)] or [0.0, 1.0], None)
    axes = c.axes[:SLICES]
    data = {
        "axes": [_axis(axis) for axis in axes],
        "score": {"low": _digits(low), "high": _digits(high)},
        "trials": [r.number for r in c.ended],
    }
    return Figure(data, len(axes), len(c.axes))


def _slices(c: Content) -> Figure | None:
    """Each parameter against the score, the most important first; a trial that others continue is not drawn beside them."""
    if len(c.ended) < 2 or not c.axes:
        return None
    shown = [*c.ended, *(r for r in c.records if r.baseline is not None and scored(r))]
    scores = [r.values[0] for r in shown if r.values and scored(r) and not died(r)]
    low, high = chart.bounds(scores, None) if scores else (0.0, 1.0)
    floor = low - 0.14 * (high - low)
    points = [
        (r.number, _digits(floor if died(r) and r is not c.best else min(max((r.values or (low,))[0], low), high)))
        for r in shown
        if (died(r) and r is not c.best) or scored(r)
    ]
    slices = [_slice(axis, shown, c.ended) for axis in c.axes[:SLICES]]
    bounds = {"low": _digits(floor - 0.06 * (high - low)), "high": _digits(high + 0.08 * (high - low))}
    return Figure({"slices": slices, "points": points, **bounds}, len(slices), len(c.axes))


def _slice(axis: Axis, shown: Sequence[Record], ended: Sequence[Record]) -> dict[str, Any]:
    """One parameter: where each trial lies, those of one choice beside each other, and how many died in each part of it."""
    spread = 0.5 / axis.cells if axis.choices else 0.0
    at = {r.number: place for r in shown if (place := axis.at(r.params.get(axis.name))) is not None}
    places = {n: _digits(place + spread * ((n * GOLDEN) % 1 - 0.5)) for n, place in at.items()}
    cells = [(cell, died(r)) for r in ended if (cell := axis.cell(r.params.get(axis.name))) is not None]
    dead = []
    for cell in range(axis.cells):
        if here := [gone for one, gone in cells if one == cell]:
            dead.append((_digits((cell + 0.5) / axis.cells), sum(here), len(here)))
    return {**_axis(axis), "places": places, "dead": dead, "cells": axis.cells}


# Several objectives, and the confirmation


def _front(c: Content) -> Figure | None:
    """Every trial by the values of its objectives, of which the page shows two at a time, and which of them are on the front."""
    if c.front is None:
        return None
    shown = [r for r in c.records if r.baseline is None and complete(r, len(c.space.objectives))]
    fresh = [one for one in c.front.members if one.means and all(map(finite, one.means))]
    data = {
        "names": list(c.front.metrics),
        "goals": [goal.goal for goal in c.space.objectives],
        "points": [(r.number, *map(_digits, r.values or ())) for r in shown],
        "front": sorted(c.front.on),
        "baselines": [(one.name, *map(_digits, one.values)) for one in c.front.baselines if any(map(finite, one.values))],
        "fresh": [(one.trial, list(map(words.measured, one.means, one.intervals))) for one in fresh],
    }
    return Figure(data, len(c.front.on), len(shown))


def _effects(c: Content) -> Figure | None:
    """By how much each value of a parameter is better than the winner's: mean and interval."""
    rows = [
        (
            f"{effect.parameter} {words.value(one.value)}",
            *map(_digits, (told.low, told.mean, told.high)),
            told.verdict != "not distinguishable",
        )
        for effect in (c.ablation.effects if c.ablation is not None else ())
        for one in effect.steps
        if math.isfinite((told := one.difference).low) and math.isfinite(told.high)
    ]
    return Figure({"rows": rows}) if rows else None


def _intervals(c: Content) -> Figure | None:
    """By how much each candidate is better than each baseline: mean and 95 % interval, the first on top."""
    told = c.confirmation.differences if c.confirmation is not None else {}
    rows = [
        (f"{name} – {against}", _digits(one.low), _digits(one.mean), _digits(one.high), one.verdict != "not distinguishable")
        for name, leads in told.items()
        for against, one in leads.items()
        if math.isfinite(one.low) and math.isfinite(one.high)
    ]
    return Figure({"rows": rows}) if rows else None
