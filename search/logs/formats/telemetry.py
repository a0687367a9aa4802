"""Our own telemetry.jsonl, as a search keeps it of each trial: a line is an epoch, under its own names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.names import Names
from pitprop.telemetry import loads

TRAITS = Traits(Unit.LINES, exact=True, judged="The objective of its space, with `--metric`.")


def recognises(head: bytes, path: Path) -> bool:
    return path.name == "telemetry.jsonl"


class Reader:
    """Only what the user translates is."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names = names.given

    def feed(self, data: bytes) -> Iterator[Row]:
        for line in data.splitlines():
            try:
                epoch = loads(line.decode("utf-8", "replace"))
            except (ValueError, TypeError):
                continue
            yield Row("epoch", {self._names.get(name, name): value for name, value in epoch.metrics.items()}, None, epoch.step)
