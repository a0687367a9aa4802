"""What is to be said of a training by its logs alone: is it dead, since when could that be known, and what was not seen?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pitprop.detection import detect, levels, metrics, reading, stopping
from pitprop.detection import signatures as catalogue
from pitprop.detection.detect import Bound, Signature, Verdict, judge_gates
from pitprop.detection.facts import Facts, Peer
from pitprop.detection.life import course
from pitprop.errors import UserError
from pitprop.logs import assumptions, evidence, finished, objectives
from pitprop.logs.assumptions import FEW, Given
from pitprop.logs.epochs import coarser
from pitprop.logs.finished import Finished
from pitprop.messages import N_, Message, _, message, nmessage
from pitprop.telemetry import Telemetry, reports

ALIKE = "no_effect"
UNREAD = message("check how the script reads what was changed: a misspelt name, a default that wins, a branch never taken")
MEANS = {
    "epoch": N_("mean of {n} epochs"),
    "evaluation": N_("mean of {n} evaluations"),
    "reading": N_("mean of {n} readings"),
    "reading of training": N_("mean of {n} readings of training"),
}
"""What is called an epoch where several are taken together."""
BATCHES = ("oscillation",)
"""Signatures that single readings of training would always show."""
BY_END = ("hopelessly_slow",)
"""Signatures that ask what can still be reached: they need to know how long the training is, not only the log."""
BY_START = ("bad_start",)
"""Signatures that need a stated chance: where it is a guess from the start, they would hold the start against itself."""
SEEN_EARLY = ("constant_prediction", "minority_prediction", "no_positives")
"""Evidence that is told at once, as a warning, before it counts and where the training came back from it."""
PASSING = "unchanged_score"
"""What says nothing any more once it has ended."""
SHORT = 50
"""Optimizer steps of which fewer take no model from chance."""
MOST = 512
"""Epochs that are judged: of a log with more, means of several."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``verdicts`` are the first of each signature, as a search would have met them; ``ended`` is the one that still holds.

    ``unjudged`` says why it can be called neither dead nor alive, and what would help; None where it can.

    ``unit`` is what is called an epoch; ``gates`` come with the value they met and why that misses them; ``unwatched`` are the
    signatures that lacked readings, with what they need; ``notes`` say what was concluded from the log.

    ``compared`` are the numbers that a person gives to be beaten, by the log's names.
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
    unjudged: Message | None = None
    compared: Mapping[str, float] = field(default_factory=dict)

    @property
    def dead(self) -> bool:
        return self.ended is not None

    @property
    def alive(self) -> bool:
        """Whether it was judged, and nothing ended it."""
        return not self.dead and self.unjudged is None

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

    @property
    def chance_loss(self) -> float | None:
        """The loss of such a model, as far as it is known."""
        return levels.loss(self.telemetry, self.facts, guess=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a log beside its epochs: whether these are readings of training (``few``), and chance is ``guessed``.

    ``planned`` says whether somebody tells how long the whole training is.
    """

    log: Finished
    given: Given
    few: bool
    guessed: bool
    planned: bool

    @property
    def few_tell(self) -> bool:
        """Whether a few epochs are enough: somebody holds them against something, or their score is better than a guess."""
        score = objectives.choose(self.log.epochs) if len(self.log.epochs) < FEW else ""
        return bool(self.given.gates or self.given.checkpoint or (score and assumptions.good(self.log.epochs, score)))

    def directed(self, metric: str) -> bool:
        """Whether the objective's direction is known."""
        return self.given.maximize is not None or metrics.rises(metric) is not None

    def watches(self, signature: Signature, facts: Facts) -> bool:
        """Whether a signature is to be asked: without an objective that is understood, only proof."""
        if not facts.metric or not self.directed(facts.metric):
            return catalogue.load(signature.name).KIND == "hard"
        barred = {*(BATCHES if self.few else ()), *(BY_START if self.guessed else ()), *(() if self.planned else BY_END)}
        return signature.name not in barred

    def blind(self, facts: Facts) -> Message:
        """Why nothing can be said of a training that has not improved: where chance is is not known."""
        epoch, step = self.log.begins
        if metrics.of(facts.metric).family == "reward":
            return message("{metric} has not risen, and what an untrained policy gets is not known", metric=facts.metric)
        why = message("what an untrained model reaches is not known")
        if self.guessed:
            why = message("where chance is and how long the whole training is would be guesses")
        elif self.log.late:
            place = message("epoch {epoch}", epoch=epoch) if epoch else message("step {step}", step=step)
            why = message("its log begins at {place}, when it was no longer untrained", place=place)
        elif assumptions.learned(self.given, self.log):
            why = message("it began from a checkpoint, which is no longer untrained")
        known = message("--chance-loss or --class-counts tells where chance is, --epochs how long it trains")
        return message("{metric} has not improved, and {why}; {known}", metric=facts.metric, why=why, known=known)


def diagnose(files: Sequence[Path], given: Given | None = None, name: str = "") -> Diagnosis:
    """Reads the logs of one training, and judges it as a search would have done. `UserError` if they hold no readings."""
    given, notes = given or Given(), list[str]()
    log = finished.read(files, given.metric, given.format, given.pattern, given.names)
    by_epoch = bool(given.gates or given.checkpoint) or (given.metric or "").startswith("val/")  # of validation
    few = len(log.epochs) < FEW and len(log.pieces) > len(log.epochs) and not (by_epoch and log.epochs)
    read, percent = assumptions.shares(log.pieces if few else log.epochs)
    telemetry, each = coarser(assumptions.totals(read), MOST)
    if not telemetry:
        where = ", ".join(map(str, files))
        raise UserError(
            _("{where}: no reading of a loss or a score is in it; --pattern says how it prints them").format(where=where)
        )
    metric = given.metric or (objectives.scored(log.epochs) if few else "") or objectives.choose(telemetry)
    if metric and not reports(telemetry, metric):
        known = sorted({key for epoch in telemetry for key in epoch.metrics})
        raise UserError(
            _("{metric!r} is not among the readings of {name}: {known}").format(
                metric=metric, name=files[0].name, known=", ".join(known)
            )
        )
    if (stated := given.chance_score or 0.0) > 1 and metrics.of(metric).share and max(telemetry.column(metric).values) <= 1:
        given = replace(given, chance_score=stated / 100)  # in percent, as the log may print it
    if metric in percent:
        notes.append(message("{metric} is printed in percent, and shown as a share", metric=metric))
    if log.from_0 and not few and each == 1:
        notes.append(message("its log counts epochs from 0, so that epoch 1 here is its epoch 0"))
    notes += log.went_back and [log.went_back] if not few else []
    unit = N_("epoch") if log.numbered else N_("evaluation") if metric.startswith("val/") else N_("reading")
    asked = given = assumptions.meant(given, telemetry, metric, notes)
    given = assumptions.fresh(given, telemetry, metric, log, notes)
    before = len(notes)
    budget = assumptions.budget(given, log, telemetry[-1].step * each, few, notes)
    planned = given.epochs is not None or len(notes) > before
    if readings := assumptions.said({**log.said, **({"pretrained": 1} if log.late or given.checkpoint else {})}):
        telemetry = Telemetry([replace(telemetry[0], metrics={**readings, **telemetry[0].metrics}), *telemetry[1:]])
    facts, guessed = assumptions.facts(telemetry, metric, given, log, -(-budget // each), notes)
    notes += assumptions.absent(telemetry, asked)
    notes += assumptions.patient(telemetry, facts) if planned and not few else []
    unit = N_("reading of training") if few else unit
    beside = Known(log, given, few, guessed, planned)
    if guessed and not planned:  # where chance is, and how long it trains, would both be guesses
        facts = replace(facts, chance_loss=None, chance_score=None)
    unit = unit if each == 1 else message(MEANS[unit], n=each)
    found = Diagnosis(name or files[0].name, files, telemetry, facts, [], None, {}, [], unit, notes, compared=asked.checkpoint)
    return _judged(found, beside)


def across(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """The same, each warned of ``no_effect`` if its curve is that of one before it, as far as both go."""
    return [_beside(one, found[:index]) for index, one in enumerate(found)]


def advice(found: Diagnosis) -> list[str]:
    """What to change, the most urgent first: what would have saved it, and for gates that it missed and curves like another's."""
    late = (verdict for verdict in found.verdicts if verdict.signature == ALIKE or verdict.signature.startswith("gate:"))
    urgent = (*([found.ended] if found.ended else []), *late)
    return list(dict.fromkeys(verdict.remedy for verdict in urgent if verdict.remedy))


def unlike(found: Sequence[Diagnosis]) -> dict[str, list[str]]:
    """The settings in which trainings differ, each with its values in their order; empty for one that does not say it."""
    said = [finished.settings(one.files) for one in found]
    names = dict.fromkeys(name for one in said for name in one)
    return {name: values for name in names if len({*(values := [one.get(name, "") for one in said])}) > 1}


def _beside(one: Diagnosis, earlier: Sequence[Diagnosis]) -> Diagnosis:
    """The logs name no hyperparameters, but as attempts that are compared they differ in something."""
    for number, other in enumerate(earlier, 1):
        peer = Peer(number, {"attempt": number}, other.telemetry)
        facts = replace(one.facts, params={"attempt": 0}, peers=[peer])
        common = Telemetry(epoch for epoch in one.telemetry if epoch.step <= other.telemetry[-1].step)
        for verdict in detect.judge(common, facts, [Signature(ALIKE)]) if one.unit == other.unit else ():
            reason = message(
                "the same curve as {other} in epochs {first}-{last}, so that what was changed between them has no effect",
                **{"other": other.name, "first": common[-reading.window(common, facts, 5)].step, "last": verdict.step},
            )
            alike = replace(verdict, reason=reason, remedy=UNREAD)
            return replace(one, verdicts=sorted([*one.verdicts, alike], key=lambda verdict: verdict.step))
    return one


def _judged(found: Diagnosis, known: Known) -> Diagnosis:
    """The diagnosis with what was found: verdicts, gates, what was not watched, and whether it can be judged at all."""
    telemetry, facts, given = found.telemetry, found.facts, known.given
    watching = [one for one in detect.defaults() if known.watches(one, facts)]
    verdicts = detect.replay(telemetry, facts, watching)
    ended = _ended(telemetry, facts, verdicts, watching)
    if ended is None and (last := _at_the_end(telemetry, facts, known)):
        ended, verdicts = last, [*(one for one in verdicts if one.signature != last.signature), last]
    early = [Signature(name, "warn") for name in SEEN_EARLY if name not in {one.signature for one in verdicts}]
    verdicts = [*verdicts, *detect.replay(telemetry, facts, early if ended is None else (), over=True)]
    holds = detect.judge(telemetry, facts, [Signature(PASSING)]) and not _at_its_best(telemetry, facts)
    verdicts = [one for one in verdicts if one.signature != PASSING or holds]
    unjudged = _unjudged(telemetry, facts, known, ended)
    if unjudged is not None:
        ended, verdicts = None, [one for one in verdicts if not one.ends]
    lacking = detect.unwatched(telemetry, watching)
    if facts.batch:
        lacking.pop("contrastive_collapse", None)
    gates = [(gate, gate.value(telemetry), gate.missed(telemetry)) for gate in given.gates]
    if ended is not None:  # what ended it advises first
        ended, *rest = detect.agreeing([ended, *(one for one in verdicts if one is not ended)])
        verdicts = [ended, *rest]
    missed = [replace(verdict, step=gate.epoch) for gate in given.gates for verdict in judge_gates(telemetry, [gate])]
    verdicts = sorted([*detect.agreeing(verdicts), *missed], key=lambda verdict: verdict.step)
    notes = [*found.notes, *(course(telemetry, facts) if ended is None and unjudged is None else ())]
    return replace(found, verdicts=verdicts, ended=ended, unwatched=lacking, gates=gates, unjudged=unjudged, notes=notes)


def _at_the_end(telemetry: Telemetry, facts: Facts, known: Known) -> Verdict | None:
    """What the end of a log adds: a loss that is NaN there, and nothing found in any epoch of a training that is over."""
    found = detect.judge(telemetry, facts, [Signature("non_finite", thresholds={"patience": 1})])
    if not found and known.planned and telemetry[-1].step >= facts.budget:
        found = detect.judge(telemetry, facts, [Signature("no_positives")], over=True)
    return next(iter(found), None)


def _unjudged(telemetry: Telemetry, facts: Facts, known: Known, ended: Verdict | None) -> Message | None:
    """Why the training can be called neither dead nor alive; None if it can. Proof needs no objective."""
    if ended is not None and catalogue.load(ended.signature).KIND == "hard":
        return None
    names = {name for epoch in telemetry for name in epoch.metrics}
    if not facts.metric:
        return objectives.none(names, assumptions.named(names))
    if not known.directed(facts.metric):
        return message(
            "whether more of {metric} is better is not known from its name; --goal minimize or --goal maximize says it",
            metric=facts.metric,
        )
    steps = known.log.steps
    if known.few and 0 < steps < SHORT and (ended is not None or not assumptions.moved(telemetry)):
        return nmessage(
            "{n} step of training is too few to leave chance", "{n} steps of training are too few to leave chance", steps
        )
    if ended is not None:
        return evidence.doubtful(telemetry, facts) if known.guessed else None
    return _undecided(telemetry, facts, known)


def _undecided(telemetry: Telemetry, facts: Facts, known: Known) -> Message | None:
    """Why the readings of a training that nothing has ended show neither; None if it learns, or if chance is known."""
    values, level = telemetry.column(facts.metric).values, levels.score(telemetry, facts)
    count = len(values)
    if count >= FEW and len({*values}) == 1 and detect.judge(telemetry, facts, [Signature(PASSING)]):
        return evidence.constant(telemetry, facts)
    if metrics.of(facts.metric).empty and count >= 2 * FEW and not any(values[-(count // 2) :]):
        return message("{metric} is 0 since the middle of the training: nothing is found any more", metric=facts.metric)
    if (
        count >= FEW
        and not known.log.placed
        and facts.metric.startswith("val/")
        and not assumptions.improved(values, facts.sign, at_end=True)
    ):
        return message("its scores name no epoch and no step, and may be of several models; --pattern says where they stand")
    fallen = message("{metric} had improved, and has fallen back to about where it began", metric=facts.metric)
    reward = metrics.of(facts.metric).family == "reward"
    if not reward and assumptions.fell(telemetry, facts):
        return fallen
    if len(telemetry) == 1 and not (known.given.gates or known.given.checkpoint):
        once = {"metric": facts.metric, "value": values[0] if values else float("nan")}
        return message("{metric} was read once, as {value:.4g}, and one reading does not tell how a training went", **once)
    short = evidence.worse(telemetry, facts, known.log.said) or evidence.at_once(telemetry, facts)
    if short is not None:
        return short
    started = assumptions.learned(known.given, known.log)
    if evidence.learns(telemetry, facts, started) or (known.few_tell and len(known.log.epochs) < FEW):
        return None
    if (by_heart := evidence.by_heart(telemetry, facts)) is not None:
        return by_heart
    if count < FEW:
        return nmessage(
            "{metric} and the losses have not improved, and {n} reading is too few to tell",
            "{metric} and the losses have not improved, and {n} readings are too few to tell",
            count,
            metric=facts.metric,
        )
    if level is not None:
        return message(
            "{metric} has not left chance ({level:.4g}), which does not prove that it never will",
            metric=facts.metric,
            level=level,
        )
    if reward and count >= 3 * FEW and assumptions.lost(values, facts.sign):
        return fallen
    return None if levels.loss(telemetry, facts, guess=False) is not None else known.blind(facts)


def _at_its_best(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether a return rose to where it stays: many games end at a highest score."""
    values = telemetry.column(facts.metric).values
    risen = metrics.of(facts.metric).family == "reward" and assumptions.improved(values, facts.sign, at_end=True)
    return risen and facts.sign * values[-1] >= max(facts.sign * value for value in values)


def _ended(telemetry: Telemetry, facts: Facts, verdicts: Sequence[Verdict], watching: Sequence[Signature]) -> Verdict | None:
    """The first verdict that ends it, unless the training came back after it."""
    first = next((verdict for verdict in verdicts if verdict.ends), None)
    if first is None or any(verdict.ends for verdict in detect.judge(telemetry, facts, watching)):
        return first
    count = min(reading.window(telemetry, facts, 5), telemetry[-1].step - first.step)
    return first if levels.above_chance(telemetry, facts, count, 0.1) is False else None
