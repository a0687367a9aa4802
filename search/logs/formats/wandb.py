"""Charts that were exported from Weights & Biases as CSV: a column for each run, with the least and the most of it beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import HEAD, Traits, Unit
from pitprop.logs.lines import decoding
from pitprop.logs.names import Names

TRAITS = Traits(Unit.DOCUMENT, exact=True, judged="The metric of the chart.")
STEPS = ("step", "_step", "global_step", "trainer/global_step", "train/global_step", "epoch", "relative time (process)")
RANGES = ("__MIN", "__MAX")


def recognises(head: bytes, path: Path) -> bool:
    header = _header(head)
    return len(header) > 1 and header[0].lower() in STEPS and all(" - " in name for name in header[1:])


def trainings(path: Path) -> Sequence[str]:
    """The runs."""
    return list(dict.fromkeys(run for run, _ in map(_named, _header(decoding.head(path, HEAD))[1:])))


class Reader:
    """Reads one run, of several the one that it is told. A step is one, unless the first column is called ``epoch``."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._seen = names, 0
        self._run: str | None = None

    def only(self, name: str) -> None:
        """Reads the run of that name."""
        self._run = name

    def feed(self, data: bytes) -> Iterator[Row]:
        header, *rows = list(csv.reader(io.StringIO(data.decode("utf-8", "replace").replace("\0", "")))) or [[""]]
        named = [_named(name) for name in header]
        run = self._run if self._run is not None else next((run for run, _ in named[1:]), "")
        columns = {name: at for at, (of, name) in enumerate(named) if at and of == run and not name.endswith(RANGES)}
        ours = self._names.of(columns, "train")
        by_epoch = header[0].lower() == "epoch"
        for cells in rows[self._seen :]:
            found = {ours[name]: _value(cells, at) for name, at in columns.items() if name in ours}
            metrics = {name: value for name, value in found.items() if value is not None}
            place = _value(cells, 0)
            step = int(place) if place is not None and abs(place) < 1e15 else None
            if metrics:
                kind = "val" if any(name.startswith("val/") for name in metrics) else "train"
                yield Row(kind, metrics, None if by_epoch else step, step if by_epoch else None)
        self._seen = max(self._seen, len(rows))


def _named(column: str) -> tuple[str, str]:
    """The run and the metric of a column, ``run_a - val_loss``."""
    run, _, metric = column.rpartition(" - ")
    return run, metric


def _header(data: bytes) -> list[str]:
    first = data.decode("utf-8", "replace").split("\n", 1)[0].strip()
    try:
        return next(csv.reader([first]), [])
    except csv.Error:
        return []


def _value(cells: Sequence[str], at: int) -> float | None:
    try:
        return float(cells[at])
    except (ValueError, IndexError):
        return None
