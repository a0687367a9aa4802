"""What a trial leaves in the database is what Optuna's own calls leave there, and it is there as a whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from pitprop.addresses import Addresses
from pitprop.study import database
from pitprop.study import storage as rows
from pitprop.study.stored import TABLES as TABLES_READ
from pitprop.study.stored import as_record, read_study

NAMES = (f"study {number}" for number in count())
TABLES = (rows.TRIALS, rows.PARAMS, rows.VALUES, rows.USER, rows.SYSTEM, rows.REPORTS)

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
attributes = st.dictionaries(words, documents, max_size=4)
reports = st.dictionaries(st.integers(0, 9), st.floats(), max_size=4)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))
scores = st.lists(st.floats(allow_nan=False), min_size=1, max_size=3)
drawn = st.one_of(
    st.tuples(st.just(FloatDistribution(-1.0, 1.0)), st.floats(-1.0, 1.0)),
    st.tuples(st.just(FloatDistribution(1e-300, 1e300, log=True)), st.floats(1e-300, 1e300)),
    st.tuples(st.just(FloatDistribution(0.0, 1.0, step=0.25)), st.sampled_from([0.0, 0.25, 1.0])),
    st.tuples(st.just(IntDistribution(-5, 2**40)), st.integers(-5, 2**40)),
    st.tuples(st.just(IntDistribution(1, 1024, log=True)), st.integers(1, 1024)),
    st.tuples(st.just(IntDistribution(0, 12, step=4)), st.sampled_from([0, 8, 12])),
    st.tuples(st.just(CategoricalDistribution([None, True, 3, 0.5, "x"])), st.sampled_from([None, True, 3, 0.5, "x"])),
)


def trial(state: TrialState = TrialState.RUNNING, number: int = 0, **fields: Any) -> FrozenTrial:
    empty: dict[str, Any] = {
        name: {} for name in ("params", "distributions", "user_attrs", "system_attrs", "intermediate_values")
    }
    ended = datetime(2026, 1, 2) if state.is_finished() else None
    empty |= {"value": None, "datetime_start": datetime(2026, 1, 1), "datetime_complete": ended}
    return FrozenTrial(number=number, state=state, trial_id=-1, **{**empty, **fields})


@st.composite
def trials(draw: st.DrawFn, *states: TrialState) -> FrozenTrial:
    state = draw(st.sampled_from(states))
    params = draw(st.dictionaries(words, drawn, max_size=4))
    return trial(
        state,
        values=draw(scores) if state is TrialState.COMPLETE else draw(st.none() | scores) if state is TrialState.PRUNED else None,
        params={name: value for name, (_, value) in params.items()},
        distributions={name: distribution for name, (distribution, _) in params.items()},
        user_attrs=draw(attributes),
        system_attrs=draw(attributes),
        intermediate_values=draw(reports),
        datetime_start=draw(times),
        datetime_complete=draw(times) if state.is_finished() else None,
    )


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RDBStorage]:
    found = database.connect(f"sqlite:///{tmp_path_factory.mktemp('rows') / 'study.db'}")
    yield found
    found.engine.dispose()


def new_study(storage: RDBStorage) -> int:
    return database.study_id(storage, next(NAMES), ["maximize"])


def stored(storage: RDBStorage, study: int, *, ended: bool = True) -> dict[str, list[str]]:
    """All rows of a study's trials, but for what numbers them, and for the times of their ends if these are not asked for."""
    found = {}
    with storage.engine.connect() as connection:
        ids = sqlalchemy.select(rows.TRIALS.c.trial_id).where(rows.TRIALS.c.study_id == study)
        for table in TABLES:
            kept = [
                column
                for column in table.c
                if not column.primary_key and not column.foreign_keys and (ended or column.name != "datetime_complete")
            ]
            got = connection.execute(sqlalchemy.select(*kept).where(table.c.trial_id.in_(ids)))
            found[table.name] = sorted(map(repr, got))
    return found


