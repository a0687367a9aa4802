"""While a job server says nothing, a service serves, keeps its searches and takes none of others, and says so to who asks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pitprop.messages import Message
from pitprop.processes import module_command
from pitprop.service.clients.assistant import Looking
from pitprop.service.database import tokens
from pitprop.service.database.ledger import Entry, Store
from pitprop.service.models import Scope, SearchState
from pitprop.service.running import ray_jobs
from pitprop.service.running.drivers import LocalDrivers
from pitprop.service.running.places import Places
from pitprop.service.running.ray_jobs import JobDrivers
from pitprop.service.running.silence import Silence
from pitprop.service.running.supervision import Supervisor
from pitprop.workers.cluster.jobs import Forbidden, Jobs, Unanswered
from postgres import started
from served import service
from services import Kit, Serving, kit, reached, space, until
from sqlalchemy import Connection

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:9/studies"
SILENCE = Silence(1_000_000_000.0, Message("no job server of Ray's answers at {address}", {"address": "http://10.0.0.7:8265"}))


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs") as found:
        yield found


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def looking(parts: Kit, address: str) -> Supervisor:
    """A service whose drivers are jobs of the server there."""
    there = Places(replace(parts.places.home, ray=address, study_db=NOWHERE))
    return Supervisor("one", parts.store, parts.catalogue, parts.places, JobDrivers(there, parts.catalogue))


def test_a_look_ends_while_the_job_server_still_says_nothing_and_no_search_is_begun_or_taken_for_dead(
    parts: Kit, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_jobs, "BOUND", 0.2)
    entry, before = parts.submit("hold"), parts.supervisor("one")
    until([before], lambda: "trial" in parts.kinds(entry.id))
    parts.drivers[0].kill()
    waits, one = parts.submit("trials=1"), looking(parts, silent)
    for _tick in range(3):
        one.tick()
        assert one.silence is not None
        assert silent in one.silence.told()
    assert parts.entry(entry.id).state == SearchState.RUNNING
    assert parts.entry(waits.id).state == SearchState.QUEUED


def test_silence_is_counted_from_its_first_look_and_ends_with_the_first_answer(
    parts: Kit, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_jobs, "BOUND", 0.1)
    one, began = looking(parts, silent), parts.store.now()
    one.tick()
    first = one.silence
    one.tick()
    assert first is not None
    assert one.silence is not None
    assert one.silence.since == first.since >= began
    one._drivers = parts.supervisor()._drivers  # which always know
    one.tick()
    assert one.silence is None


def test_a_port_that_reads_like_a_status_is_not_taken_for_a_refused_token() -> None:
    with pytest.raises(Unanswered) as told:
        Jobs("http://127.0.0.1:4031", 1.0)
    assert not isinstance(told.value, Forbidden)


class Stalls(Store):
    """The store of a service that stands still for an hour, ``before`` it reads the leases or right after, while others go on."""

    before, stalled = True, 0.0

    def now(self, connection: Connection | None = None) -> float:
        return super().now(connection) + self.stalled

    def searches(self, *words: object, **named: object) -> list[Entry]:  # type: ignore[override]
        found = super().searches(*words, **named)  # type: ignore[arg-type]
        if self.stalled or "connection" in named:
            return found
        self.stalled = 3600.0
        for entry in found:
            with self.writing() as connection:
                self.set(connection, entry, lease=self.now() + 20.0)
        return super().searches(*words, **named) if self.before else found  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [True, False])
def test_a_service_that_wakes_within_a_look_takes_no_search_from_one_that_sees_to_it(parts: Kit, before: bool) -> None:
    entry, owner = parts.submit("hold"), parts.supervisor("owner")
    until([owner], lambda: "trial" in parts.kinds(entry.id))
    late = Stalls(parts.store.engine)
    late.before = before
    heir = Supervisor("heir", late, parts.catalogue, parts.places, parts.supervisor("heir")._drivers)
    heir.tick()
    assert late.stalled
    assert parts.entry(entry.id).service == "owner"


def test_health_page_and_metrics_say_since_when_and_what_it_means(parts: Kit) -> None:
    with parts.client(silence=SILENCE) as client:
        found = client.get("/v1/health")
        assert found.status_code == 200
        assert found.json()["silence"] == {"since": SILENCE.since, "said": SILENCE.told()}
        for path in ("/", "/silence", "/submit"):
            assert "2001-09-09 01:46 UTC searches wait, and none that runs is taken for dead" in client.get(path).text
        assert "\npitprop_drivers_silent_seconds 0.0" not in client.get("/metrics").text
    with parts.client() as client:
        assert client.get("/v1/health").json()["silence"] is None
        assert "taken for dead" not in client.get("/").text
        assert "\npitprop_drivers_silent_seconds 0.0" in client.get("/metrics").text


def test_who_has_no_token_is_not_told_where_the_cluster_is(parts: Kit) -> None:
    _known, secret = tokens.make(parts.store, "anna", Scope.READ, 1, "operator")
    with parts.client(needs_token=True, silence=SILENCE) as client:
        assert "10.0.0.7" not in client.get("/v1/health").text
        assert "taken for dead" in client.get("/v1/health").json()["silence"]["said"]
        assert "10.0.0.7" in client.get("/v1/health", headers={"Authorization": f"Bearer {secret}"}).text


HUSHED = threading.Event()


class Hushed(LocalDrivers):
    """Drivers of which nobody can say whether they run, now and then."""

    def look(self) -> None:
        if HUSHED.is_set():
            raise Unanswered(SILENCE.why)


def test_who_follows_a_search_hears_when_the_silence_begins_and_when_it_is_over_and_scripts_and_assistants_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitprop.service.serving.LocalDrivers", Hushed)
    HUSHED.set()
    with service(tmp_path / "service") as found, found.client() as client:
        reached(lambda: client.silence() is not None)
        search = client.submit("speeds", name="waits").id
        command = [*module_command("pitprop.cli.main"), "watch", search, "--server", found.address]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as seen,
            subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) as read,
        ):
            assert seen.stdout is not None
            assert read.stdout is not None
            assert any("searches wait, and none that runs is taken for dead" in line for line in seen.stdout)
            events = (json.loads(line) for line in read.stdout)
            began = next(one for one in events if one["kind"] == "silence")["body"]
            assert began == client.health().silence.model_dump()  # type: ignore[union-attr]
            for words in (["queue"], ["status", search]):
                asked = [*module_command("pitprop.cli.main"), *words, "--json", "--server", found.address]
                assert json.loads(subprocess.check_output(asked))["silence"] == began
            assert Looking(client).list_searches()["silence"] == Looking(client).read_answer(search)["silence"] == began
            HUSHED.clear()
            assert any("it is known again which drivers run" in line for line in seen.stdout)
            assert next(one for one in events if one["kind"] == "silence")["body"] == {"since": None, "said": ""}
            client.cancel(search)
            assert list(events)[-1]["kind"] in ("cancelled", "done")
            seen.stdout.read()
        assert client.silence() is None


@pytest.mark.slow
def test_a_service_that_begins_before_its_job_server_answers_serves_and_says_so(tmp_path: Path, silent: str) -> None:
    with started() as database:
        url = database.new_database().replace(":secret@", "@")
        one = Serving(tmp_path, "capacity: {cpus: 1}", STUDY_DB=url, RAY_ADDRESS=silent, RAY_AUTH_MODE="disabled")
        try:
            one.start()
            search = one.submit(yaml=space(), name="waits")
            reached(lambda: one.ask("GET", "/health")["silence"] is not None)
            for words in (["queue"], ["status", search]):
                command = [*module_command("pitprop.cli.main"), *words, "--server", one.address]
                said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"})
                assert "searches wait, and none that runs is taken for dead" in said.stdout, said
            assert one.state(search) == "queued"
            assert "it is asked again and again" in (tmp_path / "service.log").read_text()
        finally:
            one.close()
