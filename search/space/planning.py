"""How a search goes about its trials: what proposes, compares and schedules them, how long, and what goes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pitprop.errors import hint
from pitprop.messages import Message, _
from pitprop.space import sampling
from pitprop.space.distributions import Leaf, place
from pitprop.space.model import Space
from pitprop.space.sampling import Method
from pitprop.space.schema.document import MEANS_STAGNATION, STAGNATION, Document
from pitprop.space.schema.kinds import COUNT, Problems
from pitprop.space.schema.resources import contradictions
from pitprop.trainer import Card


@dataclass(frozen=True, slots=True)
class Plan:
    """The methods of a search, the budget of one trial in its ``unit``, and that of all; the fields are those of `Space`."""

    sampler: Method
    pruner: Method | None
    scheduler: Method
    notes: tuple[Message, ...]
    unit: str
    epochs: int
    budget: int | None


def read_plan(document: Document, card: Card, leaves: Sequence[Leaf], goals: int, *, answered: bool, problems: Problems) -> Plan:
    """The plan of a search with so many ``goals``, and early stopping for one more if trials are ``answered`` from curves."""
    sampler = sampling.read_method("sampler", document.sampler, problems) or Method("tpe", {})
    pruner = sampling.read_method("pruner", document.pruner, problems)
    count = goals + answered
    scheduler = _scheduler(document, card, orders=pruner is None and count == 1, problems=problems)
    sampling.check(sampler, pruner, scheduler, leaves, count, problems)
    pruner, scheduler, notes = sampling.for_several(pruner, scheduler, count)
    _check_plan(document, sampler, answered, count, problems)
    for key, text in contradictions(document.resources):
        problems.add(key, text)
    unit, budget = _budget(document, problems)
    return Plan(sampler, pruner, scheduler, notes, unit, budget, _whole_budget(document, unit, problems))


def _scheduler(document: Document, card: Card, *, orders: bool, problems: Problems) -> Method:
    """The scheduler that is asked for; else ``promote`` where not all can be trained and it ``orders`` trials, and ``full``."""
    asked = sampling.read_method("scheduler", document.scheduler, problems)
    if asked is None:
        return Method("promote" if document.budget is not None and orders and card.resumes(document.options) else "full", {})
    if asked.name != "full" and not card.resumes(document.options):
        text = _("{name} makes trials wait and resumes them later, and this command has no options.resume to go on with")
        why = text.format(name=asked.name)
        problems.add("scheduler", _("{why}: use full, or give options.resume and options.checkpoint").format(why=why))
    return asked


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


def check_each(space: Space, problems: Problems) -> None:
    """Notes names to change at a time in a confirmation which are not searched."""
    known = {leaf.name: leaf for leaf in space.leaves}
    for name in space.confirm.each if space.confirm is not None and isinstance(space.confirm.each, list) else ():
        if name not in known and problems.fine(place(name)):
            problems.add("confirm.each", _("{name!r} is no searched parameter{hint}").format(name=name, hint=hint(name, known)))
