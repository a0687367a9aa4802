"""Disturbs short searches in every way there is, and checks what they leave: ``make chaos``.

A step is one search of a trainer whose curves are known: one in five on Ray, some with MLflow, some with the study in PostgreSQL
if that is installed. At random moments one of its processes is killed, stopped, told to end or hung up on, its disk fills, its
database restarts, or all cores are busy; whenever its driver ends, the same command resumes it, up to its end. What has to hold
whatever happened: every trial is told once and none is left RUNNING; curves and scores are those of an undisturbed search, to the
digit; MLflow, where it is there, has every trial once and no other run; no process, no temporary file and no stray checkpoint is
left.

CHAOS_SECONDS (600) bounds the run. CHAOS_SEED is printed: the same seed makes the same plan, though a machine is not as quick
every time. A step that fails keeps its folder; ``--step N`` repeats one. ``--each`` deals every kind of blow once instead, and
ends. Processes are found by the step's own temporary folder, in their environment or among their open files, so nothing else on
the machine is touched.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from pitprop.study import database
from pitprop.study.database import DatabaseError

from tests.postgres import Server

ROOT = Path(__file__).parents[1]
TRIALS, EPOCHS = 5, 8
PATIENCE = 600.0
"""Seconds after which a command is said to hang."""
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP, "INT": signal.SIGINT, "STOP": signal.SIGSTOP}
INLINE = [(victim, word) for victim, words in {"driver": SIGNALS, "exporter": ("KILL", "TERM", "STOP")}.items() for word in words]
ON_RAY = [(victim, word) for victim in ("worker", "raylet", "gcs") for word in ("KILL", "TERM", "STOP")]
MACHINE = [("disk", "full"), ("disk", "limit"), ("cores", "busy")]
SERVER = [("postgresql", "restart"), ("postgresql", "crash")]
TITLES = {"worker": "ray::Worker", "raylet": "raylet/raylet", "gcs": "gcs_server", "exporter": "pitprop.track"}
STARTING = 0.15
Blow = tuple[str, str, float]
"""Whom it hits, how, and when: after a share of all epochs or, below `STARTING`, of the time that an undisturbed search takes."""


@dataclass(frozen=True)
class Plan:
    """One step: where its trials train, and what happens to it."""

    ray: bool
    mlflow: bool
    server: bool
    blows: tuple[Blow, ...]

    def __str__(self) -> str:
        where = ["on Ray" if self.ray else "inline", *["with MLflow"] * self.mlflow, *["on PostgreSQL"] * self.server]
        return ", ".join([*where, *(f"{who} {how} at {at:.0%}" for who, how, at in self.blows)])


@dataclass
class Step:
    """The folders of one step, and the command that searches in it."""

    folder: Path
    ray: bool
    mlflow: bool
    database: str = ""
    scratch: Path = field(init=False)

    def __post_init__(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="c-"))  # a short name, for the sockets in it
        self.runs = self.folder / "runs"
        self.runs.mkdir(parents=True)
        self.database = self.database or f"sqlite:///{self.runs}/study.db"
        if not self.mlflow:  # which takes longer to import than a search takes
            (self.folder / "broken").mkdir()
            (self.folder / "broken" / "mlflow.py").write_text("raise ImportError('MLflow is left out')\n")

    def command(self, verb: str) -> list[str]:
        """The command line; ``verb`` is search or export."""
        how = ["--no-report", "--workers", "1", *([] if self.ray else ["--inline"])] if verb == "search" else []
        words = [sys.executable, "-m", "pitprop.cli.main", verb, str(self.folder.parent / "steady.yaml")]
        return [*words, *how, "--runs", str(self.runs)]

    def start(self, verb: str = "search") -> subprocess.Popen[bytes]:
        """Runs the command in a session of its own; what it prints goes to ``log``."""
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, "TMPDIR": str(self.scratch), "COLUMNS": "150", "STUDY_DB": self.database}
            if not self.mlflow:
                environment["PYTHONPATH"] = os.pathsep.join(
                    [str(self.folder / "broken"), *filter(None, [os.environ.get("PYTHONPATH")])]
                )
            return subprocess.Popen(
                self.command(verb), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def processes(self) -> dict[int, str]:
        """What runs for this step, by process id, with its command line."""
        return processes(self.scratch)

    def named(self, title: str) -> list[int]:
        """Which of these processes have ``title`` on their command line."""
        return [pid for pid, line in self.processes().items() if title in line]

    def end(self) -> None:
        """Ends what is left, when a step has failed."""
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def processes(folder: Path) -> dict[int, str]:
    """What names ``folder`` in its environment or on its command line, or has a file of it open: command lines by process id."""
    found, held = {}, str(folder)
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line, marks = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
            if held.encode() in marks + line or any(held in os.readlink(file) for file in (path / "fd").iterdir()):
                found[int(path.name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def plan(seed: int, number: int, share: float, *, server: bool) -> Plan:
    """What happens in a step; ``share`` is that of the steps with MLflow, ``server`` whether there is a PostgreSQL."""
    draw = random.Random(f"{seed}:{number}")
    ray, mlflow, there = draw.random() < 0.2, draw.random() < share, draw.random() < 0.25
    menu = [blow for blow in INLINE if mlflow or blow[0] == "driver"] + MACHINE
    menu += (3 * ON_RAY if ray else []) + (4 * SERVER if there and server else [])
    count = draw.choice((1, 1, 2, 3))
    return Plan(ray, mlflow, there and server, tuple((*draw.choice(menu), draw.uniform(0.03, 1.1)) for _ in range(count)))


def each(seed: int, share: float, *, server: bool) -> Iterator[Plan]:
    """Steps that deal every kind of blow once, as many in one as it can bear; with a ``share`` of 0 without the exporter's."""
    draw = random.Random(seed)
    driver = [blow for blow in INLINE if blow[0] == "driver"]
    draw.shuffle(driver)
    kill, end, stop = (("exporter", how) for how in ("KILL", "TERM", "STOP"))
    groups = [(True, False, False, ON_RAY[start::3]) for start in range(3)]  # one each of worker, raylet and gcs
    groups += [(False, True, False, [stop, kill, driver[0], end])] if share else []  # a new driver has a new exporter
    groups += [(False, False, server, [*driver[1:3], *(SERVER if server else [])]), (False, False, False, driver[3:] + MACHINE)]
    for ray, mlflow, there, blows in groups:
        moments = [draw.uniform(STARTING, 0.7) for _ in blows]
        yield Plan(ray, mlflow, there, tuple((*blow, at) for blow, at in zip(blows, sorted(moments), strict=True)))


