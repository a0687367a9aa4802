"""`pitprop doctor` says of each thing that a search needs whether it is well, and what to do where it is not."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Said, events
from pitprop import health
from pitprop.addresses import sqlite_url
from pitprop.cli import doctor
from pitprop.health import Check
from pitprop.messages import message
from pitprop.space import Space
from pitprop.study.health import database_health
from pitprop.study.study import opened
from pitprop.track.health import answers
from pitprop.workers.cluster.placement import Node
from pitprop.workers.health import cluster_health, node_report
from pitprop.workers.health.node_report import Report
from postgres import Server

NOWHERE = "127.0.0.1:9"


def worst(found: list[Check]) -> str:
    return doctor.worst(found)


def words(found: list[Check]) -> str:
    return "\n".join(f"{one.said} {one.do or ''}" for one in found)


def test_a_check_comes_through_json_as_it_was() -> None:
    one = Check("node", "warn", message("{n} ports", n=3), message("close {what}", what="them"))
    assert health.check(one.to_json()) == one


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, an answer is waited for."""
    for name, part in doctor.PARTS.items():
        monkeypatch.setitem(doctor.PARTS, name, replace(part, seconds=1200.0))


@pytest.mark.usefixtures("patient")
def test_in_one_screen_it_says_that_all_is_well_without_a_cluster(pitprop: Callable[..., Said], tmp_path: Path) -> None:
    said = pitprop("doctor", "--json", "--storage", tmp_path / "shared")
    assert said.code == 0, said.out
    assert said.json["state"] == "ok"
    assert {one["area"] for one in said.json["checks"]} == {"driver", "database", "tracker", "cluster", "storage"}
    assert not (tmp_path / "runs").exists()
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.mark.usefixtures("patient")
def test_what_does_not_answer_is_named_with_what_to_do_and_the_exit_code_is_1(
    pitprop: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUDY_DB", f"postgresql+psycopg://me:secret@{NOWHERE}/x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{NOWHERE}")
    (tmp_path / "file").touch()
    said = pitprop("doctor", "--ray", NOWHERE, "--storage", tmp_path / "file")
    assert said.code == 1
    assert "secret" not in said.out
    lines = " ".join(said.out.split())
    assert f"postgresql+psycopg://me:***@{NOWHERE}/x does not answer" in lines
    assert f"http://me:***@{NOWHERE} does not answer" in lines
    assert f"{NOWHERE} does not answer" in lines
    assert "cannot be written" in lines
    assert "3 of these keep a search from running" in lines


def test_a_part_that_does_not_answer_in_its_time_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = doctor.Part(doctor.PARTS["tracker"].look, 0.01)
    monkeypatch.setitem(doctor.PARTS, "tracker", slow)
    (found,) = doctor._asked("tracker", {"mlflow": "sqlite:////nowhere/mlflow.db"})
    assert (found.state, str(found.said)) == ("bad", "no answer in 0 seconds")


def test_a_space_that_is_not_there_is_an_error(pitprop: Callable[..., Said]) -> None:
    said = pitprop("doctor", "focal_alhpa")
    assert said.code == 1
    assert "focal_alpha" in said.err


# The database


def test_a_study_that_is_searched_is_named_with_its_owner(toy: Callable[..., Space], tmp_path: Path) -> None:
    space, url = toy(trials=1), sqlite_url(tmp_path / "study.db")
    events(space, tmp_path)
    assert "no study is being searched" in words(database_health.look(url))
    with opened(space, url, tmp_path / space.name):
        assert "toy (pid " in words(database_health.look(url))


def test_another_program_s_database_is_bad_and_one_that_is_not_there_is_made_by_a_search(tmp_path: Path) -> None:
    import sqlite3

    assert "the first search makes it" in words(database_health.look(sqlite_url(tmp_path / "new.db")))
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("create table cats (name text)")
        other.commit()
    assert worst(database_health.look(sqlite_url(tmp_path / "other.db"))) == "bad"
    assert worst(database_health.look("nonsense")) == "bad"
    assert not (tmp_path / "new.db").exists()


def test_postgresql_is_looked_at_for_its_latency_its_tables_and_who_searches(toy: Callable[..., Space], tmp_path: Path) -> None:
    server = Server()
    try:
        server.start()
        url, space = server.new_database(), toy(trials=1)
        assert "it is empty" in words(database_health.look(url))
        with opened(space, url, tmp_path / "toy"):
            found = database_health.look(url)
            assert "pid " in words(found)
        assert worst(found) == "ok"
        assert "answers in" in words(found)
        assert "secret" not in words(found)
    finally:
        server.remove()


# The tracker


@contextmanager
def served(code: int, said: str) -> Iterator[str]:
    """A server that answers everything alike."""

    class Alike(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alike) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "said", "state"), [(200, "3.1.0", "ok"), (200, "2.9.0", "warn"), (401, "no", "bad"), (500, "oh", "warn")]
)
def test_a_tracking_server_is_asked_for_its_version_and_for_leave(code: int, said: str, state: str) -> None:
    with served(code, said) as url:
        assert worst(answers.look(url)) == state


