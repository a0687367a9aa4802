"""Whatever happens to a log on its way, what is left of it reads the same."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.logs import Epochs, Follower, finished
from pitprop.logs.formats import text
from pitprop.logs.names import Names

EPOCHS = 12
KINDS = {
    "train.log": ("", "Epoch {n}/12 - lr: 0.1 - loss: {a} - val_loss: {b} - val_acc: 0.{n}\n"),
    "run.log": ("", "[train] epoch:{n} iter:0/18 lr:0.1 loss:{a} ETA:0.0min\n[val] epoch:{n} loss:{b} miou:0.{n}\n"),
    "zh.log": ("", "第{n}轮 训练损失: {a} 验证损失: {b} 验证准确率: 0.{n}\n"),
    "trees.log": ("", "[{n}]\ttrain-logloss:{a}\teval-logloss:{b}\n"),
    "lines.jsonl": ("", '{{"epoch": {n}, "train_loss": {a}, "val_loss": {b}}}\n'),
    "table.csv": ("epoch,train_loss,val_loss,val_acc\n", "{n},{a},{b},0.{n}\n"),
    "grid.log": ("  epoch    train_loss    valid_loss     dur\n", "  {n}    {a}    {b}   0.1\n"),
}
NOISE = (
    "Saving checkpoint to out/model.pt",
    "/usr/lib/python3/site-packages/x.py:123: UserWarning: this is slow. Use y instead",
    "Traceback (most recent call last):",
    "GPU memory: 12.3 GiB of 40 GiB",
    "the best model so far is kept",
    "=" * 80,
    "iVBORw0KGgo" * 1000,
    "",
)


def log(name: str) -> str:
    head, line = KINDS[name]
    return head + "".join(line.format(n=n, a=f"{2 - n / 10:.4f}", b=f"{2.1 - n / 10:.4f}") for n in range(1, EPOCHS + 1))


def read(name: str, data: bytes) -> list[tuple[int, dict[str, float]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return [(epoch.step, dict(epoch.metrics)) for epoch in finished.read([path], None, None, (), {}).epochs]


WHOLE = {name: read(name, log(name).encode()) for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_the_logs_here_are_read_whole(name: str) -> None:
    assert len(WHOLE[name]) == EPOCHS
    assert WHOLE[name][-1][1]["train/loss" if name != "trees.log" else "train/logloss"] == pytest.approx(0.8)


@pytest.mark.parametrize("name", KINDS)
@given(share=st.floats(0.2, 1))
@settings(deadline=None, max_examples=25)
def test_a_log_that_is_cut_after_a_line_reads_as_far_as_it_goes(name: str, share: float) -> None:
    whole = log(name)
    cut = whole[: whole.rfind("\n", 0, int(share * len(whole))) + 1]
    found = read(name, cut.encode())
    assert (
        found[:-1] == WHOLE[name][: max(0, len(found) - 1)]
    )  # the last may lack what its validation prints on a line of its own


@pytest.mark.parametrize("name", KINDS)
@given(share=st.floats(0.2, 1))
@settings(deadline=None, max_examples=25)
def test_a_log_that_is_cut_anywhere_reads_the_same_up_to_the_line_before(name: str, share: float) -> None:
    whole = log(name)
    found = read(name, whole[: int(share * len(whole))].encode())
    assert found[:-2] == WHOLE[name][: max(0, len(found) - 2)]
    assert [step for step, _ in found] == [step for step, _ in WHOLE[name][: len(found)]]


@pytest.mark.parametrize("name", KINDS)
@given(where=st.lists(st.tuples(st.integers(1, 2 * EPOCHS), st.sampled_from(NOISE)), max_size=12))
@settings(deadline=None, max_examples=25)
def test_what_else_stands_between_the_lines_changes_nothing(name: str, where: list[tuple[int, str]]) -> None:
    lines = log(name).splitlines()
    for at, noise in sorted(where, reverse=True):
        lines.insert(at, noise)
    assert read(name, "\n".join([*lines, ""]).encode()) == WHOLE[name]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ends_of_lines_and_encodings_change_nothing(name: str, encoding: str) -> None:
    assert read(name, log(name).replace("\n", "\r\n").encode(encoding)) == WHOLE[name]


@given(share=st.floats(0.3, 1), indent=st.sampled_from([None, 2]))
@settings(deadline=None, max_examples=40)
def test_a_document_that_is_torn_gives_its_whole_items(share: float, indent: int | None) -> None:
    rows = [{"epoch": n, "train_loss": 2 - n / 10, "val_loss": 2.1 - n / 10} for n in range(1, EPOCHS + 1)]
    whole = json.dumps(rows, indent=indent)
    found = read("loss.json", whole[: int(share * len(whole))].encode())
    assert [step for step, _ in found] == list(range(1, len(found) + 1))
    assert all(set(metrics) == {"train/loss", "val/loss"} for _, metrics in found)
    assert len(found) >= int(share * EPOCHS) - 2


@given(st.text(max_size=300) | st.text(alphabet="loss: 0.5[]/%(),=eE|\n", max_size=300))
@settings(deadline=None, max_examples=150)
def test_no_text_upsets_the_reader_of_lines(data: str) -> None:
    for row in text.Reader(Names({"loss 0": "val/x"})).feed(f"epoch 1\n{data}\n".encode("utf-8", "replace")):
        assert all(isinstance(value, float) and name == name.strip("%") for name, value in row.metrics.items())


def test_a_line_of_many_kilobytes_costs_nothing(tmp_path: Path) -> None:
    """Told by what is read, as time is not: a line that is longer than any of a log is not looked at."""
    path = tmp_path / "slow.log"
    path.write_text('Epoch 1: loss 0.5\n"image/png": "' + "loss: 0.1 " * 1_000_000 + '"\nEpoch 2: loss 0.4\n')
    follower, epochs = Follower(path), Epochs("train/loss")
    rows = follower.poll() + follower.end()
    assert [epoch.metrics for epoch in epochs.add(rows) + epochs.end()] == [{"train/loss": 0.5}, {"train/loss": 0.4}]


BOX = """---------------------------------
| rollout/           |          |
|    ep_rew_mean     | {a}      |
| time/              |          |
|    total_timesteps | {n}00    |
"""
TUNE = """Result for train_{a}_0000:
  date: 2024-01-0{n}_10-00-00
  done: false
  mean_accuracy: 0.{n}
  training_iteration: {n}
