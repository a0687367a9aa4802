"""The trials of a study as records, read from the database by anybody: no lock is taken, nothing is written."""

from __future__ import annotations

from pathlib import Path

from optuna.trial import FrozenTrial, TrialState
from pitprop.detection.detect import Verdict
from pitprop.study import database
from pitprop.study.record import Record, State

_STATES = {
    TrialState.RUNNING: State.RUNNING,
    TrialState.WAITING: State.RUNNING,  # enqueued by another program
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAIL,
}


def read_records(url: str, name: str, folder: Path) -> tuple[list[Record], int] | None:
    """The trials of the study ``name`` and its target, without owning it; None if there is no such study."""
    path = database.sqlite_path(url)
    if path is not None and not path.exists():
        return None
    storage = database.connect(url)
    try:
        found = storage.get_study_id_from_name(name)
        frozen = storage.get_all_trials(found)
        revivals = sum("revives" in one.user_attrs for one in frozen)
        target = int(storage.get_study_user_attrs(found).get("trials", len(frozen) - revivals)) + revivals
    except KeyError:
        return None
    finally:
        storage.engine.dispose()
    return [as_record(one, folder / "trials" / f"{one.number:04d}") for one in frozen], target


def study_names(url: str) -> list[str]:
    """The studies in the database; none if there is no database yet."""
    path = database.sqlite_path(url)
    if path is not None and not path.exists():
        return []
    storage = database.connect(url)
    try:
        return [study.study_name for study in storage.get_all_studies()]
    finally:
        storage.engine.dispose()


def as_record(frozen: FrozenTrial, folder: Path) -> Record:
    """A trial of Optuna's as everything downstream reads it."""
    known = frozen.user_attrs
    finished = frozen.state.is_finished()
    return Record(
        number=frozen.number,
        state=_STATES[frozen.state],
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
    )
