"""MLflow's database, ``mlflow.db`` or whatever ``sqlite:///`` names: each run in it that has metrics is a training."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.formats.mlflow import BUDGETS, by_step
from pitprop.logs.names import Names

TRAITS = Traits(Unit.DOCUMENT, {"mlflow.db": 0}, exact=True)
MAGIC = b"SQLite format 3\0"
RUNS = (
    "SELECT DISTINCT runs.run_uuid, runs.name FROM runs JOIN metrics ON metrics.run_uuid = runs.run_uuid "
    "WHERE runs.lifecycle_stage = 'active' ORDER BY runs.start_time"
)


def recognises(head: bytes, path: Path) -> bool:
    return head.startswith(MAGIC) and bool(_runs(path.read_bytes()))


def trainings(path: Path) -> Sequence[str]:
    """The names of the runs; of several with one name, with what their identifiers begin with."""
    return list(_named(_runs(path.read_bytes())))


class Reader:
    """A step is an epoch under the same conditions as in a file store; deleted runs and metrics of models are left out."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._run, self._seen = names, "", -1
        self.facts: dict[str, int] = {}

    def only(self, name: str) -> None:
        """Reads the run of that name."""
        self._run = name

    def feed(self, data: bytes) -> Iterator[Row]:
        named = _named(_runs(data))
        if not named:  # a database that is not whole yet, or empty
            return
        run = named.get(self._run) or next(iter(named.values()))
        steps: dict[int, dict[str, float]] = {}
        with closing(_opened(data)) as base:
            for key, value, step, nan in base.execute(
                "SELECT key, value, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp", (run,)
            ):
                steps.setdefault(step, {})[key] = math.nan if nan else value
            for key, value in base.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,)):
                if key in BUDGETS and str(value).isdigit():
                    self.facts[BUDGETS[key]] = int(value)
        yield from (row for row in by_step(steps, self._names) if row.step is not None and row.step > self._seen)
        self._seen = max(self._seen, *steps) if steps else self._seen


def _opened(data: bytes) -> sqlite3.Connection:
    """The database in memory, which cannot write to its file; bytes 18 and 19 say that there is no journal beside it."""
    base = sqlite3.connect(":memory:")
    base.deserialize(data[:18] + b"\1\1" + data[20:])
    return base


def _runs(data: bytes) -> list[tuple[str, str]]:
    """The runs that have metrics, in the order of their start, each with its name; none of another database."""
    try:
        with closing(_opened(data)) as base:
            return [(run, name or run) for run, name in base.execute(RUNS)]
    except sqlite3.DatabaseError:
        return []


def _named(runs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The runs by a name that no other has."""
    often = Counter(name for _, name in runs)
    return {name if often[name] == 1 else f"{name} {run[:8]}": run for run, name in runs}
