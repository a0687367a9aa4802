"""Judging a training by its telemetry: which signatures of collapse does it show?

A verdict is a pure function of the epochs up to the one judged: no clock, no study, no state between calls. So a resumed
search judges as an undisturbed one, and a replay over a finished log gives what the live run gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from search import signatures as catalogue
from search.facts import Facts
from search.telemetry import Epoch, Telemetry

ACTIONS = ("prune", "warn")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a training is held to be lost: by which signature, at which epoch, on which numbers, and what to change."""

    signature: str
    step: int
    action: str
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    remedy: str = ""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError(f"a verdict of {self.signature} at epoch {self.step} has no reason")
        if self.action not in ACTIONS:
            raise ValueError(f"a verdict's action is 'prune' or 'warn', not {self.action!r}")

    def to_json(self) -> dict[str, Any]:
        """As a dictionary for ``json.dumps``; NaN stays NaN."""
        return asdict(self) | {"evidence": dict(self.evidence)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        return cls(**row)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as a space chose it: with its action and its thresholds (the module's own where not given)."""

    name: str
    action: str = ""
    thresholds: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """``ValueError`` for a name, an action or a threshold that does not exist."""
        action = self.action or catalogue.load(self.name).ACTION
        if action not in ACTIONS:
            raise ValueError(f"signature {self.name}: an action is 'prune' or 'warn', not {action!r}")
        object.__setattr__(self, "action", action)
        if unknown := set(self.thresholds) - set(catalogue.thresholds(self.name)):
            known = ", ".join(catalogue.thresholds(self.name))
            raise ValueError(f"signature {self.name} has no threshold {sorted(unknown)[0]!r}: it takes {known}")
        for threshold, value in self.thresholds.items():
            least = 1 if threshold == "patience" else 0
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
                raise ValueError(f"signature {self.name}: {threshold} is a number of at least {least}, not {value!r}")
            if threshold == "patience" and value != int(value):
                raise ValueError(f"signature {self.name}: patience is a whole number of reports, not {value!r}")


def defaults() -> list[Signature]:
    """All signatures that ship, with their own actions and thresholds."""
    return [Signature(name) for name in catalogue.names()]


def judge(telemetry: Telemetry, facts: Facts, signatures: Iterable[Signature]) -> list[Verdict]:
    """What the last epoch shows, given those before it. Those that prune come first, and those that name a cause."""
    if not telemetry:
        return []
    verdicts = [verdict for signature in signatures if (verdict := _verdict(telemetry, facts, signature))]
    return sorted(verdicts, key=_order)


def replay(telemetry: Telemetry, facts: Facts, signatures: Iterable[Signature]) -> list[Verdict]:
    """For each signature its first verdict, at the epoch at which live judging gave it; oldest first."""
    verdicts = []
    for signature in signatures:
        prefixes = (telemetry[:end] for end in range(1, len(telemetry) + 1))
        if first := next((verdict for prefix in prefixes if (verdict := _verdict(prefix, facts, signature))), None):
            verdicts.append(first)
    return sorted(verdicts, key=lambda verdict: (verdict.step, _order(verdict)))


def unwatched(reported: Iterable[str] | Telemetry, signatures: Iterable[Signature]) -> dict[str, list[str]]:
    """The signatures that lack readings, with what they need; from a telemetry, or the names (or prefixes) it will hold."""
    have = {name for item in reported for name in (item.metrics if isinstance(item, Epoch) else (item,))}
    lacking = {s.name: [need for need in catalogue.load(s.name).READS if not _given(need, have)] for s in signatures}
    return {name: needs for name, needs in lacking.items() if needs}


def _given(need: str, have: Iterable[str]) -> bool:
    return any(name == need or (need.endswith("/") and name.startswith(need)) for name in have)


def _verdict(telemetry: Telemetry, facts: Facts, signature: Signature) -> Verdict | None:
    module = catalogue.load(signature.name)
    reason = module.detect(telemetry, facts, **signature.thresholds)
    if reason is None:
        return None
    last = telemetry[-1]
    wanted = (*module.READS, facts.metric, "train/loss", "val/loss", "val/auc", "val/logit_spread", "lr")
    evidence = {name: value for name, value in last.metrics.items() if any(_given(need, [name]) for need in wanted)}
    return Verdict(signature.name, last.step, signature.action, reason, evidence, module.remedy(telemetry, facts))


def _order(verdict: Verdict) -> tuple[bool, bool]:
    return verdict.action != "prune", getattr(catalogue.load(verdict.signature), "FALLBACK", False)
