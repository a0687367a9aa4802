"""Gates and early stopping, as a space sets them; the bounds of a gate may hang on a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pitprop.detection import signatures, stopping
from pitprop.detection.detect import Bound
from pitprop.space import distributions
from pitprop.space.distributions import KINDS
from pitprop.space.leaf import STOPPING, Leaf
from pitprop.space.problems import hint
from pitprop.space.section import AMOUNT, COUNT, TEXT, Kind, Section, one_of

GOAL = one_of("maximize", "minimize")


@dataclass(frozen=True, slots=True)
class Objective:
    """What a trial is worth: ``metric`` at its ``best`` or at the ``last`` epoch, to ``maximize`` or to ``minimize``."""

    metric: str
    goal: str = "maximize"
    at: str = "best"

    @property
    def best_by(self) -> str:
        """The ``goal`` by which an epoch is the best, and counts; empty where the last one does."""
        return self.goal if self.at == "best" else ""

    @property
    def sign(self) -> int:
        """What to multiply a score by, so that higher is better: 1 or -1."""
        return stopping.sign(self.goal == "maximize")

    def best(self, values: Sequence[float]) -> int | None:
        """The index of the best of ``values``, NaN skipped and the first of equals; None if there is none."""
        return stopping.best(values, self.goal == "maximize")


@dataclass(frozen=True, slots=True)
class Relative:
    """A bound held against what the baseline reached: that, plus ``plus``."""

    baseline: str
    plus: float = 0.0


@dataclass(frozen=True, slots=True)
class Gate:
    """``metric`` at ``epoch`` has to be at least, or at most, a number; ``remedy`` says what to do where it is not.

    ``change`` says the same as new values of searched parameters, by dotted name.
    """

    metric: str
    epoch: int
    at_least: float | Relative | None = None
    at_most: float | Relative | None = None
    action: str = "prune"
    remedy: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)

    def against(self, reached: Mapping[str, Mapping[str, float]]) -> Bound | None:
        """The gate with its bounds in numbers, given each baseline's metrics; None while its baseline has not got there."""
        bounds = []
        for bound in (self.at_least, self.at_most):
            if isinstance(bound, Relative):
                value = reached.get(bound.baseline, {}).get(self.metric)
                if value is None:
                    return None
                bound = value + bound.plus
            bounds.append(bound)
        return Bound(self.metric, self.epoch, bounds[0], bounds[1], self.action, self.remedy, self.change)


def read_metric(section: Section, name: str, default: str | None, reports: Sequence[str] | None) -> str:
    """The metric at ``name``, one that the trainer reports; required where there is no default."""
    metric = section.read(name, TEXT, default or "", required=default is None)
    if metric and reports is not None and not signatures.gives(metric, reports):
        section.wrong(name, f"{metric!r} is not reported by the trainer{hint(metric, reports)}")
    return metric


def read_objective(top: Section, reports: Sequence[str] | None) -> Objective:
    """The mapping at ``objective``."""
    section = top.section("objective")
    metric = read_metric(section, "metric", None, reports)
    goal, at = section.read("goal", GOAL, "maximize"), section.read("at", one_of("best", "last"), "best")
    section.close()
    return Objective(metric, goal, at)


def read_early_stopping(
    top: Section, objective: Objective, reports: Sequence[str] | None
) -> tuple[dict[str, Any] | None, list[Leaf]]:
    """The constants of early stopping, None if there is none of it, and the leaves that a space searches of it."""
    if top.get(STOPPING) is None or top.get(STOPPING) is False:
        return None, []
    section = top.section(STOPPING)
    leaves, constants = [], dict[str, Any]()
    fields: tuple[tuple[str, Kind[Any], float], ...] = (("patience", COUNT, 1), ("min_delta", AMOUNT, 0.0))
    for name, kind, default in fields:
        value = section.get(name)
        if isinstance(value, dict):
            leaf = distributions.read(f"{STOPPING}.{name}", value, section.place(name), section.problems)
            leaves += [leaf] if leaf and _sensible(section, leaf, name) else []
        else:
            constants[name] = section.read(name, kind, default, required=name == "patience")
    constants["metric"] = read_metric(section, "metric", objective.metric, reports)
    own = constants["metric"] == objective.metric
    goal = section.read("goal", GOAL, objective.goal, required=not own)
    constants["maximize"] = goal == "maximize"
    section.close()
    return constants, leaves


def _sensible(section: Section, leaf: Leaf, name: str) -> bool:
    """Whether every value of the leaf is one that early stopping takes."""
    values = getattr(leaf.distribution, "choices", None) or (getattr(leaf.distribution, "low", None),)
    kind: Kind[Any] = COUNT if name == "patience" else AMOUNT
    whole = name != "patience" or type(leaf.distribution).__name__ != "FloatDistribution"
    if whole and all(kind.parse(value) is not None for value in values):
        return True
    section.wrong(
        name, f"every value must be {kind.wanted}, not {', '.join(str(value) for value in values)}; use {KINDS[1]} or choice"
    )
    return False
