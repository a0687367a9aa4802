"""A curve in a few lines of a terminal, or in a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from pitprop.errors import UserError
from pitprop.messages import _

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a Braille sign, by row and column: 2 x 4 dots a character."""
Curve = Sequence[tuple[int, float]]


def lines(curve: Curve, level: float | None = None, mark: int | None = None, width: int = 66, height: int = 7) -> list[str]:
    """``curve`` (steps and finite values) drawn in ``height`` lines, with its bounds beside it and its steps below.

    A dotted line is at ``level`` (chance), if that is near; ``^`` below is at step ``mark``. Of values that are far out, as
    before a loss is NaN, those are drawn that are not. Two readings are no curve.
    """
    if len(curve) < 3:
        return []
    low, high = bounds([value for _step, value in curve], level)
    first, last = curve[0][0], curve[-1][0]
    across, down = 2 * width - 1, 4 * height - 1
    grid = [[0] * width for _ in range(height)]

    def x(step: float) -> int:
        return round((step - first) / max(last - first, 1) * across)

    def y(value: float) -> int:
        return round((high - min(max(value, low), high)) / (high - low) * down)

    def dot(column: int, row: int) -> None:
        grid[row // 4][column // 2] |= DOTS[row % 4][column % 2]

    if level is not None and low <= level <= high:
        for column in range(0, across + 1, 6):
            dot(column, y(level))
    dot(x(first), y(curve[0][1]))
    for (a, before), (b, after) in pairwise(curve):
        dots = max(x(b) - x(a), abs(y(after) - y(before)), 1)
        for share in (index / dots for index in range(dots + 1)):
            dot(round(x(a) + share * (x(b) - x(a))), round(y(before) + share * (y(after) - y(before))))
    digits = 4 if f"{high:.4g}" != f"{low:.4g}" else 7
    sides = [f"{high:.{digits}g}", *[""] * (height - 2), f"{low:.{digits}g}"]
    margin = max(map(len, sides))
    drawn = [f"{side:>{margin}} │{''.join(chr(0x2800 + bits) for bits in row)}" for side, row in zip(sides, grid, strict=True)]
    axis = list(f"{first}".ljust(width - len(f"{last}")) + f"{last}")
    if mark is not None and first <= mark <= last:
        axis[min(x(mark) // 2, width - 1)] = "^"
    return [*drawn, f"{'':>{margin}}  {''.join(axis)}"]


def bounds(values: Sequence[float], level: float | None) -> tuple[float, float]:
    """What to draw: all values, but none far beyond the middle half of them, and the level of chance if that is near."""
    ordered = sorted(values)
    quarter, three = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    room = 6 * (three - quarter) or math.inf
    low, high = max(ordered[0], quarter - room), min(ordered[-1], three + room)
    span = high - low
    if level is not None and low - 1.5 * span <= level <= high + 1.5 * span:
        low, high = min(low, level), max(high, level)
    if high - low < 1e-9 * max(abs(high), abs(low), 1e-9):
        low, high = low - 0.05 * (abs(low) or 1.0), high + 0.05 * (abs(high) or 1.0)
    return low, high


def picture(path: Path, curves: Mapping[str, Curve], metric: str, level: float | None, marks: Mapping[str, int]) -> None:
    """Writes curves, by name, to a picture; each is marked at the step in ``marks`` at which it could have been stopped."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(_("--plot needs matplotlib: pip install matplotlib")) from error
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        (line,) = axes.plot([step for step, _value in curve], [value for _step, value in curve], label=name, linewidth=1.5)
        if name in marks:
            axes.axvline(marks[name], color=line.get_color(), linestyle=":", linewidth=1)
    if curves and any(curves.values()):
        axes.set_ylim(*_padded(bounds([value for curve in curves.values() for _step, value in curve], level)))
    if level is not None:
        axes.axhline(level, color="gray", linestyle="--", linewidth=1, label="chance")
    axes.set(xlabel="epoch", ylabel=metric)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, dpi=130)
    except ValueError as error:
        raise UserError(_("--plot {path}: {error}; .png, .svg and .pdf are known").format(path=path, error=error)) from error


def _padded(bounds: tuple[float, float]) -> tuple[float, float]:
    edge = 0.05 * (bounds[1] - bounds[0])
    return bounds[0] - edge, bounds[1] + edge
