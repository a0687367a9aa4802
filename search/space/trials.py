"""The trials that a space sets itself as points, and the constraints that every other trial has to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pitprop.space import expressions, params
from pitprop.space.baselines import encoded
from pitprop.space.expressions import Constraint
from pitprop.space.leaf import Leaf, exists
from pitprop.space.model import Space
from pitprop.space.problems import hint, shown
from pitprop.space.section import Section


def read_points(top: Section, space: Space) -> tuple[Mapping[str, Any], ...]:
    """The list at ``points``: Optuna's values by leaf, each mapping for a trial, the sampler choosing what it leaves out."""
    leaves = {leaf.name: leaf for leaf in space.leaves}
    points = []
    for where, rows in top.entries("points"):
        given = params.values_of(rows, where, top.problems, lambda name, _: name in leaves)
        point: dict[str, Any] = {}
        for name, value in given.items():
            if name in leaves:
                point[name] = encoded(leaves[name], value, f"{where}.{name}", top, inside=True)
            else:
                top.problems.add(f"{where}.{name}", f"is no searched parameter{hint(name, leaves)}")
        for name in point:
            for parent, wanted in leaves[name].when.items():
                if parent in given and not exists(leaves[name], {**_wanted(leaves[name]), parent: given[parent]}):
                    top.problems.add(
                        f"{where}.{name}", f"exists only when {parent} is {' or '.join(shown(one) for one in wanted)}"
                    )
        if not top.problems.lines:
            for broken in space.violated(point):
                top.problems.add(where, f"breaks the constraint {broken!r}")
        points.append(point)
    return tuple(points)


def _wanted(leaf: Leaf) -> dict[str, Any]:
    return {parent: values[0] for parent, values in leaf.when.items() if values}


def read_constraints(top: Section, known: Mapping[str, Any], leaves: Iterable[Leaf]) -> tuple[Constraint, ...]:
    """The list of texts at ``constraints``; one over constants alone must hold."""
    names = [*known, *(leaf.name for leaf in leaves)]
    searched = {leaf.name for leaf in leaves}
    found = []
    for where, text in top.entries("constraints"):
        if not isinstance(text, str):
            top.problems.add(where, f"{shown(text)} is not a text such as 'warmup.epochs < epochs'")
            continue
        try:
            constraint = expressions.parse(text, names)
        except ValueError as error:
            top.problems.add(where, str(error))
            continue
        found.append(constraint)
        if searched.isdisjoint(constraint.names) and (broken := constraint.violated(known)):
            top.problems.add(where, f"{broken!r} never holds, and no searched parameter is in it")
    return tuple(found)