def strike(step: Step, driver: subprocess.Popen[bytes], blow: Blow, server: Server | None) -> str:
    """Does it; what was done, which is nothing if its victim is not there."""
    victim, how, at = blow
    if victim == "cores":
        return burn(3.0)
    if victim == "disk":
        return fill(step) if how == "full" else limit(driver)
    if victim == "postgresql" and server is not None:
        server.restart("immediate" if how == "crash" else "fast")
        return f"{victim} {how}"
    pids = [driver.pid] if victim == "driver" else step.named(TITLES[victim])
    while not pids and at >= STARTING and driver.poll() is None:  # it is being started
        time.sleep(0.1)
        pids = step.named(TITLES[victim])
    if not pids or driver.poll() is not None:
        return "missed"
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGNALS[how])
    if how == "STOP":
        time.sleep(1.5)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    return f"{victim} {how}"


def burn(seconds: float) -> str:
    """Keeps all cores busy, twice over."""
    code = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    busy = [subprocess.Popen([sys.executable, "-S", "-c", code]) for _ in range(2 * (os.cpu_count() or 1))]
    for one in busy:
        one.wait()
    return "cores busy"


def fill(step: Step) -> str:
    """Fills the disk of the runs for a second, if that is one of its own."""
    if not os.path.ismount(step.runs):
        return "missed"
    ballast = step.runs / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    time.sleep(1.0)
    ballast.unlink()
    return "disk full"


def limit(driver: subprocess.Popen[bytes]) -> str:
    """From now on no file that the driver writes may grow beyond 20 kB, as on a disk that is full."""
    with suppress(ProcessLookupError):
        resource.prlimit(driver.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
        return "disk limit"
    return "missed"


@contextmanager
def disk(step: Step, wanted: bool) -> Iterator[None]:
    """A small disk of its own for the runs, where that may be mounted and is ``wanted``."""
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(step.runs)]
    mounted = wanted and os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            shutil.copytree(step.runs, step.folder / "kept", dirs_exist_ok=True, ignore_dangling_symlinks=True)
            subprocess.run(["umount", "-l", str(step.runs)], check=False)


