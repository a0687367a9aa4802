"""The whole of it as a user has it: `pitprop serve` and its drivers as processes that train, are killed, and lose nothing."""

from __future__ import annotations

import os
import signal
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from services import Serving, reached, steady

pytestmark = pytest.mark.slow
CATALOGUE = f"""
trainers: [{ROOT}/tests/toys/steady.py, imbalanced]
capacity: {{cpus: 2}}
inline: true
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    found = Serving(tmp_path, CATALOGUE)
    found.start()
    try:
        yield found
    finally:
        found.close()


def trials_told(served: Serving, search: str) -> Counter[int]:
    return Counter(one["body"]["trial"] for one in served.events(search) if one["kind"] == "trial")


def test_a_space_that_is_submitted_is_searched_and_answered(served: Serving) -> None:
    search = served.submit(yaml=steady(), name="rates")
    reached(lambda: served.state(search) == "done")
    found = served.ask("GET", f"/searches/{search}")
    assert found["progress"]["complete"] + found["progress"]["pruned"] == 4
    assert found["answer"]["best"]["trial"] == found["progress"]["best"]["trial"]
    assert "val/macro_f1" in found["answer"]["text"]
    page = served.ask("GET", f"/searches/{search}/trials?limit=3")
    assert [one["number"] for one in page["items"]] == [0, 1, 2]
    assert page["next"] == "2"
    one = served.ask("GET", f"/searches/{search}/trials/0")
    assert len(one["curves"][0]) == one["epochs"]
    with urllib.request.urlopen(f"{served.address}/v1/searches/{search}/report") as report:
        assert b"<html" in report.read()
    assert trials_told(served, search) == Counter(range(4))


def test_killing_the_service_and_drivers_loses_no_trial_and_tells_none_twice(served: Serving) -> None:
    search = served.submit(yaml=steady(trials=30, pause=0.1), name="rates")
    reached(lambda: len(trials_told(served, search)) >= 1)
    os.killpg(served.driver(search), signal.SIGSTOP)  # so that it cannot have ended before it is killed, however slow this is
    served.kill()
    os.kill(served.driver(search), 0)  # it has not gone with the service
    served.start()
    assert served.state(search) == "running"
    assert len(trials_told(served, search)) < 30
    os.killpg(served.driver(search), signal.SIGKILL)
    served.kill()
    served.start()
    reached(lambda: served.state(search) == "done")
    assert trials_told(served, search) == Counter(range(30))
    ids = [one["id"] for one in served.events(search)]
    assert ids == list(range(1, len(ids) + 1))


def test_a_search_is_paused_extended_and_revived(served: Serving) -> None:
    search = served.submit(yaml=steady(trials=20, pause=0.1, seed=3), name="rates")
    reached(lambda: len(trials_told(served, search)) >= 1)
    served.ask("POST", f"/searches/{search}/pause")
    reached(lambda: served.state(search) == "paused")
    told = len(trials_told(served, search))
    assert told < 20
    served.ask("POST", f"/searches/{search}/resume")
    reached(lambda: served.state(search) == "done")
    served.ask("POST", f"/searches/{search}/extend", {"trials": 2})
    reached(lambda: served.state(search) == "done" and len(trials_told(served, search)) == 22)
    trials = served.ask("GET", f"/searches/{search}/trials")["items"]
    parked = [one["number"] for one in trials if one["state"] == "parked"]
    assert parked  # a dead one among them is parked on evidence
    served.ask("POST", f"/searches/{search}/revive", {"trials": parked[:1]})
    reached(lambda: served.state(search) == "done")
    assert [
        one["revives"] for one in served.ask("GET", f"/searches/{search}/trials")["items"] if one["revives"] is not None
    ] == parked[:1]
    with pytest.raises(urllib.error.HTTPError, match="409"):
        served.ask("POST", f"/searches/{search}/revive", {"trials": parked[:1]})


def test_stopping_the_service_ends_its_drivers_and_they_go_on_with_it(served: Serving) -> None:
    search = served.submit(yaml=steady(trials=20, pause=0.1), name="rates")
    reached(lambda: len(trials_told(served, search)) >= 1)
    pid = served.driver(search)
    assert served.process is not None
    served.process.terminate()
    served.process.wait(120)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    served.start()
    reached(lambda: served.state(search) == "done")
    assert trials_told(served, search) == Counter(range(20))
