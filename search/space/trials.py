"""The trials that a space sets itself: baselines and points; and the constraints that every other trial has to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from search.space import expressions, params
from search.space.expressions import Constraint
from search.space.leaf import STOPPING, Leaf, exists
from search.space.model import Baseline, Space
from search.space.problems import hint, shown
from search.space.section import BOOLEAN, NUMERIC, Section


def read_baselines(top: Section, space: Space) -> tuple[Baseline, ...]:
    """The mapping at ``baselines``: each name with ``params`` to train, or with recorded ``values``."""
    section = top.section("baselines")
    baselines: list[Baseline] = []
    for name in section.rows:
        row = section.section(name)
        given, recorded = row.get("params"), row.section("values")
        checkpoint = _checkpoint(row, baselines)
        row.close()
        if (given is None) == (row.get("values") is None):
            section.wrong(name, "takes either params to train, or values that were recorded")
        elif given is None:
            numbers = {metric: recorded.read(metric, NUMERIC, 0.0, required=True) for metric in recorded.rows}
            baselines.append(Baseline(name, values=numbers, checkpoint=checkpoint))
        else:
            baselines.append(Baseline(name, params=_tree(given, row.place("params"), space, top)))
    return tuple(baselines)


def _checkpoint(row: Section, before: Iterable[Baseline]) -> bool:
    """Whether trainings start from this baseline; a problem if it has no values, or if they start from one before it."""
    if not row.read("checkpoint", BOOLEAN, False):
        return False
    taken = next((baseline.name for baseline in before if baseline.checkpoint), None)
    if taken is not None:
        row.wrong("checkpoint", f"is said of {taken!r} already; trainings start from one checkpoint at most")
    elif not row.get("values"):
        row.wrong("checkpoint", "needs values, what the checkpoint scored, such as {val/macro_f1: 0.62}")
    return True


def _tree(rows: Any, where: str, space: Space, top: Section) -> dict[str, Any]:
    """A baseline's whole tree: the space's constants, and what the baseline says."""
    leaves = {leaf.name: leaf for leaf in space.leaves if not leaf.name.startswith(STOPPING + ".")}
    given = params.values_of(rows, where, top.problems, lambda name, _: name in leaves)
    for name, value in given.items():
        if name in leaves:
            coded = _encoded(leaves[name], value, f"{where}.{name}", top, inside=False)
            given[name] = value if hasattr(leaves[name].distribution, "choices") else coded
        elif space.card.params is not None:
            params.check(name, value, space.card.params, f"{where}.{name}", top.problems)
        elif name not in space.constants:
            top.problems.add(f"{where}.{name}", f"unknown key{hint(name, [*leaves, *space.constants])}")
    absent = [name for name, leaf in leaves.items() if name not in given and exists(leaf, given)]
    if absent:
        top.problems.add(where, f"gives no value for {', '.join(absent)}; a baseline needs one for every searched parameter")
    return params.nested({**space.constants, **given})


def read_points(top: Section, space: Space) -> tuple[Mapping[str, Any], ...]:
    """The list at ``points``: Optuna's values by leaf, each mapping for a trial, the sampler choosing what it leaves out."""
    leaves = {leaf.name: leaf for leaf in space.leaves}
    points = []
    for where, rows in top.entries("points"):
        given = params.values_of(rows, where, top.problems, lambda name, _: name in leaves)
        point: dict[str, Any] = {}
        for name, value in given.items():
            if name in leaves:
                point[name] = _encoded(leaves[name], value, f"{where}.{name}", top, inside=True)
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


def _encoded(leaf: Leaf, value: Any, where: str, top: Section, *, inside: bool) -> Any:
    """Optuna's value for ``value``; None, and a problem, if there is none."""
    try:
        return leaf.inside(value) if inside else leaf.encode(value)
    except ValueError as error:
        top.problems.add(where, str(error))
        return None


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
