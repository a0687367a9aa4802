"""Optuna's storage below its public interface: all that pitprop uses of Optuna's private parts is in this file.

`begin` and `end` write a trial in one transaction each, in Optuna's tables. Optuna's own calls leave the same rows, but look each
of them up before they write it, and commit one attribute at a time: 15 ms a trial, most of what a driver of many lanes spends.
A study has one owner here, so nothing needs to be looked up; that this process owns it still, each transaction checks (`Fence`).
`trials` reads a study in a statement for each table,
where Optuna makes six objects a row and parses every distribution anew: of 10,000 trials that takes seconds.

The functions on a study in memory read and change single trials, where Optuna's public calls copy or list all of them.
"""

from __future__ import annotations

import copy
import heapq
import json
import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.samplers._tpe.sampler import _split_trials
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pitprop.messages import _
from pitprop.study.database import DatabaseError
from sqlalchemy import Connection, delete, insert, select, update

Rows = list[dict[str, Any]]

STUDIES, TRIALS = models.StudyModel.__table__, models.TrialModel.__table__
PARAMS, VALUES = models.TrialParamModel.__table__, models.TrialValueModel.__table__
USER, SYSTEM = models.TrialUserAttributeModel.__table__, models.TrialSystemAttributeModel.__table__
REPORTS = models.TrialIntermediateValueModel.__table__
FACTS = models.StudyUserAttributeModel.__table__
OWNER = "owner"
_PATIENCE = 2000
"""Milliseconds that a write waits for whoever writes to a SQLite file; what waits longer does so beside the trainings."""


class Lost(DatabaseError):
    """Another process owns the study now: one sentence."""


@dataclass(frozen=True, slots=True)
class Fence:
    """What keeps a process that no longer owns a study from writing to it: ``mark`` is what it wrote when it took the study.

    A lock can be lost without a word, as by a restart of the database. The row that holds the mark is written with everything
    else, so that either this transaction sees the mark of a new owner, or the new owner waits until this one has ended.
    """

    study: int
    mark: str

    @classmethod
    def put_up(cls, storage: RDBStorage, study: int, owner: Mapping[str, Any]) -> Fence:
        """From now on ``owner``, which is unlike any other, owns the study."""
        storage.set_study_user_attr(study, OWNER, dict(owner))
        return cls(study, json.dumps(owner))

    def check(self, connection: Connection) -> None:
        """Within a transaction; `Lost` if another owns the study, `DatabaseError` if it is gone."""
        ours = (FACTS.c.study_id == self.study) & (FACTS.c.key == OWNER)
        still = update(FACTS).where(ours, FACTS.c.value_json == self.mark).values(value_json=self.mark)
        if connection.execute(still).rowcount == 1:
            return
        _refuse_deleted(connection, self.study)
        found = json.loads(connection.scalar(select(FACTS.c.value_json).where(ours)) or "{}")
        who = _(" (pid {pid} on {host}, since {since})").format(**found) if found else ""
        text = _("another search has taken over this study{who}: this one stops, and has written nothing since")
        raise Lost(text.format(who=who))


@contextmanager
def _writing(storage: RDBStorage, fence: Fence | None) -> Iterator[Connection]:
    with storage.engine.begin() as connection:
        if storage.engine.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA busy_timeout={_PATIENCE}")
        if fence is not None:
            fence.check(connection)
        yield connection


def _refuse_deleted(connection: Connection, study: int) -> None:
    # SQLite does not see to foreign keys: a search would write trials of no study.
    if connection.scalar(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study)) is None:
        raise DatabaseError(_("the study was deleted from its database while it was searched: search again to begin a new one"))


def check(storage: RDBStorage, fence: Fence) -> None:
    """`Lost` if another owns the study now."""
    with _writing(storage, fence):
        pass


def set_fact(storage: RDBStorage, study: int, name: str, value: Any, fence: Fence | None = None) -> None:
    """Sets a user attribute of the study itself."""
    with _writing(storage, fence) as connection:
        connection.execute(delete(FACTS).where(FACTS.c.study_id == study, FACTS.c.key == name))
        connection.execute(insert(FACTS), {"study_id": study, "key": name, "value_json": json.dumps(value)})


