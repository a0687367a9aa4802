"""Following a log: late, rotated, torn, cut anywhere."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.errors import UserError
from pitprop.logs import Follower, Row

HERE = Path(__file__).parent / "logs"
LOGS = sorted(path for path in HERE.rglob("*") if path.suffix in (".log", ".csv", ".json"))


def rows(path: Path) -> list[Row]:
    follower = Follower(path)
    return follower.poll() + follower.end()


def same(mine: list[Row], theirs: list[Row]) -> bool:
    return repr(mine) == repr(theirs)  # NaN is not NaN


@pytest.mark.parametrize("log", LOGS, ids=lambda path: str(path.relative_to(HERE)))
def test_a_log_that_grows_gives_what_the_whole_log_gives(log: Path, tmp_path: Path) -> None:
    data, grows = log.read_bytes(), tmp_path / log.name
    follower, found = Follower(grows), list[Row]()
    assert follower.poll() == []  # it is not there yet
    for start in range(0, len(data), 777):
        with grows.open("ab") as file:
            file.write(data[start : start + 777])
        found += follower.poll()
    assert same(found + follower.end(), rows(log))


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=60)
def test_no_file_upsets_a_follower(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        for head in (b"", b"epoch,step,loss\n", b'{"loss": 1.0, "step": 1}\n', b'{"log_history": ['):
            path.write_bytes(head + data)
            for name in (None, "csv", "jsonl", "text", "huggingface"):
                follower = Follower(path, name)
                for row in follower.poll() + follower.end():
                    assert all(isinstance(value, float) for value in row.metrics.values())


def test_checkpoints_that_are_written_and_removed_meanwhile_are_read_to_the_last(tmp_path: Path) -> None:
    count = 400

    def rotate() -> None:
        for step in range(1, count + 1):
            folder = tmp_path / f"checkpoint-{step}"
            folder.mkdir()
            history = [{"step": past, "loss": 1.0} for past in range(1, step + 1)]
            (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
            shutil.rmtree(tmp_path / f"checkpoint-{step - 1}", ignore_errors=True)

    trainer = threading.Thread(target=rotate)
    follower = Follower(tmp_path / "checkpoint-*" / "trainer_state.json")
    found: list[Row] = []
    trainer.start()
    while trainer.is_alive():
        found += follower.poll()
    found += follower.end()
    assert [row.step for row in found] == list(range(1, count + 1))


def test_a_line_is_given_when_it_is_whole_or_its_writer_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("step 10: train loss 2.5, val lo")
    follower = Follower(log)
    assert follower.poll() == []
    with log.open("a") as file:
        file.write("ss 2.25\nstep 20: val loss 2.")
    assert [row.metrics["val/loss"] for row in follower.poll()] == [2.25]
    assert [row.metrics["val/loss"] for row in follower.end(whole=True)] == [2.0]


@pytest.mark.parametrize(
    ("text", "whole", "last"),
    [
        ("epoch 1 val_loss 12.25\nepoch 2 val_loss 1", None, 12.25),
        ("epoch 1 val_loss 12.25\nepoch 2 val_loss 11.75", None, 11.75),
        ("epoch 1 val_loss 12.25\nepoch 2 val_loss 11.75", False, 12.25),
        ("epoch 1 val_loss 12.25\nepoch 2 val_loss 1", True, 1.0),
        ("epoch 1 (val_loss 12.25)\nepoch 2 (val_loss 11.7", None, 12.25),
        ("epoch 1 val_acc 12.25%\nepoch 2 val_acc 11.75%", False, 0.1175),
    ],
)
def test_a_number_that_may_have_been_cut_is_no_reading(text: str, whole: bool | None, last: float, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(text)
    follower = Follower(log)
    rows = follower.poll() + follower.end(whole=whole)
    assert [value for row in rows for value in row.metrics.values()][-1] == pytest.approx(last)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_rotated_log_goes_on(tmp_path: Path, keeps: bool) -> None:
    log = tmp_path / "train.log"
    log.write_text("iter 1: loss 3.0\n")
    follower = Follower(log)
    assert len(follower.poll()) == 1
    with log.open("a") as file:
        file.write("iter 2: loss 2.0\n")
    if keeps:
        log.rename(tmp_path / "train.log.1")
    else:
        log.unlink()
    log.write_text("iter 3: loss 1.0\n")
    assert [row.metrics["train/loss"] for row in follower.poll()] == ([2.0, 1.0] if keeps else [1.0])
    log.write_text("iter: \n")  # cut short
    assert follower.poll() == []


def test_the_newest_folder_counts(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "*" / "vis_data" / "scalars.json")
    assert follower.poll() == []
    for number, name in enumerate(("20260101_120000", "20260102_120000")):
        folder = tmp_path / name / "vis_data"
        folder.mkdir(parents=True)
        (folder / "scalars.json").write_text(json.dumps({"loss": 1.0 + number, "epoch": 1, "iter": 1, "step": 1}) + "\n")
        os.utime(folder / "scalars.json", (1000 + number, 1000 + number))
        assert [row.metrics["train/loss"] for row in follower.poll()] == [1.0 + number]


def test_what_lay_there_before_a_training_began_can_be_left_out(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("iter 1: loss 3.0\n")
    os.utime(log, (1000, 1000))
    assert Follower(tmp_path / "*.log", after=2000).poll() == []
    assert len(Follower(tmp_path / "*.log", after=500).poll()) == 1


def test_a_document_that_is_written_anew_gives_what_is_new(tmp_path: Path) -> None:
    state = tmp_path / "trainer_state.json"
    history = [{"loss": 2.0, "epoch": 1.0, "step": 10}, {"eval_loss": 1.5, "epoch": 1.0, "step": 10}]
    state.write_text(json.dumps({"log_history": history}))
    follower = Follower(state)
    assert len(follower.poll()) == 2
    assert follower.poll() == []
    state.write_text(json.dumps({"log_history": [*history, {"loss": 1.0, "epoch": 2.0, "step": 20}]}, indent=2))
    assert [row.metrics for row in follower.poll()] == [{"train/loss": 1.0}]


@pytest.mark.parametrize(
    ("format", "pattern", "words"),
    [
        ("jsnl", (), "did you mean 'jsonl'"),
        (None, ("loss (",), "no regular expression"),
        (None, (r"loss (\S+)",), "names no group"),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_once(format: str | None, pattern: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Follower("train.log", format, pattern)
