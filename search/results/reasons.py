"""Why trials were stopped or warned of, by signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pitprop.detection.detect import Verdict
from pitprop.study.record import Record


@dataclass(frozen=True, slots=True)
class Reason:
    """A signature that spoke: of which trials, which of those it ``parked``, and what it said of the first of them."""

    signature: str
    trials: tuple[int, ...]
    parked: tuple[int, ...]
    example: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {"signature": self.signature, "trials": self.trials, "reason": self.example, "remedy": self.remedy}


def reasons(said: Iterable[tuple[Record, Verdict]]) -> tuple[Reason, ...]:
    """The verdicts by signature, those of most trials first."""
    groups: dict[str, dict[int, tuple[Record, Verdict]]] = {}
    for record, verdict in said:
        groups.setdefault(verdict.signature, {}).setdefault(record.number, (record, verdict))
    return tuple(sorted((_reason(*group) for group in groups.items()), key=lambda reason: -len(reason.trials)))


def _reason(signature: str, said: Mapping[int, tuple[Record, Verdict]]) -> Reason:
    parked = tuple(number for number, (record, verdict) in said.items() if record.parked and verdict.action == "park")
    _, first = next(iter(said.values()))
    return Reason(signature, tuple(said), parked, first.reason, first.remedy)
