"""The trials that a space writes down, points within it and baselines, and those that it allows, where these can be listed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pitprop.errors import hint, shown
from pitprop.messages import N_, _
from pitprop.seeds import keyed
from pitprop.space import params
from pitprop.space.distributions import STOPPING, Choices, Leaf, exists, place
from pitprop.space.model import Baseline, Space
from pitprop.space.schema.document import BaselineRow
from pitprop.space.schema.kinds import Problems

SOURCES = {
    "params": N_("to train"),
    "values": N_("that were recorded"),
    "mlflow": N_("the id of a run"),
    "study": N_("a space, for the best of its study"),
}
"""Where a baseline comes from."""
LISTED = 10_000
"""Up to so many different trials a space is listed: a grid is walked in that list, and its end is known."""


def point(rows: Any, where: str, space: Space, problems: Problems) -> Mapping[str, Any]:
    """A trial that the space sets itself: Optuna's values by leaf."""
    leaves = {leaf.name: leaf for leaf in space.leaves}
    given = params.values_of(rows, where, problems, lambda name, _: name in leaves)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in leaves:
            found[name] = encoded(leaves[name], value, f"{where}.{name}", problems, inside=True)
        elif problems.fine(place(name)):
            problems.add(f"{where}.{name}", _("is no searched parameter{hint}").format(hint=hint(name, leaves)))
    for name in found:
        others = {parent: values[0] for parent, values in leaves[name].when.items() if values}
        for parent, wanted in leaves[name].when.items():
            if parent in given and problems.fine(place(name)) and not exists(leaves[name], {**others, parent: given[parent]}):
                allowed = " or ".join(shown(one) for one in wanted)
                problems.add(
                    f"{where}.{name}", _("exists only when {parent} is {allowed}").format(parent=parent, allowed=allowed)
                )
    if problems.fine(where):
        for broken in space.violated(found):
            problems.add(where, _("breaks the constraint {broken!r}").format(broken=broken))
    return found


def encoded(leaf: Leaf, value: Any, where: str, problems: Problems, *, inside: bool) -> Any:
    """Optuna's value for ``value``; None, and a problem, if there is none."""
    try:
        return leaf.inside(value) if inside else leaf.encode(value)
    except ValueError as error:
        problems.add(where, str(error))
        return None


def baselines(rows: Mapping[str, BaselineRow], space: Space, problems: Problems) -> Iterator[Baseline]:
    """The baselines, each from one of `SOURCES`; trainings start from the checkpoint of one at most."""
    checkpoint = ""
    for name, row in rows.items():
        where = f"baselines.{name}"
        given = [source for source in SOURCES if getattr(row, source) is not None]
        if len(given) != 1 and (given or problems.fine(where)):
            said = _("says {given}").format(given=_(" and ").join(given)) if given else _("says nothing of its source")
            problems.add(
                where,
                _("{said}; it takes one of {names}").format(
                    said=said, names=", ".join((f"{key} ({_(what)})" for key, what in SOURCES.items()))
                ),
            )
        if row.samples is not None and given == ["params"]:
            problems.add(
                f"{where}.samples",
                _("says how many samples recorded values were measured on; those of a trained baseline are known"),
            )
        if row.checkpoint and checkpoint:
            problems.add(
                f"{where}.checkpoint",
                _("is said of {checkpoint!r} already; trainings start from one checkpoint at most").format(checkpoint=checkpoint),
            )
        elif row.checkpoint and not row.values and problems.fine(where):
            problems.add(f"{where}.checkpoint", _("needs values, what the checkpoint scored, such as {val/macro_f1: 0.62}"))
        checkpoint = name if row.checkpoint else checkpoint
        tree = _tree(row.params, f"{where}.params", space, problems) if given == ["params"] else None
        yield Baseline(name, tree, row.values, row.checkpoint, row.samples, row.mlflow, row.study)


def _tree(rows: Any, where: str, space: Space, problems: Problems) -> dict[str, Any]:
    """A baseline's whole tree: the space's constants, and what the baseline says."""
    leaves = {leaf.name: leaf for leaf in space.leaves if not leaf.name.startswith(STOPPING + ".")}
    given = params.values_of(rows, where, problems, lambda name, _: name in leaves)
    for name, value in given.items():
        if name in leaves:
            coded = encoded(leaves[name], value, f"{where}.{name}", problems, inside=False)
            given[name] = value if isinstance(leaves[name].domain, Choices) else coded
            _check_choice(leaves[name], value, f"{where}.{name}", problems)
            if isinstance(leaves[name].domain, Choices) and problems.fine(f"{where}.{name}"):
                params.check_kind(value, params.default_of(space.card.params, name), f"{where}.{name}", problems)
            continue
        if space.card.params is not None:
            params.check(name, value, space.card.params, f"{where}.{name}", problems)
        elif name not in space.constants and problems.fine("trainer", place(name)):
            problems.add(f"{where}.{name}", _("unknown key{hint}").format(hint=hint(name, [*leaves, *space.constants])))
        default = params.default_of(space.card.params, name) if space.card.params is not None else space.constants.get(name)
        if problems.fine(f"{where}.{name}") and not params.hides_distribution(value, f"{where}.{name}", problems):
            params.check_kind(value, default, f"{where}.{name}", problems)
    unsaid = [name for name in leaves if name not in given and problems.fine(f"{where}.{name}")]
    absent = [name for name in unsaid if exists(leaves[name], given)]
    if absent:
        problems.add(
            where,
            _("gives no value for {absent}; a baseline needs one for every searched parameter").format(absent=", ".join(absent)),
        )
    return params.nested({**space.constants, **given})


def _check_choice(leaf: Leaf, value: Any, where: str, problems: Problems) -> None:
    """Notes a value, outside of the choices or not, that is of another kind than all of them."""
    known = [leaf.decode(choice) for choice in getattr(leaf.domain, "choices", ())]
    kinds = dict.fromkeys(params.WORDS.get(type(choice), "null") for choice in known)
    if known and value is not None and set(kinds) != {"null"} and params.WORDS.get(type(value)) not in kinds:
        problems.add(
            where,
            _("{value} is not allowed; it takes {kinds}, as the choices {known} are").format(
                value=shown(value), kinds=_(" or ").join(_(kind) for kind in kinds), known=shown(known)
            ),
        )


def untried(space: Space, params: Iterable[Mapping[str, Any]] = ()) -> dict[str, dict[str, Any]] | None:
    """The values of all trials that the space allows but for those with ``params``, shuffled; None if too many to list."""
    total = 1.0
    for leaf in space.leaves:
        total *= leaf.domain.count
        if total > LISTED:
            return None
    found = list(_grown(space, {}))
    random.Random(keyed(space.seed, "order")).shuffle(found)  # nosec B311
    tried = {key(one) for one in params}
    listed = {key(space.flat(values)): values for values in found}
    return {one: values for one, values in listed.items() if one not in tried}


def _grown(space: Space, drawn: dict[str, Any]) -> Iterator[dict[str, Any]]:
    leaf = next((leaf for leaf in space.active(drawn) if leaf.name not in drawn), None)
    if leaf is None:
        yield from () if space.violated(drawn) else (drawn,)
        return
    for value in leaf.domain.values():
        yield from _grown(space, {**drawn, leaf.name: value})


def key(params: Mapping[str, Any]) -> str:
    """What trials with the same parameters have in common; the last bits of a float depend on how it was computed."""
    return json.dumps(_plain(params), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value
