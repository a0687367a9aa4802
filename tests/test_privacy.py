"""What a search keeps to itself: its files, its passwords, and its ports."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from conftest import TOY, Said
from pitprop.trainer import Context, public_environment
from pitprop.workers import reaper
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.placement import Need
from pitprop.workers.launch import Job
from pitprop.workers.share import Size

Pitprop = Callable[..., Said]
Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("STUDY_DB", "postgresql://anna:geheim@db/studies", False),
        ("STUDY_DB", "postgresql://anna:p@ss:w@db/studies", False),
        ("STUDY_DB", "sqlite:////tmp/study.db", True),
        ("MLFLOW_TRACKING_URI", "https://anna:geheim@mlflow.example.org", False),
        ("MLFLOW_TRACKING_URI", "https://mlflow.example.org:443", True),
        ("MLFLOW_TRACKING_PASSWORD", "geheim", False),
        ("MLFLOW_TRACKING_TOKEN", "geheim", False),
        ("PGPASSWORD", "geheim", False),
        ("HF_TOKEN", "the training's own", True),
    ],
)
def test_what_trains_is_given_no_password_of_the_study_s(
    name: str, value: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert (name in public_environment()) == kept
    assert os.environ[name] == value


def test_files_of_a_study_are_their_owner_s_and_those_that_were_there_keep_their_modes(
    write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    runs, mask = tmp_path / "runs", os.umask(0o022)
    try:
        runs.mkdir(mode=0o755)
        (runs / "mine").touch(mode=0o644)
        assert pitprop("search", write_space(), "--inline").code == 0
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (runs, *runs.rglob("*"))}
    assert (modes.pop(runs), modes.pop(runs / "mine")) == (0o755, 0o644)
    assert len(modes) > 10
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_a_search_that_was_killed_after_its_last_trial_is_tidied_by_the_same_command(
    write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    space = write_space()
    assert pitprop("search", space, "--inline").code == 0
    left = tmp_path / "runs" / "toy" / "checkpoints"
    left.mkdir()
    (left / "1-0.ckpt").write_bytes(b"")
    assert "is finished" in pitprop("search", space, "--inline").out
    assert not left.exists()


def look_at_a_local_ray(folder: str) -> None:
    """Prints what a local Ray and this process listen on, in a process that has not imported Ray: it reads its setting then."""
    job = Job(str(TOY), Context(epochs=3), Path(folder))
    with closing(OnRay(job, Need(), Size(1), stall=120, address=None, logs=False)) as launcher:
        pids = reaper.users(str(launcher._scratch))
        held = [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids]
        own = psutil.Process().net_connections("inet")
        heard = [*own, *(one for pid in pids for one in psutil.Process(pid).net_connections("inet"))]
    places = sorted({one.laddr.ip for one in heard if one.status == psutil.CONN_LISTEN})
    secrets = sum(b"geheim" in environment for environment in held)
    print(json.dumps({"processes": len(pids), "places": places, "secrets": secrets, "own": os.environ["PGPASSWORD"]}))


@pytest.mark.slow
def test_all_of_a_local_ray_listens_on_loopback_and_knows_no_password(tmp_path: Path) -> None:
    code = f"from test_privacy import look_at_a_local_ray as look; look({str(tmp_path)!r})"
    secret = {"STUDY_DB": "postgresql://anna:geheim@db/studies", "PGPASSWORD": "geheim"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=os.environ | secret,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["processes"] > 3
    assert set(said["places"]) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert said["places"]
    assert (said["secrets"], said["own"]) == (0, "geheim")
