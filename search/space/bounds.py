"""The gates of a space: a bound, against which baseline, and what to try where it is missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitprop.space import params
from pitprop.space.baselines import encoded
from pitprop.space.judging import ACTION
from pitprop.space.model import Space
from pitprop.space.problems import hint
from pitprop.space.section import COUNT, NUMERIC, POSITIVE, TEXT, Kind, Section, number
from pitprop.space.stops import Gate, Relative, read_metric


def read_gates(top: Section, space: Space, recorded: Mapping[str, Mapping[str, float] | None]) -> tuple[Gate, ...]:
    """The gates; ``recorded`` are the baselines, with their numbers where they are not trained."""
    found = []
    inside = Kind(
        f"an epoch of the space, 1 to {space.epochs}",
        lambda value: value if COUNT.parse(value) and value <= space.epochs else None,
    )
    for section in top.sections("gates"):
        metric = read_metric(section, "metric", None, space.card.reports)
        epoch = section.read("epoch", inside, 1, required=True)
        least, most = (_bound(section, name, metric, recorded) for name in ("at_least", "at_most"))
        if "at_least" not in section.rows and "at_most" not in section.rows:
            section.problems.add(section.key, "has no bound; it takes at_least or at_most")
        action, remedy = section.read("action", ACTION, "prune"), section.read("remedy", TEXT, "")
        change = _change(section, space)
        section.close()
        found.append(Gate(metric, epoch, least, most, action, remedy, change))
    return tuple(found)


def _bound(
    section: Section, name: str, metric: str, recorded: Mapping[str, Mapping[str, float] | None]
) -> float | Relative | None:
    value = section.get(name)
    if not isinstance(value, dict):
        return section.read(name, Kind("a number, or a baseline such as {baseline: b, plus: -0.02}", number), None)
    relative = section.section(name)
    baseline, plus = relative.read("baseline", TEXT, "", required=True), relative.read("plus", NUMERIC, 0.0)
    relative.close()
    if baseline and baseline not in recorded:
        relative.wrong("baseline", f"{baseline!r} is no baseline of this space{hint(baseline, recorded)}")
    numbers = recorded.get(baseline)
    if numbers is not None and metric not in numbers:
        relative.wrong("baseline", f"{baseline} records no {metric!r}{hint(metric, numbers)}")
    return Relative(baseline, plus)


def _change(section: Section, space: Space) -> dict[str, Any]:
    """The mapping at ``try``: new values of searched parameters, or ``{times: 0.1}`` for one that is a number."""
    if section.get("try") is None:
        return {}
    leaves, place = {leaf.name: leaf for leaf in space.leaves}, section.place("try")

    def whole(name: str, value: Any) -> bool:
        return name in leaves or list(value) == ["times"]

    change = params.values_of(section.get("try"), place, section.problems, whole)
    for name, value in change.items():
        if name not in leaves:
            section.problems.add(f"{place}.{name}", f"is no searched parameter{hint(name, leaves)}")
        elif isinstance(value, dict) and list(value) == ["times"]:
            numeric = not hasattr(leaves[name].distribution, "choices")
            change[name] = {"times": Section(value, f"{place}.{name}", section.problems).read("times", POSITIVE, 1.0)}
            if not numeric:
                section.problems.add(f"{place}.{name}", f"times is not allowed: {name} is a choice; give the value to try")
        else:
            encoded(leaves[name], value, f"{place}.{name}", section, inside=True)
    return change
