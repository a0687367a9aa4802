"""However a trainer ends, or its worker, it is told as what it is, and costs no trial but its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import Said, events, records
from pitprop.space import Space
from toys import odd

ROOT = Path(__file__).parents[1]
ODD = str(Path(odd.__file__))
FINE = ["nothing", "exit in a thread", "other directory", "folder removed"]
RAISED = {
    "interrupt": "the trainer raised KeyboardInterrupt",
    "generator exit": "the trainer raised GeneratorExit",
    "base exception": "BaseException: the base is gone",
    "sys.exit 0": "the trainer called sys.exit(0)",
    "sys.exit 3": "the trainer called sys.exit(3)",
    "memory": "one trial alone does not fit into memory",
    "recursion": "RecursionError",
    "nothing at all": "the trainer ended without a single epoch",
}
DIED = {
    "os._exit 0": "its worker ended by os._exit(0)",
    "os._exit 7": "its worker ended by os._exit(7)",
    "segmentation fault": "its worker was killed by signal 11 (segmentation fault) at line ",
    "abort": "its worker was killed by signal 6 (aborted) at line ",
    "SIGKILL": "its worker was killed (signal 9: by a person, or by the system when memory is full), or ended without a word",
    "SIGTERM": "its worker was killed by signal 15 (terminated)",
    "hang": "no epoch came in 20 seconds",
}


def rows(*whats: str, **more: object) -> dict[str, object]:
    """A search with one trial of each kind."""
    points = [{"what": what} for what in whats]
    space = {"trainer": ODD, "objective": {"metric": "val/score", "goal": "maximize"}, "epochs": 3, "trials": len(points)}
    return {**space, "params": {"what": {"choice": [*whats, "none of them"]}}, "points": points, **more}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of sys.exit in a thread
def test_in_the_drivers_own_process_too_an_end_costs_its_own_trial_only(toy: Callable[..., Space], tmp_path: Path) -> None:
    space, here = toy(**rows(*FINE, *RAISED)), Path.cwd()
    try:
        events(space, tmp_path)
    finally:
        os.chdir(here)
    told = {record.params["what"]: record for record in records(space, tmp_path)}
    assert [told[what].error for what in FINE] == [None] * len(FINE)
    for what, error in RAISED.items():
        assert (told[what].error or "").startswith(error), what
    curve = Path(told["folder removed"].folder, "telemetry.jsonl")
    assert [json.loads(line)["step"] for line in curve.read_text().splitlines()] == [1, 2, 3]


def test_an_interrupt_from_outside_ends_the_search_though_the_trainer_catches_everything(
    write_space: Callable[..., Path], shell: Callable[..., Said]
) -> None:
    trainer = write_space().with_name("deaf.py")
    trainer.write_text(
        "'''Interrupts its own process, as Ctrl-C does.'''\nimport os, signal\nfrom pitprop.telemetry import Epoch\n"
        "def train(params, context):\n    yield Epoch(1, {'val/macro_f1': 0.5})\n    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n    except BaseException:\n        pass\n"
        "    yield Epoch(2, {'val/macro_f1': 0.6})\n"
    )
    said = shell("search", write_space(trainer=str(trainer), params={"x": {"float": [0.0, 1.0]}}), "--inline")
    assert said.code == 130, said.err
    assert "resume" in said.out + said.err


@pytest.mark.parametrize(
    ("what", "line", "told"),
    [
        ("hang", "no epoch came", "no epoch came in 2 seconds (stall: in the space); the training stands at line "),
        # It is found a quarter of a minute later, which is waited for.
        pytest.param("hang with the lock", "in train", f'File "{ODD}", line ', marks=pytest.mark.slow),
    ],
)
def test_a_hang_in_this_process_is_told_with_its_place(
    what: str, line: str, told: str, write_space: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_space(**rows(what, stall=2))
    command = [sys.executable, "-m", "pitprop.cli.main", "search", str(path), "--inline", "--no-report", "--runs", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as search:
        assert search.stderr is not None
        found = next(said for said in search.stderr if line in said)
        search.kill()
    assert told in found
    assert what != "hang" or (f" of {ODD}, and with --inline nothing ends it" in found and "without --inline" in found)


def test_an_exit_of_this_process_is_told_before_it_happens(write_space: Callable[..., Path], shell: Callable[..., Said]) -> None:
    said = shell("search", write_space(**rows("os._exit 7")), "--inline")
    assert said.code == 7
    assert "the trainer ended this process with os._exit(7); the same command resumes the search" in said.err


@pytest.fixture(scope="module")
def on_ray() -> Iterator[dict[str, str | None]]:
    """What is told of each kind of end on Ray: its error, by kind."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        whats = [*FINE, *RAISED, *DIED, "closed output"]
        path = Path(folder, "ends.yaml")
        path.write_text(yaml.safe_dump({"question": "Which end?", **rows(*whats, retries=1, stall=20)}))
        command = [sys.executable, "-m", "pitprop.cli.main", "search", str(path), "--no-report", "--runs", f"{folder}/runs"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "TMPDIR": folder}
        subprocess.run([*command, "--workers", "2"], env=environment, check=True, capture_output=True, timeout=1500)
        said = subprocess.run([*command[:3], "show", *command[4:5], *command[6:], "--json"], env=environment, capture_output=True)
        yield {trial["params"]["what"]: trial["error"] for trial in json.loads(said.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("what", [*FINE, "closed output"])
def test_on_ray_what_harms_nobody_completes(what: str, on_ray: dict[str, str | None]) -> None:
    assert on_ray[what] is None


@pytest.mark.slow
@pytest.mark.parametrize("what", [*RAISED, *DIED])
def test_on_ray_each_end_is_told_as_what_it_is(what: str, on_ray: dict[str, str | None]) -> None:
    assert (on_ray[what] or "").startswith({**RAISED, **DIED}[what])


KILLER = """'''Kills a process of the Ray that it runs on, as often as told.'''
import os, signal
from pathlib import Path
from pitprop.telemetry import Epoch

def train(params, context):
    marker, name = Path(context.options['marker']), context.options['process']
    for step in range(context.step + 1, context.epochs + 1):
        context.state = step
        yield Epoch(step, {'val/macro_f1': 0.1 * step})
        if step >= 2 and len(marker.read_text()) < context.options['times']:
            marker.write_text(marker.read_text() + 'x')
            raylet = os.getppid()
            driver = Path(f'/proc/{raylet}/stat').read_text().rpartition(')')[2].split()[1]
            children = Path(f'/proc/{driver}/task/{driver}/children').read_text().split()
            named = [int(p) for p in children if name in Path(f'/proc/{p}/cmdline').read_text()]
            os.kill(named[0], signal.SIGKILL)
            signal.pause()
"""


def without_ray(folder: Path, write_space: Callable[..., Path], process: str, times: int) -> subprocess.CompletedProcess[str]:
    """A search of two trials that kills a process of its Ray so many times."""
    (folder / "killer.py").write_text(KILLER)
    (folder / "killed").write_text("")
    options = {"marker": str(folder / "killed"), "process": process, "times": times}
    trials = {"trials": 2, "params": {"x": {"float": [0.0, 1.0]}}, "baselines": {}}
    path = write_space(trainer=str(folder / "killer.py"), options=options, **trials)
    command = [sys.executable, "-m", "pitprop.cli.main", "search", str(path), "--runs", str(folder / "runs"), "--no-report"]
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as scratch:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "TMPDIR": scratch}
        ended = subprocess.run([*command, "--workers", "1"], env=environment, capture_output=True, text=True, timeout=900)
        assert not list(Path(scratch).iterdir())
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("process", ["raylet", "gcs_server"])
def test_a_local_ray_that_dies_is_replaced_and_its_trials_continue(
    process: str, write_space: Callable[..., Path], tmp_path: Path
) -> None:
    ended = without_ray(tmp_path, write_space, process, 1)
    assert ended.returncode == 0, ended.stderr
    assert f"{process} of the local Ray has died (killed by signal 9), and was replaced" in " ".join(ended.stdout.split())
    curves = [path.read_text().splitlines() for path in sorted((tmp_path / "runs").glob("*/trials/*/telemetry.jsonl"))]
    assert [[json.loads(line)["step"] for line in curve] for curve in curves] == [[1, 2, 3, 4, 5, 6, 7, 8]] * 2


@pytest.mark.slow
def test_a_local_ray_that_dies_again_and_again_ends_the_search_in_a_sentence(
    write_space: Callable[..., Path], tmp_path: Path
) -> None:
    ended = without_ray(tmp_path, write_space, "raylet", 99)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "pitprop: raylet of the local Ray has died (killed by signal 9), as Ray has done 3 times before in this search; finished "
        "trials are kept, and the same command resumes"
    )
