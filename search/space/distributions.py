"""Reading distributions: a mapping with ``float``, ``int`` or ``choice`` to a leaf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pitprop.space.leaf import Leaf, code, ordered, place
from pitprop.space.problems import Problems, hint, shown
from pitprop.space.section import BOOLEAN, COUNT, POSITIVE, Kind, Section, integer, number

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

KINDS = ("float", "int", "choice")
STEPS, WIDEST = 10**9, 2**53


def read(name: str, rows: Any, where: str, problems: Problems) -> Leaf | None:
    """The leaf written as ``rows``, such as ``{float: [1e-5, 1], log: true}``; None, and problems, if it is none."""
    section = Section(rows, where, problems)
    kinds = [kind for kind in KINDS if section.get(kind) is not None]
    if len(kinds) != 1:
        near = [hint(word, KINDS) for word in section.rows if "did you mean" in hint(word, KINDS)] if not kinds else []
        what = "more than one of them here" if kinds else "none of them here"
        problems.add(where, f"a distribution is one of {', '.join(KINDS)}, {what}: {shown(rows)}{''.join(near[:1])}")
        return None
    section = Section(rows, where, problems)
    codes: dict[str, Any] = {}
    distribution = _choice(section, codes) if kinds[0] == "choice" else _range(section, kinds[0])
    when = {
        parent: tuple(value) if isinstance(value, list) else (value,) for parent, value in section.section("when").rows.items()
    }
    section.close()
    return Leaf(name, distribution, when, codes) if distribution else None


def _range(section: Section, kind: str) -> BaseDistribution | None:
    from optuna.distributions import FloatDistribution, IntDistribution

    bounds = section.get(kind)
    ends = [(number if kind == "float" else integer)(end) for end in bounds] if isinstance(bounds, list) else []
    stride: Kind[Any] = POSITIVE if kind == "float" else COUNT
    log, step = section.read("log", BOOLEAN, False), section.read("step", stride, None)
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        wanted = "numbers" if kind == "float" else "whole numbers"
        section.wrong(kind, f"{shown(bounds)} is not allowed; it takes two {wanted}, [low, high]")
        return None
    if kind == "int" and max(abs(end) for end in ends if end is not None) > WIDEST:
        section.wrong(kind, f"{shown(bounds)} is too wide; whole numbers go to 2**53")
        return None
    fault = _fault(ends[0], ends[1], log, step)
    if fault:
        section.wrong(kind, fault)
        return None
    if kind == "float":
        return FloatDistribution(ends[0], ends[1], log=log, step=step)
    return IntDistribution(int(ends[0]), int(ends[1]), log=log, step=int(step or 1))


def _fault(low: float, high: float, log: bool, step: float | None) -> str | None:
    span, stride = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step or 1))
    if low > high:
        return f"low {low} is above high {high}"
    if log and low <= 0:
        return f"low {low} must be above 0 with log: true"
    if log and step:
        return "takes either log or step, not both"
    if not math.isfinite(float(span)) or (step and span / stride > STEPS):
        return f"[{low}, {high}] is too wide" + (f" for steps of {step}" if step else "")
    if step and span % stride:
        return (
            f"high {high} is not reached from {low} in steps of {step}; the nearest below is {Decimal(str(high)) - span % stride}"
        )
    return None


def _choice(section: Section, codes: dict[str, Any]) -> BaseDistribution | None:
    from optuna.distributions import CategoricalDistribution

    values = section.get("choice")
    fault = None if isinstance(values, list) and values else f"{shown(values)} is not allowed; it takes a list of values"
    coded: list[Any] = []
    for value in values if fault is None else ():
        try:
            coded.append(code(value))
        except ValueError:
            fault = f"{shown(value)} cannot be a choice; it is not finite"
            break
        if coded[-1] in coded[:-1]:
            fault = f"{shown(value)} is given twice"
        if isinstance(value, list | dict):
            codes[coded[-1]] = value
    if fault:
        section.wrong("choice", fault)
        return None
    return CategoricalDistribution(coded)


def check_when(leaves: Sequence[Leaf], problems: Problems) -> None:
    """Notes every ``when`` that names no searched parameter, or a value which that one never has."""
    known = {leaf.name: leaf for leaf in leaves}
    unknown = False
    for leaf in leaves:
        for parent, values in leaf.when.items():
            where = f"{place(leaf)}.when.{parent}"
            if parent not in known:
                unknown = True
                problems.add(where, f"is no searched parameter{hint(parent, [name for name in known if name != leaf.name])}")
                continue
            if not values:
                problems.add(where, "names no value; it takes one, or a list of several")
            for value in values:
                try:
                    known[parent].inside(value)
                except ValueError as error:
                    problems.add(where, str(error))
    circle = [] if unknown else ordered(leaves)[1]
    if circle:
        problems.add(
            f"{place(circle[0])}.when", f"waits for itself, by way of {', '.join(leaf.name for leaf in circle[1:]) or 'itself'}"
        )
