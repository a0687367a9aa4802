"""Curves and the space as SVG, which needs no script: drawn anew with each look at a search that runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape
from pitprop.views import words

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 30
POINTS = 240
"""A curve is drawn by at most so many of its points."""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: its name, what it is (``best``, ``running``, ``stopped`` or ``ended``), its steps and finite values."""

    name: str
    kind: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Dot:
    """A trial on the range of a parameter, from 0 to 1: its number, and whether it died."""

    at: float
    trial: int
    died: bool


def curves(lines: Sequence[Line], metric: str, unit: str, said: str, *, maximize: bool) -> Markup:
    """The curves in one picture, what is best on top; ``said`` tells a reader who cannot see it what it shows.

    The worst fiftieth of the values may lie beyond its edge, the best never does.
    """
    order = {"stopped": 0, "ended": 1, "running": 2, "best": 3}
    lines = sorted((one for one in lines if one.points), key=lambda one: order[one.kind])
    if not lines:
        return Markup("")
    values = sorted(value for one in lines for _step, value in one.points)
    few = len(values) // 50
    low, high = (values[few], values[-1]) if maximize else (values[0], values[-1 - few])
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    last = max(one.points[-1][0] for one in lines)
    first = min(one.points[0][0] for one in lines)
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(step: float) -> float:
        return LEFT + across * (step - first) / max(last - first, 1)

    def y(value: float) -> float:
        return TOP + down * (high - min(max(value, low), high)) / (high - low)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="curves"><title>{escape(said)}</title>']
    for place in range(3):
        value = low + (high - low) * place / 2
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{escape(words.score(value))}</text>')
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{step}</text>')
    parts.append(
        f'<text x="{LEFT + across / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(unit)}: {escape(metric)}</text>'
    )
    for one in lines:
        kept = _thinned(one.points)
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in kept)
        name = f"<title>{escape(one.name)}</title>"
        parts.append(f'<polyline class="{one.kind}" points="{path}">{name}</polyline>')
        step, value = kept[-1]
        parts.append(f'<circle class="{one.kind}" cx="{x(step):.1f}" cy="{y(value):.1f}" r="2.5">{name}</circle>')
    return _svg(parts)


def strip(dots: Sequence[Dot], said: str) -> Markup:
    """The trials along the range of a parameter: rings ended well, crosses died."""
    parts = [f'<svg viewBox="0 0 {WIDTH} 28" role="img" class="strip"><title>{escape(said)}</title>']
    parts.append(f'<line class="grid" x1="8" x2="{WIDTH - 8}" y1="14" y2="14"/>')
    for one in dots:
        x = 8 + (WIDTH - 16) * one.at
        mark = (
            f'<path class="died" d="M{x - 5:.1f},9l10,10m0,-10l-10,10"><title>{one.trial}</title></path>'
            if one.died
            else f'<circle class="alive" cx="{x:.1f}" cy="14" r="5"><title>{one.trial}</title></circle>'
        )
        parts.append(mark)
    return _svg(parts)


def _svg(parts: Sequence[str]) -> Markup:
    drawn = "".join([*parts, "</svg>"])  # numbers, and texts that are escaped
    return Markup(drawn)  # nosec B704


def finite(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Those of the points that can be drawn."""
    return [(step, value) for step, value in points if math.isfinite(value)]


def _thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    every = math.ceil(len(points) / POINTS)
    return points if every < 2 else [*points[::every], points[-1]]
