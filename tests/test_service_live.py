"""The whole of it as a user has it: `pitprop serve` and its drivers as processes that train, are killed, and lose nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from pitprop.imports import module_command, search_path

pytestmark = pytest.mark.slow
CATALOGUE = f"""
trainers: [{ROOT}/tests/toys/steady.py, imbalanced]
capacity: {{cpus: 2}}
inline: true
"""
PATIENCE = 600.0


def space(trials: int = 4, pause: float = 0.02, **changes: Any) -> str:
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


class Served:
    """A service as a process, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        (folder / "broken").mkdir(parents=True, exist_ok=True)
        (folder / "broken" / "mlflow.py").write_text("raise ImportError('MLflow is broken')\n")  # the real one takes its time
        self._path = os.pathsep.join([str(folder / "broken"), search_path()])
        (folder / "catalogue.yaml").write_text(CATALOGUE)
        self.runs = folder / "runs"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._log = (folder / "service.log").open("ab")
        self._words = ["serve", "--runs", str(self.runs), "--catalogue", str(folder / "catalogue.yaml"), "--port", str(self.port)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": self._path}
        command = [*module_command("pitprop.cli.main"), *self._words]
        self.process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        until(self._answers)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(120)
        self._log.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1{path}", data, {"Content-Type": "application/json"}, method=method
        )
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


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "what is waited for does not come"
        time.sleep(0.1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    found = Served(tmp_path)
    found.start()
    try:
        yield found
    finally:
        found.close()


def trials_told(served: Served, search: str) -> Counter[int]:
    return Counter(one["body"]["trial"] for one in served.events(search) if one["kind"] == "trial")


def test_a_space_that_is_submitted_is_searched_and_answered(served: Served) -> None:
    search = served.submit(yaml=space(), name="rates")
    until(lambda: served.state(search) == "done")
    found = served.ask("GET", f"/searches/{search}")
    assert found["progress"]["complete"] + found["progress"]["pruned"] == 4
    assert found["answer"]["best"]["trial"] == found["progress"]["best"]["trial"]
    assert "val/macro_f1" in found["answer"]["text"]
    page = served.ask("GET", f"/searches/{search}/trials?limit=3")
    assert [one["number"] for one in page["items"]] == [0, 1, 2]
    assert page["next"] == "2"
    one = served.ask("GET", f"/searches/{search}/trials/0")
    assert len(one["curves"][0]) == one["epochs"]
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/v1/searches/{search}/report") as report:
        assert b"<html" in report.read()
    assert trials_told(served, search) == Counter(range(4))


def test_killing_the_service_and_drivers_loses_no_trial_and_tells_none_twice(served: Served) -> None:
    search = served.submit(yaml=space(trials=30, pause=0.1), name="rates")
    until(lambda: len(trials_told(served, search)) >= 1)
    os.killpg(served.driver(search), signal.SIGSTOP)  # so that it cannot have ended before it is killed, however slow this is
    served.kill()
    os.kill(served.driver(search), 0)  # it has not gone with the service
    served.start()
    assert served.state(search) == "running"
    assert len(trials_told(served, search)) < 30
    os.killpg(served.driver(search), signal.SIGKILL)
    served.kill()
    served.start()
    until(lambda: served.state(search) == "done")
    assert trials_told(served, search) == Counter(range(30))
    ids = [one["id"] for one in served.events(search)]
    assert ids == list(range(1, len(ids) + 1))


def test_a_search_is_paused_extended_and_revived(served: Served) -> None:
    search = served.submit(yaml=space(trials=20, pause=0.1, seed=3), name="rates")
    until(lambda: len(trials_told(served, search)) >= 1)
    served.ask("POST", f"/searches/{search}/pause")
    until(lambda: served.state(search) == "paused")
    told = len(trials_told(served, search))
    assert told < 20
    served.ask("POST", f"/searches/{search}/resume")
    until(lambda: served.state(search) == "done")
    served.ask("POST", f"/searches/{search}/extend", {"trials": 2})
    until(lambda: served.state(search) == "done" and len(trials_told(served, search)) == 22)
    trials = served.ask("GET", f"/searches/{search}/trials")["items"]
    parked = [one["number"] for one in trials if one["state"] == "parked"]
    assert parked  # a dead one among them is parked on evidence
    served.ask("POST", f"/searches/{search}/revive", {"trials": parked[:1]})
    until(lambda: served.state(search) == "done")
    assert [
        one["revives"] for one in served.ask("GET", f"/searches/{search}/trials")["items"] if one["revives"] is not None
    ] == parked[:1]
    with pytest.raises(urllib.error.HTTPError, match="409"):
        served.ask("POST", f"/searches/{search}/revive", {"trials": parked[:1]})


def test_stopping_the_service_ends_its_drivers_and_they_go_on_with_it(served: Served) -> None:
    search = served.submit(yaml=space(trials=20, pause=0.1), name="rates")
    until(lambda: len(trials_told(served, search)) >= 1)
    pid = served.driver(search)
    assert served.process is not None
    served.process.terminate()
    served.process.wait(120)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    served.start()
    until(lambda: served.state(search) == "done")
    assert trials_told(served, search) == Counter(range(20))
