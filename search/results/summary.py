"""How a study stands: counts, the best trial, what was pruned, parked or warned of and why, the lead over each baseline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pitprop.detection.detect import Verdict
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.study.remedies import FollowUp, FollowUps

STATES = (State.COMPLETE, State.PRUNED, State.FAIL, State.RUNNING)


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


@dataclass(frozen=True, slots=True)
class Remedied:
    """A trial that tried the remedy of another: what was ``changed``, and by how much it is better, None while that is open."""

    trial: int
    remedy_of: int
    cause: str
    changed: Mapping[str, Any]
    gain: float | None


@dataclass(frozen=True, slots=True)
class Target:
    """A score to reach: the first ``trial`` that did, None if none has."""

    name: str
    value: float
    trial: int | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Epochs that would have been trained and were not.

    Verdicts ``stopped`` trials before them; early stopping did by its ``patience``; or they are ``shared``: a recorded curve
    answered for them, where early stopping is searched. What a script trained between two reports, what a trainer that ended
    by itself left of its budget, and what failed, is none of it.
    """

    stopped: int
    patience: int
    shared: int


@dataclass(frozen=True, slots=True)
class Summary:
    """``best`` are the trials that won: one, or the Pareto front of several objectives; baselines are not among them.

    ``parked`` are the parked trials and ``waiting`` those whose turn had not come again; ``revived`` maps those of them that were
    revived to the trials which continue them.
    ``baselines`` maps each baseline to its score, None while it is not known. ``pruned`` says why trials were stopped,
    ``warned`` what else was said of them. ``remedied`` are the trials that tried what a verdict or a missed gate advised,
    ``suggested`` what could be tried of it where nothing is tried by itself.
    ``spent`` and ``budget`` are epochs, of the trials that ended; ``saved`` is what was left out of it. All are steps
    where the space's budget is in steps.
    """

    space: Space
    target: int
    states: Mapping[str, int]
    parked: tuple[int, ...]
    waiting: tuple[int, ...]
    revived: Mapping[int, int]
    best: tuple[Record, ...]
    baselines: Mapping[str, float | None]
    pruned: tuple[Reason, ...]
    warned: tuple[Reason, ...]
    failed: tuple[Record, ...]
    remedied: tuple[Remedied, ...]
    suggested: tuple[FollowUp, ...]
    targets: tuple[Target, ...]
    spent: int
    budget: int
    left_out: LeftOut

    @property
    def finished(self) -> bool:
        return sum(self.states.values()) >= self.target and not self.states[State.RUNNING]

    @property
    def revivable(self) -> list[int]:
        """The parked trials that nobody has revived yet; none where trials are answered from recorded curves."""
        return [n for n in self.parked if n not in self.revived] if not self.space.searches_stopping else []

    @property
    def saved(self) -> int:
        """The epochs that would have been trained, had no verdict stopped a trial and no curve answered for several."""
        return self.left_out.stopped + self.left_out.shared

    def delta(self, record: Record, baseline: str) -> float | None:
        """By how much a trial is better than a baseline, whatever the direction of the objective."""
        against = self.baselines[baseline]
        if against is None or record.values is None:
            return None
        return ranking.lead(self.space.objective, ranking.score(record), against)

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {
            "space": self.space.name,
            "target": self.target,
            "finished": self.finished,
            "trials": dict(self.states),
            "parked": self.parked,
            "waiting": self.waiting,
            "revived": [{"trial": number, "revives": parked} for parked, number in self.revived.items()],
            self.space.unit: {
                "spent": self.spent,
                "budget": self.budget,
                "saved": self.saved,
                "patience": self.left_out.patience,
            },
            "metric": self.space.objective.metric,
            "objectives": [{"metric": one.metric, "goal": one.goal} for one in self.space.objectives],
            "best": [
                {
                    "trial": record.number,
                    "state": record.state,
                    "revives": record.revives,
                    "values": record.values,
                    "params": dict(record.params),
                    "delta": {name: self.delta(record, name) for name in self.baselines},
                }
                for record in self.best
            ],
            "baselines": dict(self.baselines),
            "pruned": [{**reason.to_json(), "parked": reason.parked} for reason in self.pruned],
            "warned": [reason.to_json() for reason in self.warned],
            "failed": [{"trial": record.number, "error": record.error} for record in self.failed],
            "remedied": [
                {"trial": it.trial, "remedy_of": it.remedy_of, "cause": it.cause, "changed": dict(it.changed), "gain": it.gain}
                for it in self.remedied
            ],
            "suggested": [{"remedy_of": one.remedy_of, "cause": one.cause, "change": dict(one.change)} for one in self.suggested],
            "targets": [asdict(target) for target in self.targets],
        }


