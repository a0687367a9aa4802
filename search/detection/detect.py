"""Judge a training by its epochs: the verdicts of signatures of collapse, and of gates.

A verdict is a pure function of the epochs up to the one judged, and of the facts: no clock, no study, no state between
calls. So a resumed search judges as an uninterrupted one, and a replay of a finished log gives what the live run gave.

Proof of a collapse (a ``hard`` signature) counts at once. Evidence (a ``soft`` one) counts after a grace period, only while no
life sign is seen, and never against the best trial of a study.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pitprop.detection import levels, life, metrics, reading
from pitprop.detection import signatures as catalogue
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, from_json, message
from pitprop.telemetry import Epoch, Telemetry

ACTIONS = ("prune", "park", "warn")
WANTED = ("train/loss", "val/loss", "val/auc", "val/logit_spread", "lr")
"""Readings that are evidence in every verdict, since people look at them first."""
BELOW = 1.5
"""A score below chance gets this many times the usual grace: predicting only a minority class often ends by itself."""
ABSURD = 0.45
"""The grace where the loss is absurd, as a share of the budget: it scatters, and tells nothing of whether it will come down."""
ENDING = ("prune", "park")
"""The actions that end a training; a parked one can be revived."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a training is judged to be lost: by which signature, at which epoch, on which numbers, and what to change.

    ``reason`` and ``remedy`` are English text, and messages where they are ours: `pitprop.messages.localized` translates them.
    ``evidence`` are the readings of that epoch, by metric. ``advice`` is what the remedy consists of, if a signature gave it;
    ``change`` the part of the remedy that can be tried as it stands: new values of parameters, by dotted name.
    ``chance`` is where chance is and from where that is known, of a verdict on evidence.
    """

    signature: str
    step: int
    action: str
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    remedy: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)
    advice: tuple[Advice, ...] = ()
    chance: str = ""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError(f"a verdict of {self.signature} at epoch {self.step} has no reason")
        if self.action not in ACTIONS:
            raise ValueError(f"a verdict's action is one of {', '.join(ACTIONS)}, not {self.action!r}")

    @property
    def ends(self) -> bool:
        """Whether the training is stopped."""
        return self.action in ENDING

    def advised(self, found: Sequence[Advice]) -> Verdict:
        """The same verdict with this advice; the first that can be tried is its change."""
        change = next((one.change for one in found if one.change), {})
        return replace(self, remedy=advice.words(found), change=change, advice=tuple(found))

    def to_json(self) -> dict[str, Any]:
        """As a dictionary for ``json.dumps``; NaN stays NaN. ``messages`` holds what translates reason and remedy later."""
        told = {"reason": self.reason, "remedy": self.remedy, "chance": self.chance}
        messages = {name: text.to_json() for name, text in told.items() if isinstance(text, Message)}
        return {
            **{"signature": self.signature, "step": self.step, "action": self.action, "reason": str(self.reason)},
            **{"evidence": dict(self.evidence), "remedy": str(self.remedy), "change": dict(self.change)},
            **({"advice": [one.to_json() for one in self.advice]} if self.advice else {}),
            **({"chance": str(self.chance)} if self.chance else {}),
            **({"messages": messages} if messages else {}),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        """The verdict that `to_json` wrote. Without ``messages``, as in older studies, the texts can only be shown as stored."""
        messages = {name: from_json(found) for name, found in row.get("messages", {}).items()}
        told = tuple(map(Advice.from_json, row.get("advice", ())))
        return cls(**{name: value for name, value in row.items() if name != "messages"} | messages | {"advice": told})


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as a space configures it: its action and all its thresholds (by default those of its module)."""

    name: str
    action: str = ""
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    """The thresholds that the module's ``detect`` takes."""

    def __post_init__(self) -> None:
        """``ValueError`` for a name, an action or a threshold that does not exist."""
        known = catalogue.thresholds(self.name)
        action = self.action or catalogue.action(self.name)
        if action not in ACTIONS:
            raise ValueError(f"signature {self.name}: an action is one of {', '.join(ACTIONS)}, not {action!r}")
        object.__setattr__(self, "action", action)
        if unknown := set(self.thresholds) - set(known):
            raise ValueError(f"signature {self.name} has no threshold {sorted(unknown)[0]!r}: it takes {', '.join(known)}")
        for threshold, value in self.thresholds.items():
            least = 1 if threshold == "patience" else 0
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
                raise ValueError(f"signature {self.name}: {threshold} is a number of at least {least}, not {value!r}")
            if threshold == "patience" and value != int(value):
                raise ValueError(f"signature {self.name}: patience is a whole number of reports, not {value!r}")
        object.__setattr__(self, "thresholds", {**known, **self.thresholds})
        object.__setattr__(self, "own", {name: self.thresholds[name] for name in known if name not in ("grace", "blind")})


