"""Samplers and population pruners: which of Optuna's own, their options read off the constructors; and our schedulers."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

from pitprop.errors import hint, shown
from pitprop.messages import N_, Message, _, message
from pitprop.space.distributions import Leaf
from pitprop.space.schema.kinds import Kind, Problems, boolean, integer, number, numeric, one_of, read, whole
from pydantic import BaseModel, ConfigDict, create_model

SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "random": "RandomSampler",
    "grid": "GridSampler",
    "qmc": "QMCSampler",
    "nsga2": "NSGAIISampler",
}
PRUNERS = {
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "asha": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "wilcoxon": "WilcoxonPruner",
}
STANDINGS = ("pruned", "complete", "infeasible")
"""What a collapsed trial may be to a sampler: left out or ranked last as Optuna does with pruned ones; complete with the value
that it reached; that, and in violation of a constraint."""
COLLAPSED = {"tpe": "pruned", "gp": "complete", "nsga2": "pruned"}
"""The samplers that take constraints, each with its default, by ``make bench-constraint``: complete trials helped the GP alone.
A constraint helped it no more at twice the time, and TPE not at all: it ranks pruned trials last, the longest first, as it is."""

TAUGHT = ("tpe", "gp")
"""The samplers that learn from any trial that they are shown; CMA-ES and NSGA-II read only those that they proposed."""

OURS = {"self", "seed", "search_space"}
GRID = 1000
"""The most values of one parameter in a grid."""
OBJECTS = re.compile("Callable|Base|Trial")
PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "int": integer,
    "float": number,
    "bool": boolean,
    "str": lambda value: value if isinstance(value, str) else None,
    "dict": lambda value: value if isinstance(value, dict) else None,
}
JSON = {"int": "integer", "float": "number", "bool": "boolean", "str": "string", "dict": "object", "None": "null"}


class Method(NamedTuple):
    """A sampler, pruner or scheduler: a word of `SAMPLERS`, `PRUNERS` or `SCHEDULERS`, and options for its constructor."""

    name: str
    options: Mapping[str, Any]


class Full(BaseModel):
    """Every trial trains its whole budget at once."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Promote(BaseModel):
    """ASHA with promotion: of the trials that have got so far the best go on first, and the others wait."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    factor: Annotated[int, whole(2, N_("a whole number of at least 2"))] = 4
    """One trial in so many goes on first, to so many times as many epochs."""
    reserve: Annotated[float, numeric(N_("a share, 0 to 1"), lambda value: 0 <= value <= 1, minimum=0, maximum=1)] = 0.15
    """The share of the epochs that goes to trials with a low score, or parked on evidence, that show signs of life."""


SCHEDULERS: Mapping[str, type[BaseModel]] = {"full": Full, "promote": Promote}
"""What decides which trial trains next (`pitprop.driver.scheduler`), each with its options."""
HELD = 1 / 3
"""The share of the trials that `Promote` holds back until others are complete, so that a sampler knows more than first epochs."""


def words(kind: str) -> Mapping[str, Any]:
    """The words for a ``sampler``, a ``pruner`` or a ``scheduler``, with Optuna's class, or ours, for each."""
    return {"sampler": SAMPLERS, "pruner": PRUNERS, "scheduler": SCHEDULERS}[kind]


@cache
def options(kind: str, name: str) -> type[BaseModel]:
    """What the options of a method are read as: those of its constructor, and ``collapsed`` where that is one."""
    if kind == "scheduler":
        return SCHEDULERS[name]
    fields: dict[str, Any] = {}
    for option in inspect.signature(_class(kind, name)).parameters.values():
        annotation = getattr(option.annotation, "__name__", str(option.annotation))
        if option.name not in OURS and not OBJECTS.search(annotation):
            default = ... if option.default is inspect.Parameter.empty else option.default
            fields[option.name] = (Annotated[Any, _kind(annotation)], default)
    if kind == "sampler" and name in COLLAPSED:
        fields["collapsed"] = (Annotated[Any, one_of(*STANDINGS)], COLLAPSED[name])
    doc = (inspect.getdoc(_class(kind, name)) or "").split("\n")[0]
    return create_model(_class(kind, name).__name__, __config__=ConfigDict(extra="forbid"), __doc__=doc, **fields)


def _class(kind: str, name: str) -> Callable[..., Any]:
    import optuna

    found: Callable[..., Any] = getattr(optuna.samplers if kind == "sampler" else optuna.pruners, words(kind)[name])
    return found


