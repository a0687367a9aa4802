"""A space's file to a `Space`: every section in turn, so that all that is wrong is said at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pitprop import trainer
from pitprop.space import ambition, baselines, bounds, distributions, document, judging, params, sampling, stops, trials
from pitprop.space.leaf import STOPPING, Leaf, ordered
from pitprop.space.model import Resources, Space
from pitprop.space.problems import Problems, hint
from pitprop.space.sampling import Method
from pitprop.space.section import AMOUNT, COUNT, NATURAL, POSITIVE, TEXT, TIME, Section
from pitprop.trainer import Card

UNSAID = Card("", None, None, None, 1)


def read(path: Path) -> Space:
    """The space in the file at ``path``; `SpaceError` with all its problems."""
    problems = Problems(path.name)
    top = Section(document.read(path, problems), "", problems)
    if not top.rows:
        problems.check()
    space = _space(path, top)
    against = baselines.read_baselines(top, space)
    recorded = {baseline.name: baseline.values for baseline in against}
    gates = bounds.read_gates(top, space, recorded)
    points = trials.read_points(top, space)
    top.close()
    problems.check()
    return dataclasses.replace(space, baselines=against, gates=gates, points=points)


def _space(path: Path, top: Section) -> Space:
    """The space without what has to be held against the rest of it: baselines, gates and points."""
    question = " ".join(top.read("question", TEXT, "", required=True).split())
    location, card = _trainer(top, path.parent)
    options = _options(top, card)
    objective = stops.read_objective(top, card.reports)
    epochs = top.read("epochs", COUNT, 1, required=True)
    leaves, constants = params.read(top.get("params"), card.params, top.problems)
    early_stopping, searched = stops.read_early_stopping(top, objective, card.reports)
    leaves += searched
    if not leaves and not top.problems.lines:
        top.wrong("params", "nothing is searched; give a parameter a distribution, such as lr: {float: [1e-5, 1e-1], log: true}")
    distributions.check_when(leaves, top.problems)
    watching, lacking = judging.read_signatures(top, card.reports)
    sampler, pruner = sampling.read(top, "sampler") or Method("tpe", {}), sampling.read(top, "pruner")
    sampling.check(sampler, pruner, leaves, 2 if searched else 1, top.problems)
    targets, stop_when = ambition.read_targets(top)
    known = _known(card, options, epochs, {**constants, **_named(early_stopping)}, leaves)
    return Space(
        name=path.stem,
        path=str(path),
        question=question,
        trainer=location,
        card=card,
        options=options,
        objective=objective,
        epochs=epochs,
        trials=top.read("trials", COUNT, 32),
        seeds=top.read("seeds", COUNT, 1),
        seed=top.read("seed", NATURAL, 0),
        timeout=top.read("timeout", TIME, None),
        leaves=tuple(leaves),
        constants=constants,
        constraints=trials.read_constraints(top, known, leaves),
        points=(),
        baselines=(),
        signatures=watching,
        lacking=lacking,
        early_stopping=early_stopping,
        gates=(),
        sampler=sampler,
        pruner=pruner,
        resources=_resources(top),
        stall=top.read("stall", TIME, 1800.0),
        retries=top.read("retries", NATURAL, 1),
        revive=_revive(top, bool(searched)),
        targets=targets,
        stop_when=stop_when,
        remedies=ambition.read_remedies(top, sampler.name),
        confirm=ambition.read_confirm(top),
        walk=tuple(ordered(leaves)[0]),
        known=known,
    )


def _trainer(top: Section, folder: Path) -> tuple[str, Card]:
    """Where the trainer is, and its card; an empty card, and a problem, if it is nowhere or no trainer."""
    name = top.read("trainer", TEXT, "", required=True)
    location = trainer.find(name, folder) if name else None
    if name and location is None:
        top.wrong("trainer", f"there is no trainer {name!r}, neither shipped, nor a module or file{hint(name, trainer.names())}")
    try:
        return location or "", trainer.card(location) if location else UNSAID
    except ValueError as error:
        top.wrong("trainer", " ".join(str(error).split()))
        return "", UNSAID


def _options(top: Section, card: Card) -> dict[str, Any]:
    section = top.section("options")
    for name in section.rows:
        if card.options is not None and name not in card.options:
            section.wrong(name, f"unknown key{hint(name, card.options)}")
    return dict(section.rows)


def _resources(top: Section) -> Resources:
    section = top.section("resources")
    found = Resources(
        section.read("cpus", POSITIVE, 1.0),
        section.read("gpus", AMOUNT, 0.0),
        section.read("workers", COUNT, None),
        section.read("lanes", COUNT, None),
    )
    section.close()
    return found


def _revive(top: Section, answered: bool) -> int:
    """How many parked trials are revived; none where trials are ``answered`` from recorded curves."""
    revive = top.read("revive", NATURAL, 0)
    if revive and answered:
        why = "searching early stopping answers trials from recorded curves, and a parked one has half a curve"
        top.wrong("revive", f"{revive} is not allowed: {why}; leave revive out, or give patience and min_delta one value each")
    return revive


def _known(card: Card, options: dict[str, Any], epochs: int, constants: dict[str, Any], leaves: list[Leaf]) -> dict[str, Any]:
    """What constraints may name beside the leaves: what the space says stands before the trainer's defaults."""
    searched = {leaf.name for leaf in leaves}
    every = {f"options.{name}": value for name, value in {**(card.options or {}), **options}.items()}
    defaults = dict(params.flat(card.params or {}, lambda *_: False))
    return {name: value for name, value in {**defaults, **every, "epochs": epochs, **constants}.items() if name not in searched}


def _named(constants: dict[str, Any] | None) -> dict[str, Any]:
    return {f"{STOPPING}.{name}": value for name, value in (constants or {}).items() if name in ("patience", "min_delta")}