@dataclass(frozen=True, slots=True)
class Bound:
    """A gate in numbers: bounds on ``metric`` at ``epoch``, or at the first one after it that reports ``metric``.

    A later recovery does not count.
    """

    metric: str
    epoch: int
    at_least: float | None = None
    at_most: float | None = None
    action: str = "prune"
    remedy: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the gate on {self.metric} at epoch {self.epoch} has no bound: give at_least or at_most")

    @property
    def name(self) -> str:
        return f"gate:{self.metric}@{self.epoch}"

    def value(self, telemetry: Sequence[Epoch]) -> float | None:
        """The metric at the epoch that the gate is judged at; None before it."""
        epoch = self.judged(telemetry)
        return None if epoch is None else epoch.metrics[self.metric]

    def judged(self, telemetry: Sequence[Epoch]) -> Epoch | None:
        """The epoch that the gate is judged at; None before it."""
        after = bisect_left(telemetry, self.epoch, key=lambda epoch: epoch.step)
        return next((epoch for epoch in telemetry[after:] if self.metric in epoch.metrics), None)

    def missed(self, telemetry: Sequence[Epoch]) -> Message | None:
        """Why the gate is missed; None before it is judged, and where it is met.

        A metric that was reported as NaN misses every gate.
        """
        epoch = self.judged(telemetry)
        if epoch is None:
            return None
        value = epoch.metrics[self.metric]
        said = {"metric": self.metric, "value": value, "epoch": epoch.step}
        if self.at_least is not None and not value >= self.at_least:
            at_least = N_("{metric} was {value:.4g} at epoch {epoch}, the gate asks for at least {bound:.4g}")
            return message(at_least, **said, bound=self.at_least)
        if self.at_most is not None and not value <= self.at_most:
            at_most = N_("{metric} was {value:.4g} at epoch {epoch}, the gate asks for at most {bound:.4g}")
            return message(at_most, **said, bound=self.at_most)
        return None


def defaults() -> list[Signature]:
    """All signatures that ship, with their own actions and thresholds."""
    return [Signature(name) for name in catalogue.names()]


def judge(epochs: Sequence[Epoch], facts: Facts, signatures: Iterable[Signature], *, over: bool = False) -> list[Verdict]:
    """The verdicts on the last epoch. Those that end the training come first; among equals, those that name a cause.

    Of a training that is ``over`` evidence counts though it showed signs of life: no epoch is left for a recovery.
    """
    if not epochs:
        return []
    telemetry = epochs if isinstance(epochs, Telemetry) else Telemetry(epochs)
    verdicts = [verdict for signature in signatures if (verdict := _verdict(telemetry, facts, signature, over))]
    return sorted(verdicts, key=_order)


