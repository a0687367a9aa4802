"""One Ray of this machine for several drivers: started by the first, replaced when it dies, gone with the last."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pitprop.addresses import SharedRay, shared_ray
from pitprop.processes import module_command
from pitprop.workers.cluster.shared import Shared, found
from services import reached, steady
from test_launch import NOWHERE, ROOT, left_after_a_while

pytestmark = pytest.mark.slow


@pytest.fixture
def scratch() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="t-"))  # a short name, for the sockets in it
    yield found
    shutil.rmtree(found, ignore_errors=True)


def begin(folder: Path, scratch: Path, shares: SharedRay, **changes: object) -> subprocess.Popen[str]:
    """Starts a search whose trials train on the Ray that is shared."""
    folder.mkdir()
    (folder / "steady.yaml").write_text(steady(**{"confirm": False, "trainer": str(ROOT / "tests/toys/steady.py"), **changes}))  # type: ignore[arg-type]
    words = ["search", str(folder / "steady.yaml"), "--runs", str(folder), "--no-report", "--json", "--ray", str(shares)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": NOWHERE, "TMPDIR": str(scratch)}
    return subprocess.Popen(
        [*module_command("pitprop.cli.main"), *words, "--workers", "1"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def states(search: subprocess.Popen[str]) -> dict[str, int]:
    out, err = search.communicate(timeout=600)
    assert search.returncode == 0, err
    told: dict[str, int] = json.loads(out)["trials"]
    return told


def test_an_address_says_where_a_shared_ray_has_its_files(tmp_path: Path) -> None:
    assert shared_ray(str(SharedRay(tmp_path, 3))) == SharedRay(tmp_path, 3)
    assert [shared_ray(one) for one in (None, "auto", "10.0.0.5:6379", "shared:x:/a", "shared:2:runs")] == [None] * 5


def test_two_searches_train_on_one_ray_which_ends_with_the_last_of_them(tmp_path: Path, scratch: Path) -> None:
    shares = SharedRay(tmp_path / "ray", 2)
    pair = [begin(tmp_path / f"runs{n}", scratch, shares, trials=3) for n in range(2)]
    for one in pair:
        assert sum(states(one).values()) == 3
    assert left_after_a_while(scratch) == []
    reached(lambda: found(shares.folder) is None)


@pytest.mark.parametrize("victim", ["head", "raylet/raylet", "gcs_server"])
def test_a_shared_ray_that_dies_is_replaced_and_costs_no_trial(tmp_path: Path, scratch: Path, victim: str) -> None:
    shares = SharedRay(tmp_path / "ray", 1)
    search = begin(tmp_path / "runs", scratch, shares, trials=4, pause=0.5)
    reached(lambda: any((tmp_path / "runs").glob("steady/trials/*/telemetry.jsonl")))
    first = found(shares.folder)
    assert first is not None
    os.kill(first.pid if victim == "head" else _named(scratch, victim), signal.SIGKILL)
    told = states(search)
    assert sum(told.values()) == 4
    assert not told.get("FAIL")
    assert left_after_a_while(scratch) == []


def test_who_holds_a_shared_ray_keeps_it_until_they_end(tmp_path: Path, scratch: Path) -> None:
    code = "import sys, time; from pathlib import Path; from pitprop.workers.cluster.shared import Shared\n"
    code += "Shared(Path(sys.argv[1]), 1).begin(); print(flush=True); time.sleep(600)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".package"), "TMPDIR": str(scratch)}
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "ray")], env=environment, stdout=subprocess.PIPE)
    reached(lambda: found(tmp_path / "ray") is not None)
    holder.kill()  # as kill -9 of a service does
    holder.communicate()
    reached(lambda: found(tmp_path / "ray") is None)
    assert left_after_a_while(scratch) == []


def test_a_head_that_cannot_start_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pitprop.workers.launch import LaunchError

    fails = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    monkeypatch.setattr("pitprop.workers.cluster.shared.module_command", lambda _name: fails)
    shared = Shared(tmp_path / "ray", 1)
    with pytest.raises(LaunchError, match="Ray does not start here: the disk is full"):
        shared.join(logs=False)
    shared.close()


def test_a_head_that_still_starts_is_not_said_to_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pitprop.workers.launch import LaunchError

    (tmp_path / "ray").mkdir()
    os.mkfifo(tmp_path / "ray" / "pipe")
    starts = [sys.executable, "-c", "import sys; open(sys.argv[1] + '/pipe').read()"]
    monkeypatch.setattr("pitprop.workers.cluster.shared.module_command", lambda _name: starts)
    monkeypatch.setattr("pitprop.workers.cluster.shared.START", 0.0)
    shared = Shared(tmp_path / "ray", 1)
    with pytest.raises(LaunchError, match="Ray does not start here: it has not begun within 0 seconds"):
        shared.join(logs=False)
    shared.close()
    (tmp_path / "ray" / "pipe").write_text("")  # for which it waits


def _named(scratch: Path, title: str) -> int:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (path / "cmdline").read_bytes()
            if title.encode() in line and str(scratch).encode() in line + (path / "environ").read_bytes():
                return int(path.name)
    raise AssertionError(f"there is no {title}")
