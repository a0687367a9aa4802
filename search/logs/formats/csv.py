"""Tables with a header: Lightning's sparse metrics.csv, Keras' CSVLogger, Stable-Baselines3's progress.csv and monitor.csv."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.lines import decoding, languages
from pitprop.logs.names import SIDES, Names, bare, column, tells
from pitprop.logs.shapes import Shape, Shapes

JUDGED = (
    "Ultralytics' results.csv: `val/map50_95`. Stable-Baselines3: `rollout/ep_rew_mean`, the return. A table of nothing but the "
    "losses of a GAN has no objective: only NaN tells."
)
TRAITS = Traits(Unit.LINES, {"metrics.csv": 0, "*.csv": 3}, single=True, exact=True, judged=JUDGED)
EPOCHS = ("epoch", "epochs", "ep")
STEPS = (
    *("step", "iter", "iteration", "global_step", "trainer/global_step", "total_timesteps", "time/total_timesteps", "timesteps"),
    *("_step", "steps", "iters", "iterations", "update", "updates", "round", "batch", "batch_idx", "time/iterations"),
    *("frame", "frames", "total_steps", "env_steps", "num_timesteps", "timestep", "episode", "episodes", "generation"),
)
"""Columns that say where a row stands, the best first."""
MONITOR = ("r", "l", "t")
"""Stable-Baselines3's monitor.csv: reward, length and time of an episode."""
FOLD = ("fold", "cv_fold", "fold_id", "kfold")
"""Columns that say of which fold of a cross-validation a row is."""
FOLDED = 1 << 26
"""Bytes of a file that is looked through for folds."""
EPISODES = 100
"""Episodes over which Stable-Baselines3 takes the mean."""


def recognises(head: bytes, path: Path) -> bool:
    if b"\0" in head:
        return False
    lines = [line for line in head.decode("utf-8", "replace").split("\n") if line.strip() and not line.startswith("#")]
    if not lines or (len(lines) == 1 and not head.endswith(b"\n")):
        return False
    header, decimal = _names(lines[0].strip()), _delimiter(lines[0]) == ";"
    if (
        len(header) < 2
        or any(map(_is_number, header))
        or any(mark in lines[0] for mark in ("{", "__MIN"))
        or max(map(len, header)) > 80
    ):
        return False
    if any(name.lower() in (*EPOCHS, *STEPS) for name in header) or tuple(header[:3]) == MONITOR:
        return True
    rows = [_cells(line.strip(), _delimiter(lines[0])) for line in lines[1:3]]
    numbers = bool(rows) and all(len(row) == len(header) and _is_number(row[-1] or row[0], decimal) for row in rows)
    return numbers and sum(map(tells, header)) > 1


def trainings(path: Path) -> Sequence[str]:
    """The folds of a cross-validation, where a column of that name tells them apart."""
    first, *lines = decoding.whole(path).decode("utf-8", "replace").splitlines() if path.stat().st_size < FOLDED else [""]
    header = [name.strip().lower() for name in _cells(first, _delimiter(first))]
    at = next((header.index(name) for name in FOLD if name in header), None)
    if at is None:
        return ()
    rows = (_cells(line, _delimiter(first)) for line in lines)
    told = Counter(row[at].strip() for row in rows if len(row) > at)
    found = [f"fold {name}" for name, count in told.items() if name and count > 1]
    return found if len(found) > 1 else ()


