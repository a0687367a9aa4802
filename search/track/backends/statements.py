"""A store that is a SQLite file with the tables we know, by the statements with which MLflow reads and writes it.

To import MLflow takes a second and a half of a processor, and its client thirty milliseconds for a trial: more than many a trial
itself. What this writes is what that writes, down to the row: a test holds them against each other.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pitprop.track import sqlite
from pitprop.track.backends.backend import DEFAULT, Found, Held, Refused
from pitprop.track.code import Data
from pitprop.track.trial_run import Point, stored

_EXPERIMENT = """
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace)
VALUES (?, ?, ?, ?, ?, ?, 'default')
"""
_RUN = """
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, source_version,
lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'UNKNOWN', '', '', 'unknown', 'RUNNING', ?, '', 'active', ?, ?)
"""
_RUNS = """
SELECT run_uuid, name, status, start_time, artifact_uri FROM runs WHERE experiment_id = ? AND lifecycle_stage = 'active'
ORDER BY start_time DESC, run_uuid
"""
_TAG = "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
_LABEL = """
INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)
ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value
"""
_POINT = "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
_LATEST = """
INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step,
is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)
"""
"""What the page shows as a metric's value: the point that is latest by MLflow's order."""
_TAGS = """
SELECT run_uuid, key, value FROM tags JOIN runs USING (run_uuid) WHERE experiment_id = ? AND lifecycle_stage = 'active'
"""
_PARAMS = """
SELECT run_uuid, key, value FROM params JOIN runs USING (run_uuid) WHERE experiment_id = ? AND lifecycle_stage = 'active'
"""
_METRICS = """
SELECT run_uuid, key, value, is_nan FROM latest_metrics JOIN runs USING (run_uuid)
WHERE experiment_id = ? AND lifecycle_stage = 'active'
"""
_DATASET = """
SELECT dataset_uuid FROM datasets JOIN runs USING (experiment_id) WHERE run_uuid = ? AND datasets.name = ? AND digest = ?
"""
_NEW_DATASET = """
INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source)
SELECT ?, experiment_id, ?, ?, 'local', ? FROM runs WHERE run_uuid = ?
"""
_INPUT = """
INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) VALUES (?, 'DATASET', ?, 'RUN', ?)
"""
_INPUT_TAG = "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)"
_NAME = "mlflow.runName"


class Statements:
    """The store in the file ``path``, which is there; ``artifacts`` is where MLflow would keep those of its own experiment."""

    def __init__(self, path: Path, artifacts: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("PRAGMA foreign_keys=ON")
        with self._transaction():
            if not self._one("SELECT 1 FROM experiments"):  # as MLflow does when it first opens a store
                self._insert_experiment(0, DEFAULT, (artifacts / "0").resolve().as_uri())

    @contextmanager
    def _transaction(self, run: str | None = None) -> Iterator[sqlite3.Connection]:
        """All or nothing; `Refused` if the ``run`` is not there or deleted."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            if run is not None and not self._one("SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'", run):
                raise Refused(f"the run {run} is deleted")
            yield self._database
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def _one(self, query: str, *values: object) -> tuple[object, ...] | None:
        found: tuple[object, ...] | None = self._database.execute(query, values).fetchone()
        return found

    def _insert_experiment(self, number: int | None, name: str, location: str) -> None:
        now = _now()
        self._database.execute(_EXPERIMENT, (number, name, location, "active", now, now))

    def find(self, name: str) -> Found | None:
        found = self._one("SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?", name)
        if found is None:
            return None
        tags = self._database.execute("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", found[:1])
        return Found(str(found[0]), dict(tags.fetchall()), found[1] == "deleted")

    def make(self, name: str, location: str | None, tags: Mapping[str, str]) -> str:
        assert location is not None
        with self._transaction() as database:
            self._insert_experiment(None, name, location)
            ((number,),) = database.execute("SELECT last_insert_rowid()")
            database.executemany(_LABEL, [(*tag, number) for tag in tags.items()])
        return str(number)

    def restore(self, experiment: str) -> None:
        with self._transaction():
            self._set_stage(experiment, "active")

    def hide_default(self) -> None:
        with self._transaction():
            found = self._one("SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'", DEFAULT)
            if found and not self._one("SELECT 1 FROM runs WHERE experiment_id = ? AND lifecycle_stage = 'active'", *found):
                self._set_stage(str(found[0]), "deleted")

    def _set_stage(self, experiment: str, stage: str) -> None:
        """Deletes or restores an experiment with its runs."""
        now = _now()
        changed = "UPDATE experiments SET lifecycle_stage = ?, last_update_time = ? WHERE experiment_id = ?"
        self._database.execute(changed, (stage, now, experiment))
        changed = "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE experiment_id = ?"
        self._database.execute(changed, (stage, now if stage == "deleted" else None, experiment))

    def label(self, experiment: str, key: str, value: str) -> None:
        with self._transaction() as database:
            self._check(experiment)
            database.execute(_LABEL, (key, value, experiment))

    def _check(self, experiment: str) -> tuple[object, ...]:
        """Where the artifacts of an experiment go; `Refused` if it is deleted."""
        query = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
        if (found := self._one(query, experiment)) is None:
            raise Refused(f"the experiment {experiment} is deleted")
        return found

    def runs(self, experiment: str) -> Iterable[Held]:
        with self._transaction() as database:  # which sees all tables as they are at one time
            held = {row[0]: Held(*row) for row in database.execute(_RUNS, (experiment,))}
            for run, key, value in database.execute(_TAGS, (experiment,)):
                held[run].tags[key] = value
            for run, key, value in database.execute(_PARAMS, (experiment,)):
                held[run].params[key] = value
            for run, key, value, is_nan in database.execute(_METRICS, (experiment,)):
                held[run].metrics[key] = math.nan if is_nan else value
        return held.values()

    def create(self, experiment: str, name: str, started: int, tags: Mapping[str, str]) -> Held:
        run = uuid.uuid4().hex
        with self._transaction() as database:
            (location,) = self._check(experiment)
            held = Held(run, name, "RUNNING", started, f"{location}/{run}/artifacts", {**tags, _NAME: name})
            database.execute(_RUN, (run, name, started, held.artifacts, experiment))
            database.executemany(_TAG, [(*tag, run) for tag in held.tags.items()])
        return held

    def update(self, run: str, status: str, name: str | None = None, ended: int | None = None) -> None:
        with self._transaction(run) as database:
            database.execute("UPDATE runs SET status = ? WHERE run_uuid = ?", (status, run))
            if ended is not None:
                database.execute("UPDATE runs SET end_time = ? WHERE run_uuid = ?", (ended, run))
            if name is not None:
                database.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", (name, run))
                database.execute(_TAG, (_NAME, name, run))

    def write(self, run: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        rows = [
            (p.key, 0.0 if math.isnan(p.value) else stored(p.value), p.timestamp, run, p.step, math.isnan(p.value))
            for p in points
        ]
        latest = {row[0]: row for row in sorted(rows, key=lambda row: (row[4], row[2], row[1]))}
        with self._transaction(run) as database:
            database.executemany(_POINT, rows)
            database.executemany(_LATEST, latest.values())
            given = [(*param, run) for param in params.items()]
            database.executemany("INSERT OR IGNORE INTO params (key, value, run_uuid) VALUES (?, ?, ?)", given)
            database.executemany(_TAG, [(*tag, run) for tag in tags.items()])

    def drop(self, run: str, tags: Iterable[str]) -> None:
        gone = [(run, key) for key in tags]
        if gone:
            with self._transaction(run) as database:
                database.executemany("DELETE FROM tags WHERE run_uuid = ? AND key = ?", gone)

    def feed(self, run: str, data: Data) -> None:
        with self._transaction(run) as database:
            found = self._one(_DATASET, run, data.name, data.digest)
            (dataset,) = found or (uuid.uuid4().hex,)
            if found is None:
                database.execute(_NEW_DATASET, (dataset, data.name, data.digest, json.dumps({"uri": data.source}), run))
            given = uuid.uuid4().hex
            database.execute(_INPUT, (given, dataset, run))
            database.execute(_INPUT_TAG, (given, "mlflow.data.context", "training"))

    def settle(self) -> None:
        sqlite.settle(self._path)


def _now() -> int:
    return round(time.time() * 1000)