def test_a_store_that_is_no_store_of_mlflow_is_bad(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    assert worst(answers.look(sqlite_url(tmp_path / "mlflow.db"))) == "bad"
    assert worst(answers.look(sqlite_url(tmp_path / "none.db"))) == "ok"


# Nodes


def node(**changes: object) -> Report:
    said = {"host": "n1", "python": "3.11.7", "versions": {"ray": "2", "torch": "2"}, "gpus": None, "here": True, "stored": None}
    said |= {"refused": "", "disk": 10**11, "listening": {}}
    return Report(**{**said, **changes})  # type: ignore[arg-type]


def checks(found: Report, storage: str = "", gpus: int = 0) -> list[Check]:
    asked = cluster_health.Asked("auto", Path("runs"), storage)
    there = Node("1", "10.0.0.1", {"CPU": 4.0, "GPU": float(gpus)}, {})
    return list(cluster_health._node("node 10.0.0.1", there, found, node(), asked))


@pytest.mark.parametrize(
    ("found", "storage", "gpus", "state", "word"),
    [
        (node(), "", 0, "ok", "sees the folder of runs"),
        (node(here=False), "", 0, "ok", "come back with each epoch"),
        (node(here=False, stored=0.1), "s3://b", 0, "ok", "takes a file"),
        (node(here=False, refused="no keys"), "s3://b", 0, "bad", "no keys"),
        (node(versions={"ray": "2"}), "", 0, "warn", "no PyTorch"),
        (node(versions={"ray": "2", "torch": "1"}), "", 0, "warn", "torch are of another version"),
        (node(disk=10**6), "", 0, "warn", "make room"),
        (node(gpus=["H100"] * 2), "", 2, "ok", "Ray has 2, PyTorch sees 2 (H100)"),
        (node(gpus=["H100"] * 4), "", 2, "warn", "--num-gpus=4"),
        (node(gpus=[]), "", 2, "bad", "PyTorch sees 0"),
        (node(listening={"raylet": [1, 2]}), "", 0, "ok", "raylet 1, 2"),
    ],
)
def test_what_a_node_says_becomes_a_line_with_what_to_do(found: Report, storage: str, gpus: int, state: str, word: str) -> None:
    said = checks(found, storage, gpus)
    assert worst(said) == state
    assert word in words(said)


@pytest.mark.parametrize(
    ("place", "alone"),
    [
        ("0100007F", True),
        ("00000000", False),
        ("0A00A8C0", False),
        ("00000000000000000000000001000000", True),
        ("00000000000000000000000000000000", False),
        ("0000000000000000FFFF00000100007F", True),
    ],
)
def test_an_address_of_this_machine_alone_is_told_from_one_that_others_reach(place: str, alone: bool) -> None:
    assert node_report._loopback(place) == alone


def test_a_storage_is_tried_by_what_it_gives_back_and_nothing_stays_there(tmp_path: Path) -> None:
    seconds, refused = node_report.tried(str(tmp_path / "shared"))
    assert seconds is not None
    assert refused == ""
    assert list((tmp_path / "shared").iterdir()) == []
    seconds, refused = node_report.tried("nonsense://x")
    assert seconds is None
    assert "cannot be opened" in refused
