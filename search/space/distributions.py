"""Searched parameters, each with its values, and the reading of ``{float: [1e-5, 1], log: true}`` and its like."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pitprop.errors import hint, nearest, shown
from pitprop.messages import N_, _
from pitprop.space.schema.kinds import MAPPING, NUMERIC, Boolean, Count, Kind, Positive, Problems, integer, number, read
from pydantic import Field
from pydantic.dataclasses import dataclass as read_dataclass

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

STOPPING = "early_stopping"
"""The section whose leaves stand beside ``params``."""


def code(value: Any) -> Any:
    """A choice as Optuna takes it: as it is, or JSON text for a list or mapping; ``ValueError`` if it is not finite."""
    text = json.dumps(value, allow_nan=False)
    return text if isinstance(value, list | dict) else value


def same(one: Any, other: Any) -> bool:
    """Whether two choices are equal; unlike ``==``, true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def exists(leaf: Leaf, values: Mapping[str, Any]) -> bool:
    """Whether the leaf exists beside the trainer's ``values`` of those it depends on."""
    return all(parent in values and any(same(values[parent], one) for one in wanted) for parent, wanted in leaf.when.items())


def ordered(leaves: Iterable[Leaf]) -> tuple[list[Leaf], list[Leaf]]:
    """The leaves with those they depend on first, otherwise as they came; and those that depend on themselves."""
    done: list[Leaf] = []
    waiting = list(leaves)
    names: set[str] = set()
    while ready := [leaf for leaf in waiting if names.issuperset(leaf.when)]:
        done.append(ready[0])
        waiting.remove(ready[0])
        names.add(ready[0].name)
    return done, waiting


def place(name: str) -> str:
    """Where the searched parameter ``name`` stands in the file."""
    return name if name.startswith(STOPPING + ".") else f"params.{name}"


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``low`` to ``high``, both included: whole ones, with a ``step``, if the kind is "int", else "float"."""

    kind: str
    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def count(self) -> float:
        """How many numbers there are."""
        return (self.high - self.low) / self.step + 1 if self.step else math.inf

    def values(self) -> list[Any]:
        """All of them; none if there is no end of them."""
        return [self.low + index * self.step for index in range(round(self.count))] if self.step else []


@dataclass(frozen=True, slots=True)
class Choices:
    """Values as Optuna takes them (`code`)."""

    choices: tuple[Any, ...]
    kind = "categorical"

    @property
    def count(self) -> float:
        """How many there are."""
        return len(self.choices)

    def values(self) -> list[Any]:
        """All of them."""
        return list(self.choices)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A searched parameter.

    ``name`` is its dotted path and its name in Optuna. It exists only when each parameter in ``when`` has one of the
    values given there. ``codes`` maps JSON text to the choice it stands for: Optuna takes no lists or mappings.
    """

    name: str
    domain: Range | Choices
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    codes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def distribution(self) -> BaseDistribution:
        """The values as an Optuna distribution; Optuna takes a third of a second to import."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        one = self.domain
        if isinstance(one, Choices):
            return CategoricalDistribution(one.choices)
        if one.kind == "float":
            return FloatDistribution(one.low, one.high, log=one.log, step=one.step)
        return IntDistribution(int(one.low), int(one.high), log=one.log, step=int(one.step or 1))

    def decode(self, value: Any) -> Any:
        """What the trainer gets for Optuna's ``value``."""
        return self.codes.get(value, value) if isinstance(value, str) else self._stepped(value)

    def _stepped(self, value: Any) -> Any:
        """The decimal number that a step leads to: Optuna's 0.1 + 2 * 0.1 is 0.30000000000000004, which is no 0.3 to `exists`."""
        if isinstance(self.domain, Choices) or not isinstance(value, float) or not isinstance(step := self.domain.step, float):
            return value
        low = Decimal(str(self.domain.low))
        steps = (value - float(low)) / step
        return float(low + round(steps) * Decimal(str(step))) if abs(steps - round(steps)) < 1e-8 else value

    def encode(self, value: Any) -> Any:
        """What Optuna gets for the trainer's ``value``, within the distribution or not; ``ValueError`` if of another kind."""
        if isinstance(self.domain, Choices):
            return code(value)
        found = number(value) if self.domain.kind == "float" else integer(value)
        if found is None:
            text = _("{value} is not a number") if self.domain.kind == "float" else _("{value} is not a whole number")
            raise ValueError(text.format(value=shown(value)))
        return self._stepped(found)

    def holds(self, value: Any) -> bool:
        """Whether the distribution holds Optuna's ``value``."""
        one = self.domain
        if isinstance(one, Choices):
            return any(same(value, choice) for choice in one.choices)
        steps = (value - one.low) / one.step if one.step else 0.0
        return bool(one.low <= value <= one.high) and abs(steps - round(steps)) < 1e-8

    def size(self) -> float:
        """How many values the distribution holds; infinity for a range without steps, and for whole numbers on a log scale."""
        one = self.domain
        if isinstance(one, Choices):
            return one.count
        return math.inf if not one.step or one.log else (one.high - one.low) // one.step + 1

    def inside(self, value: Any) -> Any:
        """`encode`, with a ``ValueError`` that says what is allowed if the distribution does not hold it."""
        found = self.encode(value)
        one = self.domain
        if self.holds(found):
            return next((choice for choice in one.choices if same(found, choice)), found) if isinstance(one, Choices) else found
        if isinstance(one, Choices):
            known = [self.decode(choice) for choice in one.choices]
            words = all(isinstance(word, str) for word in (value, *known))
            rest = hint(value, known) if words else _("; known: {names}").format(names=shown(known))
            raise ValueError(_("{value} is not a choice{hint}").format(value=shown(value), hint=rest))
        text = _("{value} is not within [{low}, {high}]")
        if one.step:
            text = _("{value} is not within [{low}, {high}] in steps of {step}")
        raise ValueError(text.format(value=shown(value), low=one.low, high=one.high, step=one.step))


