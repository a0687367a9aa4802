"""Searches over real Lightning and Hugging Face scripts whose driver or script is killed in mid-trial, and which go on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

pytestmark = pytest.mark.slow
SCRIPTS = ROOT / "tests" / "scripts"
POINTS: dict[str, dict[str, Any]] = {
    "lightning_cli": {"model.lr": 0.5, "model.weight_decay": 1e-5, "model.hidden": 8, "model.layer_norm": True},
    "hf_trainer": {"learning_rate": 0.1, "warmup_steps": 0.1, "weight_decay": 0.02},
}
EPOCHS = {"lightning_cli": 60, "hf_trainer": 30}
LIMIT = 300
"""Seconds after which a search hangs."""


def written(folder: Path, name: str, **options: Any) -> Path:
    """A space that ships, for one long trial, beside its script; with ``options`` of its own."""
    rows = yaml.safe_load((ROOT / "spaces" / f"{name}.yaml").read_text())
    rows |= {"points": [POINTS[name]], "trials": 1, "baselines": {}, "epochs": EPOCHS[name], "signatures": "off"}
    rows["options"] |= options
    shutil.copy(SCRIPTS / f"{name}.py", folder)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(rows))
    return path


def search(space: Path) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    code = "import sys; from pitprop.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "search", str(space), "--runs", str(space.parent / "runs"), "--json"]
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{ROOT}"}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def steps(folder: Path) -> list[int]:
    path = folder / "telemetry.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def scripts(folder: Path, name: str) -> list[int]:
    """The processes of the script, those of its supervisor left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[1:2] == [f"{name}.py"] and any(word.endswith(str(folder)) for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("resumes", [True, False], ids=["resume", "restart"])
@pytest.mark.parametrize("victim", ["driver", "script"])
@pytest.mark.parametrize("name", list(POINTS))
def test_a_search_goes_on_when_its_driver_or_its_script_is_killed(
    name: str, victim: str, resumes: bool, tmp_path: Path, without_mlflow: None
) -> None:
    space = written(tmp_path, name, **({} if resumes else {"resume": [], "checkpoint": None}))
    trial = tmp_path / "runs" / name / "trials" / "0000"
    own = trial / "command-0"
    with search(space) as first:
        until(lambda: len(steps(trial)) >= 3 or first.poll() is not None)
        assert first.poll() is None, first.communicate()
        (pid,) = scripts(own, name)
        os.kill(first.pid if victim == "driver" else pid, signal.SIGKILL)
        out, err = first.communicate(timeout=LIMIT)
    if victim == "driver":
        assert first.returncode == -9
        until(lambda: not scripts(own, name))
        with search(space) as second:
            out, err = second.communicate(timeout=LIMIT)
    assert json.loads(out)["trials"]["COMPLETE"] == 1, err
    assert steps(trial) == list(range(1, EPOCHS[name] + 1))
    begun = re.findall(r" begins (.*)", (trial / "command-0.log").read_text())
    assert begun[0] == "from the start"
    how = "on from epoch" if resumes else "from the start, as the space has no options.resume"
    assert [words[: len(how)] for words in begun[1:]] in ([how], [how] * 2), "the second where a kill tore the latest checkpoint"
    if not resumes:
        assert "resumes from epoch" not in err
        assert "from its checkpoint" not in err
        assert ("starts again, as the space has no options.resume" in err) == (victim == "driver")
    if resumes and name == "lightning_cli":  # the second run has a log of its own, which begins where the checkpoint stood
        rows = max((own / "lightning_logs").glob("version_*/metrics.csv")).read_text().splitlines()
        assert int(rows[1].split(",")[rows[0].split(",").index("epoch")]) >= 1
