"""The two ways to a store of MLflow's, its client and our statements: each leaves what the other does, down to the row."""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pitprop.addresses import sqlite_url
from pitprop.track import ENVIRONMENT, sqlite
from pitprop.track.backends.backend import Backend, Held, Refused
from pitprop.track.backends.statements import Statements
from pitprop.track.code import Data
from pitprop.track.trial_run import Point

os.environ.update(ENVIRONMENT)
CLOCKED = {"creation_time", "last_update_time", "deleted_time"}
"""Columns that hold the time of writing."""


@pytest.fixture
def pair(uri: str, tmp_path: Path) -> tuple[Backend, Backend, Path, Path]:
    """Statements and MLflow's client, and the store of each."""
    from pitprop.track.backends.tracking_client import TrackingClient

    ours, theirs = tmp_path / "mlflow.db", tmp_path / "theirs.db"
    theirs.write_bytes(ours.read_bytes())
    return Statements(ours, tmp_path), TrackingClient(sqlite_url(theirs)), ours, theirs


def told(path: Path) -> dict[str, list[str]]:
    """All rows of a store, with names in place of the ids that are drawn."""
    with closing(sqlite3.connect(path)) as database:
        names = dict(database.execute("SELECT run_uuid, name FROM runs"))
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for table in tables:
            columns = [column for _, column, *_ in database.execute(f"PRAGMA table_info({table})") if column not in CLOCKED]
            rows = map(repr, database.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall())
            found[table] = sorted(re.sub(r"\b[0-9a-f]{32}\b", lambda one: names.get(one[0], "drawn"), row) for row in rows)
    return found


def held(backend: Backend, experiment: str) -> list[Any]:
    """What is read of all runs, in order."""

    def said(run: Held) -> Any:
        metrics = {key: repr(value) for key, value in run.metrics.items()}
        return run.name, run.status, run.started, run.artifacts.replace(run.id, "ID"), run.tags, run.params, metrics

    return [said(run) for run in backend.runs(experiment)]


def written(backend: Backend) -> str:
    """Writes whatever an export writes; the id of the experiment."""
    experiment = backend.make("études", "file:///tmp/artifacts", {"mlflow.note.content": "why?", "question": "why?"})
    backend.label(experiment, "question", "how?")
    backend.label(experiment, "view", json.dumps({"x": 1}))
    first = backend.create(experiment, "0000", 1_700_000_000_000, {"pitprop.trial": "0", "pitprop.state": "running"})
    second = backend.create(experiment, "0001", 1_700_000_001_000, {})
    points = [Point("val/loss", 1 / step, 1000 * step, step) for step in range(1, 1200)]
    backend.write(first.id, points, {"lr": "0.1", "note": ""}, {"pitprop.state": "complete", "epochs": "1199"})
    backend.write(first.id, points[-2:], {}, {"pitprop.state": "pruned"})  # points that are there already
    backend.write(first.id, [], {"alpha": "[1, 2]"}, {})
    for value in (math.nan, math.inf, -math.inf, 0.5):
        backend.write(second.id, [Point(f"at {value}", value, 5000, 0)], {}, {})
    backend.write(second.id, [Point("objective", 0.5, 6000, 0)], {}, {})
    backend.write(second.id, [Point("objective", 0.25, 7000, 0)], {}, {})
    data = Data("digits", "/data/digits", "abc")
    for run in (first, second):
        backend.feed(run.id, data)
    backend.drop(first.id, ["epochs"])
    backend.update(first.id, "RUNNING", "0000 again")
    backend.update(first.id, "FINISHED", ended=1_700_000_009_000)
    backend.update(second.id, "SCHEDULED", "0001 parked")
    return experiment


def test_statements_leave_what_the_client_of_mlflow_leaves(pair: tuple[Backend, Backend, Path, Path]) -> None:
    ours, theirs, path, other = pair
    experiments = [written(one) for one in (ours, theirs)]
    assert experiments[0] == experiments[1]
    for one in (ours, theirs):
        one.hide_default()
        one.hide_default()  # which finds none any more
        one.settle()
    assert told(path) == told(other)


