"""What several tests of the service build on: its parts over a SQLite file, and a queue that is looked after on demand."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pitprop.addresses import Addresses, sqlite_url
from pitprop.service import catalogue, submission
from pitprop.service.bodies import Submit
from pitprop.service.database import tables
from pitprop.service.database.ledger import Entry, Store
from pitprop.service.http.app import application
from pitprop.service.http.dependencies import Service
from pitprop.service.http.guard import Guard, Rate
from pitprop.service.lookup import Reader
from pitprop.service.running.drivers import LocalDrivers
from pitprop.service.running.places import Places
from pitprop.service.running.supervision import Supervisor
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

    def kinds(self, search: str) -> list[str]:
        return [one.kind for one in self.store.events(search)]

    def runs(self, entry: Entry) -> list[str]:
        file = self.places.folder(entry.id) / "runs.txt"
        return file.read_text().splitlines() if file.exists() else []

    @contextmanager
    def client(self, *, needs_token: bool = False, host: str = "127.0.0.1") -> Iterator[TestClient]:
        """The API, without anybody who looks after the queue."""
        guard = Guard(self.store, Rate(self.catalogue.limits.requests), host, frozenset(), needs_token)
        app = application(Service("one", self.store, self.catalogue, self.places, guard, Reader(self.places)))
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
    import time

    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "what is waited for does not come"
        for one in supervisors:
            one.tick()
        time.sleep(0.01)
