"""A service whose drivers are jobs of a Ray cluster: it follows, ends and replaces them, and never drives a search twice."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nodes
import pytest
import yaml
from nodes import Cluster, until
from pitprop.service.running.supervision import LEASE
from postgres import Server, started
from services import Serving
from stalled import HandOver

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(nodes.why_not()), reason=f"no namespaces here: {nodes.why_not()}"),
    pytest.mark.skipif(importlib.util.find_spec("aiohttp_cors") is None, reason="Ray's job server needs ray[default]"),
]
PLACED = Path(__file__).parent / "toys" / "placed.py"


@dataclass(frozen=True)
class Site:
    """A service, the head that runs its drivers, and a folder through which trainings wait for us.

    ``twin`` is another service on the same database, which a test may start.
    """

    head: Cluster
    service: Serving
    twin: Serving
    folder: Path

    def submit(self, name: str, gate: int = 3) -> str:
        """A search of three trials, the first of which waits at an epoch until the gate of that name is open."""
        (self.folder / name).mkdir()
        rows = {
            "question": "Where?",
            "trainer": "placed",
            "objective": {"metric": "val/macro_f1"},
            "epochs": 6,
            "trials": 3,
            "params": {"speed": {"float": [0.05, 1.0]}},
            "sampler": "random",
            "signatures": "off",
            "options": {"signals": str(self.folder / name), "gate": gate},
        }
        return self.service.submit(yaml=yaml.safe_dump(rows), name=name)

    def waits(self, name: str) -> None:
        until(lambda: any((self.folder / name).glob("waits-*")), "a training at the gate")

    def go(self, name: str) -> None:
        (self.folder / name / "go").touch()

    def reaches(self, search: str, state: str) -> None:
        until(lambda: self.state(search) == state, f"that the search is {state}")

    def state(self, search: str) -> str:
        found = self.service.ask("GET", f"/searches/{search}")
        assert found["state"] != "failed", (found["reason"], self.log(search))
        return str(found["state"])

    def silence(self) -> str:
        """What the service says of drivers of which nobody knows whether they run; empty while that is known."""
        found = self.service.ask("GET", "/health")["silence"]
        return "" if found is None else str(found["said"])

    def log(self, search: str) -> str:
        file = self.service.runs / "searches" / search / "driver.log"
        return file.read_text() if file.exists() else ""

    def kinds(self, search: str) -> list[str]:
        return [one["kind"] for one in self.service.events(search)]

    def said(self, search: str) -> list[dict[str, Any]]:
        """What its drivers have said."""
        lines = (self.service.runs / "searches" / search / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def drivers(self, search: str) -> list[int]:
        """The processes on the head that drive the search."""
        found = []
        for pid in self.head.head.pids("python"):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                found += [pid] if b"pitprop.cli.main" in words and any(search.encode() in word for word in words) else []
        return found

    def curves(self, search: str) -> list[list[int]]:
        """The steps of each trial, as they were recorded."""
        files = sorted((self.service.runs / "searches" / search).glob("*/trials/*/telemetry.jsonl"))
        return [[json.loads(line)["step"] for line in file.read_text().splitlines()] for file in files]

    def told_once(self, search: str) -> None:
        """Every trial has all its epochs once, and has ended once."""
        assert self.curves(search) == [[*range(1, 7)]] * 3
        ends = [one["body"]["trial"] for one in self.service.events(search) if one["kind"] == "trial"]
        assert sorted(ends) == [0, 1, 2]


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with started() as found:
        yield found


@pytest.fixture
def site(database: Server, tmp_path: Path) -> Iterator[Site]:
    """A service that has begun on a head with its job server."""
    allowed = f"trainers: [{PLACED}]\nfolders: [{tmp_path}]\ncapacity: {{cpus: 1}}\n"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with nodes.cluster(wired=False, cpus=1, dashboard=True, PATH=path) as head:
        auth = {name: value for name, value in head.environment.items() if name.startswith("RAY_AUTH")}
        url = database.new_database().replace(":secret@", "@")
        addresses = {"STUDY_DB": url, "RAY_ADDRESS": head.jobs, "MLFLOW_TRACKING_URI": nodes.NOWHERE}
        service = Serving(tmp_path / "service", allowed, **addresses, **auth)
        twin = Serving(tmp_path / "twin", allowed, service.runs, **addresses, **auth)
        try:
            service.start()
            yield Site(head, service, twin, tmp_path)
        finally:
            service.close()
            twin.close()


def test_a_service_that_is_killed_and_comes_back_follows_the_same_job_to_its_end(site: Site) -> None:
    search = site.submit("one")
    site.waits("one")
    before = site.drivers(search)
    assert len(before) == 1
    site.service.kill()
    site.service.start()
    site.reaches(search, "running")
    assert site.drivers(search) == before
    site.go("one")
    site.reaches(search, "done")
    assert [one["kind"] for one in site.said(search)].count("joined") == 1
    assert site.kinds(search).count("started") == 1
    site.told_once(search)


def test_cancel_and_pause_end_the_job_and_resume_goes_on_from_its_checkpoint(site: Site) -> None:
    search = site.submit("one")
    for action, state in (("cancel", "cancelled"), ("pause", "paused")):
        site.waits("one")
        site.service.ask("POST", f"/searches/{search}/{action}")
        site.reaches(search, state)
        assert site.drivers(search) == []
        assert [one["body"]["how"] for one in site.said(search) if one["kind"] == "left"][-1] == "interrupted"
        assert "SIGTERM received" not in site.log(search)  # by Ray, whose handler has a process killed that ends slowly
        for gate in (site.folder / "one").glob("waits-*"):
            gate.unlink()
        site.service.ask("POST", f"/searches/{search}/resume")
    site.go("one")
    site.reaches(search, "done")
    site.told_once(search)


def test_a_job_that_is_killed_is_started_again_and_resumes(site: Site) -> None:
    search = site.submit("one")
    site.waits("one")
    for pid in site.drivers(search):
        os.kill(pid, signal.SIGKILL)
    until(lambda: "restarted" in site.kinds(search), "that its end is noticed")
    site.go("one")
    site.reaches(search, "done")
    site.told_once(search)


def test_a_head_that_dies_and_comes_back_gets_its_jobs_again(site: Site) -> None:
    """Also by a service that begins meanwhile, which looks at the cluster once it answers."""
    search = site.submit("one")
    site.waits("one")
    site.head.head.kill()
    until(lambda: "no job server of Ray's answers" in site.silence(), "that the service says so")
    assert site.state(search) == "running"
    site.service.kill()
    site.service.start()
    until(lambda: "no job server of Ray's answers" in site.silence(), "that the service says so again")
    site.head.start_again()
    until(lambda: not site.silence(), "that the job server answers")
    site.go("one")
    site.reaches(search, "done")
    site.told_once(search)


def test_a_job_server_that_says_nothing_for_longer_than_a_lease_costs_a_service_none_of_its_searches(site: Site) -> None:
    site.twin.start()
    search = site.submit("one")
    site.waits("one")
    drivers = site.drivers(search)
    site.head.head.kill("ray-dashboard", signal.SIGSTOP)
    until(lambda: "says nothing" in site.silence(), "that the service says so")
    began = site.service.ask("GET", "/health")["silence"]["since"]
    until(lambda: time.time() > began + 1.5 * LEASE, "the end of a lease")
    assert "says nothing" in site.silence()
    assert site.drivers(search) == drivers
    site.head.head.kill("ray-dashboard", signal.SIGCONT)
    until(lambda: not site.silence(), "that the job server answers")
    site.go("one")
    site.reaches(search, "done")
    assert not [log for log in site.folder.glob("*/service.log") if "taken over" in log.read_text()]
    assert site.kinds(search).count("started") == 1
    site.told_once(search)


def test_a_service_whose_token_the_job_server_refuses_does_not_begin(site: Site) -> None:
    site.twin.environment["RAY_AUTH_TOKEN"] = "0" * 32
    site.twin.launch()
    assert site.twin.process is not None
    assert site.twin.process.wait(nodes.PATIENCE) == 1
    assert "asks for Ray's token" in (site.folder / "twin" / "service.log").read_text()


@pytest.mark.parametrize("wakes", [True, False])
def test_a_service_that_stalls_while_it_hands_a_job_over_does_not_drive_its_search_too(site: Site, wakes: bool) -> None:
    """It wakes, or is killed, while the job that another service has begun trains; its own job does nothing."""
    site.twin.start()
    before = site.submit("before")
    site.waits("before")
    search = site.submit("one")
    folder = site.service.runs / "searches" / search
    gate = HandOver(folder)
    site.service.ask("POST", f"/searches/{before}/cancel")
    stalled = gate.stop([site.service, site.twin])
    if not wakes:
        stalled.kill()
    other = site.twin if stalled is site.service else site.service
    site = replace(site, service=other)
    site.waits("one")
    drivers = site.drivers(search)
    if wakes:
        gate.go_on(stalled)
        until(lambda: "is out of date" in site.log(search), "that the stale driver says so")
    until(lambda: site.drivers(search) == drivers, "that the stale driver has ended")
    assert site.state(search) == "running"
    site.go("one")
    site.reaches(search, "done")
    assert [one["kind"] for one in site.said(search)].count("joined") == 1
    assert site.kinds(search).count("started") == 2
    site.told_once(search)