def _ends(parse: Any) -> Any:
    def both(value: Any) -> tuple[Any, Any] | None:
        ends = [parse(end) for end in value] if isinstance(value, list) else []
        return None if len(ends) != 2 or None in ends else (ends[0], ends[1])

    return both


def _two(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(item), "minItems": 2, "maxItems": 2}


FLOATS = Kind(N_("two numbers, [low, high]"), _ends(number), _two(NUMERIC.json), (0.0, 1.0))
INTEGERS = Kind(N_("two whole numbers, [low, high]"), _ends(integer), _two({"type": "integer"}), (0, 1))
VALUES = Kind(
    N_("a list of values"),
    lambda value: value if isinstance(value, list) and value else None,
    {"type": "array", "minItems": 1},
    [],
)


@read_dataclass(frozen=True, config=MAPPING)
class Float:
    """A number out of a range."""

    ends: Annotated[tuple[float, float], FLOATS] = Field(alias="float")
    """[low, high], both included."""
    log: Boolean = False
    """Whether to draw on a logarithmic scale."""
    step: Positive | None = None
    """Only low, low + step, and so on."""
    when: dict[str, Any] = Field(default_factory=dict)
    """The parameter exists only where these others have these values: a value or a list of values for each name."""


@read_dataclass(frozen=True, config=MAPPING)
class Int:
    """A whole number out of a range."""

    ends: Annotated[tuple[int, int], INTEGERS] = Field(alias="int")
    """[low, high], both included."""
    log: Boolean = False
    """Whether to draw on a logarithmic scale."""
    step: Count | None = None
    """Only low, low + step, and so on."""
    when: dict[str, Any] = Field(default_factory=dict)
    """The parameter exists only where these others have these values: a value or a list of values for each name."""


@read_dataclass(frozen=True, config=MAPPING)
class Choice:
    """One value out of a list."""

    values: Annotated[list[Any], VALUES] = Field(alias="choice")
    """The values: numbers, text, true, false, null, lists or mappings."""
    when: dict[str, Any] = Field(default_factory=dict)
    """The parameter exists only where these others have these values: a value or a list of values for each name."""


KINDS: Mapping[str, type[Float | Int | Choice]] = {"float": Float, "int": Int, "choice": Choice}
STEPS, WIDEST = 10**9, 2**53


