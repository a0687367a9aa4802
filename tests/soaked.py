"""What is soaked, with what is counted of it, and what has to hold at the end: see `tests.soak`."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pitprop.addresses import Addresses, sqlite_url
from pitprop.service.database.ledger import Entry, Store
from pitprop.service.models import SearchState
from pitprop.service.running.places import Places
from pitprop.study import database

from tests.chaos import processes, rows
from tests.postgres import Server
from tests.services import Serving

RUNS = """
select (select value from tags t where t.run_uuid = r.run_uuid and t.key = 'pitprop.trial') as trial, e.name, count(*)
from runs r join experiments e on e.experiment_id = r.experiment_id where r.lifecycle_stage = 'active' and trial is not null
group by 1, 2 having count(*) > 1
"""


class Tracker:
    """A server of MLflow that can go away."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.file, self._log = folder / "mlflow.db", folder / "log"
        self._environment = {**os.environ, "TMPDIR": str(folder), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._words = [
            *("server", "--backend-store-uri", sqlite_url(self.file), "--default-artifact-root", str(folder / "artifacts")),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *self._words],
                stdout=log, stderr=log, start_new_session=True, env=self._environment,
            )  # fmt: skip

    def end(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@dataclass
class Soak:
    """What is disturbed, and what is counted of it."""

    home: Path
    scratch: Path
    services: list[Serving]
    server: Server | None
    tracker: Tracker | None
    draw: random.Random
    clock: Path | None
    """The file that moves the database's clock, where that can be done."""
    disk: bool
    counts: Counter[str] = field(default_factory=Counter)
    submitted: dict[str, str] = field(default_factory=dict)
    """The search that became of each request."""
    wrong: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    down: list[Serving] = field(default_factory=list)
    """Services that are meant to be down."""
    followed: dict[str, list[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """The status and answer of one of the services, 0 if it does not answer; what is wrong with a 5xx is noted."""
        service = self.services[int(time.monotonic() * 1000) % len(self.services)]
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{service.address}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                text, status, kind = answer.read(), int(answer.status), answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            text, status, kind = error.read(), error.code, error.headers.get("Content-Type", "")
        except OSError:
            self.count("requests without an answer, as the service was down")
            return 0, None
        except Exception as error:  # a connection that broke within an answer
            self.count(f"answers cut off ({type(error).__name__})")
            return 0, None
        found = json.loads(text) if "json" in kind and text else None
        self.count(f"answers {status}")
        if status >= 500 and not (status in (503, 507) and "again" in str((found or {}).get("detail", ""))):
            self.wrong.append(f"{method} {path} was answered {status}: {text[:300]!r}")
        return status, found

    def surely(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """The answer that is no "try again"."""
        while (found := self.ask(method, path, body, key))[0] in (0, 503, 507):
            time.sleep(0.3)
        return found


# What has to hold


def check(soak: Soak, store: Store) -> Iterator[str]:
    """What does not hold, a sentence each."""
    entries = {one.id: one for one in store.searches()}
    if sorted(entries) != sorted(soak.submitted.values()):
        yield f"{len(soak.submitted)} requests became {len(entries)} searches"
    places = Places.under(str(soak.runs))
    for entry in entries.values():
        soak.counts[f"searches {entry.state}"] += 1
        yield from (f"search {entry.id} ({entry.name}): {said}" for said in _of_one(soak, store, places, entry))
    if soak.tracker is not None and soak.tracker.file.exists() and (twice := rows(soak.tracker.file, RUNS)):
        yield f"MLflow has trials twice: {twice}"


def _of_one(soak: Soak, store: Store, places: Places, entry: Entry) -> Iterator[str]:
    if entry.state not in (SearchState.DONE, SearchState.CANCELLED):
        yield f"is {entry.state}: {entry.reason}"
    events = store.events(entry.id, limit=100_000)
    soak.counts["events"] += len(events)
    if [one.id for one in events] != list(range(1, entry.events + 1)):
        yield f"its events are {[one.id for one in events]} of {entry.events}"
    told = Counter(int(one.body["trial"]) for one in events if one.kind == "trial")
    soak.counts["trials told"] += sum(told.values())
    if twice := {trial: count for trial, count in told.items() if count > 1}:
        yield f"trials are told more than once: {twice}"
    held = _held(places.of(entry), entry.study)
    finished = {number for number, state in held.items() if state not in ("RUNNING", "WAITING")}
    if entry.state == SearchState.DONE and (sorted(held) != list(range(entry.trials)) or finished != set(held)):
        yield f"its study holds {held}, and {entry.trials} trials were asked for"
    if entry.state == SearchState.DONE and set(told) != finished:
        yield f"trials {sorted(finished ^ set(told))} are told and not in the study, or the other way round"
    if not set(told) <= finished:
        yield f"trials {sorted(set(told) - finished)} are told and not finished"
    seen = soak.followed.get(entry.id, [])
    soak.counts["events followed"] += len(seen)
    if seen != list(range(1, len(seen) + 1)):
        yield f"who followed it saw {seen}"


def _held(where: Addresses, study: str) -> dict[int, str]:
    """The trials of a study by number, with their states."""
    storage = database.connect(where.study_db)
    try:
        number = storage.get_study_id_from_name(study)
        return {one.number: one.state.name for one in storage.get_all_trials(number, deepcopy=False)}
    except KeyError:
        return {}
    finally:
        storage.engine.dispose()


def left(soak: Soak) -> Iterator[str]:
    """What is still there once the services were stopped."""
    for one in soak.services:
        try:
            one.close()
        except subprocess.TimeoutExpired as error:
            yield f"a service that was told to stop has not done so in {error.timeout:.0f} s"
            one.kill()
    if soak.tracker is not None:
        soak.tracker.end()
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = [*processes(soak.scratch).values(), *map(str, soak.scratch.iterdir())]
        if not found:
            return
        time.sleep(0.5)
    yield f"this is left running, or in the temporary folder: {'; '.join(found)[:2000]}"
