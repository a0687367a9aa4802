"""Reading a mapping of the file key by key; what is wrong is noted, and the default taken, so that reading goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pitprop.space.document import NUMBER
from pitprop.space.problems import Problems, hint, shown

T = TypeVar("T")
D = TypeVar("D")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*[smhd]\s*)+")


def number(value: Any) -> float | None:
    """``value`` as a finite float, text such as ``1e-5`` included; None if it is none. A bool is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        return None
    return float(value) if math.isfinite(float(value)) else None


def integer(value: Any) -> int | None:
    """``value`` as an int; None if it is not whole."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    real = number(value)
    return int(real) if real is not None and real.is_integer() and abs(real) < 2**63 else None


def seconds(value: Any) -> float | None:
    """A time in seconds: a number, or text such as ``90s``, ``3m`` or ``1h30m``."""
    if isinstance(value, str) and SPAN.fullmatch(value.strip()):
        return sum(float(count) * UNITS[unit] for count, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", value))
    return number(value)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value: in words, and as a function that gives None for everything else."""

    wanted: str
    parse: Callable[[Any], T | None]
    words: tuple[str, ...] = ()


def bounded(parse: Callable[[Any], T | None], fits: Callable[[T], bool], wanted: str) -> Kind[T]:
    """The kind of what ``parse`` reads and ``fits`` accepts."""

    def narrow(value: Any) -> T | None:
        found = parse(value)
        return found if found is not None and fits(found) else None

    return Kind(wanted, narrow)


def one_of(*words: str) -> Kind[str]:
    """The kind of a word out of ``words``."""
    wanted = "one of " + ", ".join(words)
    return Kind(wanted, lambda value: value if isinstance(value, str) and value in words else None, words)


BOOLEAN: Kind[bool] = Kind("true or false", lambda value: value if isinstance(value, bool) else None)
TEXT: Kind[str] = Kind("text", lambda value: value if isinstance(value, str) and value.strip() else None)
NUMERIC = Kind("a number", number)
POSITIVE = bounded(number, lambda value: value > 0, "a number above 0")
AMOUNT = bounded(number, lambda value: value >= 0, "a number of at least 0")
SHARE = bounded(number, lambda value: 0 <= value <= 1, "a share of the budget, 0 to 1")
COUNT = bounded(integer, lambda value: value >= 1, "a whole number of at least 1")
NATURAL = bounded(integer, lambda value: value >= 0, "a whole number of at least 0")
TIME = bounded(
    seconds, lambda value: value > 0 and math.isfinite(value), "a time above 0 such as 90s, 3m, 2h or a number of seconds"
)


class Section:
    """One mapping of the file. A key that nobody asked for is unknown (`close`)."""

    def __init__(self, rows: Any, key: str, problems: Problems) -> None:
        self.key, self.problems, self._asked = key, problems, dict[str, None]()
        self.rows: Mapping[str, Any] = rows if isinstance(rows, dict) else {}
        if rows is not None and not isinstance(rows, dict):
            problems.add(key, f"must be a mapping, not {shown(rows)}")

    def place(self, name: str) -> str:
        """Where ``name`` stands in the file, such as ``resources.gpus``."""
        return f"{self.key}.{name}" if self.key else name

    def wrong(self, name: str, text: str) -> None:
        """Notes a problem of ``name``."""
        self.problems.add(self.place(name), text)

    def get(self, name: str) -> Any:
        """The value as it stands, None if absent."""
        self._asked[name] = None
        return self.rows.get(name)

    def read(self, name: str, kind: Kind[T], default: D, *, required: bool = False) -> T | D:
        """The value as ``kind`` reads it; ``default`` where it is absent, null or wrong."""
        value = self.get(name)
        if value is None:
            if required:
                self.wrong(name, f"is missing; it takes {kind.wanted}")
            return default
        found = kind.parse(value)
        if found is None:
            near = hint(value, kind.words) if isinstance(value, str) and kind.words else ""
            meant = near if "did you mean" in near else f"; it takes {kind.wanted}"
            self.wrong(name, f"{shown(value)} is not allowed{meant}")
            return default
        return found

    def section(self, name: str) -> Section:
        """The mapping at ``name``; an empty one if absent or wrong."""
        return Section(self.get(name), self.place(name), self.problems)

    def sections(self, name: str) -> Iterator[Section]:
        """The mappings in the list at ``name``."""
        for place, item in self.entries(name):
            yield Section({} if item is None else item, place, self.problems)

    def entries(self, name: str) -> Iterator[tuple[str, Any]]:
        """The places and values of the list at ``name``; nothing if absent or wrong."""
        value = self.get(name)
        if value is not None and not isinstance(value, list):
            self.wrong(name, f"must be a list, not {shown(value)}")
        elif value is not None:
            yield from ((f"{self.place(name)}[{index}]", item) for index, item in enumerate(value))

    def close(self) -> None:
        """Notes the keys that nobody asked for."""
        for name in self.rows:
            if name not in self._asked:
                self.wrong(name, f"unknown key{hint(name, self._asked)}")
