"""What is understood of the reports of a trial, and what is wrong with them: no objective, steps that are not the budget's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from pitprop.detection import detect, levels, metrics, questions, reading
from pitprop.detection.facts import Facts
from pitprop.driver.preflight.inspection import COMMAND
from pitprop.errors import nearest
from pitprop.logs.names import same
from pitprop.messages import Message, message
from pitprop.space import Space
from pitprop.telemetry import Epoch, Telemetry

KNOWN = 20
"""How many metrics an error names at most."""
NAMED = 4
"""How many of the signatures that do not watch are named."""
SOON = 3
"""After so many reports without the objective, each with a metric of nearly its name, it is taken for misspelt."""
ALIKE = 0.8
"""How alike names are, from 0 to 1, of which one is the other misspelt. They share what stands before the last slash."""


class Wanted:
    """The objective of a search, as its first reports have it or lack it. ``measured``: one has had it."""

    def __init__(self, space: Space) -> None:
        self._space, self.measured, self._told = space, False, False

    def take(self, curve: Sequence[Epoch]) -> tuple[Message | None, Message | None]:
        """After each report: that the objective is misspelt, which ends a search; and once, that the first score is not it."""
        metric = self._space.objective.metric
        self.measured = self.measured or metric in curve[-1].metrics
        if self.measured:
            return None, None
        said = not_yet(metric, curve) if not self._told else None
        self._told = self._told or said is not None
        return soon_unreported(self._space, curve), said


def unreported(metric: str, curves: Iterable[Sequence[Epoch]], where: str = "objective.metric") -> Message | None:
    """That no curve has the objective, in a sentence with what there is; None if one has. An epoch may be without it."""
    names = {name for curve in curves for epoch in curve for name in epoch.metrics}
    if metric in names:
        return None
    said = {"metric": metric, "known": ", ".join(sorted(names)[:KNOWN]) or message("nothing"), "where": where}
    if (near := _meant(metric, names)) is None:
        return message(
            "the objective {metric!r} is not among what the trainer reports; it reports {known}; correct {where}", **said
        )
    return message(
        "the objective {metric!r} is not among what the trainer reports; did you mean {near!r}? It reports {known}; "
        "correct {where}",
        near=near,
        **said,
    )


def soon_unreported(space: Space, curve: Sequence[Epoch]) -> Message | None:
    """The same, as soon as the reports of one seed leave hardly a doubt."""
    metric = space.objective.metric
    if len(curve) < SOON:
        return None
    common = set.intersection(*(set(epoch.metrics) for epoch in curve[:SOON]))
    translated = space.trainer == COMMAND and same(metric, common) is not None  # what it prints has our names
    return unreported(metric, [curve]) if translated or misspelt(metric, common) is not None else None


def not_yet(metric: str, curve: Sequence[Epoch]) -> Message | None:
    """That the newest report is the first with a score and lacks the objective, with the name that was probably meant; None if it
    is not. A trainer may measure its objective more rarely, so it is no error."""
    names = {name for name in curve[-1].metrics if _scored(name)}
    if not names or any(map(_scored, (name for epoch in curve[:-1] for name in epoch.metrics))):
        return None
    said = {"metric": metric, "known": ", ".join(sorted(names)[:KNOWN])}
    if (near := _meant(metric, names)) is None:
        return message(
            "the first report with a score has {known}, and not the objective {metric}: if that never comes, correct "
            "objective.metric",
            **said,
        )
    return message(
        "the first report with a score has {known}, and not the objective {metric}: did you mean {near}? If it never comes, "
        "correct objective.metric",
        near=near,
        **said,
    )


def _scored(name: str) -> bool:
    """Whether a reading is of a validation, by which a training could be judged."""
    return not name.startswith("train/") and metrics.of(name).objective


def _meant(metric: str, names: Iterable[str]) -> str | None:
    """Which of ``names`` the objective was probably meant as, by its spelling, by other words for it, or by likeness."""
    return misspelt(metric, names) or same(metric, names) or nearest(metric, names)


def misspelt(metric: str, names: Iterable[str]) -> str | None:
    """Which of ``names`` is the objective but for its spelling: val/acuracy, val_accuracy; not train/accuracy, nor val/top5."""
    names = list(names)
    if (other := same(metric, names)) is not None and other.rpartition("/")[0] == metric.rpartition("/")[0]:
        return other
    likeness = {name: _likeness(metric, name) for name in sorted(names)}
    best = max(likeness, key=lambda name: likeness[name], default=None)
    return best if best is not None and likeness[best] >= ALIKE else None


def _likeness(one: str, other: str) -> float:
    plain = [re.sub(r"[\W_]", "", name).lower() for name in (one, other)]
    if plain[0] == plain[1]:
        return 1.0
    (group, _, name), (others, _, another) = one.rpartition("/"), other.rpartition("/")
    if group != others or re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return 0.0
    return SequenceMatcher(None, name, another).ratio()


def beyond(space: Space, curve: Sequence[Epoch], epoch: Epoch) -> Message | None:
    """That a report lies so far beyond the budget that it counts something else, in a sentence; None if it does not.

    One that comes every few epochs may end a little beyond. One that passes more than half of the budget at once does not
    count what the budget does: steps of the optimizer where it is in epochs, as a rule.
    """
    before = curve[-1].step if curve else 0
    if epoch.step <= space.epochs or epoch.step - before <= space.epochs / 2:
        return None
    other = "steps" if space.unit == "epochs" else "epochs"
    said = {"unit": space.unit[:-1], "step": epoch.step, "before": before}
    return message(
        "{what}, and the budget is `{units}: {budget}`: if it counts {other}, write `{other}:` with their number in place of "
        "`{units}:` in the space",
        what=message("the trainer reports {unit} {step} after {before}", **said)
        if before
        else message("the trainer reports {unit} {step} first", **said),
        units=space.unit,
        budget=space.epochs,
        other=other,
    )


def understood(space: Space, curve: Telemetry, facts: Facts, watching: Sequence[detect.Signature]) -> Message:
    """What a training of somebody else's is judged by, in one line: objective, scale, chance, budget, and what is not watched."""
    metric, goal = facts.metric, message("maximised") if facts.maximize else message("minimised")
    parts = [message("objective {metric}, {goal}, {scale}", metric=metric, goal=goal, scale=_scale(curve, facts))]
    if (question := questions.chance(curve, facts)) is None:
        known = levels.known_score(curve, facts) or levels.known_loss(curve, facts, guess=False)
        parts += [message("chance {level:.4g}, {source}", level=known.value, source=known.source)] if known else []
    else:
        parts.append(message("chance unknown, `{facts}` in the space states it", facts=question.facts))
    unit = message("epochs") if space.unit == "epochs" else message("steps")
    parts.append(message("budget {budget} {unit} from the space", budget=space.epochs, unit=unit))
    question = questions.schedule(curve, facts) if space.trainer != COMMAND else None  # of a command the preflight has asked
    if question is not None:
        parts.append(message("{lacks}, `{facts}` states it", lacks=question.lacks, facts=question.facts))
    if lacking := list(detect.unwatched(curve, watching)):
        names = ", ".join(lacking[:NAMED]) + (", ..." if len(lacking) > NAMED else "")
        parts.append(message("not watched: {names}", names=names))
    return Message.join(parts, "; ")


def _scale(curve: Telemetry, facts: Facts) -> Message:
    if facts.range is not None:
        return message("{low:g} to {high:g} as stated", low=facts.range[0], high=facts.range[1])
    if not metrics.of(facts.metric).share:
        return message("without bounds")
    return message("0 to {whole:g} by its name and readings", whole=reading.unit(curve, facts))
