"""A worker that does not see the driver's folder brings its files home, and goes on from those of another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import TOY
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers import checkpoint
from pitprop.workers.files import filesystem, home, mirror
from pitprop.workers.files.best_states import path as best_path
from pitprop.workers.files.home import Folder
from pitprop.workers.files.node_worker import Answer, Remote
from pitprop.workers.worker import Failure

LANE = Lane(0, 0)
CONTEXT = Context(epochs=6, metric="val/macro_f1", goal="maximize")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "toy"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "trials" / "0000").mkdir(parents=True)
    return folder


class Nearby:
    """The study's folder without Ray between; nothing gets through while it is ``cut``."""

    cut = False

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __getattr__(self, name: str) -> object:
        if self.cut:
            raise ConnectionError("the driver's node is away")
        return getattr(self._folder, name)


@pytest.fixture
def away(study: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Remote]]:
    """Makes workers that do not see the study's folder: their token is another."""
    monkeypatch.setattr("pitprop.workers.files.node_worker.ByRay", Nearby)

    def make(url: str = "", context: Context = CONTEXT, trainer: Path = TOY) -> Remote:
        found = replace(home.made(study, url), token="of another machine")
        number = len(list((study / "checkpoints").iterdir()))
        made.append(Remote(str(trainer), context, str(study / "checkpoints" / f"{number}.ckpt"), found, Folder(str(study))))
        return made[-1]

    made: list[Remote] = []
    yield make
    for worker in made:
        worker.leave()


def start(study: Path) -> Start:
    """The trial's training as a driver has it go on."""
    folder = study / "trials" / "0000"
    fresh = Start(LANE, {"speed": 0.3}, 0, str(folder))
    found = checkpoint.newest(folder, study / "checkpoints").get(LANE)
    return replace(fresh, step=found[1].step, checkpoint=str(found[0]), source=LANE) if found else fresh


def advance(worker: Remote, *started: Start, stopped: Sequence[Lane] = ()) -> dict[Lane, Epoch]:
    answer = worker.answer(Change(stopped, started))
    assert isinstance(answer, Answer)
    assert not isinstance(answer.outcome, Failure), answer.outcome
    assert not answer.said
    return dict(answer.outcome)


def scores(study: Path, workers: Iterator[Remote]) -> list[float]:
    """Six epochs of the trial, each on the next worker, from what is at home."""
    found = []
    for _step in range(6):
        found.append(advance(next(workers), start(study))[LANE].metrics["val/macro_f1"])
    return found


@pytest.fixture
def undisturbed(tmp_path: Path) -> list[float]:
    """What the trial scores on one worker that sees its files."""
    worker = Remote(str(TOY), CONTEXT, str(tmp_path / "a.ckpt"))
    first = worker.answer(Change((), [Start(LANE, {"speed": 0.3}, 0, str(tmp_path))]))
    answers = [first, *(worker.answer(Change()) for _ in range(5))]
    return [one.outcome[LANE].metrics["val/macro_f1"] for one in answers if not isinstance(one.outcome, Failure)]


def test_a_trial_that_changes_its_node_after_every_epoch_scores_the_same_to_the_digit(
    study: Path, away: Callable[..., Remote], undisturbed: list[float]
) -> None:
    assert scores(study, iter([away() for _ in range(6)])) == undisturbed


def test_a_worker_knows_the_driver_s_folder_from_a_copy_of_it(study: Path) -> None:
    now = home.made(study, "")
    assert now.here()
    later = home.made(study, "")
    assert not now.here()
    assert later.here()
    assert later.name == now.name
    assert not replace(later, folder=str(study / "nowhere")).here()


def test_a_worker_that_sees_the_folder_writes_there_and_has_no_mirror(study: Path) -> None:
    worker = Remote(str(TOY), CONTEXT, str(study / "checkpoints" / "0.ckpt"), home.made(study, "s3://nowhere"), None)
    advance(worker, start(study))
    assert checkpoint.epochs(study / "checkpoints" / "0.ckpt")[LANE].step == 1


