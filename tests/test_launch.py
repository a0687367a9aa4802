"""Searches on a real Ray: workers and drivers that die lose nothing and leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import TOY, records
from pitprop.space import Space
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.launch import Inline, Job, Launcher, LaunchError
from pitprop.workers.share import Size
from pitprop.workers.worker import Failure

ROOT = Path(__file__).parents[1]
FAULTY = ROOT / "tests" / "toys" / "faulty.py"
NOWHERE = "http://127.0.0.1:9"
PLAIN = {"speed": {"float": [0.05, 1.0]}}


def search(space: Space, runs: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Searches by the command line, on Ray, with an MLflow that does not answer."""
    command = [sys.executable, "-m", "pitprop.cli.main", "search", space.path, "--runs", str(runs), "--workers", "2", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": NOWHERE, "TMPDIR": str(scratch)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


def leftovers(folder: Path) -> list[str]:
    """What is in the folder for temporary files, and the processes that were started with it."""
    found = [str(path) for path in folder.iterdir()]
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(folder).encode() in (path / name).read_bytes() for name in ("cmdline", "environ")):
                found.append((path / "cmdline").read_text())
    return found


def left_after_a_while(folder: Path) -> list[str]:
    """What is still there after as long as the reaper and an exporter without a server take on a busy machine."""
    deadline = time.monotonic() + 300
    while (left := leftovers(folder)) and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    return left


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files whose name is short enough for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    yield folder
    shutil.rmtree(folder)


def test_a_worker_that_is_killed_costs_its_trial_nothing(toy: Callable[..., Space], tmp_path: Path, scratch: Path) -> None:
    marker = tmp_path / "killed"
    done = search(toy(params=PLAIN, options={"marker": str(marker)}), tmp_path / "runs", scratch)
    assert marker.exists()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == {"COMPLETE": 6, "PRUNED": 0, "FAIL": 0, "RUNNING": 0}
    assert "tried again from its checkpoint" in done.stderr
    assert left_after_a_while(scratch) == []


@pytest.mark.slow
def test_a_trial_whose_worker_always_dies_fails_alone(toy: Callable[..., Space], tmp_path: Path, scratch: Path) -> None:
    done = search(toy(params=PLAIN, retries=0, options={"marker": str(tmp_path / "killed")}), tmp_path / "runs", scratch)
    trials = json.loads(done.stdout)
    assert trials["trials"] == {"COMPLETE": 5, "PRUNED": 0, "FAIL": 1, "RUNNING": 0}
    assert "its worker was killed (signal 9" in trials["failed"][0]["error"]


@pytest.mark.slow
def test_a_silent_trial_fails_with_that_reason(toy: Callable[..., Space], tmp_path: Path, scratch: Path) -> None:
    options = {"marker": str(tmp_path / "hung"), "victim": "hang"}
    done = search(toy(params=PLAIN, stall=5, options=options), tmp_path / "runs", scratch)
    assert "no epoch came in 5 seconds" in json.loads(done.stdout)["failed"][0]["error"]


@pytest.mark.slow
def test_a_killed_driver_leaves_nothing_behind_and_goes_on(toy: Callable[..., Space], tmp_path: Path, scratch: Path) -> None:
    space = toy(params=PLAIN, options={"marker": str(tmp_path / "killed"), "victim": "driver"})
    assert search(space, tmp_path / "runs", scratch).returncode == -9
    assert left_after_a_while(scratch) == []
    running = [record.number for record in records(space, tmp_path / "runs") if record.state == "RUNNING"]
    assert running
    done = search(space, tmp_path / "runs", scratch)
    assert json.loads(done.stdout)["trials"] == {"COMPLETE": 6, "PRUNED": 0, "FAIL": 0, "RUNNING": 0}
    assert [record.number for record in records(space, tmp_path / "runs")] == list(range(6))


def test_inline_runs_the_same_worker(tmp_path: Path) -> None:
    launcher = Inline(Job(str(TOY), Context(epochs=3), tmp_path), cpus=1)
    lane = Lane(0, 0)
    launcher.advance(0, Change(started=[Start(lane, {}, 0, str(tmp_path))]))
    steps = []
    for step in launcher.steps():
        assert not isinstance(step.outcome, Failure)
        steps += [epoch.step for epoch in step.outcome.values()]
        if step.outcome:
            launcher.advance(0, Change())
    assert steps == [1, 2, 3]