def wait(process: subprocess.Popen[bytes], step: Step, what: str) -> int:
    """The exit code of a command, or a failure that it hangs."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{what} has not ended in {PATIENCE:.0f} s") from None


def disturb(step: Step, given: Plan, truth: Truth, server: Server | None, done: Counter[str]) -> None:
    """Strikes a search, resuming it whenever that has ended it, and exports it."""
    epochs = sum(curve.count("\n") for curve in truth.curves.values())
    began, driver, resumed = time.monotonic(), step.start(), 0
    for blow in sorted(given.blows, key=lambda one: one[2]):
        at, early = blow[2], began + blow[2] * truth.seconds
        while driver.poll() is None and (
            time.monotonic() < early if at < STARTING else sum(c.count("\n") for c in curves(step.runs).values()) < at * epochs
        ):
            time.sleep(0.02)
        if driver.poll():
            resumed, driver = resumed + 1, step.start()
        done[strike(step, driver, blow, server)] += 1
    while (code := wait(driver, step, "the disturbed search")) and resumed < len(given.blows) + 4:
        resumed, driver = resumed + 1, step.start()
    done["resumed"] += resumed
    assert code == 0, f"the search does not come to its end: {resumed} times resumed, at last exit code {code}"
    if not resumed:  # a search that was ended after its last trial says 0 too, and so does one that has nothing to do
        assert wait(step.start(), step, "the finished search") == 0, "a finished search does not end with 0"
    assert not step.mlflow or wait(step.start("export"), step, "the export") == 0, "the export fails"


# What has to hold


def curves(runs: Path) -> dict[str, str]:
    """What each trial has in its files."""
    return {path.parent.name: path.read_text() for path in sorted(runs.glob("steady/trials/*/telemetry.jsonl"))}


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What a database answers."""
    with sqlite3.connect(path) as connection:
        found = connection.execute(statement).fetchall()
    connection.close()
    return found


def trials(url: str) -> list[tuple[object, ...]]:
    """What the study holds."""
    storage = database.connect(url)
    try:
        study = storage.get_study_id_from_name("steady")
        found = sorted(storage.get_all_trials(study, deepcopy=False), key=lambda trial: trial.number)
        return [(one.number, one.state.name, one.values, one.params, len(one.user_attrs)) for one in found]
    finally:
        storage.engine.dispose()


RUNS = """
select (select value from tags t where t.run_uuid = r.run_uuid and t.key = 'pitprop.trial'), r.status, r.lifecycle_stage,
    (select value from tags t where t.run_uuid = r.run_uuid and t.key = 'mlflow.parentRunId') is not null,
    (select count(*) from metrics m where m.run_uuid = r.run_uuid and m.key = 'val/macro_f1')
from runs r order by 1, 2
"""


@dataclass(frozen=True)
class Truth:
    """What an undisturbed search leaves, and how long it takes in seconds."""

    curves: Mapping[str, str]
    told: list[tuple[object, ...]]
    runs: list[tuple[object, ...]]
    seconds: float