def seen(storage: RDBStorage, study: int) -> list[object]:
    """A study's trials as every tool of Optuna's sees them, the order of parameters included; NaN equals NaN."""
    return [
        [one.number, one.state, one.values, list(one.params.items()), one.distributions, one.datetime_start]
        + [repr(sorted(held.items())) for held in (one.user_attrs, one.system_attrs, one.intermediate_values)]
        for one in storage.get_all_trials(study)
    ]


@settings(max_examples=50, deadline=None)
@given(trials(*TrialState))
def test_a_trial_begins_with_the_rows_that_optuna_would_have_written(storage: RDBStorage, frozen: FrozenTrial) -> None:
    ours, theirs = new_study(storage), new_study(storage)
    assert storage.get_trial(rows.begin(storage, ours, frozen)).datetime_complete == frozen.datetime_complete
    storage.create_new_trial(theirs, template_trial=frozen)
    assert stored(storage, ours) == stored(storage, theirs)
    assert seen(storage, ours) == seen(storage, theirs)


@settings(max_examples=50, deadline=None)
@given(trials(TrialState.RUNNING), trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL), attributes)
def test_a_trial_ends_with_the_rows_that_optuna_would_have_written(
    storage: RDBStorage, begun: FrozenTrial, frozen: FrozenTrial, more: dict[str, Any]
) -> None:
    user, system = {**frozen.user_attrs, **dict.fromkeys(begun.user_attrs, 1)}, {**dict.fromkeys(begun.system_attrs), **more}
    ours, theirs = new_study(storage), new_study(storage)
    mine = rows.begin(storage, ours, begun)
    rows.end(storage, mine, frozen, attributes=user, system=system, reports=frozen.intermediate_values)
    other = storage.create_new_trial(theirs, template_trial=begun)
    for step, score in frozen.intermediate_values.items():
        storage.set_trial_intermediate_value(other, step, score)
    for name, value in user.items():
        storage.set_trial_user_attr(other, name, value)
    for name, value in system.items():
        storage.set_trial_system_attr(other, name, value)
    storage.set_trial_state_values(other, frozen.state, frozen.values)
    assert stored(storage, ours, ended=False) == stored(storage, theirs, ended=False)
    assert seen(storage, ours) == seen(storage, theirs)
    assert storage.get_trial(mine).datetime_complete == frozen.datetime_complete


@settings(max_examples=50, deadline=None)
@given(st.lists(trials(*TrialState), max_size=4))
def test_a_study_is_read_as_optuna_would_read_it(storage: RDBStorage, begun: list[FrozenTrial]) -> None:
    study = new_study(storage)
    for number, frozen in enumerate(begun):
        frozen.number = number
        rows.begin(storage, study, frozen)
    ours, theirs = rows.trials(storage, study), storage.get_all_trials(study)
    assert list(map(as_text, ours)) == list(map(as_text, theirs))


@settings(max_examples=50, deadline=None)
@given(st.lists(trials(*TrialState), max_size=4))
def test_a_study_is_read_without_optuna_as_with_it(storage: RDBStorage, begun: list[FrozenTrial]) -> None:
    name, url = next(NAMES), storage.engine.url.render_as_string(hide_password=False)
    study, where = database.study_id(storage, name, ["maximize"]), Addresses(Path("runs"), url, "", None)
    for number, frozen in enumerate(begun):
        frozen.number, frozen.user_attrs["params"] = number, {}
        rows.begin(storage, study, frozen)
    read = read_study(where, name)
    known = [as_record(one, where.folder(name) / "trials" / f"{one.number:04d}") for one in storage.get_all_trials(study)]
    assert read is not None
    assert (repr(list(read.records)), read.target) == (repr(known), len(begun))