def summarise(space: Space, records: Sequence[Record], target: int) -> Summary:
    """The summary of a study from its records."""
    counts = Counter(record.state for record in records)
    ended = [record for record in records if record.state != State.RUNNING]
    revived = {record.revives: record.number for record in records if record.revives is not None and record.state != State.FAIL}
    return Summary(
        space=space,
        target=target,
        states={state: counts[state] for state in STATES},
        parked=tuple(record.number for record in records if record.parked),
        waiting=tuple(record.number for record in records if record.waits),
        revived=revived,
        best=ranking.best(space, records),
        baselines={baseline.name: _score(space, baseline.name, baseline.values, records) for baseline in space.baselines},
        pruned=reasons((record, verdict) for record in ended if not record.waits and (verdict := record.ending)),
        # a revived trial begins with the curve of the parked one, and so with its warnings
        warned=reasons((r, verdict) for r in records if r.revives is None for verdict in r.warnings),
        failed=tuple(record for record in records if record.state == State.FAIL),
        remedied=tuple(_remedied(space, record, records[record.remedy_of]) for record in records if record.remedy_of is not None),
        suggested=tuple(FollowUps(space, records).all()) if space.remedies == "suggest" else (),
        targets=tuple(Target(name, value, ranking.reached(space, records, value)) for name, value in space.targets.items()),
        spent=_spent(ended),
        budget=sum(record.revives is None for record in ended) * space.epochs * space.seeds,
        left_out=left_out(space, records),
    )


def left_out(space: Space, records: Sequence[Record]) -> LeftOut:
    """What the trials of a study have left out: the one place where that is counted."""
    revived = {record.revives for record in records if record.state != State.FAIL}
    ended = [r for r in records if r.state in (State.COMPLETE, State.PRUNED) and r.number not in revived]
    stopped, patience = sum(record.saved for record in ended), sum(record.patience for record in ended)
    if not space.searches_stopping:
        return LeftOut(stopped, patience, 0)
    return LeftOut(stopped, 0, patience + sum(record.epochs for record in ended) - _spent(ended))


def _remedied(space: Space, record: Record, parent: Record) -> Remedied:
    """What became of a trial beside the one whose remedy it tries; a parent that never had a score is beaten by any."""
    changed = {name: value for name, value in record.params.items() if parent.params.get(name) != value}
    gain = None
    if record.values is not None and parent.values is not None:
        gain = ranking.lead(space.objective, ranking.score(record), ranking.score(parent))
    return Remedied(record.number, parent.number, record.cause, changed, gain)


def _spent(ended: Sequence[Record]) -> int:
    """The epochs trained. One curve counts once: of trials that are answered from it, and of a trial and what revives it."""
    curves: dict[str, list[int]] = {}
    for record in ended:
        key = {name: value for name, value in record.params.items() if not name.startswith("early_stopping.")}
        own = str(record.number if record.revives is None else record.revives)
        curves.setdefault(own if len(key) == len(record.params) else json.dumps(key, sort_keys=True), []).append(record.epochs)
    return sum(max(epochs) for epochs in curves.values())


def _score(space: Space, name: str, recorded: Mapping[str, float] | None, records: Sequence[Record]) -> float | None:
    if recorded is not None:
        return recorded.get(space.objective.metric)
    return next((r.values[0] for r in records if r.baseline == name and r.values and r.state == State.COMPLETE), None)


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