def check(step: Step, truth: Truth) -> None:
    """Raises ``AssertionError`` with the property that does not hold."""
    told = trials(step.database)
    assert [row[0] for row in told] == list(range(TRIALS)), f"the trials are not each there once: {told}"
    assert not [row for row in told if row[1] == "RUNNING"], f"a trial is left RUNNING: {told}"
    assert told == truth.told, f"what was told differs: {told} instead of {truth.told}"
    found = curves(step.runs)
    differing = [name for name in truth.curves if found.get(name) != truth.curves[name]]
    assert not differing, f"curves differ from the undisturbed ones: trials {', '.join(differing)}"
    assert len(found) == len(truth.curves), f"there are {len(found)} curves"
    runs = rows(step.runs / "mlflow.db", RUNS) if step.mlflow else truth.runs
    assert runs == truth.runs, f"MLflow holds other runs: {runs} instead of {truth.runs}"
    stray = [
        path
        for kind in ("*.part", "*.tmp", "checkpoints")
        for path in step.runs.rglob(kind)
        if path.is_file() or kind == "checkpoints"
    ]
    assert not stray, f"files are left in the runs: {', '.join(map(str, stray))}"
    deadline = time.monotonic() + 90
    while (left := [*step.processes().values(), *map(str, step.scratch.iterdir())]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, f"this is left running, or in the temporary folder: {'; '.join(left)}"


def _exported(home: Path) -> list[tuple[object, ...]]:
    """What an undisturbed search leaves in MLflow; leaves an empty store in ``home``, as to make one takes seconds."""
    code = f"from mlflow import MlflowClient\nMlflowClient('sqlite:///{home}/empty.db').search_experiments()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
    step = Step(home / "undisturbed", ray=False, mlflow=True)
    shutil.copy(home / "empty.db", step.runs / "mlflow.db")
    for verb in ("search", "export"):
        assert wait(step.start(verb), step, f"the undisturbed {verb}") == 0, (step.folder / "log").read_text()
    shutil.rmtree(step.scratch)
    return rows(step.runs / "mlflow.db", RUNS)


def undisturbed(home: Path, *, mlflow: bool) -> Truth:
    """Searches once in peace, and once more with ``mlflow``; what is left."""
    space = {
        "question": "What is left after a disturbance?",
        "trainer": str(ROOT / "tests" / "toys" / "steady.py"),
        "objective": {"metric": "val/macro_f1"},
        "epochs": EPOCHS,
        "trials": TRIALS,
        "confirm": False,
        "retries": 20,
        "stall": 60,
        "params": {"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [False, True]}},
    }
    (home / "steady.yaml").write_text(yaml.safe_dump(space))
    quick = Step(home / "quick", ray=False, mlflow=False)
    began = time.monotonic()
    assert wait(quick.start(), quick, "the undisturbed search") == 0, (quick.folder / "log").read_text()
    seconds = time.monotonic() - began
    exported = _exported(home) if mlflow else []
    truth = Truth(curves(quick.runs), trials(quick.database), exported, seconds)
    check(quick, truth)
    shutil.rmtree(quick.scratch)
    return truth


def one(home: Path, number: int, given: Plan, truth: Truth, server: Server | None, done: Counter[str]) -> str:
    """One step; what does not hold afterwards, or nothing."""
    url = server.new_database() if given.server and server is not None else ""
    step = Step(home / f"step-{number}", given.ray, given.mlflow, url)
    try:
        with disk(step, ("disk", "full") in [blow[:2] for blow in given.blows]):
            if given.mlflow:
                shutil.copy(home / "empty.db", step.runs / "mlflow.db")
            disturb(step, given, truth, server, done)
            check(step, truth)
    except (AssertionError, DatabaseError, sqlite3.Error, OSError) as error:
        step.end()
        return f"{error}; its files are in {step.folder}"
    shutil.rmtree(step.folder)
    shutil.rmtree(step.scratch)
    return ""


@contextmanager
def postgresql() -> Iterator[Server | None]:
    """A server of our own; None where PostgreSQL is not installed."""
    try:
        server = Server()
    except pytest.skip.Exception:
        yield None
        return
    try:
        server.start()
        yield server
    finally:
        server.remove()


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("CHAOS_SECONDS") or 600))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CHAOS_SEED") or time.time_ns() % 10**6))
    parser.add_argument("--mlflow", type=float, default=0.3, metavar="SHARE", help="of the steps that export to MLflow (0.3)")
    parser.add_argument("--step", type=int, nargs="+", help="only these steps")
    parser.add_argument("--each", action="store_true", help="deal every kind of blow once, and end")
    return parser.parse_args()


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> int:
    """Disturbs until the time is over; 1 if a property did not hold."""
    given = options()
    say(f"seed {given.seed}, " + ("every kind of blow once" if given.each else f"{given.seconds:.0f} seconds"))
    failed, done = dict[int, str](), Counter[str]()
    home = Path(tempfile.mkdtemp(prefix="chaos-"))
    with postgresql() as server:
        say("PostgreSQL is disturbed too" if server else "PostgreSQL is not installed here, so no step is on it")
        truth = undisturbed(home, mlflow=given.mlflow > 0)
        began = time.monotonic()
        say(f"an undisturbed search takes {truth.seconds:.1f} s")
        there, again = server is not None, f"--mlflow {given.mlflow}"
        drawn = ((number, plan(given.seed, number, given.mlflow, server=there)) for number in given.step or itertools.count())
        for number, step in enumerate(each(given.seed, given.mlflow, server=there)) if given.each else drawn:
            if given.each and given.step and number not in given.step:
                continue
            if not (given.each or given.step) and time.monotonic() - began > given.seconds:
                break
            done["searches on Ray" if step.ray else "searches inline"] += 1
            done["searches on PostgreSQL"] += step.server
            start, problem = time.monotonic(), one(home, number, step, truth, server, done)
            say(f"step {number}: {step}: {problem or 'all holds'} ({time.monotonic() - start:.0f} s)")
            failed |= {number: problem} if problem else {}
    for what, count in sorted(done.items()):
        say(f"{count:>5}  {what}")
    for number, problem in failed.items():
        how = f"--step {number} {again}" + " --each" * given.each
        say(f"FAILED: {problem}\n  again: CHAOS_SEED={given.seed} make chaos ARGS='{how}'")
    if not failed:
        shutil.rmtree(home)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
