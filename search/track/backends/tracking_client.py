"""A store through MLflow's own client: a server's, or a database of another kind or version than ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from pitprop.addresses import sqlite_file
from pitprop.track import sqlite
from pitprop.track.backends.backend import DEFAULT, Found, Held, Refused
from pitprop.track.code import Data
from pitprop.track.trial_run import Point

_BATCH = 500  # MLflow takes 1,000 entities a request


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.get_http_status_code() in (400, 404, 409):  # type: ignore[no-untyped-call]
            raise Refused(str(error)) from error
        raise


class TrackingClient:
    """The store at ``uri``."""

    def __init__(self, uri: str) -> None:
        self._file = sqlite_file(uri)
        if self._file:
            sqlite.write_ahead()
        self._client = MlflowClient(uri)

    @_refusals()
    def find(self, name: str) -> Found | None:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return None
        return Found(found.experiment_id, dict(found.tags), found.lifecycle_stage == "deleted")

    @_refusals()
    def make(self, name: str, location: str | None, tags: Mapping[str, str]) -> str:
        return str(self._client.create_experiment(name, location, dict(tags)))

    @_refusals()
    def restore(self, experiment: str) -> None:
        self._client.restore_experiment(experiment)

    @_refusals()
    def hide_default(self) -> None:
        found = self._client.search_experiments(filter_string=f"name = '{DEFAULT}'")
        if found and not self._client.search_runs([found[0].experiment_id], max_results=1):
            self._client.delete_experiment(found[0].experiment_id)

    @_refusals()
    def label(self, experiment: str, key: str, value: str) -> None:
        self._client.set_experiment_tag(experiment, key, value)

    def runs(self, experiment: str) -> Iterable[Held]:
        """All runs, a page at a time."""
        token: str | None = ""
        while token is not None:
            with _refusals():
                page = self._client.search_runs([experiment], max_results=1000, page_token=token or None)
            yield from map(_held, page)
            token = page.token or None

    @_refusals()
    def create(self, experiment: str, name: str, started: int, tags: Mapping[str, str]) -> Held:
        return _held(self._client.create_run(experiment, started, dict(tags), name))

    @_refusals()
    def update(self, run: str, status: str, name: str | None = None, ended: int | None = None) -> None:
        if ended is not None:
            self._client.set_terminated(run, status, ended)
        else:
            self._client.update_run(run, status, name)

    @_refusals()
    def write(self, run: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """One request if that is less than 500 numbers."""
        metrics = [Metric(*point) for point in points]
        if metrics[:-_BATCH]:
            self._client.log_batch(run, metrics[:-_BATCH])
        labels = [RunTag(key, value) for key, value in tags.items()]
        self._client.log_batch(run, metrics[-_BATCH:], [Param(key, value) for key, value in params.items()], labels)

    @_refusals()
    def drop(self, run: str, tags: Iterable[str]) -> None:
        for key in tags:
            self._client.delete_tag(run, key)

    @_refusals()
    def feed(self, run: str, data: Data) -> None:
        found = Dataset(data.name, data.digest, "local", json.dumps({"uri": data.source}))
        self._client.log_inputs(run, [DatasetInput(found, [InputTag("mlflow.data.context", "training")])])

    def settle(self) -> None:
        if self._file:
            sqlite.settle(self._file)


def _held(run: Run) -> Held:
    info, data = run.info, run.data
    fixed = (info.run_id, info.run_name, info.status, info.start_time, info.artifact_uri)
    return Held(*fixed, dict(data.tags), dict(data.params), dict(data.metrics))
