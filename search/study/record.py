"""A trial as it stands (`Record`), how it ended (`Outcome`), what is fixed about its study (`StudyCard`), and how it is read."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.addresses import Addresses, sqlite_file
from pitprop.detection.detect import Verdict
from pitprop.messages import from_json

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from pitprop.space import Objective

TABLES = "v3.2.0.a"
"""The version of Optuna's tables that we read without Optuna."""
_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}


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


WARM_START = "warm start"
"""The fact of a study that holds what its sampler knows from elsewhere (`pitprop.study.imported`)."""


@dataclass(frozen=True, slots=True)
class Known:
    """So many ``trials`` of a study or a CSV that the sampler knows; ``outside`` ones lie outside the space."""

    source: str
    trials: int
    outside: int
    csv: bool = False


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study as the database holds it: its trials by number, and how many there are to be.

    ``meaning`` is what its space meant (`pitprop.space.meaning`), ``space_file`` the absolute path of that space's file, or the
    name of one that ships; None where an older version made the study, or the space had no file. ``code`` are the files of code
    with which it was last searched, each with a digest; empty where none was kept. ``knows`` is what its
    sampler knows from elsewhere.
    """

    records: tuple[Record, ...]
    target: int
    meaning: Mapping[str, Any] | None
    space_file: str | None
    code: Mapping[str, str] = field(default_factory=dict)
    knows: tuple[Known, ...] = ()


def read_study(where: Addresses, name: str) -> StoredStudy | None:
    """The study ``name``, read without owning it; None if there is no such study. See `read_studies`."""
    return read_studies(where, lambda found: found == name).get(name)


def read_studies(where: Addresses, wanted: Callable[[str], bool]) -> dict[str, StoredStudy]:
    """The studies whose names are ``wanted``, read in one opening of the database: no lock is taken, nothing is written.

    Empty if there is no database yet.
    """
    with _reading(where) as select:
        found = [(study, name) for study, name in select("SELECT study_id, study_name FROM studies") if wanted(name)]
        return {name: _stored(select, study, where.folder(name)) for study, name in found}


def study_names(where: Addresses) -> list[str]:
    """The studies in the database; none if there is no database yet."""
    with _reading(where) as select:
        return [name for (name,) in select("SELECT study_name FROM studies ORDER BY study_id")]


Select = Callable[..., Iterable[Any]]
"""Runs a SELECT with its ``:names`` given as keywords; its rows."""


@contextmanager
def _reading(where: Addresses) -> Iterator[Select]:
    """Reads the study database as it is now; no rows if there is none yet.

    A SQLite file with Optuna's tables as we know them is read as it is: Optuna and SQLAlchemy take half a second to import. Any
    other goes through Optuna, which says what is wrong with it.
    """
    file = sqlite_file(where.study_db)
    if file is not None and not file.exists():
        yield lambda _text, **_given: ()
    elif file is not None and (plain := _known(file)) is not None:
        with closing(plain):
            plain.execute("BEGIN")
            yield lambda text, **given: plain.execute(text, given)
    else:
        from pitprop.study import database
        from sqlalchemy import text as statement

        storage = database.connect(where.study_db)
        try:
            with storage.engine.connect() as connection:
                yield lambda text, **given: connection.execute(statement(text), given)
        finally:
            storage.engine.dispose()


def _known(file: Path) -> sqlite3.Connection | None:
    """The database in ``file``, open; None if it cannot be read, or if its tables are not those that we know."""
    try:
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=60, isolation_level=None)
    except sqlite3.Error:
        return None
    with suppress(sqlite3.Error):
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(TABLES,)]:
            return connection
    connection.close()
    return None


_ATTRIBUTES = """
SELECT it.trial_id, it.key, it.value_json FROM trial_user_attributes it JOIN trials ON trials.trial_id = it.trial_id
WHERE trials.study_id = :study ORDER BY it.trial_user_attribute_id
"""
_VALUES = """
SELECT it.trial_id, it.value, it.value_type FROM trial_values it JOIN trials ON trials.trial_id = it.trial_id
WHERE trials.study_id = :study ORDER BY it.objective
"""
_TRIALS = """
SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials WHERE study_id = :study ORDER BY number
"""
_FACTS = "SELECT key, value_json FROM study_user_attributes WHERE study_id = :study"


def _stored(select: Select, study: int, folder: Path) -> StoredStudy:
    user, values = defaultdict[int, dict[str, Any]](dict), defaultdict[int, list[float]](list)
    for trial, key, text in select(_ATTRIBUTES, study=study):
        user[trial][key] = json.loads(text)
    for trial, value, kind in select(_VALUES, study=study):
        values[trial].append(_INFINITE.get(kind, value))
    home = str(folder / "trials")
    records = tuple(
        _record(number, state, values[trial], (_stamp(began), _stamp(ended)), user[trial], f"{home}/{number:04d}")
        for trial, number, state, began, ended in select(_TRIALS, study=study)
    )
    known = {key: json.loads(text) for key, text in select(_FACTS, study=study)}
    records = tuple(excluding(records, known))
    revivals = sum(record.revives is not None for record in records)
    return StoredStudy(
        records,
        min(int(known.get("trials", len(records) - revivals)), int(known.get("room", sys.maxsize))) + revivals,
        known.get("meaning"),
        known.get("space file"),
        (known.get("codes") or [{}])[-1],
        tuple(Known(**one) for one in known.get(WARM_START, {}).get("known", ())),
    )


def excluding(records: Iterable[Record], facts: Mapping[str, Any]) -> Iterator[Record]:
    """The records as the facts of their study have them: those that a user has excluded are marked."""
    gone = set(facts.get("excluded", ()))
    for record in records:
        yield replace(record, excluded=True) if record.number in gone else record


def _stamp(stored: datetime | str | None) -> float | None:
    """Unix seconds of a time as Optuna stores it: UTC, without saying so."""
    time = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return None if time is None else time.replace(tzinfo=UTC).timestamp()


def as_record(frozen: FrozenTrial, folder: Path) -> Record:
    """A trial of Optuna's as everything downstream reads it."""
    began, ended = (None if time is None else time.timestamp() for time in (frozen.datetime_start, frozen.datetime_complete))
    known = {"params": frozen.params, **frozen.user_attrs}
    return _record(frozen.number, frozen.state.name, frozen.values or (), (began, ended), known, str(folder))


def _record(
    number: int,
    state: str,
    values: Sequence[float],
    times: tuple[float | None, float | None],
    known: Mapping[str, Any],
    folder: str,
) -> Record:
    """A trial from its columns in the database, the ``times`` at which it began and ended, and its user attributes."""
    finished = state not in ("RUNNING", "WAITING")
    return Record(
        number=number,
        state=State[state] if finished else State.RUNNING,
        params=known.get("params", {}),
        values=tuple(values or known.get(REACHED, ())) or None if finished else None,
        baseline=known.get("baseline"),
        verdicts=tuple(map(Verdict.from_json, known.get("verdicts", ()))) if finished else (),
        error=from_json(known.get("error")) if finished else None,
        epochs=int(known.get("epochs", 0)) if finished else 0,
        folder=folder,
        started=times[0] or 0.0,
        ended=times[1],
        revives=known.get("revives"),
        remedy_of=known.get("mends"),  # as studies on disk call it
        cause=known.get("cause", ""),
        code=tuple(known.get("code", ())),
        saved=int(known.get("saved", 0)) if finished else 0,
        patience=int(known.get("patience", 0)) if finished else 0,
    )
