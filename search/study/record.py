"""A trial as it stands (`Record`), how it ended (`Outcome`), and what is fixed about its study (`StudyCard`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.detection.detect import Verdict

if TYPE_CHECKING:
    from pitprop.space import Objective

SCHEDULER = "scheduler:"
"""What the signatures of the endings begin with that are no verdict on a training: its turn had not come again."""

LIMIT = "limit:"
"""The same of those that a clock gave: a trial had its time, and nothing is said of its training."""

REACHED = "reached"
"""The attribute that holds what a trial of several objectives had reached when it was stopped: Optuna keeps one value of such."""


class State(StrEnum):
    """The state of a trial, in Optuna's words. PRUNED ones may be parked: see `Record.parked`."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


WORDS = ("complete", "pruned", "parked", "waiting", "fail", "running")
"""The words for how a trial stands (`Record.word`), in the order in which they are counted."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A trial that ended as it should: its ``values``, one for each objective.

    Verdicts on some of its seeds have ``saved`` so many epochs, and early stopping, by its ``patience``, so many. What a limit of
    time or the scheduler cut is neither.
    """

    epochs: int
    values: tuple[float, ...]
    verdicts: tuple[Verdict, ...] = ()
    saved: int = 0
    patience: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """A trial whose seeds were all stopped, by ``verdicts`` among which warnings may be; ``values`` may be NaN.

    ``saved`` are the epochs that it would have trained but for a verdict.
    """

    epochs: int
    verdicts: tuple[Verdict, ...]
    values: tuple[float, ...]
    saved: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that has no score: one sentence says why. ``alike``: any other trial of the space would fail so too."""

    epochs: int
    error: str
    verdicts: tuple[Verdict, ...] = ()
    alike: bool = False


Outcome = Completed | Pruned | Failed
"""How a trial ended. ``epochs`` are those trained, over all seeds; steps where the space's budget is in steps, as elsewhere."""


