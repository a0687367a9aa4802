"""A job server that takes a hand-over and says nothing costs a service no search, and the search no second training."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pitprop.service.database.ledger import Entry
from pitprop.service.database.lifecycle import Change
from pitprop.service.models import SearchState
from pitprop.service.running import ray_jobs
from pitprop.service.running.fencing import Superseded, kept_to
from pitprop.service.running.places import Places
from pitprop.service.running.ray_jobs import JobDrivers
from pitprop.service.running.supervision import Supervisor
from services import Kit, kit, until

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:9/studies"


@dataclass
class JobServer:
    """What a job server of Ray's says, but for orders: while it ``holds`` them it takes each, and says nothing.

    Each order becomes a job if it ``runs`` them; let go, it cuts the connections that it has held.
    """

    orders: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    holds: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    runs: bool = False
    port: int = 0

    def order(self, given: dict[str, Any]) -> bool:
        """Takes an order; whether it is answered."""
        name = given["submission_id"]
        if self.runs or not self.holds.is_set():
            rest = {"type": "SUBMISSION", "status": "RUNNING", "entrypoint": given["entrypoint"], "start_time": 1}
            self.jobs[name] = {"submission_id": name, "metadata": given["metadata"], **rest}
        self.orders.append(name)
        if self.holds.is_set():
            self.goes_on.wait()
            return False
        return True


@pytest.fixture
def server() -> Iterator[JobServer]:
    found = JobServer()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            version = {"version": "4", "ray_version": "2.0.0", "ray_commit": "", "session_name": ""}
            self._say(version if self.path == "/api/version" else [*found.jobs.values()] if "/api/jobs" in self.path else {})

        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.path.endswith("/stop"):
                found.jobs[self.path.split("/")[-2]]["status"] = "STOPPED"
                self._say({"stopped": True})
            elif found.order(given):
                self._say({"job_id": given["submission_id"], "submission_id": given["submission_id"]})
            else:
                self.close_connection = True

        def do_DELETE(self) -> None:
            found.jobs.pop(self.path.split("/")[-1], None)
            self._say({"deleted": True})

        def _say(self, what: Any) -> None:
            text = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *_values: Any) -> None:
            """Nothing."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=serving.serve_forever)
    found.port = serving.server_address[1]
    thread.start()
    try:
        yield found
    finally:
        found.goes_on.set()
        serving.shutdown()
        thread.join()
        serving.server_close()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    monkeypatch.setattr(ray_jobs, "_try_out", lambda *_words: None)  # a job that looks whether its cluster is fit
    monkeypatch.delenv("STUDY_DB", raising=False)
    with kit(tmp_path / "runs") as found:
        yield found


def supervisor(parts: Kit, server: JobServer, name: str) -> Supervisor:
    """A service whose drivers are jobs of the server."""
    there = Places(replace(parts.places.home, ray=f"http://127.0.0.1:{server.port}", study_db=NOWHERE))
    allowed = replace(parts.catalogue, counted=False)
    return Supervisor(name, parts.store, allowed, parts.places, JobDrivers(there, allowed))


def handed_over(parts: Kit, server: JobServer, one: Supervisor) -> Entry:
    """A search whose hand-over the server has taken, and does not answer."""
    server.holds.set()
    entry = parts.submit("hold")
    until([one], lambda: bool(server.orders))
    return parts.entry(entry.id)


def trains(parts: Kit, entry: Entry) -> bool:
    """Whether a driver of this start that begins now would train."""
    try:
        with kept_to(entry.start, parts.places.folder(entry.id)):
            return True
    except Superseded:
        return False


def test_a_service_goes_on_and_keeps_its_searches_while_a_hand_over_is_not_answered(parts: Kit, server: JobServer) -> None:
    one, other = supervisor(parts, server, "one"), supervisor(parts, server, "other")
    entry = handed_over(parts, server, one)
    for ahead in (0.0, 5.0, 0.0, 5.0):  # as if time passed between two looks
        one._renewed -= ahead
        before = parts.entry(entry.id).lease
        one.tick()
        assert not ahead or parts.entry(entry.id).lease > before
        other.tick()
        found = parts.entry(entry.id)
        assert (found.state, found.service, found.start) == (SearchState.RUNNING, "one", entry.start)
    assert server.orders == [f"pitprop-{entry.id}-{entry.start}"]


def test_a_hand_over_whose_answer_is_lost_and_whose_job_runs_is_no_second_start(parts: Kit, server: JobServer) -> None:
    one = supervisor(parts, server, "one")
    server.runs = True
    entry = handed_over(parts, server, one)
    server.goes_on.set()
    until([one], lambda: not one._drivers._handing)  # type: ignore[attr-defined]
    one.tick()
    assert parts.entry(entry.id).start == entry.start
    assert len(server.orders) == 1
    assert trains(parts, entry)


def test_a_hand_over_that_got_lost_is_made_again_and_what_comes_of_the_first_one_late_trains_nothing(
    parts: Kit, server: JobServer
) -> None:
    one = supervisor(parts, server, "one")
    first = handed_over(parts, server, one)
    server.holds.clear()
    server.goes_on.set()
    until([one], lambda: "restarted" in parts.kinds(first.id))
    assert "no job server of Ray's answers" in parts.entry(first.id).reason
    assert not trains(parts, first)
    parts.hurry(first.id)
    until([one], lambda: len(server.orders) == 2)
    second = parts.entry(first.id)
    assert server.orders == [f"pitprop-{first.id}-{start}" for start in (first.start, second.start)]
    assert trains(parts, second)
    assert not trains(parts, first)


@pytest.mark.parametrize("verb", ["cancel", "pause"])
@pytest.mark.parametrize("late", [True, False])
def test_a_search_can_be_ended_while_its_hand_over_is_not_answered(parts: Kit, server: JobServer, verb: str, late: bool) -> None:
    """Its job, if there is one ``late``, trains nothing, and is ended once it is seen."""
    one = supervisor(parts, server, "one")
    entry = handed_over(parts, server, one)
    getattr(Change(parts.store, entry.id, "anna"), verb)()
    until([one], lambda: parts.entry(entry.id).state in (SearchState.CANCELLED, SearchState.PAUSED))
    assert not trains(parts, entry)
    if late:
        server.jobs[server.orders[0]] = {
            "type": "SUBMISSION", "status": "RUNNING", "entrypoint": "", "submission_id": server.orders[0],
            "metadata": {"pitprop": f"serve {entry.id}"},
        }  # fmt: skip
    server.holds.clear()
    Change(parts.store, entry.id, "anna").resume()

    def again() -> bool:
        parts.hurry(entry.id)
        return len(server.orders) == 2

    until([one], again)
    assert trains(parts, parts.entry(entry.id))
    assert [job for job, now in server.jobs.items() if now["status"] == "RUNNING"] == [server.orders[1]]


def test_a_service_that_is_stopped_does_not_wait_for_the_answer_to_a_hand_over(parts: Kit, server: JobServer) -> None:
    one = supervisor(parts, server, "one")
    entry = handed_over(parts, server, one)
    one._stop.set()
    one._end_all()
    assert parts.entry(entry.id).state == SearchState.QUEUED
    assert not trains(parts, entry)