class Reader:
    """Each row gives what is filled in. A column is of validation by its name (``valid_loss``, ``val_accuracy``).

    A row that fills columns of both sides is an epoch, as Keras writes it; so is one of a table without a place, or with a first
    column without a name, as pandas writes it. One of validation without an epoch, where there is a column for it, is a batch:
    its step counts within the validation. Columns of a test are left out where some are of validation. Of monitor.csv the mean
    reward of the last hundred episodes is read. A column ``fold`` tells the folds of a cross-validation apart.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._shapes = names, Shapes(merge)
        self._header: list[str] = []
        self._epoch: int | None = None
        self._step: int | None = None
        self._train: list[tuple[int, str]] = []
        self._mean: list[tuple[int, str]] = []
        self._val: list[tuple[int, str]] = []
        self._episodes: deque[float] | None = None
        self._count = 0
        self._only, self._fold = "", 0

    def only(self, name: str) -> None:
        """Reads one fold of a cross-validation."""
        self._only = name.removeprefix("fold ")

    def feed(self, data: bytes) -> Iterator[Row]:
        text = data.decode("utf-8", "replace")
        while not self._header and text:
            line, _, text = text.partition("\n")
            if line.strip() and not line.startswith("#"):
                self._begin(line)
        yield from self._shapes.read(text, self._line)

    def _line(self, line: str) -> Row | None:
        cells = _cells(line, self._delimiter)
        if len(cells) < len(self._header) or cells == self._header:
            return None  # torn, or no table; or appended by a second run
        if self._only and cells[self._fold].strip() != self._only:
            return None
        row = self._episode(cells) if self._episodes is not None else self._row(cells)
        if row and row.kind == "train" and self._shapes.merge > 1 and '"' not in line and self._step is not None:
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
        self._header = _names(line)
        lower = [name.lower() for name in self._header]
        self._episodes = deque(maxlen=EPISODES) if tuple(lower[:3]) == MONITOR else None
        self._epoch = next((lower.index(name) for name in EPOCHS if name in lower), None)
        self._step = next((lower.index(name) for name in STEPS if name in lower), None)
        if self._epoch is None and self._step is None and not lower[0]:
            self._epoch = 0  # pandas' index
        self._fold = next((lower.index(name) for name in FOLD if name in lower), 0)
        places = {self._epoch, self._step}
        validates = any(_side(name) == "val" and "test" not in name for name in lower)
        for index, ours in self._columns(places).items():
            name = lower[index]
            val = _side(name) == "val"
            if val and validates and "test" in name:
                continue
            mean = name.endswith("_epoch") and name.removesuffix("_epoch") + "_step" in lower
            (self._val if val or ours.startswith("val/") else self._mean if mean else self._train).append((index, ours))

    def _columns(self, places: Collection[int | None]) -> dict[int, str]:
        """What the columns are of, but those of places. Lightning's of a step and of an epoch are two that are one reading."""
        groups: dict[tuple[bool, str], dict[int, str]] = {}
        loose = bare(self._header)
        for index, name in enumerate(self._header):
            ending = next((end for end in ("_step", "_epoch") if name.endswith(end)), "")
            if index not in places:
                groups.setdefault((_side(name.lower()) == "val", ending), {})[index] = column(name)
        found: dict[int, str] = {}
        for (val, _), group in groups.items():
            ours = self._names.of(group.values(), "val" if val else "train")
            scores = self._names.of((name for name in group.values() if tells(name)), "val" if val else loose)
            found |= {index: scores.get(name, ours[name]) for index, name in group.items() if name in ours}
        return dict(sorted(found.items()))

    def _row(self, cells: Sequence[str]) -> Row | None:
        train, val = self._filled(self._train, cells), self._filled(self._val, cells)
        epoch = _whole(cells[self._epoch]) if self._epoch is not None else None
        step = _whole(cells[self._step]) if self._step is not None else None
        if val and epoch is None and self._epoch is not None:
            return Row("part", val)
        if self._mean and not (train or val):
            mean = self._filled(self._mean, cells)
            return Row("mean", mean, step, epoch) if mean else None
        if (train or val) and self._epoch is None and self._step is None:
            self._count += 1
            return Row("epoch" if val else "train", train | val, None, self._count)
        if train.keys() - {"lr"} and val:
            return Row("epoch", train | val, step, epoch)
        return Row("val" if val else "train", train | val, step, epoch) if train or val else None

    def _episode(self, cells: Sequence[str]) -> Row | None:
        """A line of monitor.csv: how far it is in steps, and the mean reward and length so far."""
        reward, length = _number(cells[0]), _whole(cells[1])
        if reward is None or length is None or self._episodes is None:
            return None
        self._episodes.append(reward)
        self._count += length
        return Row("train", {"rollout/ep_rew_mean": sum(self._episodes) / len(self._episodes)}, self._count)

    def _filled(self, columns: Sequence[tuple[int, str]], cells: Sequence[str]) -> dict[str, float]:
        decimal = self._delimiter == ";"
        found = ((name, _number(cells[index], decimal)) for index, name in columns if cells[index])
        return {name: value for name, value in found if value is not None}


def _names(line: str) -> list[str]:
    """The names of columns, in English."""
    return [languages.western(languages.english(name)).strip() for name in _cells(line.strip("\r\n "), _delimiter(line))]


def _number(text: str, decimal: bool = False) -> float | None:
    """The number in a cell: 0.5, 1,230.5, 12.5%, tensor(0.5); with ``decimal`` also 0,5. None if it holds no other."""
    try:
        return float(text)
    except ValueError:
        pass
    if match := re.fullmatch(r"\s*(?:tensor\()?\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*(%?)[^\d]*(?:, .*\))?\s*", text):
        number = match[1].replace(",", "." if decimal and match[1].count(",") == 1 else "")
        return float(number) / (100 if match[2] else 1) if _is_number(number) else None
    return None


def _whole(text: str) -> int | None:
    """The whole number in a cell, such as 3 of 3/20; None if there is none."""
    value = _number(text.split("/")[0]) if text else None
    return int(value) if value is not None and abs(value) < 1e15 else None


def _cells(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.rstrip("\r").split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # of control characters
        return []


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _place(places: Mapping[str, int]) -> tuple[int | None, int | None]:
    return places.get("STEP"), places.get("EPOCH")


def _side(name: str) -> str:
    return next((SIDES[word] for word in re.split(r"[^a-z]+", name) if word in SIDES), "train")


def _is_number(text: str, decimal: bool = False) -> bool:
    try:
        return float(text.replace(",", ".") if decimal else text) is not None
    except ValueError:
        return False