"""
RLLIB = """Result for PPO_CartPole-v1_4ad32_00000:
  env_runners:
    episode_return_mean: {n}.5
  training_iteration: {n}
"""
NEW_TUNE = """Trial x_0000 finished iteration {n} at 2024-01-01 10:00:00. Total running time: 3s
╭───────────────────────────╮
│ Trial x_0000 result       │
├───────────────────────────┤
│ training_iteration {n}    │
│ config/lr          0.1    │
│ accuracy           0.{n}  │
"""
BLOCKS = {
    "new_tune.log": (NEW_TUNE, "╰───────────────────────────╯\n", "val/accuracy", 0.7),
    "box.log": (BOX, "-" * 33 + "\n", "rollout/ep_rew_mean", 7.0),
    "tune.log": (TUNE.replace("{a}", "x"), "\n", "val/mean_accuracy", 0.7),
    "rllib.log": (RLLIB, "\n", "train/env_runners_episode_return_mean", 7.5),
    "spinning_up.log": (
        "-" * 33 + "\n|   Epoch |   {n} |\n|   AverageEpRet |   {a} |\n",
        "-" * 33 + "\n",
        "train/average_ep_ret",
        7.0,
    ),
}
"""Blocks that a line ends which may not come any more."""


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_may_still_be_written_is_read_when_the_training_has_ended(name: str, tmp_path: Path) -> None:
    block, between, metric, last = BLOCKS[name]
    (tmp_path / name).write_text(between.join(block.format(n=n, a=float(n)) for n in range(1, 8)))
    follower = Follower(tmp_path / name)
    assert len(follower.poll()) == 6
    assert [row.metrics[metric] for row in follower.end()] == [last]
