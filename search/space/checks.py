"""Reads a space and checks what depends on more than one value: the trainer, the parameters, names and ranges; gives a `Space`.

Every check asks first whether what it depends on was read without a problem, so that a mistake is told once and by its cause.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pitprop import trainer
from pitprop.detection import metrics, signatures
from pitprop.errors import hint, shown
from pitprop.messages import N_, _
from pitprop.space import constraints, params
from pitprop.space.constraints import Constraint
from pitprop.space.distributions import STOPPING, Choices, Leaf, check_when, place, read_leaf
from pitprop.space.gates import check_gate
from pitprop.space.goals import check_drops, check_facts, check_goal, check_metric, read_objectives
from pitprop.space.model import SignatureChoice, Space
from pitprop.space.planning import check_each, read_plan
from pitprop.space.points import baselines, point
from pitprop.space.schema import yaml_text
from pitprop.space.schema.document import (
    Confirm,
    Document,
    Objective,
    SignatureRow,
    StoppingRow,
    signature_rows,
)
from pitprop.space.schema.kinds import AMOUNT, COUNT, Kind, Problems, boolean, read
from pitprop.trainer import Card

UNSAID = Card("", None, None, None, 1)
LONGEST_NAME = 200
"""Bytes of the name of a study, after which files are called."""
AS_WRITTEN = (
    *("options", "facts", "trials", "seeds", "seed", "timeout", "trial_timeout", "resources", "storage", "stall", "retries"),
    *("revive", "targets", "stop_when", "remedies", "warm_start"),
)
"""What a space holds just as its file says it."""


def load(source: str | Mapping[str, Any], name: str = "") -> Space:
    """The space of a name, of a path, or written as a mapping, which needs a ``name``: the argument or its key of that name.

    `SpaceError`, a ``ValueError``, with every problem, one line each.
    """
    if isinstance(source, Mapping):
        path, name = None, name or str(source.get("name") or "")
        problems = Problems(name or "space")
        if not name or _is_unsafe(name):
            said = _("{name!r} is not allowed").format(name=name) if name else _("is missing")
            problems.add("name", _("{said}; a space without a file takes a name for its study, such as rates").format(said=said))
        text = yaml_text.write({key: value for key, value in source.items() if key != "name"}, problems)
    else:
        path = yaml_text.find(source)
        name, problems = name or path.stem, Problems(path.name)
        if _is_unsafe(name):
            problems.add(
                "",
                _(
                    "{name!r} cannot be the name of a study, and so of a folder in the folder of runs: give the "
                    "file another name, such as rates.yaml"
                ).format(name=name),
            )
        text = yaml_text.read(path, problems)
    rows = yaml_text.parse(text, problems) if text is not None else None
    if rows is None:
        problems.check()
    space = _space(read(Document, rows, "", problems), path, problems)
    problems.check()
    return dataclasses.replace(space, name=name, path=str(path or ""), text=text or "")


def _is_unsafe(name: str) -> bool:
    """Whether the folder of a study called so would lie outside the folder of runs, or be something else there."""
    odd = name.startswith(".") or "/" in name or not name.isprintable() or len(name.encode()) > LONGEST_NAME
    return odd or name in ("mlartifacts", "mlflow.db", "study.db")


def _space(document: Document, path: Path | None, problems: Problems) -> Space:
    """The space that the document says; one with blanks in it if there are problems."""
    location, card = _trainer(document.trainer, path.parent if path else Path(), problems)
    _check_options(document.options, location, card, problems)
    goals, first = read_objectives(document.objective, document.objectives, card, problems)
    check_facts(document.facts, goals[0], first, problems)
    leaves, constants = params.read(document.params, card.params, problems)
    early_stopping, searched = _early_stopping(document.early_stopping, goals[0], first, card, problems)
    leaves += searched
    if not leaves and problems.fine("params", STOPPING):
        example = "lr: {float: [1e-5, 1e-1], log: true}"
        problems.add(
            "params", _("nothing is searched; give a parameter a distribution, such as {example}").format(example=example)
        )
    check_when(leaves, problems)
    watching, lacking = _signatures(document.signatures, card, problems)
    plan = read_plan(document, card, leaves, len(goals), answered=bool(searched), problems=problems)
    check_drops(document.facts.drops or (), plan.epochs, problems)
    space = Space(
        name="",
        question=" ".join(document.question.split()),
        trainer=location,
        card=card,
        objective=goals[0],
        further=goals[1:],
        leaves=tuple(leaves),
        constants=constants,
        signatures=watching,
        lacking=lacking,
        early_stopping=early_stopping,
        confirm=Confirm() if document.confirm is True else document.confirm or None,
        pip=tuple(document.pip),
        constraints=(),
        points=(),
        baselines=(),
        gates=(),
        **{field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)},
        **{name: getattr(document, name) for name in AS_WRITTEN},
    )
    check_each(space, problems)
    return _filled(space, document, problems)


def _filled(space: Space, document: Document, problems: Problems) -> Space:
    """The space with what refers to its own parameters: constraints, and the trials and gates that have to hold them."""
    space = dataclasses.replace(space, constraints=tuple(_constraints(document.constraints, space, problems)))
    return dataclasses.replace(
        space,
        baselines=tuple(baselines(document.baselines, space, problems)),
        points=tuple(point(rows, f"points[{index}]", space, problems) for index, rows in enumerate(document.points)),
        gates=tuple(check_gate(gate, f"gates[{index}]", document, space, problems) for index, gate in enumerate(document.gates)),
    )


def _check_options(options: Mapping[str, Any], location: str, card: Card, problems: Problems) -> None:
    """Notes options that the trainer does not know, values of another kind than its default, and what it says of them itself."""
    for name in options:
        if card.options is not None and name not in card.options:
            problems.add(f"options.{name}", _("unknown key{hint}").format(hint=hint(name, card.options)))
        elif not params.hides_distribution(options[name], f"options.{name}", problems):
            params.check_kind(options[name], (card.options or {}).get(name), f"options.{name}", problems)
    for said in trainer.load(location).check_options(options) if card.checks else ():
        key = said.partition(" ")[0]
        if problems.fine(key):
            problems.add(key, said.removeprefix(key).strip())


def _trainer(name: str, folder: Path, problems: Problems) -> tuple[str, Card]:
    """Where the trainer is, and its card; an empty card, and a problem, if it is nowhere or no trainer."""
    location = trainer.find(name, folder) if name else None
    if name and location is None:
        problems.add(
            "trainer",
            _("there is no trainer {name!r}, neither shipped, nor a module or file{hint}").format(
                name=name, hint=hint(name, trainer.names())
            ),
        )
    try:
        return location or "", trainer.card(location) if location else UNSAID
    except ValueError as error:
        problems.add("trainer", " ".join(str(error).split()))
        return "", UNSAID


def _early_stopping(
    row: StoppingRow | bool | None, objective: Objective, first: str, card: Card, problems: Problems
) -> tuple[dict[str, Any] | None, list[Leaf]]:
    """The constants of early stopping, None if there is none of it, and the leaves that a space searches of it."""
    if not isinstance(row, StoppingRow):
        return None, []
    leaves, constants = [], dict[str, Any]()
    for name, kind in (("patience", COUNT), ("min_delta", AMOUNT)):
        value, where = getattr(row, name), f"{STOPPING}.{name}"
        if not isinstance(value, dict):
            constants[name] = value
        elif (leaf := read_leaf(where, value, where, problems)) and _sensible(leaf, kind, where, problems):
            leaves.append(leaf)
    if row.metric is not None:
        check_metric(row.metric, f"{STOPPING}.metric", card, problems)
    metric = row.metric or objective.metric
    goal = row.goal or (objective.goal if metric == objective.metric else metrics.goal(metric))
    if problems.fine(first):
        check_goal(metric, goal, STOPPING, problems)
    constants |= {"metric": metric, "maximize": goal == "maximize"}
    return constants, leaves


def _sensible(leaf: Leaf, kind: Kind, where: str, problems: Problems) -> bool:
    """Whether every value of the leaf is one that early stopping takes."""
    values = leaf.domain.choices if isinstance(leaf.domain, Choices) else (leaf.domain.low,)
    whole = kind is AMOUNT or leaf.domain.kind != "float"
    if whole and all(kind.parse(value) is not None for value in values):
        return True
    given = ", ".join(str(value) for value in values)
    problems.add(where, _("every value must be {wanted}, not {given}; use int or choice").format(wanted=kind.told, given=given))
    return False


def _signatures(given: Any, card: Card, problems: Problems) -> tuple[dict[str, SignatureChoice], dict[str, str]]:
    """The signatures that watch, and those that cannot see, each with what it lacks."""
    if boolean(given) is False:
        return {}, {}
    rows = read(signature_rows(), given, "signatures", problems, unknown=N_("unknown signature")) if given is not None else None
    named = rows.model_fields_set if rows is not None else set()
    watching, lacking = {}, {}
    for name in signatures.names():
        row = getattr(rows, name, True)
        own = row.model_dump() if isinstance(row, SignatureRow) else {"action": row, **signatures.thresholds(name)}
        action = signatures.action(name) if (said := own.pop("action")) is True else said
        choice = SignatureChoice(action, own, tuple(signatures.load(name).READS))
        lacks = _(" and ").join(missing(choice, card.reports))
        if action == "off":
            continue
        if lacks and name in named:
            problems.add(
                f"signatures.{name}",
                _("needs {lacks}, which the trainer does not report; write {name}: off").format(lacks=lacks, name=name),
            )
        elif lacks:
            lacking[name] = lacks
        else:
            watching[name] = choice
    return watching, lacking


def missing(choice: SignatureChoice, reports: Sequence[str] | None) -> list[str]:
    """The readings of a signature that the trainer does not give, as far as it says."""
    return [reading for reading in choice.reads if reports is not None and not signatures.gives(reading, reports)]


def _constraints(texts: Sequence[Any], space: Space, problems: Problems) -> Iterator[Constraint]:
    """The constraints over names that were all read without a problem; one over constants alone must hold."""
    searched = [leaf.name for leaf in space.leaves]
    every = [*space.known, *searched]
    for index, text in enumerate(texts):
        where = f"constraints[{index}]"
        if not isinstance(text, str):
            problems.add(where, _("{text} is not a text such as 'warmup.epochs < epochs'").format(text=shown(text)))
            continue
        try:
            constraint = constraints.parse(text)
        except ValueError as error:
            problems.add(where, str(error))
            continue
        if not all(problems.fine(_origin(name)) for name in constraint.names):
            continue
        unknown = [name for name in constraint.names if name not in every]
        if unknown and problems.fine("trainer"):  # it may be one of the trainer's defaults
            problems.add(where, _("unknown name {unknown!r}{hint}").format(unknown=unknown[0], hint=hint(unknown[0], every)))
        elif not unknown and not set(searched) & set(constraint.names) and (broken := constraint.violated(space.known)):
            problems.add(where, _("{broken!r} never holds, and no searched parameter is in it").format(broken=broken))
        else:
            yield constraint


def _origin(name: str) -> str:
    """Where a name that stands in a constraint is set in the file."""
    return name if name in ("epochs", "steps") or name.startswith("options.") else place(name)
