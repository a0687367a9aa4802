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
from pitprop.space import constraints, params, sampling
from pitprop.space.constraints import Constraint
from pitprop.space.distributions import STOPPING, Choices, Leaf, check_when, place, read_leaf
from pitprop.space.gates import check_gate
from pitprop.space.goals import check_facts, check_goal, check_metric, read_objectives
from pitprop.space.model import SignatureChoice, Space
from pitprop.space.points import baselines, point
from pitprop.space.sampling import Method
from pitprop.space.schema import yaml_text
from pitprop.space.schema.document import (
    MEANS_STAGNATION,
    STAGNATION,
    Confirm,
    Document,
    Objective,
    SignatureRow,
    StoppingRow,
    signature_rows,
)
from pitprop.space.schema.kinds import AMOUNT, COUNT, Kind, Problems, boolean, read
from pitprop.space.schema.resources import contradictions
from pitprop.trainer import Card

UNSAID = Card("", None, None, None, 1)
LONGEST_NAME = 200
"""Bytes of the name of a study, after which files are called."""


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
    sampler = sampling.read_method("sampler", document.sampler, problems) or Method("tpe", {})
    pruner = sampling.read_method("pruner", document.pruner, problems)
    count = len(goals) + bool(searched)
    scheduler = _scheduler(document, card, orders=pruner is None and count == 1, problems=problems)
    sampling.check(sampler, pruner, scheduler, leaves, count, problems)
    pruner, scheduler, notes = sampling.for_several(pruner, scheduler, count)
    _check_plan(document, sampler, bool(searched), count, problems)
    for key, text in contradictions(document.resources):
        problems.add(key, text)
    unit, budget = _budget(document, problems)
    space = Space(
        name="",
        question=" ".join(document.question.split()),
        trainer=location,
        card=card,
        options=document.options,
        objective=goals[0],
        further=goals[1:],
        notes=notes,
        facts=document.facts,
        epochs=budget,
        unit=unit,
        trials=document.trials,
        seeds=document.seeds,
        seed=document.seed,
        timeout=document.timeout,
        trial_timeout=document.trial_timeout,
        leaves=tuple(leaves),
        constants=constants,
        constraints=(),
        points=(),
        baselines=(),
        signatures=watching,
        lacking=lacking,
        early_stopping=early_stopping,
        gates=(),
        sampler=sampler,
        pruner=pruner,
        scheduler=scheduler,
        budget=_whole_budget(document, unit, problems),
        resources=document.resources,
        storage=document.storage,
        stall=document.stall,
        retries=document.retries,
        revive=document.revive,
        targets=document.targets,
        stop_when=document.stop_when,
        remedies=document.remedies,
        confirm=Confirm() if document.confirm is True else document.confirm or None,
        warm_start=document.warm_start,
        pip=tuple(document.pip),
    )
    _check_each(space, problems)
    return _filled(space, document, problems)


def _scheduler(document: Document, card: Card, *, orders: bool, problems: Problems) -> Method:
    """The scheduler that is asked for; else ``promote`` where not all can be trained and it ``orders`` trials, and ``full``."""
    asked = sampling.read_method("scheduler", document.scheduler, problems)
    resumes = not card.shell or bool(document.options.get("resume"))
    if asked is None:
        return Method("promote" if document.budget is not None and orders and resumes else "full", {})
    if asked.name != "full" and not resumes:
        text = _("{name} makes trials wait and resumes them later, and this command has no options.resume to go on with")
        why = text.format(name=asked.name)
        problems.add("scheduler", _("{why}: use full, or give options.resume and options.checkpoint").format(why=why))
    return asked


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


def _whole_budget(document: Document, unit: str, problems: Problems) -> int | None:
    """The epochs, or steps, that all trials may train together; None if there is no limit."""
    if document.budget is None:
        return None
    count, _space, said = document.budget.partition(" ")
    if said and said.rstrip("s") != unit.rstrip("s"):
        problems.add(
            "budget",
            _("{budget!r} is in {said}, and the budget of a trial is in {unit}").format(
                budget=document.budget, said=said, unit=unit
            ),
        )
    return int(count)


