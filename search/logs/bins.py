"""The rows of a log in pieces of equal length, for a training that has hardly any epochs."""

from __future__ import annotations

from collections.abc import Iterable

from pitprop.logs.epochs import Cells
from pitprop.logs.row import Row
from pitprop.telemetry import Epoch, Telemetry

MOST = 256
"""More pieces than these are joined by twos."""


def coarser(telemetry: Telemetry, most: int = MOST) -> tuple[Telemetry, int]:
    """Up to ``most`` epochs, numbered anew, each the mean of as many as it stands for; and how many these are."""
    each = -(-len(telemetry) // most) or 1
    if each == 1:
        return telemetry, 1
    found = Telemetry()
    for start in range(0, len(telemetry), each):
        cells = Cells()
        for epoch in telemetry[start : start + each]:
            cells.add(epoch.metrics, False)
        found.append(Epoch(len(found) + 1, cells.means()))
    return found, each


class Bins:
    """Cuts after every ``each`` rows of training: after each row, until there are too many."""

    def __init__(self) -> None:
        self.each, self.last = 1, 0
        self._done: list[Cells] = []
        self._cells, self._count = Cells(), 0

    def add(self, rows: Iterable[Row]) -> None:
        for kind, metrics, step, _, count in rows:
            if kind == "mean":
                continue
            self._cells.add(metrics, kind == "val", count)
            if kind in ("train", "epoch"):
                self.last = step or self.last
                self._count += count
                if self._count >= self.each:
                    self._close()

    def telemetry(self) -> Telemetry:
        """A piece an epoch."""
        done = [*self._done, self._cells] if self._cells else self._done
        return Telemetry(Epoch(number, cells.means()) for number, cells in enumerate(done, 1))

    def _close(self) -> None:
        self._done.append(self._cells)
        self._cells, self._count = Cells(), 0
        if len(self._done) >= MOST:
            self._done = [a.joined(b) for a, b in zip(self._done[::2], self._done[1::2], strict=True)]
            self.each *= 2
