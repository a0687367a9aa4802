"""Collect what a study says, section by section, for the report and the terminal alike."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.addresses import Addresses
from pitprop.detection.detect import Bound, Verdict
from pitprop.results.results import Results
from pitprop.results.summary import Reason, Remedied, Summary, Target
from pitprop.space import STAGNATION, Gate, Relative, Space, nested
from pitprop.space.distributions import STOPPING
from pitprop.study import ranking
from pitprop.study.record import Record, State, best_epoch
from pitprop.study.source import next_command
from pitprop.study.stored import Known
from pitprop.telemetry import Telemetry, finite
from pitprop.views import landscape, words
from pitprop.views.sections import Costs, GateCount, Goal, Group, Lead

if TYPE_CHECKING:
    from pitprop.results.ablation import Ablation, Effect
    from pitprop.results.confirmation import Confirmation, Contender
    from pitprop.views.front import Front
    from pitprop.views.next_steps import Advice

PACKAGES = ("pitprop", "optuna", "torch", "numpy")


@dataclass(frozen=True)
class Content:
    """What there is to say of a study; each section is worked out when it is first asked for.

    ``records`` are all trials by number, ``confirmation`` is None if there is none, ``where`` is for the commands to run next,
    ``ablation`` says what each parameter does, None if it was not trained, ``estimated`` what is expected of it then,
    ``knows`` what the sampler knows from elsewhere.
    """

    space: Space
    records: Sequence[Record]
    summary: Summary
    confirmation: Confirmation | None
    where: Addresses
    ablation: Ablation | None = None
    estimated: Callable[[], Sequence[Effect]] = tuple
    knows: Sequence[Known] = ()

    @classmethod
    def of(cls, results: Results) -> Content:
        """What there is to say of a study that was read."""
        told = results.confirmation, results.where, results.ablation, lambda: results.estimates, results.knows
        return cls(results.space, results.advised, results.summary, *told)

    def command(self, verb: str, *words: str) -> str:
        """A command line for this study."""
        return next_command(verb, self.space, self.where, *words)

    @cached_property
    def curves(self) -> Mapping[int, Telemetry]:
        """The curves of each trial's first seed, by number."""
        return {record.number: telemetry.read(telemetry.file(record.folder)) for record in self.records}

    @cached_property
    def ended(self) -> list[Record]:
        """The trials of the search that ended; baselines are not among them, nor parked ones that others continue."""
        over = self.summary.revived
        return [r for r in self.records if r.baseline is None and r.state != State.RUNNING and r.number not in over]

    @property
    def scored(self) -> list[Record]:
        """Those of them that have a score."""
        return [r for r in self.ended if r.values is not None and finite(r.values[0])]

    @property
    def period(self) -> tuple[float, float] | None:
        """From when to when trials were trained, in unix seconds."""
        starts, ends = [r.started for r in self.records if r.started], [r.ended for r in self.records if r.ended]
        return (min(starts), max(ends)) if starts and ends else None

    # The answer

    @cached_property
    def winner(self) -> Contender | None:
        """The candidate that is best on fresh seeds."""
        return self.confirmation.winner if self.confirmation is not None else None

    @cached_property
    def best(self) -> Record | None:
        """The trial to take: the best on fresh seeds, or else the best of the search."""
        from pitprop.results.confirmation import best

        return next(iter(best(self.space, self.records, self.confirmation)), None)

    @property
    def best_epoch(self) -> int | None:
        return best_epoch(self.best, self.space.objective) if self.best is not None else None

    @property
    def early(self) -> Target | None:
        """What ended the search before all its trials: the target of `stop_when`, or that without a trial if nothing improved."""
        stop = self.space.stop_when
        if stop is None or self.summary.finished or self.summary.states[State.RUNNING]:
            return None
        if stop == STAGNATION:
            return Target(stop, math.nan, None) if ranking.stagnates(self.space, self.records) else None
        return next((one for one in self.summary.targets if one.name == stop and one.trial is not None), None)

    @property
    def level(self) -> list[int]:
        """The trials with the same score as the best of the search."""
        return [record.number for record in ranking.ties(self.space, self.records)]

    @property
    def hopeless(self) -> bool:
        """Whether every trial that ended was stopped, so that the best of them is no recommendation."""
        return self.winner is None and all(r.state != State.COMPLETE and not r.waits for r in self.ended)

    @property
    def course(self) -> list[str]:
        """What an author looks for in the curve of the best trial: a flat start, precision and recall, the shares predicted."""
        return words.course(self.curves[self.best.number], self.space) if self.best is not None else []

    @property
    def higher(self) -> Record | None:
        """A trial that had a better score than the best before it collapsed, as long as fresh seeds say nothing of it."""
        first = next(iter(ranking.ranked(self.space, self.records)), None)
        if first is None or self.best is None or self.winner is not None or self.best.collapsed or not first.collapsed:
            return None
        return first if ranking.score(first) != ranking.score(self.best) else None

    @property
    def collapse(self) -> Verdict | None:
        """What stopped the best trial, after its best epoch."""
        return self.best.ending if self.best is not None else None

    @staticmethod
    def verdict(record: Record) -> Verdict | None:
        """What stopped a trial."""
        return record.ending

    @cached_property
    def estimates(self) -> Sequence[Effect]:
        """What each parameter is expected to do where nothing was trained for that; empty with few trials."""
        return self.estimated()

    @property
    def ties(self) -> list[int]:
        """The candidates that fresh seeds cannot tell from the winner."""
        told = self.confirmation
        return [one.trial for one in told.candidates if one.name in told.ties and one.trial is not None] if told else []

    @property
    def flattered(self) -> float:
        """By how much the value of the search was better than the mean on fresh seeds; NaN if that is not known."""
        if self.winner is None:
            return math.nan
        return self.space.objective.sign * ((self.winner.searched or math.nan) - self.winner.mean)

    @property
    def overtaken(self) -> Contender | None:
        """The best of the search, where fresh seeds show another to be better."""
        first = self.confirmation.candidates[0] if self.confirmation is not None and self.winner is not None else None
        return first if first is not None and self.best is not None and first.trial != self.best.number else None

    @cached_property
    def leads(self) -> list[Lead]:
        """The best trial against each baseline."""
        told = self.confirmation
        sure = told.differences.get(self.winner.name, {}) if told is not None and self.winner is not None else {}
        means = {one.name: one.mean for one in told.baselines if one.scores} if told is not None else {}
        delta = {b.name: self.summary.delta(self.best, b.name) if self.best else None for b in self.space.baselines}
        known = self.summary.baselines
        return [Lead(b, known[b.name], means.get(b.name), delta[b.name], sure.get(b.name)) for b in self.space.baselines]

    @property
    def targets(self) -> list[Goal]:
        """Each target: whether it is reached, and whether that is confirmed."""
        told = self.confirmation
        every = told.differences if told is not None and told.complete else {}
        trials = {one.name: one.trial for one in told.candidates} if told is not None else {}
        found = []
        for target in self.summary.targets:
            leads = {name: row[f"target {target.name}"] for name, row in every.items() if f"target {target.name}" in row}
            sure = [name for name, one in leads.items() if one.verdict == "better"]
            by = trials[sure[0]] if sure and (self.winner is None or self.winner.name not in sure) else None
            found.append(Goal(target.name, target.value, target.trial, bool(sure) if leads else None, by))
        return found

    @property
    def yaml(self) -> str:
        """The best trial's parameters as the part of a space that holds them; lists in one line."""
        import yaml

        class Dumper(yaml.SafeDumper):
            pass

        Dumper.add_representer(list, lambda it, found: it.represent_sequence("tag:yaml.org,2002:seq", found, flow_style=True))
        tree = nested(self.best.params) if self.best is not None else {}
        stopping = tree.pop(STOPPING, None)
        rows: dict[str, Any] = {"params": tree} | ({STOPPING: stopping} if stopping else {})
        text: str = yaml.dump(rows, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1000)
        return text.strip()

    # Gates

    @cached_property
    def gates(self) -> list[GateCount]:
        """Each gate with how many trials of the search met it."""
        known = {one.name: dict(one.values) for one in self.space.baselines if one.values is not None}
        for record in self.records:  # a trained baseline counts with the metrics of its best epoch
            epoch = best_epoch(record, self.space.objective) if record.baseline and record.state == State.COMPLETE else None
            if record.baseline and epoch is not None:
                known[record.baseline] = dict(next(e.metrics for e in self.curves[record.number] if e.step == epoch))
        return [self._gate(gate, gate.against(known)) for gate in self.space.gates]

    def _gate(self, gate: Gate, known: Bound | None) -> GateCount:
        """One gate; ``known`` is the gate in numbers."""
        judged = [self.curves[r.number] for r in self.records if r.baseline is None and r.state != State.RUNNING]
        numbers = (known.at_least, known.at_most) if known is not None else (None, None)
        asked = [("least", gate.at_least, numbers[0]), ("most", gate.at_most, numbers[1])]
        bounds = tuple(
            (word, number, bound.baseline, bound.plus) if isinstance(bound, Relative) else (word, bound, "", 0.0)
            for word, bound, number in asked
            if bound is not None
        )
        if known is None:
            return GateCount(gate.metric, gate.epoch, gate.action, gate.remedy, bounds)
        reached = sum(known.value(curve) is not None for curve in judged)
        missed = sum(known.missed(curve) is not None for curve in judged)
        best = self.curves[self.best.number] if self.best is not None else None
        value, fails = (known.value(best), known.missed(best) is not None) if best is not None else (None, False)
        counts = reached - missed, missed, len(judged) - reached
        return GateCount(gate.metric, gate.epoch, gate.action, gate.remedy, bounds, counts, value, fails)

    # What was stopped

    @cached_property
    def stopped(self) -> list[Group]:
        """Trials that were stopped, by signature, those of most trials first."""
        return [self._group(reason) for reason in self.summary.pruned]

    def _group(self, reason: Reason) -> Group:
        told: dict[str, list[int]] = {}
        alike: dict[tuple[Any, ...], list[int]] = {}  # trials that are answered from one curve ended alike
        for number in reason.trials:
            verdict = self.records[number].ending
            if verdict is not None:
                told.setdefault(verdict.remedy, []).append(number)
                state = (number in reason.parked, self.summary.revived.get(number))
                alike.setdefault((verdict.step, verdict.reason, verdict.remedy, *state), []).append(number)
        remedies = sorted(((remedy, tuple(found)) for remedy, found in told.items() if remedy), key=lambda item: -len(item[1]))
        return Group(reason, tuple((tuple(found), self.records[found[0]]) for found in alike.values()), tuple(remedies))

    # Costs

    @cached_property
    def costs(self) -> Costs:
        """What was trained, and what stopping early saved: hours at each trial's own mean pace."""
        known = {r.number: trained_seconds(r, self.space.seeds) for r in self.records if r.state != State.RUNNING}
        lost = {r.number: r.saved for r in self.records if r.saved and r.number not in self.summary.revived}
        seconds = [time for time, epochs in known.values() if epochs]
        saved = [lost[number] * known[number][0] / known[number][1] for number in lost if known[number][1]]
        return Costs(
            math.fsum(seconds) if seconds else None,
            len(lost),
            self.summary.left_out.stopped,
            math.fsum(saved) if saved else None,
            self.summary.left_out.patience,
        )

    # Where it is good, and where it dies

    @cached_property
    def deadly(self) -> list[landscape.Part]:
        return landscape.deadly_parts(self.space, self.ended)

    @cached_property
    def failing(self) -> list[landscape.Failing]:
        return landscape.failing(self.space, self.ended)

    @cached_property
    def importances(self) -> dict[str, float]:
        return landscape.importances(self.space, self.scored)

    @cached_property
    def axes(self) -> list[landscape.Axis]:
        """The searched parameters, the most important first."""
        return sorted(landscape.axes(self.space), key=lambda axis: -self.importances.get(axis.name, 0.0))

    @cached_property
    def advice(self) -> Advice:
        """What to try next."""
        from pitprop.views.next_steps import Advice

        return Advice(self)

    @cached_property
    def front(self) -> Front | None:
        """The Pareto front of several objectives; None with one, or while there is none."""
        from pitprop.views.front import Front

        return Front.of(self) if len(self.space.objectives) > 1 and self.summary.best else None

    # How it was made

    @property
    def source(self) -> str:
        """The text of the space."""
        return self.space.text.strip()

    @property
    def versions(self) -> Iterator[str]:
        yield f"Python {platform.python_version()}"
        for name in PACKAGES:
            with suppress(metadata.PackageNotFoundError):
                yield f"{name} {metadata.version(name)}"


def trained_seconds(record: Record, seeds: int) -> tuple[float, int]:
    """The seconds that a trial's epochs report, over all its seeds, and how many epochs report any."""
    curves = [telemetry.read(telemetry.file(record.folder, replica)) for replica in range(seeds)]
    read = [x for curve in curves for epoch in curve if finite(x := epoch.metrics.get("seconds", math.nan))]
    return math.fsum(read), len(read)


def outcome(one: Remedied, record: Record) -> str:
    """What became of a trial that tried a remedy: ``better``, ``worse``, ``stopped``, ``scored``, ``failed`` or ``open``."""
    if record.ending is not None:
        return "stopped"
    if one.gain is not None:
        return "better" if one.gain > 0 else "worse"
    return "scored" if record.values is not None else "failed" if record.state == State.FAIL else "open"
