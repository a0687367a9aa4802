"""What several tests of the service build on: its parts over a SQLite file, and a queue that is looked after on demand."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy
import yaml
from pitprop.addresses import Addresses, sqlite_url
from pitprop.processes import module_command, search_path
from pitprop.service import catalogue, submission
from pitprop.service.bodies import Submit
from pitprop.service.database import tables
from pitprop.service.database.ledger import Entry, Store
from pitprop.service.http.app import application
from pitprop.service.http.dependencies import Service
from pitprop.service.http.guard import Guard, Rate
from pitprop.service.lookup import Reader
from pitprop.service.models import SearchState
from pitprop.service.running.drivers import LocalDrivers
from pitprop.service.running.places import Places
from pitprop.service.running.silence import Silence
from pitprop.service.running.supervision import Supervisor
from pitprop.study.database import connect
from starlette.testclient import TestClient

SPACE = """
question: {question}
trainer: imbalanced
objective: {{metric: val/macro_f1}}
epochs: 2
trials: {trials}
params: {{lr: {{float: [1e-3, 1e-1], log: true}}}}
"""
PATIENCE = 120.0
"""Seconds after which a test is told that what it waits for does not come."""


def space(question: str = "Which rate?", trials: int = 4) -> str:
    return SPACE.format(question=question, trials=trials)


class Toys(LocalDrivers):
    """Drivers without trainings."""

    def kill(self) -> None:
        """Leaves none behind."""
        for process in self._started.values():
            process.kill()
            process.wait()

    def program(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("driving.py"))]


@dataclass
class Kit:
    """The parts of a service in a folder."""

    folder: Path
    store: Store
    catalogue: catalogue.Catalogue
    places: Places
    drivers: list[Toys] = field(default_factory=list)

    def supervisor(self, name: str = "one", lease: float = 20.0) -> Supervisor:
        """A queue that is looked after when it is told to."""
        self.drivers.append(Toys(self.places))
        return Supervisor(name, self.store, self.catalogue, self.places, self.drivers[-1], lease=lease)

    def submit(self, question: str = "trials=1", owner: str = "anna", **given: Any) -> Entry:
        request = Submit(yaml=space(question), name=given.pop("name", "toy"), **given)
        entry = submission.submitted(request, self.catalogue, owner, self.places.uploads(owner), self.store.now())
        return self.store.add(entry)

    def entry(self, search: str) -> Entry:
        found = self.store.find(search)
        assert found is not None
        return found

    def hurry(self, search: str) -> None:
        """If it waits to be started again, that wait is over."""
        with self.store.writing() as connection:
            found = self.entry(search)
            if found.state == SearchState.QUEUED and found.retry_at:
                self.store.set(connection, found, retry_at=0.0)

    def kinds(self, search: str) -> list[str]:
        return [one.kind for one in self.store.events(search)]

    def runs(self, entry: Entry) -> list[str]:
        file = self.places.folder(entry.id) / "runs.txt"
        return file.read_text().splitlines() if file.exists() else []

    @contextmanager
    def client(
        self, *, needs_token: bool = False, host: str = "127.0.0.1", silence: Silence | None = None
    ) -> Iterator[TestClient]:
        """The API, without anybody who looks after the queue."""
        guard = Guard(self.store, Rate(self.catalogue.limits.requests), host, frozenset(), needs_token)
        app = application(Service("one", self.store, self.catalogue, self.places, guard, Reader(self.places), lambda: silence))
        with TestClient(app, base_url="http://127.0.0.1:8400", raise_server_exceptions=False) as client:
            yield client


@cache
def _empty() -> bytes:
    """A database with all tables and no rows, which takes a while to make."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        tables.opened(sqlite_url(file)).dispose()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        return file.read_bytes()


@contextmanager
def kit(folder: Path, text: str = "capacity: {cpus: 4}", url: str | None = None) -> Iterator[Kit]:
    """The parts of a service, by the operator's file ``text``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "catalogue.yaml"
    file.write_text(text)
    places = Places(Addresses(folder, url or sqlite_url(folder / "study.db"), sqlite_url(folder / "mlflow.db"), None))
    if url is None:
        (folder / "study.db").write_bytes(_empty())
    store = Store(tables.opened(places.home.study_db))
    found = Kit(folder, store, catalogue.read(str(file)), places)
    try:
        yield found
    finally:
        for one in found.drivers:
            one.kill()
        store.close()


def until(supervisors: list[Supervisor], done: Callable[[], bool]) -> None:
    """Looks after the queue until what is waited for is so."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "what is waited for does not come"
        for one in supervisors:
            one.tick()
        time.sleep(0.01)


def older(url: str, revision: str, **search: Any) -> None:
    """Makes a database as the version of that revision left it, with one search."""
    connect(url).engine.dispose()
    engine = sqlalchemy.create_engine(url)
    tables.migrated(engine, revision)
    found = sqlalchemy.Table("pitprop_searches", sqlalchemy.MetaData(), schema=tables.schema_of(engine), autoload_with=engine)
    rest = {one.name: one.type.python_type() for one in found.columns if not one.nullable}
    with engine.begin() as connection:
        connection.execute(found.insert().values({**rest, "overrides": {}, "task": {}, **search}))
    engine.dispose()


class Serving:
    """A service as a process, ``pitprop serve``, which can be killed and started again. ``runs`` may be another's, too."""

    def __init__(
        self, folder: Path, catalogue: str, runs: Path | None = None, *, mlflow: bool = False, **environment: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = search_path()
        if not mlflow:
            (folder / "broken").mkdir(exist_ok=True)
            (folder / "broken" / "mlflow.py").write_text("raise ImportError('MLflow is broken')\n")  # it takes its time
            path = os.pathsep.join([str(folder / "broken"), path])
        (folder / "catalogue.yaml").write_text(catalogue)
        self.runs = runs or folder / "runs"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "PYTHONPATH": path, **environment}
        self._log = (folder / "service.log").open("ab")
        self._words = ["serve", "--runs", str(self.runs), "--catalogue", str(folder / "catalogue.yaml"), "--port", str(self.port)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.launch()
        reached(self._answers)

    def launch(self) -> None:
        """Starts it, and waits for nothing."""
        command = [*module_command("pitprop.cli.main"), *self._words]
        self.process = subprocess.Popen(command, env=self.environment, stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def send(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)

    def close(self) -> None:
        if self.process is not None:
            self.send(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(120)
        self._log.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.address}/v1{path}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def submit(self, **given: Any) -> str:
        return str(self.ask("POST", "/searches", given)["id"])

    def state(self, search: str) -> str:
        return str(self.ask("GET", f"/searches/{search}")["state"])

    def events(self, search: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/searches/{search}/events")["items"]
        return found

    def driver(self, search: str) -> int:
        return int(json.loads((self.runs / "searches" / search / "driver.lock").read_text())["pid"])

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None
        try:
            return bool(self.ask("GET", "/health")["ok"])
        except OSError:
            return False


def reached(done: Callable[[], bool], patience: float = 600.0) -> None:
    """Waits for something that processes do."""
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline, "what is waited for does not come"
        time.sleep(0.1)


def steady(trials: int = 4, pause: float = 0.02, **changes: Any) -> str:
    """A space over the trainer whose curve depends on its parameters alone."""
    rows = {
        "question": "Which speed?",
        "trainer": "steady",
        "objective": {"metric": "val/macro_f1"},
        "epochs": 8,
        "trials": trials,
        "options": {"pause": pause},
        "params": {"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [False, True]}},
        **changes,
    }
    return yaml.safe_dump(rows)
