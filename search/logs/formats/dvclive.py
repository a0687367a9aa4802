"""DVCLive: a folder with a table for each metric, ``plots/metrics/train/loss.tsv``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.formats.mlflow import by_step
from pitprop.logs.names import Names

TRAITS = Traits(Unit.FOLDER, exact=True)
TABLES = ("plots", "metrics")
"""Folders within each other that the tables lie in."""


def recognises(head: bytes, path: Path) -> bool:
    return head.startswith((b"step\t", b"timestamp\t")) and home(path) is not None


def home(path: Path) -> Path | None:
    """The folder that DVCLive made, which ``path`` is in or is."""
    return next((one for one in (path, *path.parents[:6]) if one.is_dir() and one.joinpath(*TABLES).is_dir()), None)


def gather(home: Path) -> bytes:
    """All tables, each under a line with its metric's name."""
    folder = home.joinpath(*TABLES)
    tables = ((file.relative_to(folder).with_suffix("").as_posix(), file) for file in sorted(folder.rglob("*.tsv")))
    return "\n".join(f"{name}\n{file.read_text(encoding='utf-8', errors='replace')}" for name, file in tables).encode()


class Reader:
    """A step is an epoch if all of validation has the same steps as training, in which nothing is left out."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._seen = names, -1

    def feed(self, data: bytes) -> Iterator[Row]:
        steps: dict[int, dict[str, float]] = {}
        metric, header = "", list[str]()
        for line in data.decode("utf-8", "replace").splitlines():
            cells = line.split("\t")
            if len(cells) == 1:
                metric = line.strip()
            elif "step" in cells:
                header = cells
            elif len(cells) == len(header):
                try:
                    steps.setdefault(int(cells[header.index("step")]), {})[metric] = float(cells[-1])
                except ValueError:
                    continue
        yield from (row for row in by_step(steps, self._names) if row.step is not None and row.step > self._seen)
        self._seen = max(self._seen, *steps) if steps else self._seen
