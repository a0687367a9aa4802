"""What is to be said of a training by its logs alone: is it dead, since when could that be known, and what was not seen?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pitprop.detection import detect, levels, stopping
from pitprop.detection.detect import Bound, Signature, Verdict, judge_gates
from pitprop.detection.facts import Facts, Peer
from pitprop.errors import UserError
from pitprop.logs import assumptions, finished
from pitprop.logs.assumptions import FEW, Given
from pitprop.logs.epochs import coarser
from pitprop.messages import message
from pitprop.telemetry import Telemetry, reports

ALIKE = "no_effect"
UNREAD = message("check how the script reads what was changed: a misspelt name, a default that wins, a branch never taken")
MOST = 512
"""Epochs that are judged: of a log with more, means of several."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``verdicts`` are the first of each signature, as a search would have met them; ``ended`` is the one that still holds.

    ``unit`` is what is called an epoch; ``gates`` come with the value they met and why that misses them; ``unwatched`` are the
    signatures that lacked readings, with what they need; ``notes`` say what was concluded from the log.
    """

    name: str
    files: Sequence[Path]
    telemetry: Telemetry
    facts: Facts
    verdicts: Sequence[Verdict]
    ended: Verdict | None
    unwatched: Mapping[str, Sequence[str]]
    gates: Sequence[tuple[Bound, float | None, str | None]]
    unit: str
    notes: Sequence[str]

    @property
    def dead(self) -> bool:
        return self.ended is not None

    @property
    def curve(self) -> list[tuple[int, float]]:
        """The objective: finite readings, with their steps."""
        column = self.telemetry.column(self.facts.metric)
        return list(zip(column.steps, column.values, strict=True))

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the value of the best reading of the objective."""
        curve = self.curve
        found = stopping.best([value for _, value in curve], self.facts.maximize)
        return None if found is None else curve[found]

    @property
    def there(self) -> Mapping[str, float]:
        """All readings of the best epoch."""
        return next((epoch.metrics for epoch in self.telemetry if self.best and epoch.step == self.best[0]), {})

    @property
    def chance(self) -> float | None:
        """The objective of a model that has learned nothing."""
        return levels.score(self.telemetry, self.facts)


def diagnose(files: Sequence[Path], given: Given | None = None, name: str = "") -> Diagnosis:
    """Reads the logs of one training, and judges it as a search would have done. `UserError` if they hold no readings."""
    given, notes = given or Given(), list[str]()
    log = finished.read(files, given.metric, given.format, given.pattern, given.names)
    few = len(log.epochs) < FEW and len(log.pieces) > len(log.epochs)
    telemetry, each = coarser(assumptions.shares(log.pieces if few else log.epochs), MOST)
    if not telemetry:
        where = ", ".join(map(str, files))
        raise UserError(f"{where}: no reading of a loss or a score is in it; --pattern says how it prints them")
    metric = given.metric or assumptions.objective(telemetry)
    if not reports(telemetry, metric):
        known = sorted({key for epoch in telemetry for key in epoch.metrics})
        raise UserError(f"{metric!r} is not among the readings of {files[0].name}: {', '.join(known)}")
    if log.from_0 and not few and each == 1:
        notes.append("its log counts epochs from 0, so that epoch 1 here is its epoch 0")
    unit = "epoch" if log.numbered else "evaluation" if metric.startswith("val/") else "reading"
    budget = assumptions.budget(given, log.said, telemetry[-1].step * each, log.steps, few, notes)
    budget = -(-budget // each)
    facts = assumptions.facts(telemetry, metric, given, log.said, budget, notes)
    unit = "reading of training" if few else unit
    return _judged(name or files[0].name, files, telemetry, facts, given, unit if each == 1 else f"mean of {each} {unit}s", notes)


def across(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """The same, each warned of ``no_effect`` if its curve is that of one before it, as far as both go."""
    return [_beside(one, found[:index]) for index, one in enumerate(found)]


def advice(found: Diagnosis) -> list[str]:
    """What to change, the most urgent first: what would have saved it, and for gates that it missed and curves like another's."""
    late = (verdict for verdict in found.verdicts if verdict.signature == ALIKE or verdict.signature.startswith("gate:"))
    urgent = (*([found.ended] if found.ended else []), *late)
    return list(dict.fromkeys(verdict.remedy for verdict in urgent if verdict.remedy))


def _beside(one: Diagnosis, earlier: Sequence[Diagnosis]) -> Diagnosis:
    """The logs name no hyperparameters, but as attempts that are compared they differ in something."""
    for number, other in enumerate(earlier, 1):
        peer = Peer(number, {"attempt": number}, other.telemetry)
        facts = replace(one.facts, params={"attempt": 0}, peers=[peer])
        common = Telemetry(epoch for epoch in one.telemetry if epoch.step <= other.telemetry[-1].step)
        for verdict in detect.judge(common, facts, [Signature(ALIKE)]) if one.unit == other.unit else ():
            reason = message(
                "the same curve as {other} in epochs {first}-{last}, so that what was changed between them has no effect",
                **{"other": other.name, "first": common[-levels.window(common, facts, 5)].step, "last": verdict.step},
            )
            alike = replace(verdict, reason=reason, remedy=UNREAD)
            return replace(one, verdicts=sorted([*one.verdicts, alike], key=lambda verdict: verdict.step))
    return one


def _judged(
    name: str, files: Sequence[Path], telemetry: Telemetry, facts: Facts, given: Given, unit: str, notes: Sequence[str]
) -> Diagnosis:
    batches = unit == "reading of training"  # which always swing
    watching = [one for one in detect.defaults() if not (batches and one.name == "oscillation")]
    verdicts = detect.replay(telemetry, facts, watching)
    ended = _ended(telemetry, facts, verdicts)
    lacking = detect.unwatched(telemetry, watching)
    if facts.batch:
        lacking.pop("contrastive_collapse", None)
    gates = [(gate, gate.value(telemetry), gate.missed(telemetry)) for gate in given.gates]
    verdicts = sorted([*verdicts, *judge_gates(telemetry, given.gates)], key=lambda verdict: verdict.step)
    return Diagnosis(name, files, telemetry, facts, verdicts, ended, lacking, gates, unit, notes)


def _ended(telemetry: Telemetry, facts: Facts, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The first verdict that ends it, unless the training came back after it."""
    first = next((verdict for verdict in verdicts if verdict.ends), None)
    if first is None or any(verdict.ends for verdict in detect.judge(telemetry, facts, detect.defaults())):
        return first
    count = min(levels.window(telemetry, facts, 5), telemetry[-1].step - first.step)
    return first if levels.above_chance(telemetry, facts, count, 0.1) is False else None