def test_every_checkpoint_is_at_home_before_its_epoch_is_told(study: Path, away: Callable[..., Remote]) -> None:
    worker = away()
    for step in range(1, 5):
        advance(worker, *([start(study)] if step == 1 else []))
        assert checkpoint.newest(study / "checkpoints")[LANE][1].step == step


def test_the_best_state_of_a_lost_node_is_kept(study: Path, away: Callable[..., Remote]) -> None:
    lost = away()
    for step in range(3):
        advance(lost, *([start(study)] if not step else []))
    other = away()
    advance(other, start(study))
    advance(other, stopped=[LANE])
    best = best_path(study / "trials" / "0000", 0)
    assert checkpoint.epochs(best)[LANE].step == 4
    assert checkpoint.load(best, LANE) == checkpoint.load(checkpoint.path(study / "trials" / "0000", 0), LANE)


def test_files_that_a_trainer_leaves_come_home_and_go_where_its_trial_goes(
    study: Path, away: Callable[..., Remote], tmp_path: Path
) -> None:
    trainer = tmp_path / "leaves.py"
    trainer.write_text(
        '"""Leaves a line an epoch."""\n'
        "from pathlib import Path\n"
        "from pitprop.telemetry import Epoch\n"
        "def train(params, context):\n"
        '    file = Path(context.folder, "sub", "log")\n'
        "    file.parent.mkdir(parents=True, exist_ok=True)\n"
        "    for step in range(context.step + 1, context.epochs + 1):\n"
        '        with file.open("a") as out:\n'
        '            out.write(f"{step}\\n")\n'
        "        context.state = step\n"
        '        yield Epoch(step, {"val/macro_f1": float(len(file.read_text().split()))})\n'
    )
    assert scores(study, iter([away(trainer=trainer) for _ in range(6)])) == [1, 2, 3, 4, 5, 6]
    assert (study / "trials" / "0000" / "sub" / "log").read_text() == "1\n2\n3\n4\n5\n6\n"


def test_curves_are_the_driver_s_and_no_worker_reads_or_writes_outside_of_the_trainings(study: Path) -> None:
    folder = Folder(str(study))
    (study / "trials" / "0000" / "telemetry.jsonl").write_text("")
    assert folder.wanted(["trials/0000"], [LANE]) == {}
    for name in ("../x", "space.yaml", "/etc/passwd", "trials/../space.yaml", "trials/0000/telemetry.jsonl", ""):
        with pytest.raises(ValueError, match="no file of a training"):
            folder.read(name, 0)


