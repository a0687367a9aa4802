"""What to try next in a study: what its best trial, its ranges, its parked trials and its verdicts suggest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.messages import localized
from pitprop.study import causes, ranking, remedies
from pitprop.telemetry import Telemetry, finite
from pitprop.views import landscape
from pitprop.views.sections import Edge, Group

if TYPE_CHECKING:
    from pitprop.detection.facts import Facts
    from pitprop.results.statistics import Difference
    from pitprop.views.content import Content

EDGE = 0.05
"""The best lies at the end of a range if it is within this share of it."""

ROOM = 0.00005
"""What a score may gain, as a share of its scale, that no view shows."""

REMEDIES = 3
"""The advice repeats the remedies of so many signatures; above the trials of a signature stand up to so many."""

OFTEN = 0.05
"""A signature that stopped a smaller share of the trials is no pattern, unless it is the only one."""

CURVES = 20
"""So many parked trials are looked at for the one that had come furthest."""


class Advice:
    """What the ``content`` of a study suggests; each piece is worked out when it is asked for."""

    def __init__(self, content: Content) -> None:
        self._content = content

    @property
    def unsure(self) -> list[tuple[str, Difference]]:
        """Baselines from which fresh seeds show no detectable difference."""
        return [
            (x.baseline.name, x.sure)
            for x in self._content.leads
            if x.sure is not None and x.sure.verdict == "not distinguishable"
        ]

    @property
    def far(self) -> list[tuple[str, float]]:
        """Targets that are not reached, with how far away they are."""
        searched = self._content.best.values[0] if self._content.best is not None and self._content.best.values else math.nan
        score = self._content.winner.mean if self._content.winner is not None else searched
        goals = self._content.targets if math.isfinite(score) else []
        return [(one.name, abs(one.value - score)) for one in goals if one.trial is None and not one.confirmed]

    @property
    def edges(self) -> Iterator[Edge]:
        """Ranges at whose end the best lies, while it can be better; one that ends at 0 mostly cannot be any wider.

        Nor need one be in which a trial with the same score lies elsewhere.
        """
        best, level = self._content.best, self._content.level
        for axis in landscape.axes(self._content.space) if best is not None and not self.perfect else ():
            alike = [self._content.records[number].params.get(axis.name) for number in level]
            value = best.params.get(axis.name) if best is not None else None
            places = [at for one in (value, *alike) if (at := axis.at(one)) is not None]
            if not axis.choices and places and not any(EDGE < at < 1 - EDGE or (at <= EDGE and axis.low == 0) for at in places):
                low = places[0] <= EDGE
                yield Edge(axis.name, value, axis.low if low else axis.high, low)

    @property
    def perfect(self) -> bool:
        """Whether the best trial stands, to four digits, where its objective cannot be better."""
        best, goal = self._content.best, self._content.space.objective
        scores = [score for one in self._content.records if finite(score := ranking.score(one))]
        low, high = goal.bounds(scores)
        end = high if goal.sign > 0 else low
        shown = (
            self._content.winner.mean if self._content.winner is not None else math.nan if best is None else ranking.score(best)
        )
        whole = high - low if math.isfinite(high - low) else 1.0
        return len(self._content.space.objectives) == 1 and math.isfinite(end) and abs(end - shown) < ROOM * whole

    @property
    def frequent(self) -> list[Group]:
        """The signatures that stopped most, with a remedy."""
        least = OFTEN * len(self._content.records)
        found = [
            one for place, one in enumerate(self._content.stopped[:REMEDIES]) if not place or len(one.reason.trials) >= least
        ]
        return [one for one in found if one.remedies]

    @property
    def suggested(self) -> list[tuple[int, dict[str, Any], str]]:
        """Changes that verdicts name and nobody has tried: of which trial, what, and which signature names it."""
        decode = {leaf.name: leaf.decode for leaf in self._content.space.leaves}
        return [
            (one.remedy_of, {name: decode[name](value) for name, value in one.change.items()}, one.cause)
            for one in self._content.summary.suggested[:REMEDIES]
        ]

    @property
    def avoid(self) -> landscape.Part | None:
        """The worst part of the space, where at least three in four died and the best does not lie."""
        part = self._content.deadly[0] if self._content.deadly else None
        if part is None or part.dead < 0.75 * part.trials:
            return None
        inside = part.axis.cell((self._content.best.params if self._content.best is not None else {}).get(part.axis.name))
        return None if inside is not None and part.first <= inside <= part.last else part

    @cached_property
    def promising(self) -> int | None:
        """The parked trial that had shown most when stopped, of those with the best scores; None if none showed anything."""
        curves = {}
        for number in self._parked[:CURVES]:  # the terminal asks too, of a study that may have thousands
            curves[number] = telemetry.read(telemetry.file(self._content.records[number].folder))
        return nearest({number: curve for number, curve in curves.items() if curve}, self._content.space.known_of())

    @property
    def doubtful(self) -> int | None:
        """The parked trial to revive if one doubts what stopped it: the most promising, else the one with the best score."""
        return self.promising if self.promising is not None else next(iter(self._parked), None)

    @cached_property
    def _parked(self) -> list[int]:
        """The trials that can be revived, those with the best scores first."""
        able = [self._content.records[number] for number in self._content.summary.revivable]
        scores = {one.number: self._content.space.objective.sign * ranking.score(one) for one in able}
        return sorted(scores, key=lambda number: (not finite(scores[number]), -scores[number]))

    @property
    def warned(self) -> list[Verdict]:
        """What was said of the best trial itself, with a remedy; gates have a table of their own."""
        found = self._content.best.warnings if self._content.best is not None else []
        return [verdict for verdict in found if verdict.remedy and not verdict.signature.startswith("gate:")]

    @cached_property
    def alike(self) -> str:
        """What nearly all trials died of, and what that says of the set-up; empty if they did not."""
        found = causes.in_common(self._content.records, self._content.space.objective.metric)
        return "" if found is None else localized(found)

    @cached_property
    def barred(self) -> list[str]:
        """What was advised and lies outside the space, where no trial has come to its end."""
        space, records = self._content.space, self._content.records
        if space.remedies == "off" or any(one.state == "COMPLETE" and one.baseline is None for one in records):
            return []
        return [localized(one) for one in remedies.barred(space, records)]

    @cached_property
    def exhausted(self) -> bool:
        """Whether the search is over because there is no other trial in its space."""
        from pitprop.space.points import untried

        tried = (record.params for record in self._content.records if record.baseline is None)
        return self._content.summary.finished and untried(self._content.space, tried) == {}

    @property
    def late(self) -> bool:
        """Whether the best came in the last fifth of a search that is over, so that more trials may find better."""
        total = len(self._content.records)
        best = self._content.best.number if self._content.best is not None and self._content.winner is None else -1
        return self._content.summary.finished and total >= 10 and best >= 0.8 * total and not self.perfect


def nearest(curves: Mapping[int, Telemetry], facts: Facts) -> int | None:
    """Which of the trainings, those with the best scores first, was nearest to learning; None if none showed anything.

    Where nothing but the objective is reported, the first whose objective has gained.
    """
    from pitprop.detection import life

    shown = {number: life.promise(curve, facts) for number, curve in curves.items()}
    best = max(shown, key=lambda one: shown[one], default=None)
    if best is not None and shown[best] > 0:
        return best
    return next((number for number, curve in curves.items() if _gained(curve, facts)), None)


def _gained(curve: Telemetry, facts: Facts) -> bool:
    """Whether the last third of the objective's readings is better than the first by more than a score that has not moved."""
    from pitprop.detection import reading

    values = curve.column(facts.metric).values
    if not (third := len(values) // 3):
        return False
    first, last = median(values[:third]), median(values[-third:])
    return facts.sign * (last - first) > reading.STILL * abs(first)