def trials(storage: RDBStorage, study: int) -> list[FrozenTrial]:
    """All trials of a study by number, as Optuna's ``get_all_trials`` gives them."""
    known = cache(json_to_distribution)
    values, reports = models.TrialValueModel.stored_repr_to_value, _read_report
    with storage.engine.connect() as connection:

        def rows(table: Any, *columns: Any) -> Iterator[Any]:
            chosen = select(table.c.trial_id, *columns).join(TRIALS, TRIALS.c.trial_id == table.c.trial_id)
            yield from connection.execute(chosen.where(TRIALS.c.study_id == study).order_by(table.primary_key.columns[0]))

        user, scores = defaultdict[int, dict[str, Any]](dict), defaultdict[int, dict[int, float]](dict)
        for trial, key, text in rows(USER, USER.c.key, USER.c.value_json):
            user[trial][key] = json.loads(text)
        for trial, objective, value, kind in rows(VALUES, VALUES.c.objective, VALUES.c.value, VALUES.c.value_type):
            scores[trial][objective] = values(value, kind)
        drawn, spaces = defaultdict[int, dict[str, Any]](dict), defaultdict[int, dict[str, BaseDistribution]](dict)
        system, steps = defaultdict[int, dict[str, Any]](dict), defaultdict[int, dict[int, float]](dict)
        for trial, name, value, text in rows(PARAMS, PARAMS.c.param_name, PARAMS.c.param_value, PARAMS.c.distribution_json):
            spaces[trial][name] = known(text)
            drawn[trial][name] = spaces[trial][name].to_external_repr(value)
        for trial, key, text in rows(SYSTEM, SYSTEM.c.key, SYSTEM.c.value_json):
            system[trial][key] = json.loads(text)
        for trial, step, *stored in rows(REPORTS, *REPORTS.c["step", "intermediate_value", "intermediate_value_type"]):
            steps[trial][step] = reports(*stored)
        begun = connection.execute(select(TRIALS).where(TRIALS.c.study_id == study).order_by(TRIALS.c.number)).all()
    return [
        FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            values=[value for _, value in sorted(scores[row.trial_id].items())] if row.trial_id in scores else None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params=drawn[row.trial_id],
            distributions=spaces[row.trial_id],
            user_attrs=user[row.trial_id],
            system_attrs=system[row.trial_id],
            intermediate_values=steps[row.trial_id],
            trial_id=row.trial_id,
        )
        for row in begun
    ]


def begin(storage: RDBStorage, study: int, frozen: FrozenTrial, *, fence: Fence | None = None, again: bool = False) -> int:
    """Writes a new trial with all that it holds, under its own number; its id. `DatabaseError` if the study is gone.

    With ``again`` it may be there, for a server that dies does not always say whether it has taken what it was given.
    """
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
    with _writing(storage, fence) as connection:
        _refuse_deleted(connection, study)
        there = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study, TRIALS.c.number == frozen.number)
        if again and (known := connection.scalar(there)) is not None:
            return int(known)
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
    fence: Fence | None = None,
    again: bool = False,
) -> None:
    """Writes how a running trial ended: the state, the time and the values of ``frozen``, and what is new or changed beside it.

    ``attributes`` and ``system`` are Optuna's user and system attributes, ``reports`` scores by step. `DatabaseError` if the
    trial does not run any more, unless this was tried before (``again``) and it ended so.
    """
    changes = {"state": frozen.state, "datetime_complete": _utc(frozen.datetime_complete)}
    with _writing(storage, fence) as connection:
        before = [TrialState.RUNNING, *([frozen.state] if again else [])]
        running = (TRIALS.c.trial_id == trial) & TRIALS.c.state.in_(before)
        if connection.execute(update(TRIALS).where(running).values(changes)).rowcount != 1:
            raise DatabaseError(
                _("trial {number} was ended or deleted by another program while it was trained: search again to continue").format(
                    number=frozen.number
                )
            )
        _replace(connection, USER, trial, "key", _attributes(attributes))
        _replace(connection, SYSTEM, trial, "key", _attributes(system))
        _replace(connection, REPORTS, trial, "step", _reports(reports))
        _replace(connection, VALUES, trial, "objective", _values(frozen.values or ()))


