"""Checks a gate: its metric, its epoch, the baseline that it is relative to, and what it says to try."""

from __future__ import annotations

from typing import Any

from pitprop.errors import hint
from pitprop.messages import _
from pitprop.space import params
from pitprop.space.distributions import Choices, place
from pitprop.space.goals import check_metric
from pitprop.space.model import Space
from pitprop.space.points import encoded
from pitprop.space.schema.document import Document, Gate, Relative
from pitprop.space.schema.kinds import POSITIVE, Problems, take


def check_gate(gate: Gate, where: str, document: Document, space: Space, problems: Problems) -> Gate:
    """The gate, with Optuna's values in what it says to try."""
    if gate.at_least is None and gate.at_most is None and problems.fine(where):
        problems.add(where, _("has no bound; it takes at_least or at_most"))
    check_metric(gate.metric, f"{where}.metric", space.card, problems)
    if problems.fine(space.unit, f"{where}.epoch") and gate.epoch > space.epochs:
        one = _("an epoch") if space.unit == "epochs" else _("a step")
        problems.add(
            f"{where}.epoch",
            _("{epoch} is not allowed; it takes {one} of the space, 1 to {epochs}").format(
                epoch=gate.epoch, one=one, epochs=space.epochs
            ),
        )
    for key, bound in (("at_least", gate.at_least), ("at_most", gate.at_most)):
        at = f"{where}.{key}.baseline"
        if not isinstance(bound, Relative) or "baselines" in problems.keys or not problems.fine(at):
            continue
        row = document.baselines.get(bound.baseline)
        if row is None:
            problems.add(
                at,
                _("{baseline!r} is no baseline of this space{hint}").format(
                    baseline=bound.baseline, hint=hint(bound.baseline, document.baselines)
                ),
            )
        elif row.values is not None and gate.metric not in row.values and problems.fine(f"{where}.metric"):
            problems.add(
                at,
                _("{baseline} records no {metric!r}{hint}").format(
                    baseline=bound.baseline, metric=gate.metric, hint=hint(gate.metric, row.values)
                ),
            )
    change = _change(gate.change, f"{where}.try", space, problems)
    if not problems.fine(where):  # blanks in it are no gate
        return gate
    return Gate(gate.metric, gate.epoch, gate.at_least, gate.at_most, gate.action, gate.remedy, change)


def _change(given: Any, where: str, space: Space, problems: Problems) -> dict[str, Any]:
    """What a gate says to try: new values of searched parameters, or ``{times: 0.1}`` for one that is a number."""
    leaves = {leaf.name: leaf for leaf in space.leaves}
    change = params.values_of(given, where, problems, lambda name, value: name in leaves or list(value) == ["times"])
    for name, value in change.items():
        key = f"{where}.{name}"
        if name not in leaves:
            if problems.fine(place(name)):
                problems.add(key, _("is no searched parameter{hint}").format(hint=hint(name, leaves)))
        elif isinstance(value, dict) and list(value) == ["times"]:
            change[name] = {"times": take(POSITIVE, value["times"], f"{key}.times", problems)}
            if isinstance(leaves[name].domain, Choices):
                problems.add(key, _("times is not allowed: {name} is a choice; give the value to try").format(name=name))
        else:
            encoded(leaves[name], value, key, problems, inside=True)
    return change