def test_what_one_writes_the_other_reads(pair: tuple[Backend, Backend, Path, Path], tmp_path: Path) -> None:
    from pitprop.track.backends.tracking_client import TrackingClient

    ours, theirs, path, other = pair
    experiment = written(ours)
    assert held(TrackingClient(sqlite_url(path)), experiment) == held(ours, experiment)
    written(theirs)
    assert held(Statements(other, tmp_path), experiment) == held(theirs, experiment) == held(ours, experiment)
    assert ours.find("études") == theirs.find("études")
    assert ours.find("none") is theirs.find("none") is None


def test_later_points_are_shown_whatever_the_order_in_which_they_come(pair: tuple[Backend, Backend, Path, Path]) -> None:
    ours, theirs, path, other = pair
    runs = [one.create(one.make("x", "file:///tmp/a", {}), "0000", 0, {}).id for one in (ours, theirs)]
    values = {"a": 0.5, "b": math.nan, "c": 1e300}
    for steps in ([1, 2, 3], [5, 4], [2, 6], [6]):
        points = [Point(name, value * step, 1000 * step, step) for step in steps for name, value in values.items()]
        for one, run in zip((ours, theirs), runs, strict=True):
            one.write(run, points, {}, {})
        assert told(path)["latest_metrics"] == told(other)["latest_metrics"]


def test_both_refuse_what_is_deleted_and_write_nothing_of_it(pair: tuple[Backend, Backend, Path, Path]) -> None:
    from mlflow import MlflowClient

    for one, path in zip(pair[:2], pair[2:], strict=True):
        experiment = one.make("x", "file:///tmp/a", {})
        run = one.create(experiment, "0000", 0, {"kept": "yes"}).id
        client = MlflowClient(sqlite_url(path))
        client.delete_run(run)
        before = told(path)
        for writes in (
            lambda one=one, run=run: one.write(run, [Point("a", 1.0, 0, 0)], {"b": "c"}, {"d": "e"}),
            lambda one=one, run=run: one.update(run, "FINISHED", ended=1),
            lambda one=one, run=run: one.drop(run, ["kept"]),
            lambda one=one, run=run: one.feed(run, Data("digits", "/data", "abc")),
        ):
            with pytest.raises(Refused):
                writes()
        client.delete_experiment(experiment)
        with pytest.raises(Refused):
            one.create(experiment, "0001", 0, {})
        assert [list(one.runs(experiment)), told(path)["tags"]] == [[], before["tags"]]


def test_both_restore_an_experiment_with_its_runs(pair: tuple[Backend, Backend, Path, Path]) -> None:
    from mlflow import MlflowClient

    for one, path in zip(pair[:2], pair[2:], strict=True):
        experiment = one.make("x", "file:///tmp/a", {"question": "why?"})
        one.create(experiment, "0000", 1_700_000_000_000, {})
        MlflowClient(sqlite_url(path)).delete_experiment(experiment)
        found = one.find("x")
        assert found is not None
        assert found.deleted
        one.restore(found.id)
        assert [run.name for run in one.runs(experiment)] == ["0000"]
    assert told(pair[2]) == told(pair[3])


def test_a_store_that_mlflow_never_opened_has_its_first_experiment_and_is_whole_for_it(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    path = tmp_path / "new.db"
    sqlite.make(path)
    Statements(path, tmp_path / "artifacts").hide_default()
    before = told(path)
    client = MlflowClient(sqlite_url(path))
    assert client.search_experiments() == []
    assert client.get_experiment("0").name == "Default"
    assert told(path) == before


def test_the_version_of_the_tables_is_the_one_that_mlflow_asks_for() -> None:
    from mlflow.store.db import utils

    assert sqlite.head() == utils._get_latest_schema_revision()  # type: ignore[no-untyped-call]
    assert sqlite.known(), "run make docs"


def test_to_export_to_a_file_imports_no_mlflow(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from pitprop.space import Objective
from pitprop.study.record import Record, StudyCard
from pitprop.track.store import Store
folder = Path(sys.argv[1])
store = Store(f"sqlite:///{folder}/mlflow.db", folder / "artifacts", StudyCard("x", "why?", Objective("val/loss"), "name: x", {}))
store.export([Record(0, "COMPLETE", {"lr": 0.1}, (0.5,), None, (), None, 1, str(folder), 1e9, 1e9 + 1)])
store.conclude([0], "the answer", [Path(sys.argv[1], "mlflow.db")])
store.close()
print(*{"mlflow", "sqlalchemy", "alembic", "scipy", "optuna"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