def test_a_checkpoint_beyond_the_limit_is_told_once_and_blocks_nothing(
    study: Path, away: Callable[..., Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "LIMIT", 10)
    worker = away()
    said = [worker.answer(Change((), [start(study)] if not step else [])).said for step in range(3)]
    assert [len(one) for one in said] == [1, 0, 0]
    assert "give storage:" in said[0][0]
    assert checkpoint.newest(study / "checkpoints") == {}


def test_what_does_not_come_home_is_told_once_and_comes_when_the_way_is_free(
    study: Path, away: Callable[..., Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = away()
    advance(worker, start(study))
    monkeypatch.setattr(Nearby, "cut", True)
    answers = [worker.answer(Change()) for _ in range(2)]
    assert [len(one.said) for one in answers] == [1, 0]
    assert "are sent again" in answers[0].said[0]
    assert checkpoint.newest(study / "checkpoints")[LANE][1].step == 1
    monkeypatch.setattr(Nearby, "cut", False)
    advance(worker)
    assert checkpoint.newest(study / "checkpoints")[LANE][1].step == 4


def test_the_folders_of_dead_workers_are_removed_and_those_of_living_ones_stay(
    study: Path, away: Callable[..., Remote], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"{mirror.SCRATCH}dead").mkdir()
    (tmp_path / f"{mirror.SCRATCH}dead" / "lock").touch()
    living = away()
    other = away()
    assert len(list(tmp_path.glob(f"{mirror.SCRATCH}*"))) == 2
    advance(living, start(study))
    advance(other, start(study))


# With a storage


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    """A folder that every node sees, in place of a bucket."""
    return str(tmp_path / "shared")


def uploaded(worker: Remote, study: Path, step: int) -> None:
    """Waits until what the worker stores beside the training has got so far."""
    for _ in range(3000):
        if (found := checkpoint.newest(study / "checkpoints").get(LANE)) and found[1].step >= step:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"epoch {step} was not stored")


def test_with_a_storage_a_trial_goes_on_on_any_node_from_there(
    study: Path, away: Callable[..., Remote], bucket: str, undisturbed: list[float]
) -> None:
    found = []
    for step in range(1, 7):
        worker = away(bucket)
        found.append(advance(worker, start(study))[LANE].metrics["val/macro_f1"])
        uploaded(worker, study, step)
        file = checkpoint.newest(study / "checkpoints")[LANE][0]
        assert checkpoint.stored_at(file).startswith(bucket)
        assert b"\n" not in file.read_bytes().strip()  # a line that says where; the state is not at home
    assert found == undisturbed


def test_what_leaves_a_worker_is_stored_before_anybody_hears_of_it(study: Path, away: Callable[..., Remote], bucket: str) -> None:
    worker = away(bucket)
    for step in range(4):
        advance(worker, *([start(study)] if not step else []))
    advance(worker, stopped=[LANE])
    for file in (checkpoint.path(study / "trials" / "0000", 0), best_path(study / "trials" / "0000", 0)):
        assert checkpoint.epochs(file)[LANE].step == 4
        assert checkpoint.stored_at(file).startswith(bucket)
        assert checkpoint.load(file, LANE) > 0


def test_a_storage_that_takes_nothing_is_told_once_and_checkpoints_come_home(
    study: Path, away: Callable[..., Remote], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    worker = away(str(tmp_path / "file"))
    said = []
    for step in range(3):
        said += worker.answer(Change((), [start(study)] if not step else [])).said
        uploaded(worker, study, step + 1)
    said += worker.answer(Change([LANE])).said
    assert len(said) == 1
    assert "cannot be written" in said[0]
    assert checkpoint.load(checkpoint.path(study / "trials" / "0000", 0), LANE) > 0


def test_nothing_stays_in_the_storage_that_no_file_of_the_study_names(
    study: Path, away: Callable[..., Remote], bucket: str
) -> None:
    worker = away(bucket)
    for step in range(5):
        advance(worker, *([start(study)] if not step else []))
    advance(worker, stopped=[LANE])
    lost = away(bucket)
    advance(lost, replace(start(study), lane=Lane(1, 0), folder=str(study / "trials" / "0001"), checkpoint="", step=0))
    lost.leave()
    for file in (study / "checkpoints").iterdir():
        file.unlink()
    home.sweep(study, bucket)
    kept = {checkpoint.stored_at(file) for file in study.glob("trials/*/replica-*")}
    place = filesystem.under(bucket, home.made(study, "").name)
    assert {filesystem.under(place, name) for name in filesystem.names(place)} == kept
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("cause", "tries"), [(TimeoutError(), 3), (OSError("busy"), 3), (FileNotFoundError(), 1), (PermissionError(), 1)]
)
def test_a_storage_is_read_again_unless_there_is_nothing_for_us(
    cause: Exception, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "WAITS", (0.0, 0.0, 0.0))
    tried: list[int] = []

    def read() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise filesystem.StorageError("it cannot be read") from cause
        return "kept"

    if tries == 1:
        with pytest.raises(filesystem.StorageError):
            filesystem.again(read)
    else:
        assert filesystem.again(read) == "kept"
    assert len(tried) == tries
