"""What several tests build on: a small space over the toy trainer, and a search of it in this process."""

from __future__ import annotations

import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings
from pitprop import space as spaces
from pitprop.cli import main
from pitprop.driver.loop import Search
from pitprop.driver.progress import Event
from pitprop.messages import set_language
from pitprop.space import Space
from pitprop.study.database import connect
from pitprop.study.record import Record
from pitprop.study.study import opened
from pitprop.trainer import Context
from pitprop.workers.launch import Inline, Job

# The same examples in every run, and no deadline: how long one takes is the machine's affair.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

ROOT = Path(__file__).parents[1]
TOY = ROOT / "tests" / "toys" / "curve.py"
TOLD = ROOT / "tests" / "toys" / "told.py"


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which has to be JSON as every reader of it understands it: without NaN."""
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pretrained checkpoints go where the tests may write."""
    os.environ["PITPROP_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def compiled() -> None:
    """Of the processes that tests start not each one compiles the package anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True, scope="module")
def lived_so_far() -> None:
    """What is imported is not searched for garbage: a failed trial collects it, and all that the tests import is a lot."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def write_space(tmp_path: Path) -> Callable[..., Path]:
    """Writes a space over the toy trainer, with the keys given changed, and returns its path."""

    def write(name: str = "toy", **changes: object) -> Path:
        rows = {
            "question": "Which speed?",
            "trainer": str(TOY),
            "objective": {"metric": "val/macro_f1"},
            "epochs": 8,
            "trials": 6,
            "params": {"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [False, True]}},
            **changes,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in rows.items() if value is not None}))
        return path

    return write


@pytest.fixture
def toy(write_space: Callable[..., Path]) -> Callable[..., Space]:
    """The space that `write_space` writes, loaded."""
    return lambda **changes: spaces.load(str(write_space(**changes)))


def events(
    space: Space,
    folder: Path,
    *,
    width: int = 1,
    trials: int | None = None,
    stop: int | None = None,
    revive: Sequence[int] = (),
    deadline: float | None = None,
) -> list[Event]:
    """Searches in this process, with no exporter; ``stop`` closes the search after that many events.

    With trials to ``revive`` it trains those, and asks for no new ones.
    """
    database = prepared(folder)
    with opened(space, f"sqlite:///{database}", folder / space.name) as study:
        if trials is not None:
            study.plan(trials)
        for number in revive:
            study.revive(number)
        checkpoints = study.folder / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        objective, home = space.objective, str(Path(space.path).parent)
        context = Context(
            space.epochs, space.options, home=home, metric=objective.metric, goal=objective.best_by, unit=space.unit
        )
        launcher = Inline(Job(space.trainer, context, checkpoints), cpus=1)
        seen = []
        running = Search(space, study, launcher, width=lambda _workers: width, deadline=deadline, asks=not revive).events()
        for event in running:
            seen.append(event)
            if len(seen) == stop:
                running.close()
        launcher.close()
        return seen


def prepared(folder: Path) -> Path:
    """The database in a folder, made if there is none."""
    database = folder / "study.db"
    if not database.exists():
        folder.mkdir(parents=True, exist_ok=True)
        database.write_bytes(_empty())
    return database


@cache
def _empty() -> bytes:
    """A database without a study: to make its tables takes longer than most searches here."""
    with tempfile.TemporaryDirectory() as folder:
        connect(f"sqlite:///{folder}/study.db")
        return Path(folder, "study.db").read_bytes()


def records(space: Space, folder: Path) -> list[Record]:
    """The trials of the study, as they stand in the database."""
    with opened(space, f"sqlite:///{folder / 'study.db'}", folder / space.name) as study:
        return study.records()


@pytest.fixture
def outcome() -> Callable[[Space, Path], list[tuple[object, ...]]]:
    """What a search found out, without its clock: number, state, parameters, values, verdicts, epochs."""

    def of(space: Space, folder: Path) -> list[tuple[object, ...]]:
        found = records(space, folder)
        return [(r.number, r.state, dict(r.params), r.values, r.verdicts, r.epochs) for r in found]

    return of


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address of the person who runs the tests reaches them, and no language that a command before them was told."""
    set_language("en")
    for name in ("STUDY_DB", "MLFLOW_TRACKING_URI", "RAY_ADDRESS", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def without_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process started from here finds an MLflow that does not import, which saves the seconds that the real one takes."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "mlflow.py").write_text("raise ImportError('MLflow is broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))


TRAIN = ("search", "revive", "confirm")
"""The commands that end with a report."""


@pytest.fixture
def pitprop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, without_mlflow: None
) -> Iterator[Callable[..., Said]]:
    """Runs ``pitprop`` in this process, with its runs in a folder of the test's; without a ``report``, which takes seconds."""
    terminated = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object, runs: Path | None = tmp_path / "runs", report: bool = False) -> Said:
        capsys.readouterr()
        quick = ["--no-report"] if words[0] in TRAIN and not report else []
        try:
            code = main.main([*map(str, words), *quick, *(["--runs", str(runs)] if runs else [])])
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, terminated)


@pytest.fixture
def shell(tmp_path: Path, without_mlflow: None) -> Callable[..., Said]:
    """The same in a process of its own; ``before`` is Python that it runs first."""

    def run(*words: object, before: str = "", **environment: str) -> Said:
        # A process that was started in the background ignores Ctrl-C, and so would its children.
        listen = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"{listen}\n{before}\nfrom pitprop.cli.main import main\nsys.exit(main(sys.argv[1:]))"
        given = {**os.environ, "COLUMNS": "200", **environment}
        given["PYTHONPATH"] = os.pathsep.join([str(ROOT), given["PYTHONPATH"]])
        quick = ["--no-report"] if words[0] in TRAIN else []
        command = [sys.executable, "-c", code, *map(str, words), *quick, "--runs", str(tmp_path / "runs")]
        done = subprocess.run(command, env=given, cwd=tmp_path, capture_output=True, text=True)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of MLflow's that holds nothing."""
    from mlflow import MlflowClient
    from pitprop.track import sqlite

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    sqlite.make(path)
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(empty_store: Path, tmp_path: Path) -> str:
    """A store of the test's own, empty."""
    source, copy = sqlite3.connect(empty_store), sqlite3.connect(tmp_path / "mlflow.db")
    source.backup(copy)
    copy.execute("PRAGMA journal_mode=DELETE")
    source.close()
    copy.close()
    return f"sqlite:///{tmp_path / 'mlflow.db'}"
