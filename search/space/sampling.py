"""Samplers and population pruners: which of Optuna's own, their options checked against the constructors."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pitprop.space.leaf import Leaf
from pitprop.space.problems import Problems, hint, shown
from pitprop.space.section import Section, integer, number, one_of

OURS = {"self", "seed", "search_space"}
GRID = 1000
"""The most values of one parameter in a grid."""
OBJECTS = re.compile("Callable|Base|Trial")
PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "int": integer,
    "float": number,
    "bool": lambda value: value if isinstance(value, bool) else None,
}


class Method(NamedTuple):
    """A sampler or pruner: a word of `pitprop.study.samplers`, and options for its constructor."""

    name: str
    options: Mapping[str, Any]


def read(top: Section, kind: str) -> Method | None:
    """The method at ``kind``: a word, or a mapping of the word to its options, such as ``tpe: {multivariate: true}``."""
    words = known(kind)
    value = top.get(kind)
    if value is None or (value is False and kind == "pruner"):
        return None
    name, options = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else (value, None)
    if not isinstance(name, str) or name not in words:
        near = hint(name, words) if isinstance(name, str) else f"; it takes one of {', '.join(words)}, or one with its options"
        top.wrong(kind, f"{shown(name)} is not a {kind}{near}")
        return None
    section = Section(options, f"{top.place(kind)}.{name}", top.problems)
    needed = options or (kind == "pruner" and name == "percentile")
    return Method(name, _options(section, kind, name) if needed else {})


def known(kind: str) -> Mapping[str, str]:
    """The words for a ``sampler`` or a ``pruner``, and Optuna's class for each."""
    from pitprop.study import samplers

    return samplers.SAMPLERS if kind == "sampler" else samplers.PRUNERS


def _options(section: Section, kind: str, name: str) -> dict[str, Any]:
    """The options in ``section``, as the constructor takes them."""
    import optuna

    found: dict[str, Any] = {}
    before = len(section.problems.lines)
    cls: Callable[..., Any] = getattr(optuna.samplers if kind == "sampler" else optuna.pruners, known(kind)[name])
    for option in inspect.signature(cls).parameters.values():
        annotation = getattr(option.annotation, "__name__", str(option.annotation))
        if option.name in OURS or OBJECTS.search(annotation):
            continue
        value = section.get(option.name)
        if value is None and option.default is inspect.Parameter.empty:
            section.wrong(option.name, f"is missing; it takes {annotation}")
        elif value is not None:
            found[option.name] = _fit(value, [word.strip() for word in annotation.split("|")])
            if found[option.name] is None:
                section.wrong(option.name, f"{shown(value)} is not allowed; it takes {annotation}")
    standing = _collapsed(section, kind, name)
    section.close()
    if len(section.problems.lines) == before:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cls(**found)
        except (TypeError, ValueError, OverflowError) as error:
            section.problems.add(section.key, " ".join(str(error).split()))
    return {**found, **standing}


def _collapsed(section: Section, kind: str, name: str) -> dict[str, str]:
    """What trials that collapsed are to the sampler: an option of ours, for those that take constraints."""
    from pitprop.study import samplers

    if kind == "pruner" or "collapsed" not in section.rows:
        return {}
    if name not in samplers.COLLAPSED:
        *others, last = samplers.COLLAPSED
        section.get("collapsed")
        section.wrong("collapsed", f"{name} takes no constraints; {', '.join(others)} and {last} do")
        return {}
    standing = section.read("collapsed", one_of(*samplers.STANDINGS), None)
    return {} if standing is None else {"collapsed": standing}


def _fit(value: Any, kinds: Sequence[str]) -> Any:
    """``value`` as one of the annotated ``kinds``; None if it is none of them."""
    fits = [PARSERS[kind](value) for kind in kinds if kind in PARSERS]
    if isinstance(value, str) and "str" in kinds:
        return value
    if isinstance(value, dict) and any(kind.startswith("dict") for kind in kinds):
        return value
    return next((fit for fit in fits if fit is not None), None)


def check(sampler: Method, pruner: Method | None, leaves: Sequence[Leaf], objectives: int, problems: Problems) -> None:
    """Notes what the methods cannot do with these leaves and this number of objectives."""
    endless = [leaf.name for leaf in leaves if leaf.size() > GRID]
    if sampler.name == "grid" and endless:
        problems.add("sampler", f"grid needs a step or choices, at most {GRID} values, for {', '.join(endless)}")
    if objectives > 1:
        why = "searching early stopping makes two objectives (the score, and the epochs spent)"
        if sampler.name == "cmaes":
            problems.add("sampler", f"cmaes takes one objective, and {why}; use tpe or nsga2")
        if pruner is not None:
            problems.add("pruner", f"{pruner.name} takes one objective, and {why}; leave the pruner out")
