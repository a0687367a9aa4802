"""How a study stands: counts, the best trial, what was pruned and why, and the difference to each baseline."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search import telemetry
from search.record import Record
from search.space import Space

STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING")


@dataclass(frozen=True, slots=True)
class Reason:
    """A signature that pruned trials: how many, and what it said of the first of them."""

    signature: str
    trials: tuple[int, ...]
    example: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Summary:
    """``best`` are the trials that won: one, or the Pareto front of two objectives; baselines are not among them.

    ``baselines`` maps each baseline to its score, None while it is not known. ``spent`` and ``budget`` are epochs, of the
    trials that ended.
    """

    space: Space
    target: int
    states: Mapping[str, int]
    best: tuple[Record, ...]
    baselines: Mapping[str, float | None]
    pruned: tuple[Reason, ...]
    failed: tuple[Record, ...]
    spent: int
    budget: int

    @property
    def finished(self) -> bool:
        return sum(self.states.values()) >= self.target and not self.states["RUNNING"]

    @property
    def saved(self) -> int:
        """The epochs that stopping early has saved."""
        return self.budget - self.spent

    def delta(self, record: Record, baseline: str) -> float | None:
        """By how much a trial is better than a baseline, whatever the direction of the objective."""
        against = self.baselines[baseline]
        if against is None or record.values is None:
            return None
        return (record.values[0] - against) * (1 if self.space.objective.goal == "maximize" else -1)

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {
            "space": self.space.name,
            "target": self.target,
            "finished": self.finished,
            "trials": dict(self.states),
            "epochs": {"spent": self.spent, "budget": self.budget, "saved": self.saved},
            "metric": self.space.objective.metric,
            "best": [
                {
                    "trial": record.number,
                    "state": record.state,
                    "values": record.values,
                    "params": dict(record.params),
                    "delta": {name: self.delta(record, name) for name in self.baselines},
                }
                for record in self.best
            ],
            "baselines": dict(self.baselines),
            "pruned": [
                {"signature": r.signature, "trials": r.trials, "reason": r.example, "remedy": r.remedy} for r in self.pruned
            ],
            "failed": [{"trial": record.number, "error": record.error} for record in self.failed],
        }


def summarise(space: Space, records: Sequence[Record], target: int) -> Summary:
    """The summary of a study from its records."""
    counts = Counter(record.state for record in records)
    ended = [record for record in records if record.state != "RUNNING"]
    return Summary(
        space=space,
        target=target,
        states={state: counts[state] for state in STATES},
        best=_best(space, [record for record in records if _counts(space, record)]),
        baselines={baseline.name: _score(space, baseline.name, baseline.values, records) for baseline in space.baselines},
        pruned=_reasons([record for record in records if record.state == "PRUNED"]),
        failed=tuple(record for record in records if record.state == "FAIL"),
        spent=_spent(ended),
        budget=len(ended) * space.epochs * space.seeds,
    )


def _spent(ended: Sequence[Record]) -> int:
    """The epochs trained. Trials that differ in their early stopping alone are answered from one curve, which counts once."""
    curves: dict[str, list[int]] = {}
    for record in ended:
        stops = {name for name in record.params if name.startswith("early_stopping.")}
        key = {name: value for name, value in record.params.items() if name not in stops}
        curves.setdefault(json.dumps(key, sort_keys=True) if stops else str(record.number), []).append(record.epochs)
    return sum(max(epochs) for epochs in curves.values())


def _counts(space: Space, record: Record) -> bool:
    """Whether a trial may be the best: a training that collapsed after its best epoch was still that good."""
    states = ("COMPLETE", "PRUNED") if space.objective.at == "best" and not space.searches_stopping else ("COMPLETE",)
    return record.state in states and record.values is not None and record.baseline is None


def _best(space: Space, found: Sequence[Record]) -> tuple[Record, ...]:
    sign = 1 if space.objective.goal == "maximize" else -1
    if not found:
        return ()
    if not space.searches_stopping:
        return (max(found, key=lambda record: sign * _values(record)[0]),)
    points = {record.number: (sign * _values(record)[0], -_values(record)[1]) for record in found}
    front: dict[tuple[float, float], Record] = {}
    for record in sorted(found, key=lambda record: points[record.number], reverse=True):
        here = points[record.number]
        if all(here[1] > other[1] for other in front):
            front[here] = record
    return tuple(front.values())


def _values(record: Record) -> tuple[float, ...]:
    return record.values or (math.nan, math.nan)


def _score(space: Space, name: str, recorded: Mapping[str, float] | None, records: Sequence[Record]) -> float | None:
    if recorded is not None:
        return recorded.get(space.objective.metric)
    return next((r.values[0] for r in records if r.baseline == name and r.values and r.state == "COMPLETE"), None)


def _reasons(pruned: Sequence[Record]) -> tuple[Reason, ...]:
    groups: dict[str, list[tuple[Record, Mapping[str, Any]]]] = {}
    for record in pruned:
        verdict = next((v for v in record.verdicts if v["action"] == "prune"), None)
        if verdict is not None:
            groups.setdefault(verdict["signature"], []).append((record, verdict))
    reasons = [
        Reason(name, tuple(record.number for record, _ in found), found[0][1]["reason"], found[0][1]["remedy"])
        for name, found in groups.items()
    ]
    return tuple(sorted(reasons, key=lambda reason: -len(reason.trials)))


def best_epoch(record: Record, space: Space) -> int | None:
    """The epoch at which a trial's first seed was best; None if it has no curve."""
    curve = telemetry.read(Path(record.folder) / "telemetry.jsonl")
    sign = 1 if space.objective.goal == "maximize" else -1
    scores = [(sign * e.metrics.get(space.objective.metric, math.nan), -e.step) for e in curve]
    finite = [score for score in scores if not math.isnan(score[0])]
    return -max(finite)[1] if finite else None
