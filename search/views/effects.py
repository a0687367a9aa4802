"""Say in a line what each parameter does beside the winner's other values: what is alike, and what a change costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from pitprop.messages import _
from pitprop.results.ablation import Effect, Step
from pitprop.views import words

FAR = 2
"""How many times half the usual width of an interval a value may lie off the winner's that is called alike."""


def line(effect: Effect, *, estimated: bool = False) -> str:
    """``[1.2, 3.0], [1.0, 3.4] alike (within 0.012); [1.0, 1.0] costs 0.03 (0.02 to 0.04)``.

    What is only ``estimated`` is never called alike: that none of the trials shows an effect does not bound it.
    """
    return _("; ").join([*_alike(effect, estimated), *map(_found, (one for one in effect.steps if one.differs))])


def verdict(effect: Effect, one: Step) -> str:
    """What a table calls a change, as `line` tells it."""
    if one.differs:
        return _("gains") if one.difference.verdict == "better" else _("costs")
    if math.isnan(one.difference.mean):
        return _("no score")
    if not math.isfinite(_reach([one])):
        return _("too few scores to tell")
    return _("not known") if _is_open(effect, one) else _("alike")


def _is_open(effect: Effect, one: Step) -> bool:
    """Whether a difference that was not found may still be far larger than those that the trainings can tell apart."""
    reach = _reach([one])
    return math.isfinite(reach) and reach > FAR * effect.usual


def _alike(effect: Effect, estimated: bool) -> Iterator[str]:
    """What cannot be told from the winner's value, with the largest difference that the intervals leave open.

    A value whose interval leaves open `FAR` more than is usual, as where some seeds collapse, is not known.
    """
    scored = [one for one in effect.steps if not math.isnan(one.difference.mean)]
    equal = [one for one in scored if not one.differs]
    unknown = [one for one in equal if _is_open(effect, one) and not estimated]
    if alike := [one for one in equal if one not in unknown]:
        span = _reach(alike)
        told = _("{values} alike (within {span})") if math.isfinite(span) else _("{values}: too few scores to tell")
        told = _("{values}: no effect seen") if estimated else told
        yield told.format(values=_span(effect, alike), span=words.rough(span))
    for one in unknown:
        text, gap = _("{value} not known ({delta}, from {low} to {high})"), one.difference
        shown = {"delta": words.rough(gap.mean), "low": words.rough(gap.low), "high": words.rough(gap.high)}
        yield text.format(value=words.value(one.value), **shown)
    if failed := [words.value(one.value) for one in effect.steps if one not in scored]:
        yield _("{values}: no training had a score").format(values=words.listed(failed))


def _reach(steps: Sequence[Step]) -> float:
    """The largest difference from the winner's value that the intervals leave open."""
    return max(max(-one.difference.low, one.difference.high) for one in steps)


def _span(effect: Effect, alike: Sequence[Step]) -> str:
    """The winner's value and those like it: from the lowest to the highest number if nothing else lies between, else each."""
    values = [effect.value, *(one.value for one in alike)]
    if all(map(_number, values)):
        low, high = min(values), max(values)
        between = [one for one in effect.steps if one not in alike and _number(one.value) and low < one.value < high]
        if not between:
            return _("{low} to {high}").format(low=words.value(low), high=words.value(high))
    return words.listed(map(words.value, values))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _found(one: Step) -> str:
    """A value that costs something, or gains, with the interval of that."""
    sign, told = 1 if one.difference.verdict == "better" else -1, one.difference
    text = _("{value} gains {delta} ({low} to {high})") if sign > 0 else _("{value} costs {delta} ({low} to {high})")
    low, high = sorted((sign * told.low, sign * told.high))
    shown = {"delta": words.rough(sign * told.mean), "low": words.rough(low), "high": words.rough(high)}
    return text.format(value=words.value(one.value), **shown)
