"""On a cluster whose nodes do not see the runs folder nothing is lost: not by a node's death, a driver's, or a server's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import events, records
from nodes import Nodes, nodes
from pitprop.space import Space
from pitprop.trainer import Lane
from pitprop.workers import checkpoint
from pitprop.workers.files import filesystem, home

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9"
PLAIN = {"speed": {"float": [0.05, 1.0]}}


def command(space: Space, runs: Path, *words: str) -> list[str]:
    """The search, as a command line."""
    return [sys.executable, "-m", "pitprop.cli.main", "search", space.path, "--runs", str(runs), "--no-report", "--json", *words]


def search(cluster: Nodes, space: Space, runs: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Searches on the cluster, with an MLflow that does not answer."""
    said = {**cluster.environment, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": NOWHERE, **environment}
    words = ("--ray", cluster.address, *words)
    done = subprocess.run(command(space, runs, *words), cwd=ROOT, env=said, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def searching(cluster: Nodes, space: Space, runs: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A search under way."""
    said = {**cluster.environment, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": NOWHERE, **environment}
    words = ("--ray", cluster.address, *words)
    with subprocess.Popen(
        command(space, runs, *words), cwd=ROOT, env=said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as driver:
        try:
            yield driver
        finally:
            driver.kill()


def until(found: Callable[[], Any], driver: subprocess.Popen[str]) -> None:
    """Waits until the search under way has got so far."""
    while not found():
        assert driver.poll() is None, driver.communicate()
        threading.Event().wait(0.05)


def held(runs: Path, trial: int) -> int:
    """How far the checkpoint of a trial is that is at home."""
    found = checkpoint.newest(runs / "toy" / "checkpoints", runs / "toy" / "trials" / f"{trial:04d}").get(Lane(trial, 0))
    return found[1].step if found is not None else 0


def values(space: Space, runs: Path) -> list[Any]:
    found = records(space, runs)
    assert [record.state.name for record in found] == ["COMPLETE"] * len(found), [record.error for record in found]
    return [record.values for record in found]


@pytest.fixture
def hanging(toy: Callable[..., Space], tmp_path: Path) -> Callable[..., Space]:
    """A space whose training stands still once, before the end of epoch 3 of trial 1: then `stands` is true."""
    options = {"marker": str(tmp_path / "stands"), "victim": "hang", "at": [1, 3]}
    return lambda **changes: toy(**{"params": PLAIN, "trials": 3, "options": options, **changes})


@pytest.fixture
def stands(tmp_path: Path) -> Callable[[], bool]:
    return (tmp_path / "stands").exists


@pytest.fixture
def undisturbed(tmp_path: Path) -> Callable[[Space], list[Any]]:
    """The values of the same search in one process."""

    def of(space: Space) -> list[Any]:
        events(space, tmp_path / "undisturbed")
        return values(space, tmp_path / "undisturbed")

    return of


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture
def bucket() -> Iterator[dict[str, str]]:
    """An S3-compatible server with a bucket: what the driver and the nodes have in their environment."""
    pytest.importorskip("moto")
    said = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
    code = (
        "import sys, logging\n"
        "from moto.server import DomainDispatcherApplication, create_backend_app\n"
        "from werkzeug.serving import make_server\n"
        "logging.getLogger('werkzeug').setLevel('ERROR')\n"
        "server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)\n"
        "print(server.port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, **said}) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        place = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
        make = f"from pyarrow import fs; fs.FileSystem.from_uri('s3://pits/?{place}&allow_bucket_creation=true')[0].create_dir('pits')"
        subprocess.run([sys.executable, "-c", make], env={**os.environ, **said}, check=True)
        yield {**said, "PITPROP_STORAGE": f"s3://pits/here?{place}"}
        server.kill()


def test_without_a_shared_file_system_a_search_finds_what_it_finds_in_one_process(
    toy: Callable[..., Space], runs: Path, tmp_path: Path, undisturbed: Callable[[Space], list[Any]]
) -> None:
    space = toy(params=PLAIN, options={"marker": str(tmp_path / "killed")})  # a worker is killed in trial 2
    with nodes() as cluster:
        cluster.head()
        cluster.join(runs)
        done = search(cluster, space, runs)
    assert "tried again from its checkpoint" in done.stderr
    (tmp_path / "killed").unlink()
    assert values(space, runs) == undisturbed(toy(params=PLAIN))
    assert not (runs / "toy" / "checkpoints").exists()
    for number in range(6):
        state = checkpoint.epochs(runs / "toy" / "trials" / f"{number:04d}" / "replica-0.best")
        assert len(state) == 1


def test_a_node_that_dies_costs_a_trial_the_epoch_it_was_in(
    hanging: Callable[..., Space], stands: Callable[[], bool], runs: Path, undisturbed: Callable[[Space], list[Any]]
) -> None:
    space = hanging()
    with nodes() as cluster:
        cluster.head()
        first = cluster.join(runs)
        with searching(cluster, space, runs) as driver:
            until(stands, driver)
            cluster.kill(first)
            assert held(runs, 1) == 2
            cluster.join(runs)
            _out, said = driver.communicate(timeout=600)
    assert driver.returncode == 0, said
    assert len([line for line in said.splitlines() if "tried again" in line]) == 1, said
    assert values(space, runs) == undisturbed(space)


def test_a_driver_that_is_killed_loses_the_epoch_it_was_in(
    hanging: Callable[..., Space], stands: Callable[[], bool], runs: Path, undisturbed: Callable[[Space], list[Any]]
) -> None:
    space = hanging()
    with nodes() as cluster:
        cluster.head()
        cluster.join(runs)
        with searching(cluster, space, runs) as driver:
            until(stands, driver)
            driver.send_signal(signal.SIGKILL)
            driver.wait()
        assert held(runs, 1) == 2
        done = search(cluster, space, runs)
    assert "trial 1 resumes from epoch 2" in done.stderr
    assert values(space, runs) == undisturbed(space)


def test_from_an_s3_bucket_a_trial_goes_on_on_another_node_and_nothing_is_left_there(
    hanging: Callable[..., Space], stands: Callable[[], bool], runs: Path, bucket: dict[str, str],
    undisturbed: Callable[[Space], list[Any]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    space, url = hanging(), bucket["PITPROP_STORAGE"]
    with nodes(**bucket) as cluster:
        cluster.head()
        first = cluster.join(runs)
        with searching(cluster, space, runs) as driver:
            until(lambda: stands() and held(runs, 1) == 2, driver)
            cluster.kill(first)
            cluster.join(runs)
            _out, said = driver.communicate(timeout=600)
    assert driver.returncode == 0, said
    assert values(space, runs) == undisturbed(space)
    stored = {checkpoint.stored_at(file) for file in runs.glob("toy/trials/*/replica-*")}
    assert len(stored) == 6
    assert all(one.startswith("s3://pits/here/toy-") for one in stored)
    place = filesystem.under(url, home.made(runs / "toy", url).name)
    assert {filesystem.under(place, name) for name in filesystem.names(place)} == stored
    assert checkpoint.load(runs / "toy" / "trials" / "0000" / "replica-0.best", Lane(0, 0)) > 0


def test_doctor_says_what_each_node_has_and_reaches(
    toy: Callable[..., Space], runs: Path, bucket: dict[str, str], tmp_path: Path
) -> None:
    space = toy(params=PLAIN, resources={"cpus": 2})
    with nodes(**bucket) as cluster:
        cluster.head()
        cluster.join(runs)
        words = ("doctor", space.path, "--runs", str(runs), "--ray", cluster.address, "--json")
        said = {**cluster.environment, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pitprop.cli.main", *words]
        done = subprocess.run(command, cwd=ROOT, env=said, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    found = [(one["state"], one["said"]) for one in json.loads(done.stdout)["checks"]]
    assert [text for state, text in found if state == "bad"] == [
        text for _, text in found if "no node of Ray's has 2 CPUs" in text
    ]
    assert len([text for _, text in found if "Python 3" in text and "GPUs" in text]) == 2
    assert len([text for _, text in found if "it sees the folder of runs" in text]) == 1
    assert len([text for _, text in found if "takes a file and gives it back" in text]) == 2  # from the node, and from here
    assert list(runs.iterdir()) == []
