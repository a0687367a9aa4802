"""A study as its database holds it (`StoredStudy`), read without owning it, and how a trial is read from its columns there."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop.addresses import Addresses, sqlite_file
from pitprop.detection.detect import Verdict
from pitprop.messages import from_json
from pitprop.study.record import REACHED, Record, State

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TABLES = "v3.2.0.a"
"""The version of Optuna's tables that we read without Optuna."""
_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}
CONFIRMS = re.compile(r"(?P<of>.+)\.(confirm|each)(\d+-)?\d+")
"""The name of a study that trains the best trials of another again (`pitprop.results.confirmation_study.Block`)."""

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


def nameable(studies: Iterable[str]) -> list[str]:
    """Those of these studies that a user may mean: not what confirms another one, whose answer is that one's."""
    every = list(studies)
    return [name for name in every if not ((found := CONFIRMS.fullmatch(name)) and found["of"] in every)]


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
