"""One MLflow experiment: its runs as MLflow holds them, and writing what differs. Of the exporter the only importer of mlflow.

Runs are addressed by their ids, never through MLflow's global active run.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from pitprop.addresses import sqlite_file
from pitprop.locks import one_maker
from pitprop.track import sqlite
from pitprop.track.code import Data
from pitprop.track.trial_run import Point, same

DEFAULT = "Default"
_BATCH = 500  # MLflow takes 1,000 entities a request


def is_refusal(error: Exception) -> bool:
    """Whether MLflow answered that it will not take this, so that trying again is no use."""
    return isinstance(error, MlflowException) and error.get_http_status_code() in (400, 404, 409)  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class Held:
    """What MLflow holds of one run. ``started`` is in unix milliseconds, ``artifacts`` a URI."""

    id: str
    name: str
    status: str
    started: int
    artifacts: str
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Experiment:
    """The experiment ``name`` of the store at ``uri``, made or restored if need be. Raises whatever MLflow raises.

    ``id`` is the one that MLflow gave it.
    Artifacts go under the folder ``artifacts``, unless the store is a server: that keeps them where it likes.
    """

    def __init__(self, uri: str, artifacts: Path, name: str, tags: Mapping[str, str]) -> None:
        self._uri, self._file = uri, sqlite_file(uri)
        with one_maker(uri), sqlite.no_folder_named_by(uri):  # MLflow makes its first experiment when it is first asked
            if self._file:
                sqlite.make(self._file)
                sqlite.write_ahead()
            self._client = MlflowClient(uri)
            if self._file and self._file.resolve().parent == artifacts.resolve().parent:  # a store of our own
                self._hide_default()
            self._open(artifacts, name, tags)

    def _open(self, artifacts: Path, name: str, tags: Mapping[str, str]) -> None:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = None if self._uri.startswith("http") else (artifacts / name).resolve().as_uri()
            self._tags = dict(tags)
            self.id = self._client.create_experiment(name, location, dict(tags))
            return
        self.id = found.experiment_id
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(self.id)
        self._tags = dict(found.tags)
        for key, value in tags.items():
            self.label(key, value)

    def _hide_default(self) -> None:
        """Deletes the experiment that MLflow makes by itself while it is empty; MLflow can restore it."""
        found = self._client.search_experiments(filter_string=f"name = '{DEFAULT}'")
        if found and not self._client.search_runs([found[0].experiment_id], max_results=1):
            self._client.delete_experiment(found[0].experiment_id)

    def label(self, key: str, value: str) -> None:
        """Sets a tag of the experiment itself."""
        if self._tags.get(key) != value:
            self._client.set_experiment_tag(self.id, key, value)
            self._tags[key] = value

    def address_of(self, name: str) -> str:
        """Where MLflow's page shows the experiment ``name``, as a link from within the page; empty if there is none."""
        found = self._client.get_experiment_by_name(name)
        return f"#/experiments/{found.experiment_id}/runs?workflowType=machine_learning" if found else ""

    def runs(self) -> Iterable[Held]:
        """All runs, a page at a time."""
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs([self.id], max_results=1000, page_token=token or None)
            yield from map(_held, page)
            token = page.token or None

    def create(self, name: str, started: float, tags: Mapping[str, str]) -> Held:
        """A new run; ``started`` in unix seconds."""
        return _held(self._client.create_run(self.id, round(started * 1000), dict(tags), name))

    def reopen(self, run: Held, name: str) -> None:
        """Sets the run RUNNING under this name."""
        if (run.status, run.name) != ("RUNNING", name):
            self._client.update_run(run.id, "RUNNING", name)
            run.status, run.name = "RUNNING", name

    def end(self, run: Held, status: str, ended: float) -> None:
        """Gives the run its final status; ``ended`` in unix seconds."""
        self._client.set_terminated(run.id, status, round(ended * 1000))
        run.status = status

    def write(
        self,
        run: Held,
        tags: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        measures: Mapping[str, float] | None = None,
        points: Sequence[Point] = (),
    ) -> None:
        """Writes ``points``, and what differs of the rest: one request if that is less than 500 numbers.

        ``measures`` are metrics of one value, which belongs to the time of writing: the latest counts.
        """
        tags = {key: value for key, value in tags.items() if run.tags.get(key) != value}
        params = {key: value for key, value in (params or {}).items() if key not in run.params}
        measures = {key: value for key, value in (measures or {}).items() if not same(run.metrics.get(key), value)}
        now = round(time.time() * 1000)
        if self._file and points and sqlite.insert(self._file, run.id, points):
            points = ()
        rows = [*points, *(Point(key, value, now, 0) for key, value in measures.items())]
        metrics = [Metric(*row) for row in rows]
        if metrics[:-_BATCH]:
            self._client.log_batch(run.id, metrics[:-_BATCH])
        if rows or params or tags:  # the tags come last, for they tell how far the metrics go
            labels = [RunTag(key, value) for key, value in tags.items()]
            self._client.log_batch(run.id, metrics[-_BATCH:], [Param(key, value) for key, value in params.items()], labels)
        run.tags.update(tags)
        run.params.update(params)
        run.metrics.update(measures)

    def feed(self, run: Held, data: Data) -> None:
        """Says what data the run was trained on."""
        found = Dataset(data.name, data.digest, "local", json.dumps({"uri": data.source}))
        self._client.log_inputs(run.id, [DatasetInput(found, [InputTag("mlflow.data.context", "training")])])

    def drop(self, run: Held, tags: Iterable[str]) -> None:
        """Takes tags off that no longer hold."""
        for key in set(tags) & run.tags.keys():
            self._client.delete_tag(run.id, key)
            del run.tags[key]

    def settle(self) -> None:
        """Brings what was written to the disk, where the store is a file."""
        if self._file:
            sqlite.settle(self._file)

    def attach(self, run: Held, path: Path) -> None:
        """Adds a file to the run's artifacts."""
        # the client's log_artifact would ask for the run again, to learn where
        artifacts: Any = get_artifact_repository(run.artifacts, tracking_uri=self._uri)
        artifacts.log_artifact(str(path))

    def attach_text(self, run: Held, name: str, text: str) -> None:
        """Adds a text to the run's artifacts as the file ``name``."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            self.attach(run, path)


def _held(run: Run) -> Held:
    info, data = run.info, run.data
    fixed = (info.run_id, info.run_name, info.status, info.start_time, info.artifact_uri)
    return Held(*fixed, dict(data.tags), dict(data.params), dict(data.metrics))
