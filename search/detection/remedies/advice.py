"""What to change, as signatures advise it: in view of what the trial already has, at most three things, none against another.

A function here returns None where the trial's own parameters say that it is done already. Parameters are found by the last words
of their dotted names, as spaces call them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pitprop.detection import levels, reading
from pitprop.detection.facts import WARMUPS, Facts, own
from pitprop.detection.remedies import rates
from pitprop.messages import N_, Message, from_json, message
from pitprop.telemetry import Telemetry

MOST = 3
"""As many things to change as a verdict names: who is told more tries none."""
RATES = ("lr", "learning_rate", "base_lr", "max_lr")
CLIPS = ("clip", "clip_norm", "max_grad_norm", "gradient_clip_val", "grad_clip")
WEIGHTS = ("alpha", "class_weight", "class_weights", "weight", "pos_weight")
"""What spaces call the learning rate, the largest gradient norm and class weights, as the last word of a dotted name."""
WARM = 0.25
"""The share of the budget from which on a warm-up is long."""
SHORT, LONG = 1e-4, 0.01
"""Ratios of step to weight norm, below and above which the size of the steps is the most likely cause of standing at chance."""
LOST = 1e-7
"""The precision of float32: the ratio below which steps are lost, not slow."""
NEAR = 1.25
"""The factor within which a class weight is that of the class counts."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to change: in words, and as new values of parameters by name where it can be tried as it stands.

    ``{"times": 0.1}`` multiplies, and ``lr`` stands for the learning rate, whatever a space calls it. ``moves`` says what it
    moves, and in which direction, ``lr-`` or ``lr+``, ``lr?`` where that is open. ``sure``: the direction follows from what
    was seen of the trial, and no study turns it round. ``times``: how far a rate is to go where no other trial shows it.
    """

    text: str
    change: Mapping[str, Any] = field(default_factory=dict)
    moves: str = ""
    sure: bool = False
    times: float = 10.0

    def against(self, other: Advice) -> bool:
        """Whether one asks for the opposite of the other."""
        open_ = "?" in (self.moves[-1:], other.moves[-1:])
        return bool(self.moves) and self.moves[:-1] == other.moves[:-1] and self.moves != other.moves and not open_

    def same(self, other: Advice) -> bool:
        """Whether both move the same parameter in the same direction, or the other one says more."""
        alike = bool(self.moves) and self.moves[:-1] == other.moves[:-1]
        return alike and (self.moves == other.moves or self.moves.endswith("?"))

    def to_json(self) -> dict[str, Any]:
        """As a dictionary for ``json.dumps``."""
        text = self.text.to_json() if isinstance(self.text, Message) else self.text
        return {"text": text, "change": dict(self.change), "moves": self.moves, "sure": self.sure, "times": self.times}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Advice:
        """The advice that `to_json` wrote."""
        return cls(from_json(row["text"]), row["change"], row["moves"], row.get("sure", False), row.get("times", 10.0))


def few(given: str | Iterable[Advice | None], before: Iterable[Advice] = ()) -> tuple[Advice, ...]:
    """At most `MOST` of what is ``given``, without what goes against what comes ``before`` it or says the same."""
    given = (Advice(given),) if isinstance(given, str) else given
    kept, found = list(before), list[Advice]()
    for one in given:
        if one is not None and one.text and not any(one.against(other) or one.same(other) for other in kept):
            kept.append(one)
            found.append(one)
    return tuple(found[:MOST])


def words(found: Iterable[Advice]) -> Message | str:
    """The advice in one text; empty if there is none."""
    texts = [one.text for one in found]
    return Message.join(texts, "; ") if len(texts) > 1 else (texts or [""])[0]


def lower_rate(telemetry: Telemetry, facts: Facts, times: float = 0.1) -> Advice | None:
    """A share of the learning rate, where what was seen says that it is too high; None where the study shows the opposite."""
    rate = known_rate(telemetry, facts.params)
    found = rates.decide(rate, living_rates(facts), cause="-", times=times)
    return None if found is None else replace(_moved(rate, found, times), sure=True)


def raise_rate(telemetry: Telemetry, facts: Facts) -> Advice | None:
    """A higher learning rate, where what was seen says that it is too low; None where the study shows the opposite."""
    rate, times = known_rate(telemetry, facts.params), _tens(telemetry, facts)
    found = rates.decide(rate, living_rates(facts), cause="+", times=times)
    return None if found is None else replace(_moved(rate, found, times), sure=True)


def rate(telemetry: Telemetry, facts: Facts) -> Advice:
    """Another learning rate, of a training that stands at chance: as the study shows, else as the size of the steps says."""
    ratios, now, living = telemetry.column("update_ratio").values, known_rate(telemetry, facts.params), living_rates(facts)
    steps = "" if not ratios or SHORT <= ratios[-1] <= LONG else "+" if ratios[-1] < SHORT else "-"
    times = _tens(telemetry, facts) if steps == "+" else 10.0
    found = rates.decide(now, living, steps=steps, times=times) or rates.Move("?")
    advised = _moved(now, found, times)
    if found.way != steps:
        return advised
    said = N_("{change} (steps are {ratio:.1g} of the weights' norm)")
    return replace(advised, text=message(said, change=advised.text, ratio=ratios[-1]))


def again(given: Advice, rate: float, living: Sequence[float]) -> Advice | None:
    """What was advised of the learning rate before others had ended, in view of the rates with which trials lived.

    Of the same trials it says the same, however often it is asked: it goes as far as was advised before any of them was known.
    """
    if given.moves[:-1] != "lr" or not living:
        return given
    way = given.moves[-1].replace("?", "")
    found = rates.decide(rate, living, cause=way if given.sure else "", steps=way, times=given.times)
    if found is None or found.way == "?" or found == rates.Move(given.moves[-1], given.change.get("lr")):
        return None if found is None else given
    moved = _moved(rate, found, given.times)
    return replace(moved, sure=given.sure, change=moved.change if given.change or not given.sure else {})


def _moved(rate: float | None, move: rates.Move, times: float) -> Advice:
    """The move in words, in numbers where the rate is known; one to where trials lived is a value, any other a factor."""
    if move.way == "?":
        return Advice(message("change the learning rate tenfold, up or down"), moves="lr?", times=times)
    factor = max(times, 1 / times) if move.way == "+" else min(times, 1 / times)
    change = {"lr": {"times": factor} if rate is None or move.target == rate * factor else move.target}
    if rate is not None and move.way == "+":
        text = message("raise the learning rate from {rate:.2g} to {higher:.2g}", rate=rate, higher=move.target)
    elif rate is not None:
        text = message("lower the learning rate from {rate:.2g} to {lower:.2g}", rate=rate, lower=move.target)
    elif move.way == "+":
        text = message("raise the learning rate tenfold")
    elif times == 0.1 or times == 10:
        text = message("lower the learning rate tenfold")
    else:
        text = message("divide the learning rate by {by:.3g}", by=1 / factor)
    return Advice(text, change, f"lr{move.way}", times=times)


def _tens(telemetry: Telemetry, facts: Facts) -> float:
    """How often ten times the rate it takes to bring the largest steps, after the warm-up, from below `LOST` to `SHORT`.

    At a rate of 1e-10 nothing moves at 1e-9 either.
    """
    largest = max(telemetry.column("update_ratio").values, default=0.0)
    warm = len(telemetry) > 0 and telemetry[-1].step > reading.warmup(telemetry, facts)
    lost = known_rate(telemetry, facts.params) and warm and 1e-12 < largest < LOST
    return float(10 ** math.ceil(math.log10(SHORT / largest) - 1e-6)) if lost else 10.0


def known_rate(telemetry: Telemetry, params: Mapping[str, Any]) -> float | None:
    """The trial's own learning rate, else the largest that was reported: what it is now may be that of a schedule."""
    rate = own(params, *RATES)
    if isinstance(rate, int | float) and not isinstance(rate, bool) and rate > 0:
        return float(rate)
    return max((rate for rate in telemetry.column("lr").values if rate > 0), default=None)