def trained(launcher: Launcher, folder: Path) -> bool:
    """Whether an epoch leaves a checkpoint in the folder, and none elsewhere."""
    folder.mkdir()
    before = set(folder.parent.rglob("*.ckpt"))
    launcher.advance(0, Change(started=[Start(Lane(0, 0), {}, 0, str(folder))]))
    assert all(not isinstance(step.outcome, Failure) for step in launcher.steps())
    return {path.parent for path in set(folder.parent.rglob("*.ckpt")) - before} == {folder}


def test_a_worker_takes_another_job_of_the_same_trainer_and_no_other(tmp_path: Path) -> None:
    job = Job(str(TOY), Context(epochs=3), tmp_path / "one")
    with closing(Inline(job, cpus=1)) as launcher:
        assert trained(launcher, tmp_path / "one")
        assert launcher.take(replace(job, folder=tmp_path / "two"), 1)
        assert trained(launcher, tmp_path / "two")
        assert not launcher.take(replace(job, context=Context(epochs=4)), 1)
        assert not launcher.take(replace(job, location=str(FAULTY)), 1)


def test_a_trainer_that_does_not_import_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nowhere_at_all\ndef train(params, context): yield\n")
    with pytest.raises(LaunchError, match=r"does not import: ModuleNotFoundError: No module named 'nowhere_at_all'"):
        Inline(Job(str(broken), Context(epochs=1), tmp_path), cpus=1)


@pytest.mark.slow
def test_a_preflight_is_the_same_in_an_actor_and_a_death_in_it_is_told(tmp_path: Path) -> None:
    job, start = Job(str(FAULTY), Context(epochs=1), tmp_path), Start(Lane(0, 0), {}, 3, str(tmp_path))
    inline = Inline(job, cpus=1)
    actors = OnRay(job, Need(), Size(1), stall=60, address=None, logs=False)
    with closing(inline), closing(actors):
        assert inline.preflight(start) == actors.preflight(start)
        died = actors.preflight(replace(start, params={"dies": True}))
        assert isinstance(died, Failure)
        assert died.error.startswith("its worker was killed (signal 9")
        assert actors.preflight(start) == inline.preflight(start)
        assert trained(actors, tmp_path / "one") is False
        assert actors.take(replace(job, folder=tmp_path / "two"), 1)
        assert trained(actors, tmp_path / "two")


def started(folder: Path, cwd: Path, asked: str) -> tuple[str, str]:
    """The command lines of a Ray that was started in ``folder``, while it runs, and what a worker that is ``asked`` for so finds
    in the variable ``GIVEN``."""
    code = (
        "import os, sys; from pathlib import Path; from pitprop.workers.cluster import connection as c\n"
        "ray = c.start(c.Local(Path(sys.argv[1]), 1), logs=False)\n"
        f"print(ray.get(ray.remote(lambda: os.environ.get('GIVEN')).options({asked}).remote()), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, text=True) as driver:
        assert driver.stdout is not None
        answer = driver.stdout.readline().strip()
        said = " ".join(leftovers(folder.parent)).replace("\0", " ")
        driver.communicate("")
    shutil.rmtree(folder)
    assert left_after_a_while(folder.parent) == []
    return said, answer


def test_a_ray_that_is_started_here_runs_nothing_that_nobody_asks(tmp_path: Path, scratch: Path) -> None:
    said, answer = started(scratch / "ray", tmp_path, "")
    assert answer == "None"
    assert all(part in said for part in ("gcs_server", "agent.py dashboard_agent", "agent.py runtime_env_agent"))
    assert not [part for part in ("autoscaler", "dashboard/dashboard.py", "log_monitor") if part in said]


def test_a_worker_that_asks_for_an_environment_has_it(tmp_path: Path, scratch: Path) -> None:
    said, answer = started(scratch / "ray", tmp_path, "runtime_env={'env_vars': {'GIVEN': 'yes'}}")
    assert answer == "yes"
    assert "agent.py dashboard_agent" in said


@pytest.mark.slow  # it starts a Ray
def test_a_ray_starts_in_a_process_that_has_read_another_token_mode_before(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
import ray
from ray._raylet import get_authentication_mode
before = str(get_authentication_mode())
os.environ["RAY_AUTH_MODE"] = "token"
from pitprop.workers.cluster.connection import Local, start
start(Local(Path(sys.argv[1]), 1), logs=False)
print(before != str(get_authentication_mode()), ray.is_initialized())
ray.shutdown()
"""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "HOME": str(tmp_path)}
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # a socket's path is short
        done = subprocess.run([sys.executable, "-c", code, short], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"], done.stderr
