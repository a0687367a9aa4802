"""A trial as it stands (`Record`), how it ended (`Outcome`), what is fixed about its study (`StudyCard`), and how it is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.addresses import Addresses
from pitprop.detection.detect import Verdict
from pitprop.space import Objective

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class State(StrEnum):
    """The state of a trial, in Optuna's words. PRUNED ones may be parked: see `Record.parked`."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Completed:
    """A trial that ended as it should: its ``values``, one for each objective.

    Verdicts on some of its seeds have ``saved`` so many epochs, and early stopping, by its ``patience``, so many.
    """

    epochs: int
    values: tuple[float, ...]
    verdicts: tuple[Verdict, ...] = ()
    saved: int = 0
    patience: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """A trial whose seeds were all stopped, by ``verdicts`` among which warnings may be; ``score`` is NaN if it had none.

    ``saved`` are the epochs that it would have trained.
    """

    epochs: int
    verdicts: tuple[Verdict, ...]
    score: float
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

    @property
    def parked(self) -> bool:
        """Whether the trial was stopped on evidence alone, so that it can be revived: nothing that ended a seed was proof."""
        endings = {verdict.action for verdict in self.verdicts} - {"warn"}
        return self.state == State.PRUNED and endings == {"park"}

    @property
    def ending(self) -> Verdict | None:
        """The verdict that stopped the trial; None if none did."""
        return next((v for v in self.verdicts if v.action != "warn"), None) if self.state == State.PRUNED else None

    @property
    def warnings(self) -> list[Verdict]:
        """The verdicts that did not stop the trial: warnings, and whatever ended one of several seeds."""
        return [verdict for verdict in self.verdicts if verdict.action == "warn" or self.state != State.PRUNED]

    @property
    def word(self) -> str:
        """The word for the trial's state: ``parked`` for one that was pruned and can be revived."""
        return "parked" if self.parked else self.state.lower()

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

    ``searches_stopping`` says that early stopping is searched: a trial then has two objectives, its score and its epochs.
    """

    name: str
    question: str
    objective: Objective
    space_yaml: str
    baselines: Mapping[str, float]
    searches_stopping: bool = False
    unit: str = "epochs"

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


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study as the database holds it: its trials by number, and how many there are to be.

    ``meaning`` is what its space meant (`pitprop.space.meaning`), ``space_file`` the absolute path of that space's file, or the
    name of one that ships; None where an older version made the study, or the space had no file. ``code`` are the files of code
    with which it was last searched, each with a digest; empty where none was kept.
    """

    records: tuple[Record, ...]
    target: int
    meaning: Mapping[str, Any] | None
    space_file: str | None
    code: Mapping[str, str] = field(default_factory=dict)


def read_study(where: Addresses, name: str) -> StoredStudy | None:
    """The study ``name``, read without owning it; None if there is no such study. See `read_studies`."""
    return read_studies(where, lambda found: found == name).get(name)


def read_studies(where: Addresses, wanted: Callable[[str], bool]) -> dict[str, StoredStudy]:
    """The studies whose names are ``wanted``, read in one opening of the database: no lock is taken, nothing is written.

    Empty if there is no database yet.
    """
    from pitprop.study import database, storage  # Optuna and SQLAlchemy take a second, and the exporter needs neither

    path = database.sqlite_path(where.study_db)
    if path is not None and not path.exists():
        return {}
    opened = database.connect(where.study_db)
    try:
        return {
            study.study_name: _stored(
                storage.trials(opened, opened.get_study_id_from_name(study.study_name), params=False),
                study.user_attrs,
                where.folder(study.study_name),
            )
            for study in opened.get_all_studies()
            if wanted(study.study_name)
        }
    finally:
        opened.engine.dispose()


def study_names(where: Addresses) -> list[str]:
    """The studies in the database; none if there is no database yet."""
    from pitprop.study import database

    path = database.sqlite_path(where.study_db)
    if path is not None and not path.exists():
        return []
    storage = database.connect(where.study_db)
    try:
        return [study.study_name for study in storage.get_all_studies()]
    finally:
        storage.engine.dispose()


def _stored(frozen: Sequence[FrozenTrial], known: Mapping[str, Any], folder: Path) -> StoredStudy:
    revivals = sum("revives" in one.user_attrs for one in frozen)
    records = tuple(as_record(one, folder / "trials" / f"{one.number:04d}") for one in frozen)
    return StoredStudy(
        records,
        min(int(known.get("trials", len(frozen) - revivals)), int(known.get("room", sys.maxsize))) + revivals,
        known.get("meaning"),
        known.get("space file"),
        (known.get("codes") or [{}])[-1],
    )


def as_record(frozen: FrozenTrial, folder: Path) -> Record:
    """A trial of Optuna's as everything downstream reads it."""
    known = frozen.user_attrs
    finished = frozen.state.is_finished()
    return Record(
        number=frozen.number,
        state=State.RUNNING if frozen.state.name == "WAITING" else State[frozen.state.name],
        params=known.get("params", frozen.params),
        values=tuple(frozen.values) if finished and frozen.values else None,
        baseline=known.get("baseline"),
        verdicts=tuple(map(Verdict.from_json, known.get("verdicts", ()))) if finished else (),
        error=known.get("error") if finished else None,
        epochs=int(known.get("epochs", 0)) if finished else 0,
        folder=str(folder),
        started=frozen.datetime_start.timestamp() if frozen.datetime_start else 0.0,
        ended=frozen.datetime_complete.timestamp() if frozen.datetime_complete else None,
        revives=known.get("revives"),
        remedy_of=known.get("mends"),
        cause=known.get("cause", ""),
        code=tuple(known.get("code", ())),
        saved=int(known.get("saved", 0)) if finished else 0,
        patience=int(known.get("patience", 0)) if finished else 0,
    )