def living_rates(facts: Facts) -> Sequence[float]:
    """The learning rates of the trials before it that have learned and have not lost it."""

    def found() -> list[float]:
        alive = [
            known_rate(peer.telemetry, peer.params)
            for peer in facts.peers
            if levels.learned_once(peer.telemetry, facts) and levels.above_chance(peer.telemetry, facts, reading.LEAST)
        ]
        return sorted(one for one in alive if one is not None)

    return facts.of_study("living rates", found)


def warm_up(facts: Facts) -> Advice | None:
    """A longer warm-up, up to a quarter of the budget."""
    now = facts.own(*WARMUPS)
    if not isinstance(now, int | float) or isinstance(now, bool):
        return Advice(message("lengthen the warm-up"), moves="warmup+")
    longer = max(round(facts.budget / 10), round(2 * now), 1)
    if now >= WARM * facts.budget or longer <= now:
        return None
    text = message("lengthen the warm-up from {now:g} to {longer} epochs", now=now, longer=longer)
    return Advice(text, moves="warmup+")


def shorter_warm_up(telemetry: Telemetry, facts: Facts) -> Advice | None:
    """A shorter warm-up, where there is one."""
    return Advice(message("shorten the warm-up"), moves="warmup-") if reading.warmup(telemetry, facts) > 1 else None


def clip(facts: Facts) -> Advice | None:
    """Clipped gradients, where they are not clipped to 1 already."""
    now = facts.own(*CLIPS)
    if not isinstance(now, int | float) or isinstance(now, bool) or now <= 0:
        return Advice(message("clip gradients to norm 1"), moves="clip-")
    text = message("clip gradients to norm 1 instead of {now:g}", now=now)
    return Advice(text, moves="clip-") if now > 1 else None


def balance(facts: Facts) -> Advice | None:
    """Balanced batches, where they are not balanced already."""
    drawn = facts.own("oversample") or facts.own("sampler") in ("balanced", "stratified")
    return None if drawn else Advice(message("draw balanced batches"), moves="oversample+")


def weighting(facts: Facts) -> float | None:
    """How much more a sample of class 1 weighs than one of class 0, by alpha and class weights; None if neither is known."""
    pairs = [facts.own("alpha"), facts.own("class_weight", "class_weights")]
    ratios = [pair[1] / pair[0] for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] > 0]
    return None if not ratios or isinstance(pairs[1], str) else ratios[0] * (ratios[1] if len(ratios) > 1 else 1.0)


def weighted(facts: Facts) -> bool:
    """Whether the classes weigh or are drawn otherwise than they occur, as far as the parameters tell."""
    ratio = weighting(facts)
    return bool(facts.own("class_weight", "class_weights", "oversample")) or (ratio is not None and ratio != 1)


def prior_bias(facts: Facts) -> Advice | None:
    """The start that knows no more than how often classes count: at the prior, but where class weights make them count alike."""
    now = facts.own("prior_bias")
    if weighted(facts):
        text = message("start the output bias at 0, not at the class prior: weighted classes count alike")
        return Advice(text, moves="prior_bias-") if now else None
    return None if now else Advice(message("start the output bias at the class prior"), moves="prior_bias+")


def class_ratio(telemetry: Telemetry, facts: Facts) -> float | None:
    """How many samples the most frequent class has for one of the rarest; None if the counts are not known."""
    labels = reading.labels(telemetry, facts)
    return max(labels.values()) / max(min(labels.values()), 1) if labels else None