def agreeing(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts on one training as a person reads them: none advises against one that stands before it."""
    said, found = list[Advice](), list[Verdict]()
    for verdict in verdicts:
        kept = [one for one in verdict.advice if not any(one.against(other) for other in said)]
        said += kept
        found.append(verdict if len(kept) == len(verdict.advice) else verdict.advised(kept))
    return found


def replay(epochs: Iterable[Epoch], facts: Facts, signatures: Iterable[Signature], *, over: bool = False) -> list[Verdict]:
    """For each signature its first verdict, at the epoch at which live judging gave it; oldest first. ``over`` as in `judge`."""
    telemetry, waiting = Telemetry(), list(signatures)
    verdicts: list[Verdict] = []
    for epoch in epochs:
        telemetry.append(epoch)
        found = {signature.name: verdict for signature in waiting if (verdict := _verdict(telemetry, facts, signature, over))}
        verdicts += found.values()
        waiting = [signature for signature in waiting if signature.name not in found]
    return sorted(verdicts, key=lambda verdict: (verdict.step, _order(verdict)))


def judge_gates(telemetry: Sequence[Epoch], gates: Sequence[Bound]) -> list[Verdict]:
    """A verdict for each gate that the training has missed, named ``gate:<metric>@<epoch>``."""
    verdicts = []
    for gate in gates:
        if reason := gate.missed(telemetry):
            numbers = {gate.metric: gate.value(telemetry), "at_least": gate.at_least, "at_most": gate.at_most}
            evidence = {name: number for name, number in numbers.items() if number is not None}
            verdicts.append(Verdict(gate.name, telemetry[-1].step, gate.action, reason, evidence, gate.remedy, gate.change))
    return verdicts


def unwatched(reported: Iterable[str] | Iterable[Epoch], signatures: Iterable[Signature]) -> dict[str, list[str]]:
    """The signatures that lack readings, with what they need; from a telemetry, or the names (or prefixes) it will hold."""
    have = {name for item in reported for name in (item.metrics if isinstance(item, Epoch) else (item,))}
    lacking = {s.name: [need for need in catalogue.load(s.name).READS if not catalogue.gives(need, have)] for s in signatures}
    return {name: needs for name, needs in lacking.items() if needs}


def _verdict(telemetry: Telemetry, facts: Facts, signature: Signature, over: bool = False) -> Verdict | None:
    module, thresholds = catalogue.load(signature.name), signature.thresholds
    if getattr(module, "BY_LOSS", False) and metrics.of(facts.metric).family == "reward":
        return None  # the losses of a policy say nothing
    reason = module.detect(telemetry, facts, **signature.own)
    if reason is None:
        return None
    if module.KIND == "soft" and not over:
        if levels.leads(telemetry, facts):
            return None
        count, grace, blind = reading.window(telemetry, facts, thresholds["patience"]), thresholds["grace"], thresholds["blind"]
        despite = getattr(module, "DESPITE", ())
        signs = life.signs(telemetry, facts, count, despite)
        share = grace if life.watched(signs) else max(grace, blind)
        if levels.below_chance(telemetry, facts, count):
            share = max(share, BELOW * catalogue.GRACE)
        if not getattr(module, "SOON", False) and levels.absurd(telemetry, facts, count):
            share = max(share, ABSURD)
        waits = reading.grace(telemetry, facts, share, count)
        if telemetry[-1].step < waits or life.alive(signs, telemetry, facts):
            return None
        reason = Message.join([reason, life.absent(telemetry, facts, count, despite)], "; ")
    last = telemetry[-1]
    evidence = {name: value for name, value in last.metrics.items() if name == facts.metric or _wanted(signature.name, name)}
    where = _where(telemetry, facts) if module.KIND == "soft" else ""
    verdict = Verdict(signature.name, last.step, signature.action, reason, evidence, chance=where)
    return verdict.advised(remedies(signature.name, telemetry, facts))


def _where(telemetry: Telemetry, facts: Facts) -> str:
    """Where chance is, of which metric, and who says so; what is only seen in curves in two digits, as others show another."""
    score = levels.known_score(telemetry, facts)
    known = score or levels.known_loss(telemetry, facts)
    if known is None:
        began = levels.begun(telemetry, facts)
        text = N_("{metric} about {level:.2g}, a guess: this training began there and stays")
        return "" if began is None else message(text, metric=facts.metric, level=began)
    said = {"metric": facts.metric if score is not None else "val/loss", "level": known.said, "source": known.source}
    if known.told:
        return message("{metric} {level:.4g}, {source}", **said)
    return message("{metric} about {level:.2g}, {source}", **said)


def remedies(name: str, telemetry: Telemetry, facts: Facts) -> tuple[Advice, ...]:
    """What a signature advises: at most `pitprop.detection.remedies.advice.MOST` things, none that the trial has."""
    return advice.few(catalogue.load(name).remedy(telemetry, facts))


@cache
def _wanted(signature: str, metric: str) -> bool:
    """Whether a reading belongs to the evidence of a signature: what it reads, and `WANTED`."""
    return metric in WANTED or any(catalogue.gives(need, [metric]) for need in catalogue.load(signature).READS)


def _order(verdict: Verdict) -> tuple[bool, bool]:
    return not verdict.ends, getattr(catalogue.load(verdict.signature), "FALLBACK", False)
