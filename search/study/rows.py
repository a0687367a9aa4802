"""How a trial begins and ends in the study database, each in one transaction, in the tables of Optuna.

Optuna's own calls leave the same rows, but look each of them up before they write it, and commit one attribute at a time: 15 ms
a trial, most of what a driver of many lanes spends. A study has one owner here, so nothing needs to be locked or looked up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from pitprop.study.database import DatabaseError
from sqlalchemy import Connection, delete, insert, select, update

Rows = list[dict[str, Any]]

STUDIES, TRIALS = models.StudyModel.__table__, models.TrialModel.__table__
PARAMS, VALUES = models.TrialParamModel.__table__, models.TrialValueModel.__table__
USER, SYSTEM = models.TrialUserAttributeModel.__table__, models.TrialSystemAttributeModel.__table__
REPORTS = models.TrialIntermediateValueModel.__table__


def begin(storage: RDBStorage, study: int, frozen: FrozenTrial) -> int:
    """Writes a new trial with all that it holds, under its own number; its id. `DatabaseError` if the study is gone."""
    row = {
        "study_id": study,
        "number": frozen.number,
        "state": frozen.state,
        "datetime_start": _utc(frozen.datetime_start),
        "datetime_complete": _utc(frozen.datetime_complete),
    }
    params = [
        {
            "param_name": name,
            "param_value": frozen.distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(frozen.distributions[name]),
        }
        for name, value in frozen.params.items()
    ]
    with storage.engine.begin() as connection:
        # SQLite does not see to foreign keys: a search would go on writing trials of no study.
        if connection.scalar(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study)) is None:
            raise DatabaseError("the study was deleted from its database while it was searched: search again to begin a new one")
        made: Any = connection.execute(insert(TRIALS), row)
        trial = int(made.inserted_primary_key[0])
        _add(connection, PARAMS, trial, params)
        _add(connection, USER, trial, _attributes(frozen.user_attrs))
        _add(connection, SYSTEM, trial, _attributes(frozen.system_attrs))
        _add(connection, REPORTS, trial, _reports(frozen.intermediate_values))
        _add(connection, VALUES, trial, _values(frozen.values or ()))
    return trial


def end(
    storage: RDBStorage,
    trial: int,
    frozen: FrozenTrial,
    *,
    attributes: Mapping[str, Any],
    system: Mapping[str, Any],
    reports: Mapping[int, float],
) -> None:
    """Writes how a running trial ended: the state, the time and the values of ``frozen``, and what is new or changed beside it.

    ``attributes`` and ``system`` are Optuna's user and system attributes, ``reports`` scores by step. `DatabaseError` if the
    trial does not run any more.
    """
    changes = {"state": frozen.state, "datetime_complete": _utc(frozen.datetime_complete)}
    with storage.engine.begin() as connection:
        running = (TRIALS.c.trial_id == trial) & (TRIALS.c.state == TrialState.RUNNING)
        if connection.execute(update(TRIALS).where(running).values(changes)).rowcount != 1:
            raise DatabaseError(
                f"trial {frozen.number} was ended or deleted by another program while it was trained: search again to go on"
            )
        _replace(connection, USER, trial, "key", _attributes(attributes))
        _replace(connection, SYSTEM, trial, "key", _attributes(system))
        _replace(connection, REPORTS, trial, "step", _reports(reports))
        _replace(connection, VALUES, trial, "objective", _values(frozen.values or ()))


def _add(connection: Connection, table: Any, trial: int, rows: Rows) -> None:
    if rows:
        connection.execute(insert(table), [{"trial_id": trial, **row} for row in rows])


def _replace(connection: Connection, table: Any, trial: int, key: str, rows: Rows) -> None:
    """Adds rows, of which a trial has one under each ``key``, in place of those that it has."""
    if rows:
        found = table.c[key].in_([row[key] for row in rows])
        connection.execute(delete(table).where(table.c.trial_id == trial, found))
        _add(connection, table, trial, rows)


def _attributes(given: Mapping[str, Any]) -> Rows:
    return [{"key": key, "value_json": json.dumps(value)} for key, value in given.items()]


def _reports(scores: Mapping[int, float]) -> Rows:
    stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
    pairs = ((step, stored(score)) for step, score in scores.items())
    return [{"step": step, "intermediate_value": value, "intermediate_value_type": kind} for step, (value, kind) in pairs]


def _values(values: Iterable[float]) -> Rows:
    pairs = map(models.TrialValueModel.value_to_stored_repr, values)
    return [{"objective": objective, "value": value, "value_type": kind} for objective, (value, kind) in enumerate(pairs)]


def _utc(local: datetime | None) -> datetime | None:
    """What Optuna stores of a time: UTC, without saying so."""
    return local and local.astimezone(UTC).replace(tzinfo=None)