def test_the_tables_that_are_read_without_optuna_are_those_of_the_optuna_that_is_installed(storage: RDBStorage) -> None:
    assert (storage.get_head_version(), optuna.__version__) == (TABLES_READ, database.KNOWN)


def test_a_new_database_is_the_one_that_optuna_makes(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    database.connect(f"sqlite:///{ours}").engine.dispose()
    RDBStorage(f"sqlite:///{theirs}").engine.dispose()
    with closing(sqlite3.connect(ours)) as one, closing(sqlite3.connect(theirs)) as other:
        made, known = (sorted("".join(line.split()) for line in each.iterdump()) for each in (one, other))
    assert made == known


def as_text(frozen: FrozenTrial) -> str:
    """All that a trial holds; NaN equals NaN, and the order of attributes does not count."""
    held = {name: value for name, value in vars(frozen).items() if name not in ("_params", "_distributions")}
    plain = {name: sorted(value.items(), key=repr) if isinstance(value, dict) else value for name, value in held.items()}
    return repr((sorted(plain.items()), frozen.params, frozen.distributions))


def test_trials_have_their_own_numbers_and_rows(storage: RDBStorage) -> None:
    study = new_study(storage)
    begun = [rows.begin(storage, study, trial(number=number, user_attrs={"place": number})) for number in range(3)]
    for number, score in ((1, 5.0), (0, float("-inf"))):
        ended = trial(TrialState.COMPLETE, number, values=[score])
        rows.end(storage, begun[number], ended, attributes={"place": -number}, system={}, reports={})
    loaded = optuna.load_study(study_name=storage.get_study_name_from_id(study), storage=storage)
    assert [(one.number, one.state.name, one.user_attrs["place"]) for one in loaded.trials] == [
        (0, "COMPLETE", 0),
        (1, "COMPLETE", -1),
        (2, "RUNNING", 2),
    ]
    assert (loaded.best_trial.number, loaded.best_value, loaded.trials[0].value) == (1, 5.0, float("-inf"))


@pytest.mark.parametrize("table", ["trials", "trial_user_attributes", "trial_intermediate_values", "trial_values"])
def test_what_cannot_be_written_as_a_whole_is_not_written_at_all(table: str, storage: RDBStorage) -> None:
    study = new_study(storage)
    number = rows.begin(storage, study, trial(user_attrs={"a": 1}))
    before, ended = stored(storage, study), trial(TrialState.COMPLETE, values=[1.0], intermediate_values={1: 2.0})
    with storage.engine.begin() as connection:
        for event in ("insert", "update"):
            abort = f"create trigger no_{event} before {event} on {table} begin select raise(abort, 'no more'); end"
            connection.execute(sqlalchemy.text(abort))
    try:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="no more"):
            rows.end(storage, number, ended, attributes={"a": 2, "b": 3}, system={"c": 4}, reports={1: 2.0})
        assert stored(storage, study) == before
        ended.number, ended.user_attrs = 1, {"a": 2}
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="no more"):
            rows.begin(storage, study, ended)
        assert stored(storage, study) == before
    finally:
        with storage.engine.begin() as connection:
            for event in ("insert", "update"):
                connection.execute(sqlalchemy.text(f"drop trigger no_{event}"))


def test_what_another_program_ended_or_deleted_is_told_in_a_sentence(storage: RDBStorage) -> None:
    study = new_study(storage)
    number, ended = rows.begin(storage, study, trial()), trial(TrialState.FAIL)
    storage.set_trial_state_values(number, TrialState.PRUNED)
    before = stored(storage, study)
    with pytest.raises(database.DatabaseError, match="trial 0 was ended or deleted by another program"):
        rows.end(storage, number, ended, attributes={"error": "x"}, system={}, reports={})
    assert stored(storage, study) == before
    storage.delete_study(study)
    with pytest.raises(database.DatabaseError, match="the study was deleted from its database"):
        rows.begin(storage, study, trial(number=1))
    assert not any(stored(storage, study).values())
