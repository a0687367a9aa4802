"""What every section of a report is written from: the study, its curves, and the words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.detection.detect import Bound
from pitprop.results.summary import Summary
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.study.story import best_epoch
from pitprop.telemetry import Telemetry
from pitprop.views.report.document import Span, Spans, code, plain, strong
from pitprop.views.report.words import Words, parameter, score

if TYPE_CHECKING:
    from pitprop.results.confirmation import Confirmation, Contender


@dataclass(frozen=True, slots=True)
class Material:
    """``curves`` are those of each trial's first seed, by number. ``best`` is the trial that the report is about."""

    space: Space
    records: Sequence[Record]
    summary: Summary
    confirmation: Confirmation | None
    words: Words
    curves: Mapping[int, Telemetry]
    best: Record | None
    winner: Contender | None

    @property
    def metric(self) -> str:
        return self.space.objective.metric

    @property
    def sign(self) -> int:
        return self.space.objective.sign

    @property
    def ended(self) -> list[Record]:
        """The trials of the search that ended; baselines are not among them, nor parked ones that others continue."""
        over = self.summary.revived
        return [r for r in self.records if r.baseline is None and r.state != "RUNNING" and r.number not in over]

    @property
    def scored(self) -> list[Record]:
        """Those of them that have a score."""
        return [r for r in self.ended if r.values is not None and math.isfinite(r.values[0])]

    def trial(self, number: int) -> Spans:
        """``trial 7``, set off."""
        return (strong(self.words.text("trial", n=number)),)

    def reached(self) -> dict[str, dict[str, float]]:
        """What each baseline's metrics were: as recorded, or in its best epoch."""
        known = {one.name: dict(one.values) for one in self.space.baselines if one.values is not None}
        for record in self.records:
            epoch = best_epoch(record, self.space) if record.baseline and record.state == "COMPLETE" else None
            if record.baseline and epoch is not None:
                known[record.baseline] = dict(next(e.metrics for e in self.curves[record.number] if e.step == epoch))
        return known

    def gates(self) -> list[Bound | None]:
        """The space's gates in numbers; None for one whose baseline is not done."""
        reached = self.reached()
        return [gate.against(reached) for gate in self.space.gates]

    def name(self, signature: str) -> Spans:
        """A signature, gate or pruner by its name."""
        if signature.startswith("gate:"):
            metric, _, epoch = signature.removeprefix("gate:").rpartition("@")
            return self.words.say("gate group", gate=self.gate(metric, epoch))
        if signature.startswith("pruner:"):
            return self.words.say("pruner group", name=signature.removeprefix("pruner:"))
        return (code(signature),)

    def gate(self, metric: str, epoch: int | str) -> Spans:
        return self.words.say("at epoch", metric=code(metric), epoch=epoch)

    def settings(self, params: Mapping[str, Any]) -> Spans:
        """Parameters in a row."""
        return self.words.listed((code(name), Span(f" {parameter(value)}")) for name, value in params.items())

    def drawn(self, record: Record) -> dict[str, Any]:
        """The searched parameters of a trial."""
        return {leaf.name: record.params[leaf.name] for leaf in self.space.leaves if leaf.name in record.params}


def gather(
    space: Space, records: Sequence[Record], summary: Summary, confirmation: Confirmation | None, words: Words
) -> Material:
    """Reads the curves, and picks the trial to write about: the best on fresh seeds, or else the best of the search."""
    curves = {record.number: telemetry.read(telemetry.file(record.folder)) for record in records}
    from pitprop.results.confirmation import best

    winner = confirmation.winner if confirmation is not None else None
    return Material(space, records, summary, confirmation, words, curves, best(space, records, confirmation), winner)


def number(value: float | None) -> Spans:
    """A score in a cell."""
    return plain(score(value))
