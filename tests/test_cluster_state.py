"""On a cluster whose nodes do not see the runs folder nothing is lost: not by a node's death, a driver's, or a server's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nodes
import pytest
from conftest import Said, events, records
from nodes import Cluster, Machine, free_port
from pitprop.cli import doctor
from pitprop.space import Space
from pitprop.study.study import opened
from pitprop.track.health import answers
from pitprop.trainer import Lane
from pitprop.workers import checkpoint
from pitprop.workers.files import filesystem, home
from postgres import Server

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(nodes.why_not()), reason=f"no namespaces here: {nodes.why_not()}"),
]
ROOT = Path(__file__).parents[1]
PLAIN = {"speed": {"float": [0.05, 1.0]}}


def command(space: Space, runs: Path, *words: str) -> list[str]:
    """The search, as a command line."""
    return [sys.executable, "-m", "pitprop.cli.main", "search", space.path, "--runs", str(runs), "--no-report", "--json", *words]


def search(cluster: Cluster, space: Space, runs: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Searches on the cluster, with an MLflow that does not answer."""
    said = {**cluster.environment, **environment}
    words = ("--ray", cluster.address, *words)
    done = subprocess.run(command(space, runs, *words), cwd=ROOT, env=said, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def searching(cluster: Cluster, space: Space, runs: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A search under way."""
    said = {**cluster.environment, **environment}
    words = ("--ray", cluster.address, *words)
    with subprocess.Popen(
        command(space, runs, *words), cwd=ROOT, env=said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as driver:
        try:
            yield driver
        finally:
            driver.kill()


def join(cluster: Cluster, runs: Path) -> Machine:
    """A node that does not see the folder of runs."""
    cluster.hidden = [runs]
    return cluster.add(bare=False)


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
    with nodes.cluster(wired=False) as cluster:
        join(cluster, runs)
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
    with nodes.cluster(wired=False) as cluster:
        first = join(cluster, runs)
        with searching(cluster, space, runs) as driver:
            until(stands, driver)
            first.kill()
            assert held(runs, 1) == 2
            join(cluster, runs)
            _out, said = driver.communicate(timeout=600)
    assert driver.returncode == 0, said
    assert len([line for line in said.splitlines() if "tried again" in line]) == 1, said
    assert values(space, runs) == undisturbed(space)


def test_a_driver_that_is_killed_loses_the_epoch_it_was_in(
    hanging: Callable[..., Space], stands: Callable[[], bool], runs: Path, undisturbed: Callable[[Space], list[Any]]
) -> None:
    space = hanging()
    with nodes.cluster(wired=False) as cluster:
        join(cluster, runs)
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
    with nodes.cluster(wired=False, **bucket) as cluster:
        first = join(cluster, runs)
        with searching(cluster, space, runs) as driver:
            until(lambda: stands() and held(runs, 1) == 2, driver)
            first.kill()
            join(cluster, runs)
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
    toy: Callable[..., Space], runs: Path, bucket: dict[str, str], pitprop: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, part in doctor.PARTS.items():
        monkeypatch.setitem(doctor.PARTS, name, replace(part, seconds=1200.0))
    space = toy(params=PLAIN, resources={"cpus": 2})
    with nodes.cluster(wired=False, **bucket) as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        join(cluster, runs)
        done = pitprop("doctor", space.path, "--ray", cluster.address, "--json", runs=runs)
    assert done.code == 1, done.err
    found = [(one["state"], one["said"]) for one in done.json["checks"]]
    (bad,) = [text for state, text in found if state == "bad"]
    assert "no node of Ray's has 2 CPUs" in bad
    assert len([text for _, text in found if "Python 3" in text and "GPUs" in text]) == 2
    assert len([text for _, text in found if "it sees the folder of runs" in text]) == 1
    assert len([text for _, text in found if "takes a file and gives it back" in text]) == 2  # from the node, and from here
    assert list(runs.iterdir()) == []


# Servers


@pytest.fixture
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that does not travel with that of the space."""
    return tmp_path_factory.mktemp("signals")


@pytest.fixture
def gated(toy: Callable[..., Space], signals: Path) -> Space:
    """A space whose trainings wait before the end of epoch 3 until the file `go` is there."""
    options = {"signals": str(signals), "gate": 3}
    return toy(trainer=str(ROOT / "tests" / "toys" / "placed.py"), params=PLAIN, trials=3, options=options, signatures="off")


@pytest.fixture
def waits(signals: Path) -> Callable[[], bool]:
    return lambda: any(signals.glob("waits-*"))


@pytest.fixture
def go(signals: Path) -> Callable[[], None]:
    return (signals / "go").touch


def test_a_postgresql_that_crashes_and_comes_back_costs_nothing(
    gated: Space, waits: Callable[[], bool], go: Callable[[], None], runs: Path, undisturbed: Callable[[Space], list[Any]]
) -> None:
    server = Server()
    try:
        server.start()
        url = server.new_database()
        with nodes.cluster(wired=False) as cluster:
            join(cluster, runs)
            with searching(cluster, gated, runs, STUDY_DB=url) as driver:
                until(waits, driver)
                server.restart("immediate")
                go()
                _out, said = driver.communicate(timeout=600)
        assert driver.returncode == 0, said
        with opened(gated, url, runs / gated.name) as study:
            found = study.records()
    finally:
        server.remove()
    assert [(one.number, one.state.name) for one in found] == [(number, "COMPLETE") for number in range(3)]
    assert [one.values for one in found] == undisturbed(gated)


@contextmanager
def tracking(folder: Path, port: int) -> Iterator[None]:
    """A tracking server of MLflow, until the block ends."""
    store = f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}"
    words = (
        "server",
        store,
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        f"--artifacts-destination={folder / 'artifacts'}",
    )
    mlflow = str(Path(sys.executable).with_name("mlflow"))
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen([mlflow, *words], stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        while answers.look(url)[0].state != "ok":
            assert server.poll() is None, (folder / "server.log").read_text()
            threading.Event().wait(0.2)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_an_mlflow_that_goes_down_and_comes_back_has_every_trial_in_the_end(
    gated: Space, waits: Callable[[], bool], go: Callable[[], None], runs: Path, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with nodes.cluster(wired=False) as cluster:
        join(cluster, runs)
        with tracking(tmp_path, port):
            driver = searching(cluster, gated, runs, MLFLOW_TRACKING_URI=url)
            running = driver.__enter__()
            until(waits, running)
        go()  # it is down, and the search goes on
        until(lambda: (runs / "toy" / "trials" / "0002" / "telemetry.jsonl").exists(), running)
        with tracking(tmp_path, port):
            _out, said = running.communicate(timeout=900)
            driver.__exit__(None, None, None)
            assert running.returncode == 0, said
            given = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": url}
            export = [sys.executable, "-m", "pitprop.cli.main", "export", gated.path, "--runs", str(runs)]
            subprocess.run(export, cwd=ROOT, env=given, check=True, capture_output=True)
            query = json.dumps({"experiment_ids": [str(number) for number in range(4)], "max_results": 100}).encode()
            asked = urllib.request.Request(f"{url}/api/2.0/mlflow/runs/search", query, {"Content-Type": "application/json"})
            with urllib.request.urlopen(asked, timeout=60) as answer:
                exported = json.load(answer).get("runs", [])
    names = [tag["value"] for run in exported for tag in run["data"]["tags"] if tag["key"] == "pitprop.trial"]
    assert sorted(names) == ["0", "1", "2"], exported


def test_the_slurm_script_makes_a_cluster_of_its_job_and_searches_on_it(
    toy: Callable[..., Space], runs: Path, tmp_path: Path, undisturbed: Callable[[Space], list[Any]]
) -> None:
    for name, lines in {
        "scontrol": "printf 'one\\ntwo\\n'",
        "srun": 'while [[ $1 == --* ]]; do shift; done\nif [[ $1 == hostname ]]; then echo 127.0.0.1; else exec "$@"; fi',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    space = toy(params=PLAIN)
    with nodes.network(wired=False) as cluster:
        job = {"SLURM_JOB_ID": str(free_port() % 10000), "SLURM_JOB_NODELIST": "x", "SLURM_CPUS_PER_TASK": "1"}
        paths = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "VENV": sys.prefix,
            "RUNS": str(runs),
            "SLURM_SUBMIT_DIR": str(tmp_path),
        }
        given = {**cluster.environment, **job, **paths}
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        script = ["bash", str(ROOT / "deploy" / "slurm.sh"), space.path, "--no-report"]
        done = subprocess.run([*own, *script], env=given, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 worker" in done.stdout
    assert values(space, runs) == undisturbed(space)
