"""The leaves of a space: searched parameters, each with an Optuna distribution, and when it exists."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pitprop.space.problems import hint, shown
from pitprop.space.section import integer, number

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


def place(leaf: Leaf) -> str:
    """Where a leaf stands in the file."""
    return leaf.name if leaf.name.startswith(STOPPING + ".") else f"params.{leaf.name}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A searched parameter.

    ``name`` is its dotted path and its name in Optuna. It exists only when each parameter in ``when`` has one of the
    values given there. ``codes`` maps JSON text to the choice it stands for: Optuna takes no lists or mappings.
    """

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    codes: Mapping[str, Any] = field(default_factory=dict)

    def decode(self, value: Any) -> Any:
        """What the trainer gets for Optuna's ``value``."""
        return self.codes.get(value, value) if isinstance(value, str) else value

    def encode(self, value: Any) -> Any:
        """What Optuna gets for the trainer's ``value``, within the distribution or not; ``ValueError`` if of another kind."""
        kind = type(self.distribution).__name__
        if kind == "CategoricalDistribution":
            return code(value)
        found = number(value) if kind == "FloatDistribution" else integer(value)
        if found is None:
            raise ValueError(f"{shown(value)} is not a {'' if kind == 'FloatDistribution' else 'whole '}number")
        return found

    def holds(self, value: Any) -> bool:
        """Whether the distribution holds Optuna's ``value``."""
        if hasattr(self.distribution, "choices"):
            return any(same(value, choice) for choice in self.distribution.choices)
        low, high, step = (getattr(self.distribution, name) for name in ("low", "high", "step"))
        steps = (value - low) / step if step else 0.0
        return bool(low <= value <= high) and abs(steps - round(steps)) < 1e-8

    def size(self) -> float:
        """How many values the distribution holds; infinity for a range without steps, and for whole numbers on a log scale."""
        if hasattr(self.distribution, "choices"):
            return len(self.distribution.choices)
        low, high, step = (getattr(self.distribution, name) for name in ("low", "high", "step"))
        return math.inf if not step or getattr(self.distribution, "log", False) else (high - low) // step + 1

    def inside(self, value: Any) -> Any:
        """`encode`, with a ``ValueError`` that says what is allowed if the distribution does not hold it."""
        found = self.encode(value)
        if self.holds(found):
            return next((choice for choice in getattr(self.distribution, "choices", ()) if same(found, choice)), found)
        if hasattr(self.distribution, "choices"):
            known = [self.decode(choice) for choice in self.distribution.choices]
            words = all(isinstance(one, str) for one in (value, *known))
            raise ValueError(f"{shown(value)} is not a choice{hint(value, known) if words else '; known: ' + shown(known)}")
        low, high, step = (getattr(self.distribution, name) for name in ("low", "high", "step"))
        raise ValueError(f"{shown(value)} is not within [{low}, {high}]" + (f" in steps of {step}" if step else ""))
