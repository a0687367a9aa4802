"""Tables with a header: Lightning's sparse metrics.csv, Keras' CSVLogger, and the like."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.names import SIDES, Names
from pitprop.logs.shapes import Shape, Shapes

TRAITS = Traits(Unit.LINES, {"metrics.csv": 0, "*.csv": 3}, single=True, exact=True)
PLACES = ("epoch", "step", "iter", "iteration", "global_step")


def recognises(head: bytes, path: Path) -> bool:
    if b"\0" in head:
        return False
    first, ended, _ = head.decode("utf-8", "replace").partition("\n")
    header = _cells(first.strip(), _delimiter(first))
    if not ended or len(header) < 2 or any(map(_is_number, header)):
        return False
    return any(name.strip().lower() in PLACES for name in header)


class Reader:
    """Each row gives what is filled in. A column is of validation by its name (``valid_loss``, ``val_accuracy``).

    A row that fills columns of both sides is an epoch, as Keras writes it. One of validation without an epoch, where there is
    a column for it, is a batch: its step counts within the validation. Columns of a test are left out where some are of
    validation.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._shapes = names, Shapes(merge)
        self._header: list[str] = []
        self._epoch: int | None = None
        self._step: int | None = None
        self._train: list[tuple[int, str]] = []
        self._mean: list[tuple[int, str]] = []
        self._val: list[tuple[int, str]] = []

    def feed(self, data: bytes) -> Iterator[Row]:
        text = data.decode("utf-8", "replace")
        if not self._header and text:
            line, _, text = text.partition("\n")
            self._begin(line)
        yield from self._shapes.read(text, self._line)

    def _line(self, line: str) -> Row | None:
        cells = _cells(line, self._delimiter)
        if cells == self._header:
            return None  # appended by a second run
        try:
            row = self._row(cells)
        except (ValueError, IndexError):
            return None  # torn, or no table
        if row and row.kind == "train" and self._shapes.merge > 1 and '"' not in line:
            self._learn(line, cells)
        return row

    def _learn(self, line: str, cells: Sequence[str]) -> None:
        """What a row of training looks like, so that the next ones can be read together."""
        ours = {**dict(self._train), **({self._step: "STEP"} if self._step is not None else {})}
        ours |= {self._epoch: "EPOCH"} if self._epoch is not None else {}
        roles, at = {}, 0
        for index, cell in enumerate(cells):
            if cell and index in ours:
                roles[at, at + len(cell)] = ours[index]
            at += len(cell) + 1
        self._shapes.learn(Shape(line, roles, "train", _place, self._shapes.merge))

    def _begin(self, line: str) -> None:
        self._delimiter = _delimiter(line)
        self._header = [name.strip() for name in _cells(line.strip(), self._delimiter)]
        lower = [name.lower() for name in self._header]
        self._epoch = lower.index("epoch") if "epoch" in lower else None
        self._step = next((lower.index(name) for name in PLACES[1:] if name in lower), None)
        validates = any(_side(name) == "val" and "test" not in name for name in lower)
        for index, name in enumerate(self._header):
            val = _side(lower[index]) == "val"
            if val and validates and "test" in lower[index]:
                continue
            if (ours := self._names(name, "val" if val else "train")) is not None:
                mean = lower[index].endswith("_epoch") and lower[index].removesuffix("_epoch") + "_step" in lower
                (self._val if val else self._mean if mean else self._train).append((index, ours))

    def _row(self, cells: Sequence[str]) -> Row | None:
        train = {name: float(cell) for index, name in self._train if (cell := cells[index])}
        val = {name: float(cell) for index, name in self._val if (cell := cells[index])}
        epoch = int(float(cells[self._epoch])) if self._epoch is not None and cells[self._epoch] else None
        step = int(float(cells[self._step])) if self._step is not None and cells[self._step] else None
        if val and epoch is None and self._epoch is not None:
            return Row("part", val)
        if self._mean and not (train or val):
            mean = {name: float(cell) for index, name in self._mean if (cell := cells[index])}
            return Row("mean", mean, step, epoch) if mean else None
        if train.keys() - {"lr"} and val:
            return Row("epoch", train | val, step, epoch)
        return Row("val" if val else "train", train | val, step, epoch) if train or val else None


def _cells(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # of control characters
        return []


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _place(places: Mapping[str, int]) -> tuple[int | None, int | None]:
    return places.get("STEP"), places.get("EPOCH")


def _side(name: str) -> str:
    return next((SIDES[word] for word in name.replace("/", "_").replace("-", "_").split("_") if word in SIDES), "train")


def _is_number(text: str) -> bool:
    try:
        return float(text) is not None
    except ValueError:
        return False
