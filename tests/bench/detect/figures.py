"""What a way of stopping finds among the runs of a data set, what it loses and what it saves.

A false kill is a run that is not dead and was stopped before it had reached 98 % of its own final advantage over chance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from tests.bench.detect.curves import Run

REACHED = 0.98
NOTHING = 0.1
"""The share of the way from chance to the best of a study below which a run has learned nothing, as for the labels."""
FALLEN = ("explosion", "late_collapse")


@dataclass(frozen=True, slots=True)
class Stop:
    """A run ended after ``step`` epochs, counted from 1, by the rule or signature ``by``."""

    step: int
    by: str


Stops = Sequence[Stop | None]
"""Where each run of a data set was stopped, in its order."""


@dataclass(frozen=True, slots=True)
class Share:
    """``part`` of ``whole`` runs."""

    part: int
    whole: int

    @property
    def ratio(self) -> float:
        return self.part / self.whole if self.whole else math.nan


@dataclass(frozen=True, slots=True)
class Figures:
    """What a way of stopping finds (``recall`` of dead runs), loses and saves.

    ``epoch`` and ``share`` are the median step of the verdict on a dead run, and its part of the budget. ``top10``, ``healthy``
    and ``others`` (poor and late collapsing runs) are false kills. ``saved`` is the share of all epochs that were not trained,
    ``saved_dead`` its mean over dead runs. ``regret`` is the mean and the worst loss of a study's best score, over (best -
    chance). ``by`` counts the stops by what stopped and by label, and the "false kill" among them, and
    those whose "words true" are.
    """

    recall: Share
    epoch: float
    share: float
    top10: Share
    healthy: Share
    others: Share
    saved: float
    saved_dead: float
    regret: tuple[float, float]
    by: Mapping[str, Mapping[str, int]]


def figures(dataset: Sequence[Run], where: Stops) -> Figures:
    """What stopping each run of ``dataset`` at ``where`` finds, loses and saves."""
    pairs = list(zip(dataset, where, strict=True))
    dead = [(run, stop) for run, stop in pairs if run.label == "dead"]
    found = [(run, stop) for run, stop in dead if stop]
    by: dict[str, Counter[str]] = {}
    tops: dict[str, float] = {}
    for run in dataset:
        tops[run.study] = max(tops.get(run.study, -math.inf), run.best)
    for run, stop in pairs:
        if stop:
            notes = [*["false kill"] * killed(run, stop), *["words true"] * spoken(run, stop, tops[run.study])]
            by.setdefault(stop.by, Counter()).update([run.label, *notes])
    regrets = [_regret([pair for pair in pairs if pair[0].study == study]) for study in {run.study for run in dataset}]
    total = sum(len(run.epochs) for run in dataset)
    return Figures(
        recall=Share(len(found), len(dead)),
        epoch=median([stop.step for _, stop in found] or [math.nan]),
        share=median([stop.step / len(run.epochs) for run, stop in found] or [math.nan]),
        top10=_lost([pair for pair in pairs if pair[0].top10]),
        healthy=_lost([pair for pair in pairs if pair[0].label == "healthy"]),
        others=_lost([pair for pair in pairs if pair[0].label not in ("healthy", "dead")]),
        saved=1 - sum(_kept(run, stop) for run, stop in pairs) / total if total else math.nan,
        saved_dead=fmean([1 - _kept(run, stop) / len(run.epochs) for run, stop in dead] or [math.nan]),
        regret=(fmean(regrets), max(regrets)) if regrets else (math.nan, math.nan),
        by=by,
    )


def killed(run: Run, stop: Stop | None) -> bool:
    """Whether stopping there lost a run that had more to give: a false kill."""
    if stop is None or run.label == "dead":
        return False
    return run.reached(stop.step) - run.chance < REACHED * (run.best - run.chance)


def spoken(run: Run, stop: Stop, top: float) -> bool:
    """Whether what a verdict says is so: that a run had learned nothing, by `NOTHING` of what the best of its study did.

    Of a collapse and of an explosion it is the score at the verdict that counts, and a loss that is not finite is as it is.
    """
    if stop.by.startswith("non_finite"):
        return True
    scores = [score for score in run.scores[: stop.step] if not math.isnan(score)]
    score = (scores[-1:] if stop.by in FALLEN else [max(scores)]) if scores else []
    return not score or score[0] - run.chance < NOTHING * (top - run.chance)


def _kept(run: Run, stop: Stop | None) -> int:
    return stop.step if stop else len(run.epochs)


def _lost(pairs: Sequence[tuple[Run, Stop | None]]) -> Share:
    return Share(sum(killed(run, stop) for run, stop in pairs), len(pairs))


def _regret(study: Sequence[tuple[Run, Stop | None]]) -> float:
    """(best score of all curves - best of the curves as far as they were trained) / (best - chance)."""
    winner = max((run for run, _ in study), key=Run.reached)
    room = winner.reached() - winner.chance
    return (winner.reached() - max(run.reached(_kept(run, stop)) for run, stop in study)) / room if room > 0 else 0.0
