"""Which rows of a log make an epoch: what is trained up to a validation, and that validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pitprop.logs.row import Row
from pitprop.telemetry import Epoch

STICKS = "val/labels/"
"""What is often printed once, and holds on."""


class Epochs:
    """Joins rows to epochs, as they come.

    An epoch is what the source numbers as one, or lies between two validations; each of these, if there are several in one
    of its numbers; each row, if ``metric`` is one of training and nothing is numbered. It is given as soon as it is over: at
    the first row of the next, or once it has all that the one before had. Its ``step`` counts from 1, by the source's number
    where there is one. A validation at step 0, before any training, is given as ``start/...`` of the first epoch.

    A source that goes back, to a checkpoint or its start, gives steps again: `forget` what it went back before.
    """

    def __init__(self, metric: str | None = None) -> None:
        self.metric, self.last = metric, 0
        self._trains = metric is not None and metric.startswith("train/")
        self._cells = Cells()
        self._step: int | None = None
        self._number: int | None = None
        self._validated: int | None = None  # the step of the validation in this epoch
        self._first: int | None = None
        self._trained = -1  # the step of the latest row of training
        self._held: set[str] = set()
        self._sticks: dict[str, float] = {}
        self._closed: list[tuple[int, int]] = []

    def add(self, rows: Iterable[Row]) -> list[Epoch]:
        """The epochs that these rows finish."""
        done: list[Epoch] = []
        for row in rows:
            kind, metrics, step, number, count = row
            if kind != "train" or number != self._number or self._cells.objective:
                if self._late(row):
                    self._held.update(metrics)
                    continue
                if kind == "val" and step == 0 and number is None and self._trained < 0:
                    kind, metrics = "start", {name.replace("val/", "start/", 1): value for name, value in metrics.items()}
                elif self._over(row):
                    done += self.end()
            self._went_back(row)
            self._step = self._step if step is None else step
            self._number = self._number if number is None else number
            self._validated = step if kind == "val" else self._validated
            self._cells.add(metrics, kind in ("val", "mean"), count)
            if self._reads(kind, metrics):
                self._cells.objective = True
                if kind == "epoch" or (kind == "val" and self._whole()):
                    done += self.end()
        return done

    def end(self) -> list[Epoch]:
        """The epoch under way, if there is anything in it that can be placed: also for the end of the source."""
        if not (self._cells.objective or (self._cells and self._number is not None)):
            return []
        metrics = {**self._sticks, **self._cells.means()}
        self._sticks = {name: value for name, value in metrics.items() if name.startswith(STICKS)}
        if self._cells.objective:
            self._held = {name for name in self._cells if "/predicted/" not in name and not name.startswith(("start/", STICKS))}
        self._cells, self._validated = Cells(), None
        self.last = max(self.last + 1, 0 if self._number is None else self._number + self.from_0)
        self._closed.append((self.last, self._trained))
        return [Epoch(self.last, metrics)]

    @property
    def under_way(self) -> Epoch | None:
        """The epoch that is not over, as far as it has come, if the source numbers it."""
        if not self._cells or self._number is None:
            return None
        return Epoch(self._number + self.from_0, self._cells.means())

    @property
    def numbered(self) -> bool:
        """Whether the source counts epochs itself."""
        return self._first is not None

    @property
    def from_0(self) -> bool:
        """Whether it counts them from 0."""
        return self._first == 0

    def _reads(self, kind: str, metrics: Mapping[str, float]) -> bool:
        """Whether a row reads the objective."""
        if self.metric is not None:
            return self.metric in metrics
        return kind != "train" and any(name.startswith("val/") for name in metrics)

    def _over(self, row: Row) -> bool:
        """Whether the epoch under way ends before ``row``."""
        numbered = row.epoch is not None and self._number is not None
        if not self._cells or (numbered and row.epoch != self._number):
            return bool(self._cells)
        if not self._cells.objective or row.kind == "part" or (numbered and self._trains):
            return False
        if self._trains:
            return self.metric in row.metrics
        if row.kind in ("train", "mean"):
            return not numbered if row.step is None or self._step is None else row.step >= self._step + numbered
        if row.step is None or self._validated is None:
            return not numbered and self._validated is None and self._again(row)
        return row.step != self._validated

    def _again(self, row: Row) -> bool:
        return any(name in self._cells for name in ([self.metric] if self.metric in row.metrics else row.metrics))

    def _whole(self) -> bool:
        """Whether the epoch has what the last one had, so that nothing more can be meant to come."""
        return bool(self._held) and (self._step, self._number) != (None, None) and self._held <= self._cells.keys()

    def _late(self, row: Row) -> bool:
        """Whether a row is of an epoch that was given already."""
        if self._cells or not self._closed or row.epoch is None or row.epoch != self._number:
            return False
        return row.step is None or (self._step is not None and row.step <= self._step)

    def _went_back(self, row: Row) -> None:
        """Notes the steps of training, and starts from before what a source has gone back to."""
        if row.epoch is not None:
            self._first = row.epoch if self._first is None else self._first
            if self._number is not None and row.epoch < self._number:
                self.last, self._cells = max(0, row.epoch + self.from_0 - 1), Cells()
        elif row.kind == "train" and row.step is not None and row.step < self._trained and self._number is None:
            self.last = max((last for last, trained in self._closed if trained < row.step), default=0)
            self._cells = Cells()
        if row.kind == "train":
            self._trained = max(0, self._trained) if row.step is None else row.step


class Cells(dict[str, list[float]]):
    """The readings of an epoch under way, by name: sum and number of the finite ones, and the last of all."""

    objective = False
    """Whether the objective is among them."""

    def add(self, metrics: Mapping[str, float], anew: bool, count: int = 1) -> None:
        """Takes readings up, in place of (``anew``) or beside those of the same names."""
        for name, value in metrics.items():
            cell = self.get(name)
            if cell is None or anew:
                self[name] = cell = [0.0, 0, value]
            cell[2] = value
            if value - value == 0.0:  # finite
                cell[0] += value * count
                cell[1] += count

    def joined(self, later: Cells) -> Cells:
        """These readings and later ones."""
        for name, (total, count, last) in later.items():
            before = self.get(name, [0.0, 0, last])
            self[name] = [before[0] + total, before[1] + count, last]
        return self

    def means(self) -> dict[str, float]:
        """The mean of each, but the last learning rate. What ends non-finite is so; what was mended, as under AMP, is not."""
        plain = (name == "lr" or not math.isfinite(cell[2]) for name, cell in self.items())
        return {name: cell[2] if as_is else cell[0] / cell[1] for (name, cell), as_is in zip(self.items(), plain, strict=True)}


def forget(epochs: list[Epoch], fresh: Sequence[Epoch]) -> None:
    """Appends ``fresh`` to ``epochs``, dropping of these what a training went back before."""
    for epoch in fresh:
        while epochs and epochs[-1].step >= epoch.step:
            epochs.pop()
        epochs.append(epoch)