def add_report(storage: RDBStorage, trial: int, step: int, score: float, *, fence: Fence | None = None) -> None:
    """Writes an intermediate value of a running trial."""
    with _writing(storage, fence) as connection:
        _replace(connection, REPORTS, trial, "step", _reports({step: score}))


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


def _local(stored: datetime | None) -> datetime | None:
    """What Optuna makes of a stored time."""
    return stored and stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


_read_report = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value


# A study in memory


def adopt(study: optuna.Study, trials: Iterable[FrozenTrial]) -> None:
    """Adds trials that a database held to an empty study in memory; Optuna's own call checks and copies all of them."""
    storage = _memory(study)
    for number, one in enumerate(map(copy.copy, trials)):
        one.number = one._trial_id = number
        storage._trial_id_to_study_id_and_number[number] = (study._study_id, number)
        storage._studies[study._study_id].trials.append(one)
        storage._max_trial_id = number
        storage._update_cache(number, study._study_id)


def best(study: optuna.Study, trials: Sequence[FrozenTrial], count: int) -> list[FrozenTrial]:
    """The ``count`` best of the trials in the eyes of Optuna's TPE: of complete ones, then of pruned ones, the longest first."""
    if len(study.directions) == 1:  # by Optuna's own function below this takes four times as long
        complete = [one for one in trials if one.state == TrialState.COMPLETE]
        if len(complete) >= count and not any(name.startswith("constraint") for one in complete for name in one.system_attrs):
            pick = heapq.nlargest if study.direction == StudyDirection.MAXIMIZE else heapq.nsmallest
            return pick(count, complete, key=lambda one: (one._values or [math.nan])[0])
    return _split_trials(study, list(trials), count)[0]


def draw(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """The value that the study's sampler proposes for one parameter of a running trial."""
    return trial._suggest(name, distribution)


def trial_id(frozen: FrozenTrial) -> int:
    """What a storage knows a trial by; numbers count within a study, ids within a storage."""
    return int(frozen._trial_id)


def trial(study: optuna.Study, number: int) -> FrozenTrial:
    """One trial of a study in memory, not copied, without listing the others."""
    storage = _memory(study)
    return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study._study_id, number))


def count(study: optuna.Study) -> int:
    """The number of trials of a study in memory."""
    return len(_memory(study)._studies[study._study_id].trials)


def forget_last(study: optuna.Study) -> None:
    """Removes the newest trial of a study in memory, as if it had never been proposed."""
    storage = _memory(study)
    gone = storage._studies[study._study_id].trials.pop()
    del storage._trial_id_to_study_id_and_number[gone._trial_id]
    storage._prev_waiting_trial_number[study._study_id] = len(storage._studies[study._study_id].trials)


def report(study: optuna.Study, number: int, step: int, score: float) -> None:
    """Adds an intermediate value to a running trial of a study in memory."""
    study._storage.set_trial_intermediate_value(trial_id(trial(study, number)), step, score)


def set_attribute(study: optuna.Study, number: int, name: str, value: Any, *, system: bool = False) -> None:
    """Sets a user attribute, or with ``system`` one of Optuna's own, of a running trial of a study in memory."""
    write = study._storage.set_trial_system_attr if system else study._storage.set_trial_user_attr
    write(trial_id(trial(study, number)), name, value)


def places(study: optuna.Study) -> dict[str, Any]:
    """The study's own system attributes, in which samplers such as QMC keep their place."""
    return dict(study._storage.get_study_system_attrs(study._study_id))


def set_place(study: optuna.Study, name: str, value: Any) -> None:
    """Sets one of the study's own system attributes."""
    study._storage.set_study_system_attr(study._study_id, name, value)


class Filtered(optuna.Study):
    """A study whose trials are read through a function of all of them; what is written goes to the study itself."""

    def __init__(self, study: optuna.Study, view: Callable[[list[FrozenTrial]], list[FrozenTrial]]) -> None:
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)
        self._study, self._view = study, view

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = self._view(self._study._get_trials(deepcopy, None, use_cache))
        return [trial for trial in trials if states is None or trial.state in states]


def _memory(study: optuna.Study) -> InMemoryStorage:
    assert isinstance(study._storage, InMemoryStorage)
    return study._storage