def _budget(document: Document, problems: Problems) -> tuple[str, int]:
    """The unit of the budget and the budget; a blank, and a problem, if there are two or none."""
    given = {unit: value for unit in ("epochs", "steps") if (value := getattr(document, unit)) is not None}
    if len(given) == 2:
        problems.add("steps", _("{given} is not allowed beside epochs; a budget is in one of them").format(given=given["steps"]))
    elif not given and problems.fine("epochs", "steps"):
        problems.add(
            "epochs",
            _("is missing; it takes {wanted}; or give steps, where the training reports steps").format(wanted=COUNT.told),
        )
    return next(iter(given.items()), ("epochs", 1))


def _check_plan(document: Document, sampler: Method, answered: bool, objectives: int, problems: Problems) -> None:
    """Notes what the search cannot do beside the sampler, or where trials are ``answered`` from recorded curves."""
    stop, targets = document.stop_when, document.targets
    if stop is not None and stop not in (*targets, STAGNATION) and "targets" not in problems.keys:
        meant = STAGNATION if MEANS_STAGNATION.search(stop) else stop
        problems.add(
            "stop_when",
            _("{stop!r} is no target of this space{hint}").format(stop=stop, hint=hint(meant, [*targets, STAGNATION])),
        )
    if document.trial_timeout is not None and answered:
        why = _("searching early stopping answers trials from recorded curves, which have to be whole")
        problems.add(
            "trial_timeout",
            _("is not allowed: {why}; leave it out, or give patience and min_delta one value each").format(why=why),
        )
    if document.remedies == "try" and sampler.name == "grid":
        problems.add(
            "remedies",
            _(
                "'try' is not allowed beside the grid sampler: a remedy is a trial within the space, and the grid has every one "
                "of these already; write `remedies: suggest`, or take another sampler, such as `sampler: tpe`"
            ),
        )
    _check_warm_start(document, sampler, objectives, problems)
    if document.revive and answered:
        why = _("searching early stopping answers trials from recorded curves, and a parked one has half a curve")
        way = _("leave revive out, or give patience and min_delta one value each")
        problems.add("revive", _("{revive} is not allowed: {why}; {way}").format(revive=document.revive, why=why, way=way))


def _check_warm_start(document: Document, sampler: Method, objectives: int, problems: Problems) -> None:
    """Notes trials from elsewhere that are nowhere, or that nothing would learn from."""
    start = document.warm_start
    if start is None or not problems.fine("warm_start"):
        return
    if start.study is None and start.csv is None:
        problems.add("warm_start", _("names no trials; it takes study (with storage, if in another database), csv, or both"))
    elif start.storage is not None and start.study is None:
        problems.add("warm_start.storage", _("is not allowed without study, which names the study in that database"))
    if sampler.name not in sampling.TAUGHT and problems.fine("sampler"):
        known = _(" and ").join(sampling.TAUGHT)
        problems.add(
            "warm_start",
            _(
                "is not allowed beside the sampler {name}, which learns only from its own trials, if at all; "
                "{known} learn from others"
            ).format(name=sampler.name, known=known),
        )
    if objectives > 1:
        why = _("trials from elsewhere have one objective, and {several}").format(several=sampling.several(objectives))
        problems.add("warm_start", _("is not allowed: {why}; leave it out").format(why=why))


def _check_each(space: Space, problems: Problems) -> None:
    """Notes names to change at a time in a confirmation which are not searched."""
    known = {leaf.name: leaf for leaf in space.leaves}
    for name in space.confirm.each if space.confirm is not None and isinstance(space.confirm.each, list) else ():
        if name not in known and problems.fine(place(name)):
            problems.add("confirm.each", _("{name!r} is no searched parameter{hint}").format(name=name, hint=hint(name, known)))


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
