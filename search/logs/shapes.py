"""Read many lines at a time that differ in their numbers only.

A log of 200 MB holds millions of lines of training, of which only means are wanted. So the second line of a shape is matched by
what the first one taught, and a run of them is taken at once, as one row that stands for all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from pitprop.logs.epochs import Row

NUMBER = "[-+.0-9A-Za-z_]+"
OTHER = re.compile(r"(?<![\w.])[-+]?(?:\d[-+.\w]*|\.\d[-+.\w]*|NaN|nan|-?Infinity|inf)(?!\w)", re.A)
KNOWN = 16
"""How many shapes are known at a time."""
Places = tuple[int | None, int | None]


class Shape:
    """What stands between the numbers of a line, and what these are, by where they stand in it: names, or places in capitals.

    A name with ``%`` before it is of a number in percent.

    ``place`` gives step and epoch for what was read of ``EPOCH``, ``STEP`` and further capitals.
    """

    def __init__(
        self, line: str, roles: Mapping[tuple[int, int], str], kind: str, place: Callable[[Mapping[str, int]], Places], merge: int
    ) -> None:
        literal, at = [], 0
        for start, end in sorted(roles):
            literal.append(_between(line[at:start]))
            at = end
        literal.append(_between(line[at:]))
        self.line = re.compile(f"({NUMBER})".join(literal))
        self.run: re.Pattern[str] | None = None
        if merge > 1 and kind == "train":
            quick = [part.replace(NUMBER, f"{NUMBER}+") for part in literal]  # possessive: what is read is not read again
            self.run = re.compile(f"(?:{f'{NUMBER}+'.join(quick)}\n){{2,{merge}}}+")
            self._each = re.compile(f"({NUMBER}+)".join(quick))
        self.roles = [role for _, role in sorted(roles.items())]
        self.kind, self._place = kind, place

    def row(self, texts: Sequence[str]) -> Row | None:
        """One line, given its numbers."""
        metrics: dict[str, float] = {}
        places: dict[str, int] = {}
        for role, text in zip(self.roles, texts, strict=True):
            try:
                if role.isupper():
                    places[role] = whole(text)
                elif role:
                    metrics[role.lstrip("%")] = float(text) / (100 if role[0] == "%" else 1)
            except ValueError:
                continue
        step, epoch = self._place(places)  # also of a line that says no more than where it is
        return Row(self.kind, metrics, step, epoch) if metrics else None

    def rows(self, run: str) -> Iterator[Row]:
        """A run of lines of training: a row for each epoch in it, with the means. ``ValueError`` if a number is none."""
        found = self._each.findall(run)
        columns = list(zip(*found, strict=True)) if len(self.roles) > 1 else [found]
        numbers = {
            role: list(map(int if role.isupper() else float, c)) for role, c in zip(self.roles, columns, strict=True) if role
        }
        epochs = numbers.get("EPOCH")
        bounds = [0, len(columns[0])]
        if epochs and epochs[0] != epochs[-1]:
            sizes = [len(list(same)) for _, same in groupby(epochs)]
            bounds = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
        for start, end in pairwise(bounds):
            means = {role: _mean(role, values[start:end]) for role, values in numbers.items() if not role.isupper()}
            metrics = {role.lstrip("%"): mean / (100 if role[0] == "%" else 1) for role, mean in means.items()}
            places = {role: int(values[end - 1]) for role, values in numbers.items() if role.isupper()}
            yield Row("train", metrics, *self._place(places), weight=end - start)


class Shapes:
    """The shapes that a reader has met, the latest first. ``merge`` is how many lines of training one row may stand for."""

    def __init__(self, merge: int) -> None:
        self.merge = merge
        self._known: list[Shape] = []
        self._all: dict[str | None, list[Shape]] = {None: self._known}

    def learn(self, shape: Shape) -> None:
        self._known[:] = [shape, *self._known[: KNOWN - 1]]

    def under(self, heading: str | None) -> None:
        """Goes over to the shapes under another heading, where the same line means something else."""
        self._known = self._all.setdefault(heading, [])

    def match(self, line: str) -> tuple[Shape, Sequence[str]] | None:
        """The shape that a line has, with its numbers."""
        for index, shape in enumerate(self._known):
            if match := shape.line.fullmatch(line):
                if index:
                    self._known.insert(0, self._known.pop(index))
                return shape, match.groups()
        return None

    def read(self, text: str, line: Callable[[str], Row | None]) -> Iterator[Row]:
        """The rows of whole lines, by ``line`` where they come alone."""
        if self.merge <= 1:
            yield from filter(None, map(line, text.splitlines()))
            return
        text, at = text.replace("\r\n", "\n").replace("\r", "\n"), 0
        while at < len(text):
            runs = (match for shape in self._known[:4] if shape.run and (match := shape.run.match(text, at)))
            if match := next(runs, None):
                try:
                    yield from next(shape for shape in self._known if shape.run is match.re).rows(match.group())
                    at = match.end()
                    continue
                except ValueError:
                    pass
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            if row := line(text[at:end]):
                yield row
            at = end + 1


def whole(text: str) -> int:
    """A whole number, which may be written as 2.0; ``ValueError`` for another."""
    try:
        return int(text)
    except ValueError:
        if not (number := float(text)).is_integer():
            raise
        return int(number)


def _mean(role: str, values: Sequence[float]) -> float:
    """As `pitprop.logs.epochs` takes it: the last learning rate, what is not finite at the end, else the mean."""
    if role == "lr" or not math.isfinite(values[-1]):
        return values[-1]
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite)


def _between(text: str) -> str:
    """A pattern for what stands between numbers that are read: there may be other ones, and more or fewer blanks."""
    parts = [re.sub(r"(?:\\[ \t])+", r"[ \\t]+", re.escape(part)) for part in OTHER.split(text)]
    return NUMBER.join(parts)