@dataclass(frozen=True, slots=True)
class Record:
    """One trial as it stands.

    ``params`` are flat, by dotted name. ``baseline`` is the name of the baseline that this trial trains. ``verdicts`` are those
    that ended it, then its warnings.
    ``epochs`` were trained; ``saved`` ones would have been, but for verdicts, and ``patience`` ones but for early stopping.
    ``folder`` holds telemetry.jsonl, and telemetry-1.jsonl and so on for further seeds. ``started``
    and ``ended`` are unix seconds; ``started`` stays what it is over a resume, since it tells a study from another of its name.
    ``revives`` is the number of the parked trial that this one continues: its curve and its epochs begin with that one's.
    ``code`` are the codes that trained it (`pitprop.space.scripts.short`): several where it was continued by another.
    ``excluded`` is a trial that a user wants in no answer.
    ``remedy_of`` is the number of the trial whose remedy this one tries, and ``cause`` the signature or gate that named it.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    values: tuple[float, ...] | None
    baseline: str | None
    verdicts: tuple[Verdict, ...]
    error: str | None
    epochs: int
    folder: str
    started: float
    ended: float | None
    revives: int | None = None
    remedy_of: int | None = None
    cause: str = ""
    code: tuple[str, ...] = ()
    saved: int = 0
    patience: int = 0
    excluded: bool = False

    @property
    def parked(self) -> bool:
        """Whether the trial was stopped on evidence alone, so that it can be revived: nothing that ended a seed was proof."""
        return self._let_go and not self.waits

    @property
    def waits(self) -> bool:
        """Whether the trial was fine and waited for its turn when the search ended: it can be revived, and is no failure."""
        return self._let_go and self.ending is not None and self.ending.signature.startswith(SCHEDULER)

    @property
    def _let_go(self) -> bool:
        endings = {verdict.action for verdict in self.verdicts} - {"warn"}
        return self.state == State.PRUNED and endings == {"park"}

    @property
    def ending(self) -> Verdict | None:
        """The verdict that stopped the trial; None if none did."""
        return next((v for v in self.verdicts if v.action != "warn"), None) if self.state == State.PRUNED else None

    @property
    def judged(self) -> bool:
        """Whether the trial ended by what its training showed, or at its end: neither a clock nor the scheduler cut it."""
        return self.ending is None or not self.ending.signature.startswith((SCHEDULER, LIMIT))

    @property
    def collapsed(self) -> bool:
        """Whether a signature stopped the trial, on proof or on evidence: no gate, limit or rank, nor the end of the search."""
        return self.ending is not None and ":" not in self.ending.signature

    @property
    def warnings(self) -> list[Verdict]:
        """The verdicts that did not stop the trial: warnings, and whatever ended one of several seeds."""
        return [verdict for verdict in self.verdicts if verdict.action == "warn" or self.state != State.PRUNED]

    @property
    def word(self) -> str:
        """The word for the trial's state: ``parked`` for one that was stopped and can be revived, ``waiting`` for its turn."""
        return "parked" if self.parked else "waiting" if self.waits else self.state.lower()

    def to_json(self) -> dict[str, Any]:
        """As a dictionary for ``json.dumps``; NaN stays NaN."""
        return asdict(self) | {"verdicts": [verdict.to_json() for verdict in self.verdicts]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Record:
        """The record that `to_json` gave; ``KeyError``, ``TypeError`` or ``ValueError`` if it is none."""
        rest = dict(row)
        values, verdicts = rest["values"], rest["verdicts"]
        rest |= {"state": State(rest["state"]), "values": None if values is None else tuple(values)}
        rest["verdicts"] = tuple(map(Verdict.from_json, verdicts))
        rest["code"] = tuple(rest.get("code", ()))
        return cls(**rest)


def code_counts(record: Record) -> bool:
    """Whether it matters which code trained the trial: not where it failed, or has had no epoch yet."""
    began = record.state == State.RUNNING and telemetry.file(record.folder).exists()
    return began or record.state in (State.COMPLETE, State.PRUNED)


def continued_from(record: Record) -> str:
    """``continues trial 17 from epoch 9`` for a revived trial, else nothing."""
    if record.revives is None:
        return ""
    curve = telemetry.read(telemetry.file(Path(record.folder).with_name(f"{record.revives:04d}")))
    return f"continues trial {record.revives}" + (f" from epoch {curve[-1].step}" if curve else "")


def best_epoch(record: Record, objective: Objective) -> int | None:
    """The epoch at which a trial's first seed was best; None if it has no curve."""
    curve = telemetry.read(telemetry.file(record.folder))
    best = objective.best(telemetry.series(curve, objective.metric))
    return None if best is None else curve[best].step


@dataclass(frozen=True, slots=True)
class StudyCard:
    """What is known of a study before its first trial. ``space_yaml`` is text; ``baselines`` are the recorded numbers.

    ``further`` are the objectives beside the first; ``searches_stopping`` says that early stopping is searched, so that the last
    of them are the epochs spent.
    """

    name: str
    question: str
    objective: Objective
    space_yaml: str
    baselines: Mapping[str, float]
    searches_stopping: bool = False
    unit: str = "epochs"
    further: tuple[Objective, ...] = ()

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All that a trial has a value for."""
        return (self.objective, *self.further)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> StudyCard:
        """The card that `dumps` wrote."""
        from pitprop.space import Objective

        further = tuple(Objective(**one) for one in row["further"])
        return cls(**{**row, "objective": Objective(**row["objective"]), "further": further})


def dumps(row: Record | StudyCard) -> str:
    """One line of JSON, without its newline; NaN stays NaN."""
    return json.dumps(row.to_json() if isinstance(row, Record) else asdict(row), default=_plain)


def loads(line: str) -> Record:
    """The record that `dumps` wrote; ``KeyError``, ``TypeError`` or ``ValueError`` if it is none."""
    return Record.from_json(json.loads(line))


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
