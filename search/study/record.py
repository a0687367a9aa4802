"""One row of a study, and what is fixed about the study: all that tracking, comparing and reporting need to know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One trial as it stands.

    ``state`` is RUNNING, COMPLETE, PRUNED or FAIL. ``params`` are flat, by dotted name. ``baseline`` is the name of the
    baseline that this trial trains. ``verdicts`` are in their JSON form: signature, step, action, reason, evidence, remedy.
    ``epochs`` were spent. ``folder`` holds telemetry.jsonl, and telemetry-1.jsonl and so on for further seeds. ``started``
    and ``ended`` are unix seconds; ``started`` stays what it is over a resume, since it tells a study from another of its name.
    ``revives`` is the number of the parked trial that this one continues: its curve and its epochs begin with that one's.
    ``mends`` is the number of the trial whose remedy this one tries, and ``cause`` the signature or gate that named it.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    values: tuple[float, ...] | None
    baseline: str | None
    verdicts: tuple[Mapping[str, Any], ...]
    error: str | None
    epochs: int
    folder: str
    started: float
    ended: float | None
    revives: int | None = None
    mends: int | None = None
    cause: str = ""

    @property
    def parked(self) -> bool:
        """Whether the trial was stopped on evidence alone, so that it can be revived: nothing that ended a seed was proof."""
        endings = {verdict["action"] for verdict in self.verdicts} - {"warn"}
        return self.state == "PRUNED" and endings == {"park"}


@dataclass(frozen=True, slots=True)
class StudyCard:
    """What is known of a study before its first trial. ``space_yaml`` is text; ``baselines`` are the recorded numbers."""

    name: str
    question: str
    metric: str
    maximize: bool
    space_yaml: str
    baselines: Mapping[str, float]


def dumps(row: Record | StudyCard) -> str:
    """One line of JSON, without its newline; NaN stays NaN."""
    return json.dumps({field.name: getattr(row, field.name) for field in fields(row)}, default=_plain)


def loads(line: str) -> Record:
    """The record that `dumps` wrote; ``ValueError`` or ``TypeError`` if it is none."""
    row = json.loads(line)
    values = None if row["values"] is None else tuple(row["values"])
    return Record(**{**row, "values": values, "verdicts": tuple(row["verdicts"])})


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
