"""One MLflow experiment: its runs as the store holds them, and writing what differs.

Runs are addressed by their ids, never through MLflow's global active run.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pitprop.addresses import sqlite_file
from pitprop.locks import one_maker
from pitprop.track import sqlite
from pitprop.track.backends.backend import Backend, Held
from pitprop.track.backends.statements import Statements
from pitprop.track.code import Data
from pitprop.track.trial_run import Point, same


class Experiment:
    """The experiment ``name`` of the store at ``uri``, made or restored if need be. Raises whatever MLflow raises.

    ``id`` is the one that MLflow gave it.
    Artifacts go under the folder ``artifacts``, unless the store is a server: that keeps them where it likes.
    """

    def __init__(self, uri: str, artifacts: Path, name: str, tags: Mapping[str, str]) -> None:
        self._uri, file = uri, sqlite_file(uri)
        with one_maker(uri), sqlite.no_folder_named_by(uri):  # MLflow makes its first experiment when it is first asked
            if file:
                sqlite.make(file)
            self._backend = _backend(uri, artifacts)
            if file and file.resolve().parent == artifacts.resolve().parent:  # a store of our own
                self._backend.hide_default()
            self._open(artifacts, name, tags)

    def _open(self, artifacts: Path, name: str, tags: Mapping[str, str]) -> None:
        found = self._backend.find(name)
        if found is None:
            location = None if self._uri.startswith("http") else (artifacts / name).resolve().as_uri()
            self._tags = dict(tags)
            self.id = self._backend.make(name, location, tags)
            return
        self.id = found.id
        if found.deleted:
            self._backend.restore(self.id)
        self._tags = dict(found.tags)
        for key, value in tags.items():
            self.label(key, value)

    def label(self, key: str, value: str) -> None:
        """Sets a tag of the experiment itself."""
        if self._tags.get(key) != value:
            self._backend.label(self.id, key, value)
            self._tags[key] = value

    def address_of(self, name: str) -> str:
        """Where MLflow's page shows the experiment ``name``, as a link from within the page; empty if there is none."""
        found = self._backend.find(name)
        return f"#/experiments/{found.id}/runs?workflowType=machine_learning" if found else ""

    def runs(self) -> Iterable[Held]:
        """All runs that are not deleted."""
        return self._backend.runs(self.id)

    def create(self, name: str, started: float, tags: Mapping[str, str]) -> Held:
        """A new run; ``started`` in unix seconds."""
        return self._backend.create(self.id, name, round(started * 1000), tags)

    def reopen(self, run: Held, name: str) -> None:
        """Sets the run RUNNING under this name."""
        if (run.status, run.name) != ("RUNNING", name):
            self._backend.update(run.id, "RUNNING", name)
            run.status, run.name = "RUNNING", name

    def end(self, run: Held, status: str, ended: float) -> None:
        """Gives the run its final status; ``ended`` in unix seconds."""
        self._backend.update(run.id, status, ended=round(ended * 1000))
        run.status = status

    def write(
        self,
        run: Held,
        tags: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        measures: Mapping[str, float] | None = None,
        points: Sequence[Point] = (),
    ) -> None:
        """Writes ``points``, and what differs of the rest.

        ``measures`` are metrics of one value, which belongs to the time of writing: the latest counts.
        """
        tags = {key: value for key, value in tags.items() if run.tags.get(key) != value}
        params = {key: value for key, value in (params or {}).items() if key not in run.params}
        measures = {key: value for key, value in (measures or {}).items() if not same(run.metrics.get(key), value)}
        now = round(time.time() * 1000)
        rows = [*points, *(Point(key, value, now, 0) for key, value in measures.items())]
        if rows or params or tags:
            self._backend.write(run.id, rows, params, tags)
        run.tags.update(tags)
        run.params.update(params)
        run.metrics.update(measures)

    def feed(self, run: Held, data: Data) -> None:
        """Says what data the run was trained on."""
        self._backend.feed(run.id, data)

    def drop(self, run: Held, tags: Iterable[str]) -> None:
        """Takes tags off that no longer hold."""
        if gone := set(tags) & run.tags.keys():
            self._backend.drop(run.id, gone)
        for key in gone:
            del run.tags[key]

    def settle(self) -> None:
        """Brings what was written to the disk, where the store is a file."""
        self._backend.settle()

    def attach(self, run: Held, path: Path) -> None:
        """Adds a file to the run's artifacts."""
        place = urlsplit(run.artifacts)
        if place.scheme == "file":
            folder = Path(url2pathname(place.path))
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / path.name)
            return
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        # the client's log_artifact would ask for the run again, to learn where
        artifacts: Any = get_artifact_repository(run.artifacts, tracking_uri=self._uri)
        artifacts.log_artifact(str(path))

    def attach_text(self, run: Held, name: str, text: str) -> None:
        """Adds a text to the run's artifacts as the file ``name``."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            self.attach(run, path)


def _backend(uri: str, artifacts: Path) -> Backend:
    """By statements where the store is a file with the tables that we know, else MLflow's client, which takes its time."""
    file = sqlite_file(uri)
    if file and sqlite.known():
        return Statements(file, artifacts)
    from pitprop.track.backends.tracking_client import TrackingClient

    return TrackingClient(uri)
