"""Join the rows of a log to epochs: what is trained up to a validation, and that validation; or to pieces of equal length."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pitprop.telemetry import Epoch, Telemetry

CARRIED = "val/labels/"
"""Metrics that are often printed once and hold for all later epochs."""
MOST = 256
"""More pieces than these are joined by twos."""


class Row(NamedTuple):
    """Readings that a log gives at one place, by the names of our vocabulary.

    ``kind`` is ``"train"`` for some steps of training, ``"mean"`` for the mean over an epoch, which replaces those of its steps,
    ``"val"`` for a validation (or a piece of what is printed of one), ``"part"`` for one batch of a validation, to be averaged,
    ``"running"`` for the mean of its batches so far, of which the last counts, and ``"epoch"`` for all of a finished epoch.
    ``step`` counts optimizer steps over the whole training and ``epoch`` is the source's own number, each None if not given.
    ``weight`` is the number of rows that this one is the mean of.
    """

    kind: str
    metrics: Mapping[str, float]
    step: int | None = None
    epoch: int | None = None
    weight: int = 1


class Epochs:
    """Joins rows to epochs, as they come.

    An epoch is what the source numbers as one, or lies between two validations; each of these, if there are several in one
    of its numbers; each row, if ``metric`` is one of training and nothing is numbered. It is given as soon as it is over: at
    the first row of the next, or once it has all that the one before had. Its ``step`` counts from 1, by the source's number
    where there is one; ``by_steps`` it is the optimizer's, and no number of an epoch counts. A validation at step 0, before any
    training, is given as ``start/...`` of the first epoch.

    A source that goes back, to a checkpoint or its start, gives steps again: `forget` what it went back before.
    ``rewound`` are the epochs from which it went back, and to which.

    ``_open`` holds the readings of the epoch under way, and tells three states apart: idle (it is empty), open, and measured (it
    has the objective). The first line that fits counts:

    ========  =============================================  =============================================  ========
    state     row                                            effect                                         becomes
    ========  =============================================  =============================================  ========
    any       of an earlier place (`_rewind`)                drops the epoch under way, counts on from      open
                                                             before that place, adds the row
    idle      of the finished epoch (`_is_late`)             ignored; the next epoch waits for its names    idle
    idle      any other                                      added                                          open
    open      of an epoch with another number                finishes the epoch, then added                 open
    open      any other                                      added                                          open
    measured  of the next epoch (`_ends_before`)             finishes the epoch, then added                 open
    measured  of training, where the validation stands       added                                          measured
              above it (`Cells.leads`)
    measured  any other                                      added                                          measured
    open      of the next number, where this one has been    added: what is trained after a validation      open
              given (`_is_rest`)                             belongs to the next one
    any       (end of the source)                            finishes the epoch if measured or numbered,    idle
                                                             and drops such a rest
    ========  =============================================  =============================================  ========

    Where an added row has the objective, open becomes measured; where it also completes the epoch (a row of kind ``"epoch"``, or
    `_is_complete`), the epoch is finished at once, and the state is idle.

    The other fields are places and memory. Of the latest row that gave one: ``_step``, the optimizer step, ``_number``, the
    source's own epoch, and ``_trained_to``, the step of training (-1 before any). Of the epoch under way: ``_validated_at``,
    the step of its validation. Of the source: ``_first_number``, the first epoch that it numbered. Of finished epochs:
    ``_given``, the source's number of the latest;
    ``_finished``, each one's step and how far training had come; ``_expected``, the names that the last one had;
    ``_carried``, the label counts that hold for the next ones too.
    """

    def __init__(self, metric: str | None = None, *, by_steps: bool = False) -> None:
        self.metric, self.last, self._by_steps = metric, 0, by_steps
        self._by_training = metric is not None and metric.startswith("train/")
        self._open = Cells()
        self._step: int | None = None
        self._number: int | None = None
        self._validated_at: int | None = None
        self._first_number: int | None = None
        self._given: int | None = None
        self._trained_to = -1
        self._expected: set[str] = set()
        self._carried: dict[str, float] = {}
        self._finished: list[tuple[int, int]] = []
        self.rewound: list[tuple[int, int]] = []

    def add(self, rows: Iterable[Row]) -> list[Epoch]:
        """The epochs that these rows finish."""
        done: list[Epoch] = []
        for row in rows:
            kind, metrics, step, number, count = row
            if kind != "train" or number != self._number or self._open.objective:
                if self._is_late(row):
                    self._expected.update(metrics)
                    continue
                if kind == "val" and step == 0 and number is None and self._trained_to < 0:
                    kind, metrics = "start", {name.replace("val/", "start/", 1): value for name, value in metrics.items()}
                elif self._ends_before(row):
                    done += self.end()
            self._rewind(row)
            self._step = self._step if step is None else step
            self._number = self._number if number is None else number
            self._validated_at = step if kind == "val" else self._validated_at
            self._open.add(metrics, kind in ("val", "mean", "running"), count)
            if self._has_objective(kind, metrics):
                self._open.leads |= not self._open.objective and all(name.startswith(("val/", "start/")) for name in self._open)
                self._open.objective = True
                if kind == "epoch" or (kind == "val" and self._is_complete()):
                    done += self.end()
        return done

    def end(self) -> list[Epoch]:
        """Finishes the epoch under way, if it is measured or numbered: also for the end of the source."""
        if not (self._open.objective or (self._open and self._number is not None)) or self._is_rest:
            return []
        metrics = {**self._carried, **self._open.means()}
        self._carried = {name: value for name, value in metrics.items() if name.startswith(CARRIED)}
        if self._open.objective:
            once = ("start/", CARRIED)
            self._expected = {name for name in self._open if "/predicted/" not in name and not name.startswith(once)}
        self._open, self._validated_at = Cells(), None
        number = self._step if self._by_steps else None if self._number is None else self._number + self.from_0
        self.last = max(self.last + 1, number or 0)
        self._finished.append((self.last, self._trained_to))
        self._given = self._number
        return [Epoch(self.last, metrics)]

    @property
    def under_way(self) -> Epoch | None:
        """The readings of the epoch under way, if the source numbers it."""
        if not self._open or self._number is None:
            return None
        return Epoch(self._number + self.from_0, self._open.means())

    @property
    def placed(self) -> bool:
        """Whether the source has named a step of the optimizer."""
        return self._step is not None

    @property
    def numbered(self) -> bool:
        """Whether the source counts epochs itself."""
        return self._first_number is not None

    @property
    def from_0(self) -> bool:
        """Whether it counts them from 0."""
        return self._first_number == 0

    def _has_objective(self, kind: str, metrics: Mapping[str, float]) -> bool:
        """Whether a row reads the objective."""
        if self.metric is not None:
            return self.metric in metrics
        return kind != "train" and any(name.startswith("val/") for name in metrics)

    def _ends_before(self, row: Row) -> bool:
        """Whether the epoch under way ends before ``row``."""
        numbered = row.epoch is not None and self._number is not None
        if not self._open or (numbered and row.epoch != self._number):
            return bool(self._open) and not self._is_rest
        if not self._open.objective or row.kind in ("part", "running") or (numbered and self._by_training):
            return False
        if self._by_training:
            return self.metric in row.metrics
        if row.kind in ("train", "mean"):
            if self._open.leads and (numbered or (row.step is not None and row.step == self._validated_at)):
                return False
            return not numbered if row.step is None or self._step is None else row.step >= self._step + numbered
        if row.step is None or self._validated_at is None:
            return not numbered and self._validated_at is None and self._repeats(row)
        return row.step != self._validated_at

    @property
    def _is_rest(self) -> bool:
        """Whether what is under way is training of a number that has had its validation: it belongs to the next one."""
        return not self._open.objective and self._number is not None and self._number == self._given

    def _repeats(self, row: Row) -> bool:
        """Whether ``row`` reads again what the epoch under way has: the objective, else anything."""
        return any(name in self._open for name in ([self.metric] if self.metric in row.metrics else row.metrics))

    def _is_complete(self) -> bool:
        """Whether the epoch has all that the last one had, so that nothing more is expected."""
        return bool(self._expected) and (self._step, self._number) != (None, None) and self._expected <= self._open.keys()

    def _is_late(self, row: Row) -> bool:
        """Whether ``row`` is of the epoch that was given last."""
        if self._open or not self._finished or row.epoch is None or row.epoch != self._number:
            return False
        return row.step is None or (self._step is not None and row.step <= self._step)

    def _rewind(self, row: Row) -> None:
        """Counts on from before ``row`` where the source has gone back to an earlier place; notes the step of training."""
        if row.epoch is not None:
            self._first_number = row.epoch if self._first_number is None else self._first_number
            if self._number is not None and row.epoch < self._number:
                self._back_to(max(0, row.epoch + self.from_0 - 1))
        elif row.kind == "train" and row.step is not None and row.step < self._trained_to and self._number is None:
            self._back_to(max((last for last, trained in self._finished if trained < row.step), default=0))
        if row.kind == "train":
            self._trained_to = max(0, self._trained_to) if row.step is None else row.step

    def _back_to(self, last: int) -> None:
        """Counts on from the epoch ``last``, without what came after it."""
        if last < self.last:
            self.rewound.append((self.last, last + 1))
        self.last, self._open = last, Cells()


class Cells(dict[str, list[float]]):
    """The readings of an epoch under way, by name: sum and number of the finite ones, and the last of all."""

    objective = False
    """Whether the objective is among them."""
    leads = False
    """Whether the objective was read before anything of training, as where a line of validation stands above that of training."""

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
        """The mean of each, but the last learning rate. Non-finite only if the last one is: under AMP some are, and pass."""
        plain = (name == "lr" or not math.isfinite(cell[2]) for name, cell in self.items())
        return {name: cell[2] if as_is else cell[0] / cell[1] for (name, cell), as_is in zip(self.items(), plain, strict=True)}


class Bins:
    """Pieces of ``each`` rows, for a training with hardly any epochs: of 1 row, doubled whenever there are `MOST` pieces."""

    def __init__(self) -> None:
        self.each, self.last = 1, 0
        self._done: list[Cells] = []
        self._open, self._count = Cells(), 0
        self._step: int | None = -1
        self._names: set[str] = set()

    def add(self, rows: Iterable[Row]) -> None:
        for kind, metrics, step, _, count in rows:
            if kind == "mean":
                continue
            if kind in ("train", "epoch"):
                if (
                    not self._count or step not in (None, self._step) or not self._names.isdisjoint(metrics)
                ):  # else more of the row before
                    if self._count >= self.each:
                        self._close()
                    self.last, self._step, self._names = step or self.last, step, set()
                    self._count += count
                self._names.update(metrics)
            self._open.add(metrics, kind == "val", count)

    def telemetry(self) -> Telemetry:
        """A piece an epoch."""
        done = [*self._done, self._open] if self._open else self._done
        return Telemetry(Epoch(number, cells.means()) for number, cells in enumerate(done, 1))

    def _close(self) -> None:
        self._done.append(self._open)
        self._open, self._count = Cells(), 0
        if len(self._done) >= MOST:
            self._done = [a.joined(b) for a, b in zip(self._done[::2], self._done[1::2], strict=True)]
            self.each *= 2


def forget(epochs: list[Epoch], fresh: Sequence[Epoch]) -> None:
    """Appends ``fresh`` to ``epochs``, dropping of these what a training went back before."""
    for epoch in fresh:
        while epochs and epochs[-1].step >= epoch.step:
            epochs.pop()
        epochs.append(epoch)


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
