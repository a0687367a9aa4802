"""What several tests build on: a small space over the toy trainer, and a search of it in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from search import space as spaces
from search.launch import Inline, Job
from search.loop import Event, Search
from search.record import Record
from search.space import Space
from search.study import opened
from search.trainer import Context

TOY = Path(__file__).parent / "toys" / "curve.py"


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


def events(space: Space, folder: Path, *, width: int = 1, trials: int | None = None, stop: int | None = None) -> list[Event]:
    """Searches in this process, with no exporter; ``stop`` closes the search after that many events."""
    with opened(space, f"sqlite:///{folder / 'study.db'}", folder / space.name) as study:
        if trials is not None:
            study.plan(trials)
        checkpoints = study.folder / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        launcher = Inline(Job(space.trainer, Context(space.epochs, space.options), checkpoints), cpus=1)
        seen = []
        running = Search(space, study, launcher, width=width).events()
        for event in running:
            seen.append(event)
            if len(seen) == stop:
                running.close()
        launcher.close()
        return seen


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
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No address of the person who runs the tests reaches them."""
    for name in ("STUDY_DB", "MLFLOW_TRACKING_URI", "RAY_ADDRESS", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    yield
