"""What a trial's value means: two searches may share a study only if they agree on it.

Part of it is all that a trial's value or end depends on: the trainer, its options and parameters, the objective, the budget,
the seeds, the checkpoint's scores, and whatever prunes or parks (which of the two is no matter: both end a training). How many
trials there are, how they are proposed, which are revived and where they run is no part of it, nor are signatures and gates
that only warn. Nor are facts and the objective's range: they say what is so, can be told as soon as they are known, and each
verdict keeps by which of them it was given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from pitprop.detection import signatures
from pitprop.detection.detect import ENDING
from pitprop.space.distributions import Choices, Leaf
from pitprop.space.model import Space
from pitprop.space.schema.document import Objective

SET = "signatures set"
"""Under this name a meaning holds how the space has signatures act that is not what they do by themselves, which may change."""


def meaning(space: Space) -> dict[str, Any]:
    """The meaning of a space, as plain values for JSON. A trainer's file counts by its name, so that it may be moved."""
    found = {
        # A shipped trainer's module was called trainers.x before the package had its name: studies on disk say so.
        "trainer": PurePath(space.trainer).name if space.trainer.endswith(".py") else space.trainer.removeprefix("pitprop."),
        "options": dict(space.options),
        "objective": _objective(space.objective),
        **({"objectives": [_objective(one) for one in space.further]} if space.further else {}),
        space.unit: space.epochs,
        "seeds": space.seeds,
        "seed": space.seed,
        "params": {**space.constants, **{leaf.name: _leaf(leaf) for leaf in space.leaves}},
        "constraints": sorted(constraint.text for constraint in space.constraints),
        SET: _set(space),
        "early_stopping": space.early_stopping,
        "gates": [
            {key: value for key, value in asdict(gate).items() if key not in ("action", "remedy", "change")}
            for gate in space.gates
            if gate.action != "warn"
        ],
        **({"checkpoint": dict(space.checkpoint)} if space.checkpoint else {}),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _set(space: Space) -> dict[str, Any]:
    """By signature the thresholds that are not its defaults; ``ends``: whether it ends a training, if not as by itself."""
    found: dict[str, Any] = {}
    for name in signatures.names():
        one, ends = space.signatures.get(name), signatures.action(name) in ENDING
        if one is None and name not in space.lacking:  # off
            found[name] = {"ends": False} if ends else {}
        elif one is not None:
            acts = one.action in ENDING
            own = (
                {key: value for key, value in one.thresholds.items() if value != signatures.thresholds(name)[key]} if acts else {}
            )
            found[name] = own | ({} if acts == ends else {"ends": acts})
    return {name: one for name, one in found.items() if one}


def _objective(goal: Objective) -> dict[str, Any]:
    return {name: value for name, value in asdict(goal).items() if name != "range"}


def _leaf(leaf: Leaf) -> dict[str, Any]:
    if isinstance(leaf.domain, Choices):
        said: dict[str, Any] = {"choice": [leaf.decode(choice) for choice in leaf.domain.choices]}
    else:
        said = {name: value for name, value in asdict(leaf.domain).items() if name != "kind" and value is not None}
    when = {"when": {parent: list(values) for parent, values in leaf.when.items()}} if leaf.when else {}
    return {"kind": leaf.domain.kind, **said, **when}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two meanings, a line each, such as ``params.lr.high: 0.1 -> 1.0``.

    Studies of version 0.1 wrote down every threshold, the defaults of then among them: these are not compared.
    """
    before, after = (dict(_paths(_compared(one, SET in old), "")) for one in (old, new))
    lines = []
    for path in [*before, *(path for path in after if path not in before)]:
        was, now = (
            json.dumps(side[path], default=str, ensure_ascii=False) if path in side else "absent" for side in (before, after)
        )
        if was != now:
            lines.append(f"{path}: {was} -> {now}")
    return lines


def _compared(meant: Mapping[str, Any], signatures_too: bool) -> dict[str, Any]:
    """What is compared of a meaning; its signatures under the name that they have in a space."""
    rest = {name: one for name, one in meant.items() if name not in ("signatures", SET)}
    return rest | ({"signatures": meant[SET]} if signatures_too and meant[SET] else {})


def _paths(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _paths(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value
