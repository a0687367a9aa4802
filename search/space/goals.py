"""Reads what a trial is worth: one objective, or several by name; and the facts by which the first of them is judged.

All values of a trial are those of one epoch, which the first objective chooses: the best by it, or the last. So they are those
of one model, the one whose state is kept, and a front of them can be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from pitprop.detection import signatures
from pitprop.errors import hint
from pitprop.messages import _
from pitprop.space.schema.document import GOAL, FactsRow, Objective
from pitprop.space.schema.kinds import FAILED, Problems
from pitprop.trainer import Card

BLANK = Objective(cast(str, FAILED), "maximize")
"""Stands in for an objective that is not there."""


def read_objectives(
    one: Objective | None, several: Sequence[Objective], card: Card, problems: Problems
) -> tuple[tuple[Objective, ...], str]:
    """The objectives, and where the first, which leads, stands in the file; a blank one, and a problem, if there is none."""
    first = "objectives[0]" if several else "objective"
    if one is not None and several:
        problems.add(
            "objectives", _("is not allowed beside objective; name that one first in objectives, and leave objective out")
        )
    elif one is None and not several and problems.fine("objective", "objectives") and "" not in problems.keys:
        said = _("is missing; it takes a mapping such as {metric: val/accuracy}; or give objectives, a list of several")
        problems.add("objective", said)
    elif len(several) == 1:
        problems.add("objectives", _("one is not enough; write it as objective, or name another metric that the trainer reports"))
    found = tuple(several) or (one or BLANK,)
    names = [goal.metric for goal in found]
    for place, goal in enumerate(found if found[0] is not BLANK else ()):
        where = f"objectives[{place}]" if several else "objective"
        check_metric(goal.metric, f"{where}.metric", card, problems)
        check_goal(goal.metric, goal.goal, where, problems)
        if goal.metric in names[:place] and problems.fine(where):
            problems.add(f"{where}.metric", _("{metric!r} is named twice; name each metric once").format(metric=goal.metric))
        if place and goal.at == "last" != found[0].at:
            why = _("all values of a trial are those of one epoch, which objectives[0] chooses")
            problems.add(
                f"{where}.at", _("'last' is not allowed here: {why}; write at: last there, or leave it out").format(why=why)
            )
    same = found[0].at if problems.fine("objectives") else ""
    return (found[0], *(replace(goal, at=same) if same else goal for goal in found[1:])), first


def check_metric(metric: str, where: str, card: Card, problems: Problems) -> None:
    """Notes a metric that the trainer does not report."""
    if problems.fine(where) and card.reports is not None and not signatures.gives(metric, card.reports):
        problems.add(
            where, _("{metric!r} is not reported by the trainer{hint}").format(metric=metric, hint=hint(metric, card.reports))
        )


def check_goal(metric: str, goal: str, where: str, problems: Problems) -> None:
    """Notes a direction that is neither said nor told by the metric's name."""
    if not goal and problems.fine(f"{where}.metric", f"{where}.goal"):
        problems.add(
            f"{where}.goal",
            _("is missing, and the name {metric!r} does not tell it; it takes {wanted}").format(metric=metric, wanted=GOAL.told),
        )


def check_facts(facts: FactsRow, goal: Objective, where: str, problems: Problems) -> None:
    """Notes facts that contradict each other, or that nothing could be judged by."""
    known = {goal.metric: goal.range, "val/loss": None, "train/loss": None}
    for metric, level in facts.chance.items():
        key = f"facts.chance.{metric}"
        low, high = known.get(metric) or (level, level)
        if metric not in known and problems.fine(f"{where}.metric"):
            problems.add(
                key, _("is not judged by; it takes the objective, val/loss and train/loss{hint}").format(hint=hint(metric, known))
            )
        elif not low <= level <= high:
            problems.add(
                key,
                _("{level:g} lies outside of {where}.range, {low:g} to {high:g}").format(
                    level=level, where=where, low=low, high=high
                ),
            )
    given = [name for name in ("classes", "class_counts", "vocabulary") if getattr(facts, name)]
    if len(given) > 1:
        problems.add(
            f"facts.{given[1]}", _("is not allowed beside {given}; one of them says how many there are").format(given=given[0])
        )
    filled = sum(count > 0 for count in facts.class_counts.values())
    if facts.class_counts and filled < 2 and problems.fine("facts.class_counts"):
        problems.add(
            "facts.class_counts",
            _("{filled} class with samples is not enough; it takes counts of two classes or more").format(filled=filled),
        )


def check_drops(drops: Sequence[float], budget: int, problems: Problems) -> None:
    """Notes drops of the learning rate after the budget, or of which some are shares of it and others are not."""
    shares, counts = [one for one in drops if 0 < one < 1], [one for one in drops if one >= 1]
    late = [one for one in counts if one > budget]
    if not problems.fine("facts.drops", "epochs", "steps"):
        return
    if shares and counts:
        said = _("{share:g} is a share of the budget, and {other:g} counts what the budget does; write all of them alike")
        problems.add("facts.drops", said.format(share=shares[0], other=counts[0]))
    elif late:
        said = _("{drop:g} comes after the budget of {budget}; leave it out, or correct it")
        problems.add("facts.drops", said.format(drop=late[0], budget=budget))