def _kind(annotation: str) -> Kind:
    """The kind of value that a constructor says it takes, such as ``int | None``."""
    kinds = [word.strip().partition("[")[0] for word in annotation.split("|")]
    ordered = sorted((kind for kind in kinds if kind in PARSERS), key=("str", "dict", *PARSERS).index)

    def parse(value: Any) -> Any:
        return next((found for kind in ordered if (found := PARSERS[kind](value)) is not None), None)

    return Kind(annotation, parse, {"type": [JSON[kind] for kind in kinds if kind in JSON]})


def read_method(kind: str, value: Any, problems: Problems) -> Method | None:
    """The method at ``kind``: a word, or a mapping of the word to its options, such as ``tpe: {multivariate: true}``."""
    if value is None or (kind == "pruner" and (boolean(value) is False or value == "none")):
        return None
    name, given = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else (value, None)
    known = words(kind)
    if not isinstance(name, str) or name not in known:
        text = _("; it takes one of {known}, or one with its options")
        near = hint(name, known) if isinstance(name, str) else text.format(known=", ".join(known))
        problems.add(kind, _("{name} is not a {kind}{near}").format(name=shown(name), kind=kind, near=near))
        return None
    where = f"{kind}.{name}"
    if kind == "sampler" and name not in COLLAPSED and isinstance(given, dict) and "collapsed" in given:
        *others, last = COLLAPSED
        problems.add(
            f"{where}.collapsed",
            _("{name} takes no constraints; {others} and {last} do").format(name=name, others=", ".join(others), last=last),
        )
        given = {option: one for option, one in given.items() if option != "collapsed"}
    if not given and not (kind == "pruner" and name == "percentile"):
        return Method(name, {})
    row = read(options(kind, name), given, where, problems)
    found = {option: one for option in row.model_fields_set if (one := getattr(row, option)) is not None}
    if kind != "scheduler" and problems.fine(where):
        _try(_class(kind, name), {option: one for option, one in found.items() if option != "collapsed"}, where, problems)
    return Method(name, found)


def _try(cls: Callable[..., Any], given: Mapping[str, Any], where: str, problems: Problems) -> None:
    """Notes what the constructor itself refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cls(**given)
    except (TypeError, ValueError, OverflowError) as error:
        problems.add(where, " ".join(str(error).split()))


def check(
    sampler: Method, pruner: Method | None, scheduler: Method, leaves: Sequence[Leaf], objectives: int, problems: Problems
) -> None:
    """Notes what the methods cannot do with each other, with these leaves and with this number of objectives."""
    if pruner is not None and scheduler.name != "full":
        problems.add(
            "scheduler",
            _("{name} orders trials by rank, as the pruner {name2} stops them: leave one of the two out").format(
                name=scheduler.name, name2=pruner.name
            ),
        )
    endless = [leaf.name for leaf in leaves if leaf.size() > GRID]
    if sampler.name == "grid" and endless:
        problems.add(
            "sampler",
            _("grid needs a step or choices, at most {grid} values, for {endless}").format(grid=GRID, endless=", ".join(endless)),
        )
    if objectives > 1 and sampler.name == "cmaes":
        problems.add(
            "sampler", _("cmaes takes one objective, and {objectives}; use tpe or nsga2").format(objectives=several(objectives))
        )


def several(objectives: int) -> str:
    """That a space has more than one objective; searching early stopping makes one of the epochs spent."""
    return _("this space has {n} objectives").format(n=objectives)


def for_several(pruner: Method | None, scheduler: Method, objectives: int) -> tuple[Method | None, Method, tuple[Message, ...]]:
    """The pruner and the scheduler with so many objectives, and sentences on what is otherwise than asked for.

    Both order trials by one score, and of two trials on a front neither is the better one.
    """
    if objectives == 1:
        return pruner, scheduler, ()
    notes = []
    if scheduler.name != "full":
        said = {"name": scheduler.name, "n": objectives}
        notes.append(
            message(
                "scheduler: {name} orders trials by one score, and there are {n} objectives, so every trial trains its whole "
                "budget at once (full)",
                **said,
            )
        )
    if pruner is not None:
        said = {"name": pruner.name, "n": objectives}
        notes.append(message("pruner: {name} compares trials by one score, and there are {n} objectives, so it is off", **said))
    return None, Method("full", {}), tuple(notes)
