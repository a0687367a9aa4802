"""A trial as it stands (`Record`), how it ended (`Outcome`), and what is fixed about its study (`StudyCard`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pitprop.detection.detect import Verdict
from pitprop.space.stops import Objective


class State(StrEnum):
    """The state of a trial, in Optuna's words. PRUNED ones may be parked: see `Record.parked`."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Completed:
    """A trial that ended as it should: its ``values``, one for each objective."""

    epochs: int
    values: tuple[float, ...]
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruned:
    """A trial whose seeds were all stopped, by ``verdicts`` among which warnings may be; ``score`` is NaN if it had none."""

    epochs: int
    verdicts: tuple[Verdict, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that has no score: one sentence says why."""

    epochs: int
    error: str
    verdicts: tuple[Verdict, ...] = ()


Outcome = Completed | Pruned | Failed
"""How a trial ended. ``epochs`` are those spent, over all seeds."""


@dataclass(frozen=True, slots=True)
class Record:
    """One trial as it stands.

    ``params`` are flat, by dotted name. ``baseline`` is the name of the baseline that this trial trains. ``verdicts`` are those
    that ended it, then its warnings.
    ``epochs`` were spent. ``folder`` holds telemetry.jsonl, and telemetry-1.jsonl and so on for further seeds. ``started``
    and ``ended`` are unix seconds; ``started`` stays what it is over a resume, since it tells a study from another of its name.
    ``revives`` is the number of the parked trial that this one continues: its curve and its epochs begin with that one's.
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

    @property
    def parked(self) -> bool:
        """Whether the trial was stopped on evidence alone, so that it can be revived: nothing that ended a seed was proof."""
        endings = {verdict.action for verdict in self.verdicts} - {"warn"}
        return self.state == State.PRUNED and endings == {"park"}

    def to_json(self) -> dict[str, Any]:
        """As a dictionary for ``json.dumps``; NaN stays NaN."""
        row = asdict(self)
        row["mends"] = row.pop("remedy_of")  # the name that scripts and studies on disk know
        return row | {"verdicts": [verdict.to_json() for verdict in self.verdicts]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Record:
        """The record that `to_json` gave; ``KeyError``, ``TypeError`` or ``ValueError`` if it is none."""
        rest = dict(row)
        values, verdicts = rest["values"], rest["verdicts"]
        rest |= {"state": State(rest["state"]), "values": None if values is None else tuple(values)}
        rest |= {"verdicts": tuple(map(Verdict.from_json, verdicts)), "remedy_of": rest.pop("mends")}
        return cls(**rest)


@dataclass(frozen=True, slots=True)
class StudyCard:
    """What is known of a study before its first trial. ``space_yaml`` is text; ``baselines`` are the recorded numbers.

    ``searches_stopping`` says that early stopping is searched: a trial then has two objectives, its score and its epochs.
    """

    name: str
    question: str
    objective: Objective
    space_yaml: str
    baselines: Mapping[str, float]
    searches_stopping: bool = False

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> StudyCard:
        """The card that `dumps` wrote."""
        return cls(**{**row, "objective": Objective(**row["objective"])})


def dumps(row: Record | StudyCard) -> str:
    """One line of JSON, without its newline; NaN stays NaN."""
    return json.dumps(row.to_json() if isinstance(row, Record) else asdict(row), default=_plain)


def loads(line: str) -> Record:
    """The record that `dumps` wrote; ``KeyError``, ``TypeError`` or ``ValueError`` if it is none."""
    return Record.from_json(json.loads(line))


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
