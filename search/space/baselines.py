"""The baselines of a space: what its trials are held against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pitprop.space import params
from pitprop.space.leaf import STOPPING, Leaf, exists
from pitprop.space.model import Baseline, Space
from pitprop.space.problems import hint
from pitprop.space.section import BOOLEAN, COUNT, NUMERIC, TEXT, Section

SOURCES = {
    "params": "to train",
    "values": "that were recorded",
    "mlflow": "the id of a run",
    "study": "a space, for the best of its study",
}
"""Where a baseline comes from."""


def read_baselines(top: Section, space: Space) -> tuple[Baseline, ...]:
    """The mapping at ``baselines``: each name with one of `SOURCES`."""
    section = top.section("baselines")
    baselines: list[Baseline] = []
    for name in section.rows:
        row = section.section(name)
        given = [source for source in SOURCES if row.get(source) is not None]
        checkpoint, samples = _checkpoint(row, baselines), row.read("samples", COUNT, None)
        row.close()
        if samples is not None and given == ["params"]:
            row.wrong("samples", "says how many samples recorded values were measured on; those of a trained baseline are known")
        if len(given) != 1:
            said = f"says {' and '.join(given)}" if given else "says nothing of it"
            section.wrong(name, f"{said}; it takes one of {', '.join(f'{key} ({what})' for key, what in SOURCES.items())}")
        elif given == ["params"]:
            baselines.append(Baseline(name, params=_tree(row.get("params"), row.place("params"), space, top)))
        else:
            baselines.append(_recorded(name, row, given[0], checkpoint, samples))
    return tuple(baselines)


def _recorded(name: str, row: Section, source: str, checkpoint: bool, samples: int | None) -> Baseline:
    """A baseline whose numbers stand in the file, or are to be looked up."""
    if source == "values":
        section = row.section("values")
        numbers = {metric: section.read(metric, NUMERIC, 0.0, required=True) for metric in section.rows}
        return Baseline(name, values=numbers, checkpoint=checkpoint, samples=samples)
    where = row.read(source, TEXT, "")
    return Baseline(name, samples=samples, run=where) if source == "mlflow" else Baseline(name, samples=samples, study=where)


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
            coded = encoded(leaves[name], value, f"{where}.{name}", top, inside=False)
            given[name] = value if hasattr(leaves[name].distribution, "choices") else coded
        elif space.card.params is not None:
            params.check(name, value, space.card.params, f"{where}.{name}", top.problems)
        elif name not in space.constants:
            top.problems.add(f"{where}.{name}", f"unknown key{hint(name, [*leaves, *space.constants])}")
    absent = [name for name, leaf in leaves.items() if name not in given and exists(leaf, given)]
    if absent:
        top.problems.add(where, f"gives no value for {', '.join(absent)}; a baseline needs one for every searched parameter")
    return params.nested({**space.constants, **given})


def encoded(leaf: Leaf, value: Any, where: str, top: Section, *, inside: bool) -> Any:
    """Optuna's value for ``value``; None, and a problem, if there is none."""
    try:
        return leaf.inside(value) if inside else leaf.encode(value)
    except ValueError as error:
        top.problems.add(where, str(error))
        return None
