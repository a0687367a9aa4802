"""The client and the commands that ask a server tell what the server says, and in a sentence what keeps them from it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pitprop
import pytest
import requests
from conftest import Said
from pitprop.cli import main
from pitprop.service.clients.client import Client, ServerError
from pitprop.service.database import tokens
from pitprop.service.database.ledger import Happened
from pitprop.service.models import Scope, Search
from pitprop.service.serving import opened_store
from served import MORE, SPACE, Served, service, written


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with service(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture(scope="module")
def done(server: Served) -> Search:
    """A search that is done."""
    with server.client() as client:
        search = client.submit(written(server.folder), trials=6, seed=3)
        kinds = [one.kind for one in client.followed(search.id)]
        assert kinds[0] == "queued"
        assert kinds[-1] == "done"
        assert kinds.count("trial") == 6
        return client.search(search.id)


@pytest.fixture
def run(server: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("PITPROP_SERVER", server.address)
    monkeypatch.setenv("COLUMNS", "120")

    def said(*words: str) -> Said:
        code = main.main(words)
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return said


def test_every_trial_is_told_once_with_its_curve_and_its_verdicts(server: Served, done: Search) -> None:
    with server.client() as client:
        trials = list(client.trials(done.id))
        assert [one.number for one in trials] == list(range(6))
        stopped = next(one for one in trials if one.verdicts)
        assert client.trial(done.id, stopped.number).curves[0][0].step == 1
        assert list(client.trials(done.id, ["complete"])) == [one for one in trials if one.state == "complete"]


def test_a_client_is_a_public_name() -> None:
    assert pitprop.Client is Client


def test_pages_of_a_list_follow_each_other(server: Served, done: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitprop.service.clients.client.PAGE", 2)
    with server.client() as client:
        assert len(list(client.trials(done.id))) == 6
        assert len(list(client.trials(done.id, most=3))) == 3


def test_a_request_that_is_sent_twice_queues_one_search(server: Served) -> None:
    with server.client() as client:
        first, second = (client.submit("speeds", name="once", key="the-same") for _time in range(2))
        assert first.id == second.id
        client.cancel(first.id)


def test_the_command_says_what_the_command_of_this_machine_says(server: Served, done: Search, run) -> None:
    found = server.folder / "runs" / "searches" / done.id
    local = run("status", str(found / f"{done.study}.yaml"), "--runs", str(found))
    asked = run("status", done.id)
    head, _, answer = asked.out.partition("\n")
    assert head.startswith(f"speeds ({done.id})  done")
    assert answer.split("\nEvery reason")[0] in local.out
    summary = run("status", "speeds", "--json").json
    del summary["search"]
    assert summary.pop("silence") is None
    assert summary == run("status", str(found / f"{done.study}.yaml"), "--runs", str(found), "--json").json


def test_a_watch_tells_how_each_trial_ended_and_then_the_answer(done: Search, run) -> None:
    said = run("watch", "speeds")
    assert said.code == 0
    assert [f"trial   {number} " in said.out for number in range(6)] == [True] * 6
    assert said.out.index("trial   5 ") < said.out.index("6 of 6 trials")


def test_a_search_is_paused_resumed_and_cancelled_by_its_name(run) -> None:
    run("submit", "speeds", "--name", "longer", "--json")
    for verb, states in (("pause", ("paused", "pausing")), ("cancel", ("cancelled", "cancelling"))):
        assert run(verb, "longer", "--json").json["state"] in states
    listed = run("queue", "--all", "--json").json
    assert listed["searches"][0]["name"] == "longer"
    assert "longer" in run("queue", "--all").out


def test_a_search_is_extended_and_its_parked_trials_are_revived_by_its_name(run, tmp_path: Path) -> None:
    parks = "confirm: false\nsignatures: {constant_prediction: {action: park}}\npoints: [{speed: 0.5, dead: true}]\n"
    run("submit", str(written(tmp_path, SPACE.replace("trials: 6", "trials: 2") + parks, "parks")))
    assert run("watch", "parks").code == 0
    assert run("extend", "parks", "1", "--json").json["trials"] == 3
    assert run("watch", "parks").code == 0
    before = run("status", "parks", "--json").json
    assert before["parked"][0] == 0
    revived = run("revive", "parks", "0", "--json")
    assert (revived.code, revived.json["task"]) == (0, "revive")
    assert run("watch", "parks").code == 0
    assert run("status", "parks", "--json").json["revived"] == [{"trial": 3, "revives": 0}]


@pytest.mark.parametrize("flags", [["--workers", "2"], ["--inline"]])
def test_a_flag_of_a_training_on_this_machine_is_refused_where_a_server_revives(done: Search, run, flags: list[str]) -> None:
    said = run("revive", "speeds", "0", *flags)
    assert said.code == 1
    assert f"{flags[0]} is for what trains on this machine" in said.err


def test_a_search_that_confirms_says_so_in_the_queue_the_status_the_watch_and_on_the_page(server: Served, run) -> None:
    store, said = server.app.state.service.store, "confirming 3/10 trainings"
    search = run("submit", "speeds", "--name", "confirms", "--json").json["id"]
    run("cancel", search)
    with server.client() as client:
        assert [one.kind for one in client.followed(search)][-1] == "cancelled"

    def put(state: str, **values: object) -> None:
        with store.writing() as connection:
            store.set(connection, store.find(search, connection), Happened(state, {}), state=state, **values)

    progress = {"target": 6, "begun": 6, "complete": 6, "confirming": {"over": 3, "trainings": 10}}
    elsewhere = {"service": "elsewhere", "lease": store.now() + 3600}
    put("running", progress=progress, reason="", ended=None, **elsewhere)
    command = [sys.executable, "-m", "pitprop.cli.main", "watch", search, "--server", server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert any(line.strip() == said for line in watching.stdout)
        assert said in run("queue").out
        assert said in run("status", search).out
        for path in ("/", f"/searches/{search}"):
            assert said in requests.get(server.address + path, timeout=60).text
        put("cancelled", service=None, ended=store.now())
        assert said not in watching.stdout.read()
    assert said not in run("queue", "--all").out


def test_a_command_that_no_catalogue_names_is_refused_with_how_it_is_allowed(run, tmp_path: Path) -> None:
    text = SPACE.replace("trainer: curve", "trainer: command\noptions: {command: [python, train.py, --speed, '{speed}']}")
    refused = run("submit", str(written(tmp_path, text, "rate")))
    assert refused.code == 1
    assert "'command' is not a trainer that a submitted space may name here; known: " in refused.err
    assert "the operator allows commands by `pitprop serve --catalogue FILE` with `commands:`" in refused.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "sped"], "has no search 'sped'; did you mean 'speeds'?"),
        (["submit", "sped"], "no space 'sped' in the catalogue; did you mean 'speeds'?"),
        (["submit", "none.yaml"], "there is no file none.yaml"),
        (["cancel", "speeds"], "speeds is done: it is over already"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(done: Search, run, words: list[str], told: str) -> None:
    said = run(*words)
    assert said.code == 1
    assert told in said.err
    assert said.err.count("\n") == 1


def test_all_faults_of_a_space_are_told_at_once(server: Served, tmp_path: Path) -> None:
    wrong = written(tmp_path, SPACE.replace("epochs: 8", "epoch: 8").replace("trials: 6", "trials: -1"))
    with server.client() as client, pytest.raises(ServerError) as told:
        client.submit(wrong)
    assert told.value.status == 422
    assert len(told.value.problems) >= 2
    assert "did you mean" in str(told.value)


def test_a_token_is_asked_for_and_a_wrong_one_is_refused_without_being_shown(tmp_path: Path) -> None:
    runs = tmp_path / "service" / "runs"
    runs.mkdir(parents=True)
    with opened_store(str(runs)) as store:
        _known, reads = tokens.make(store, "anna", Scope.READ, 1, "operator")
    with service(tmp_path / "service", MORE, tokens=True) as found:
        with found.client() as client, pytest.raises(ServerError, match="needs a token: put one into PITPROP_TOKEN"):
            client.whoami()
        with found.client("pitprop_wrong") as client, pytest.raises(ServerError, match="refuses the token") as told:
            client.whoami()
        assert "pitprop_wrong" not in str(told.value)
        with found.client(reads) as client:
            assert client.whoami().owner == "anna"
            with pytest.raises(ServerError, match="the token allows read, and this takes submit"):
                client.submit("speeds")


def test_a_server_that_is_not_there_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert main.main(["queue", "--server", address]) == 1
    assert f"nothing answers at {address}: is the address right, and does `pitprop serve` run there?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8400", "ftp://here", "http://", "http://me:secret@here", "http://h/?q", "http://[::1"]
)
def test_what_is_no_address_is_told_without_a_password(address: str) -> None:
    with pytest.raises(ServerError, match="is not the address of a server") as told:
        Client(address)
    assert "secret" not in str(told.value)


def test_another_kind_of_server_and_one_that_sends_on_are_told_apart() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if "health" in self.path else 200)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"hi")

        def log_message(self, *_args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{other.server_port}") as client:
            with pytest.raises(ServerError, match="sends on to https://elsewhere"):
                client.health()
            with pytest.raises(ServerError, match="not as a pitprop server does"):
                client.whoami()
        other.shutdown()


def test_events_of_a_watch_are_json_lines(done: Search, run) -> None:
    rows = [json.loads(line) for line in run("watch", "speeds", "--json").out.splitlines()]
    ids = [row["id"] for row in rows if row["kind"] != "progress"]
    assert ids == list(range(1, len(ids) + 1))