def read_leaf(name: str, rows: Mapping[str, Any], where: str, problems: Problems) -> Leaf | None:
    """The leaf written as ``rows``; None, and problems, if it is none."""
    kinds = [kind for kind in KINDS if rows.get(kind) is not None]
    if len(kinds) != 1:
        near = [hint(word, KINDS) for word in rows if nearest(word, KINDS) is not None] if not kinds else []
        what = _("more than one of them here") if kinds else _("none of them here")
        problems.add(
            where,
            _("a distribution is one of {kinds}, {what}: {rows}{near}").format(
                kinds=", ".join(KINDS), what=what, rows=shown(rows), near="".join(near[:1])
            ),
        )
        return None
    row = read(KINDS[kinds[0]], rows, where, problems)
    if not problems.fine(where):
        return None
    codes: dict[str, Any] = {}
    try:
        domain = _choice(row, codes) if isinstance(row, Choice) else _range(row, rows[kinds[0]])
    except ValueError as error:
        problems.add(f"{where}.{kinds[0]}", str(error))
        return None
    when = {parent: tuple(value) if isinstance(value, list) else (value,) for parent, value in row.when.items()}
    return Leaf(name, domain, when, codes)


def _range(row: Float | Int, written: Any) -> Range:
    low, high = row.ends
    if isinstance(row, Int) and max(abs(low), abs(high)) > WIDEST:
        raise ValueError(_("{value} is too wide; whole numbers go to 2**53").format(value=shown(written)))
    if fault := _fault(low, high, row.log, row.step):
        raise ValueError(fault)
    if isinstance(row, Int):
        return Range("int", *row.ends, row.log, row.step or 1)
    return Range("float", float(low), float(high), row.log, None if row.step is None else float(row.step))


def _fault(low: float, high: float, log: bool, step: float | None) -> str | None:
    span, stride = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step or 1))
    if low > high:
        return _("low {low} is above high {high}").format(low=low, high=high)
    if log and low <= 0:
        return _("low {low} must be above 0 with log: true").format(low=low)
    if log and step:
        return _("takes either log or step, not both")
    if not math.isfinite(float(span)) or (step and span / stride > STEPS):
        text = _("[{low}, {high}] is too wide for steps of {step}") if step else _("[{low}, {high}] is too wide")
        return text.format(low=low, high=high, step=step)
    if step and span % stride:
        text = _("high {high} is not reached from {low} in steps of {step}; the nearest below is {below}")
        return text.format(high=high, low=low, step=step, below=Decimal(str(high)) - span % stride)
    return None


def _choice(row: Choice, codes: dict[str, Any]) -> Choices:
    coded: list[Any] = []
    for value in row.values:
        try:
            coded.append(code(value))
        except ValueError as error:
            raise ValueError(_("{value} cannot be a choice; it is not finite").format(value=shown(value))) from error
        if coded[-1] in coded[:-1]:
            raise ValueError(_("{value} is given twice").format(value=shown(value)))
        if isinstance(value, list | dict):
            codes[coded[-1]] = value
    return Choices(tuple(coded))


def check_when(leaves: Sequence[Leaf], problems: Problems) -> None:
    """Notes every ``when`` that names no searched parameter, or a value which that one never has."""
    known = {leaf.name: leaf for leaf in leaves}
    unknown = False
    for leaf in leaves:
        for parent, values in leaf.when.items():
            where = f"{place(leaf.name)}.when.{parent}"
            if parent not in known:
                unknown = True
                if not problems.fine(place(parent)):
                    continue
                problems.add(
                    where,
                    _("is no searched parameter{hint}").format(hint=hint(parent, [name for name in known if name != leaf.name])),
                )
                continue
            if not values:
                problems.add(where, _("names no value; it takes one, or a list of several"))
            for value in values:
                try:
                    known[parent].inside(value)
                except ValueError as error:
                    problems.add(where, str(error))
    circle = [] if unknown else ordered(leaves)[1]
    if circle:
        problems.add(
            f"{place(circle[0].name)}.when",
            _("waits for itself, by way of {value}").format(value=", ".join(leaf.name for leaf in circle[1:]) or _("itself")),
        )
