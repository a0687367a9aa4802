"""MLflow's file store: a run is a folder, and each metric in it is a file of lines ``timestamp value step``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.names import Names

TRAITS = Traits(Unit.FOLDER, exact=True)
LINE = re.compile(rb"\d{10,19} \S+ -?\d+\r?\n")
MARK = "\t"
"""What stands between the name of a file and one of its lines, in what is gathered."""
BUDGETS = {"epochs": "max_epochs", "max_epochs": "max_epochs", "num_epochs": "max_epochs", "num_train_epochs": "max_epochs"}
BUDGETS |= {"n_epochs": "max_epochs", "max_steps": "max_steps", "max_iters": "max_iters", "num_classes": "num_classes"}
"""Parameters that say how long the training is to be, and what we call that."""


def recognises(head: bytes, path: Path) -> bool:
    return bool(LINE.match(head)) and home(path) is not None


def home(path: Path) -> Path | None:
    """The folder ``metrics`` of a run that ``path`` is in; or ``path``, if it is that or the run."""
    if path.is_dir() and (path / "meta.yaml").is_file() and (path / "metrics").is_dir():
        return path  # the run itself
    folder = next(
        (one for one in (path, *path.parents[:6]) if one.name == "metrics" and (one.parent / "meta.yaml").is_file()), None
    )
    return folder.parent if folder else None


def gather(home: Path) -> bytes:
    """All lines of all metrics, each after its metric's name, and the parameters."""
    found = []
    for folder in (home / "metrics", home / "params"):
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if file.is_file():
                name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
                found += [f"{name}{MARK}{line}" for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return "\n".join(found).encode()


class Reader:
    """A step is an epoch if all of validation has the same steps as training, in which nothing is left out.

    What a step reads is joined over the files; a metric called ``epoch`` numbers the epochs.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._seen = names, -1
        self.facts: dict[str, int] = {}

    def feed(self, data: bytes) -> Iterator[Row]:
        steps: dict[int, dict[str, float]] = {}
        for line in data.decode("utf-8", "replace").split("\n"):
            name, _, rest = line.partition(MARK)
            if name.startswith("params/"):
                self._notes(name.removeprefix("params/"), rest)
            elif (read := _value(rest)) is not None:
                steps.setdefault(read[1], {})[name.removeprefix("metrics/")] = read[0]
        yield from (row for row in by_step(steps, self._names) if row.step is not None and row.step > self._seen)
        self._seen = max(self._seen, *steps) if steps else self._seen

    def _notes(self, name: str, value: str) -> None:
        if name in BUDGETS and value.strip().isdigit():
            self.facts[BUDGETS[name]] = int(value)


def by_step(steps: Mapping[int, Mapping[str, float]], names: Names) -> Iterator[Row]:
    """The rows of metrics that were written by step, each to a file of its own."""
    rows = [(step, _read(metrics, names)) for step, metrics in sorted(steps.items())]
    epochs = _by_epoch([step for step, _ in rows], [metrics for _, metrics in rows])
    for step, metrics in rows:
        said = steps[step].get("epoch")
        number = int(said) if said is not None and said >= 0 else step if epochs else None
        sides = {name.split("/")[0] for name in metrics} & {"train", "val"}
        if metrics:
            yield Row("epoch" if len(sides) > 1 else "val" if "val" in sides else "train", metrics, step, number)


def _read(values: Mapping[str, float], names: Names) -> dict[str, float]:
    ours = names.of(values, "train")
    return {ours[name]: values[name] for name in ours}


def _value(line: str) -> tuple[float, int] | None:
    """The value and the step of a line."""
    try:
        _, value, step, *_ = line.split(" ")
        return float(value), int(step)
    except ValueError:
        return None


def _by_epoch(steps: Sequence[int], found: Sequence[dict[str, float]]) -> bool:
    """Whether each step is an epoch: they come one by one, and each has a validation."""
    validated = all(any(name.startswith("val/") for name in metrics) for metrics in found)
    return validated and len(steps) > 1 and all(b - a == 1 for a, b in pairwise(steps))
