"""Foreign formats: what each row means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pitprop.logs import Epochs, Follower, Row, finished, formats
from pitprop.logs.names import Names
from pitprop.logs.sources import trainings
from pitprop.telemetry import VOCABULARY, Epoch, dumps

LOGS = Path(__file__).parent / "logs"
BOTH = {"train/loss": 0.5, "val/loss": 0.6}


def read(path: Path, text: str, **options: object) -> list[Row]:
    path.write_text(text)
    follower = Follower(path, **options)  # type: ignore[arg-type]
    return follower.poll() + follower.end()


def epochs(rows: list[Row], metric: str | None = None) -> list[Epoch]:
    joined = Epochs(metric)
    return joined.add(rows) + joined.end()


@pytest.mark.parametrize("name", formats.names())
def test_a_format_has_what_a_follower_asks_for(name: str) -> None:
    module = formats.load(name)
    assert module.__doc__
    assert isinstance(module.TRAITS, formats.Traits)
    assert not module.recognises(b"", Path("nothing.bin")) or module.TRAITS.fallback


@pytest.mark.parametrize(
    ("path", "format"),
    [("mmengine_healthy/scalars.json", "jsonl"), ("mmengine_healthy/run.log", "text"), ("lightning_lr_1e6.csv", "csv")],
)
def test_formats_are_told_by_content(path: str, format: str, tmp_path: Path) -> None:
    plain = tmp_path / "log"
    plain.write_bytes((LOGS / path).read_bytes())
    assert formats.recognise(plain) == format


def test_mmengine_counts_iterations_in_training_and_epochs_in_validation() -> None:
    found = Follower(LOGS / "mmengine_healthy" / "scalars.json").poll()
    assert found[0][2:4] == (10, 1)
    assert found[4] == Row("val", found[4].metrics, None, 1)
    assert found[4].metrics == {"val/top1": 0.14338235294117646, "val/top5": 0.3897058823529412, "val/mean1": 0.13999999999999999}


@pytest.mark.parametrize("name", ["healthy", "diverged"])
def test_what_mmengine_prints_is_what_it_records(name: str) -> None:
    recorded, printed = (epochs(Follower(LOGS / f"mmengine_{name}" / file).poll()) for file in ("scalars.json", "run.log"))
    assert len(recorded) == len(printed) == 8
    for theirs, ours in zip(recorded, printed, strict=True):
        assert theirs.step == ours.step
        assert ours.metrics == pytest.approx(dict(theirs.metrics), rel=1e-3, abs=1e-3, nan_ok=True)


def test_the_branches_of_mmaction_are_branches(tmp_path: Path) -> None:
    line = "2026/11/21 02:23:32 - mmengine - INFO - Epoch(val) [7][17/17]  acc/RGBPose_1:1_top1: 0.8832  acc/rgb_top1: 0.8763  "
    rows = read(tmp_path / "run.log", line + "acc/pose_top1: 0.8201  data_time: 0.0114\n")
    assert rows == [Row("val", {"val/RGBPose_1:1/top1": 0.8832, "val/rgb/top1": 0.8763, "val/pose/top1": 0.8201}, None, 7)]


def test_lightning_is_sparse_and_counts_from_0() -> None:
    found = epochs(Follower(LOGS / "lightning_lr_1e-3.csv").poll())
    assert [epoch.step for epoch in found] == [1, 2, 3]
    assert found[0].metrics == {"train/loss": 0.4339475631713867, "val/loss": 0.2884077941017151} | found[0].metrics
    assert set(found[0].metrics) == {"train/loss", "val/loss"}


def test_keras_writes_epochs(tmp_path: Path) -> None:
    table = "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n0,0.1,0.001,2.3,0.11,2.29\n1,0.2,0.001,2.0,0.21,nan\n"
    first, second = epochs(read(tmp_path / "history.csv", table))
    assert first == Epoch(1, {"train/accuracy": 0.1, "lr": 0.001, "train/loss": 2.3, "val/accuracy": 0.11, "val/loss": 2.29})
    assert second.step == 2
    assert second.metrics["val/loss"] != second.metrics["val/loss"]


def test_hugging_face_counts_epochs_only_where_it_evaluates_by_them(tmp_path: Path) -> None:
    def state(evaluated: list[float]) -> str:
        history: list[dict[str, float]] = []
        for number, epoch in enumerate(evaluated, 1):
            history += [{"loss": 1.0, "learning_rate": 2e-5, "grad_norm": 3.0, "epoch": epoch - 0.1, "step": 10 * number - 1}]
            history += [{"eval_loss": 0.9, "eval_accuracy": 0.5, "eval_runtime": 3.0, "epoch": epoch, "step": 10 * number}]
        return json.dumps({"log_history": history, "num_train_epochs": 3, "max_steps": 60})

    by_epoch = epochs(read(tmp_path / "trainer_state.json", state([1.0, 2.0])))
    assert by_epoch[1] == Epoch(2, {"train/loss": 1.0, "lr": 2e-5, "grad_norm": 3.0, "val/loss": 0.9, "val/accuracy": 0.5})
    assert [epoch.step for epoch in epochs(read(tmp_path / "b.json", state([0.4, 0.8, 1.2])))] == [1, 2, 3]


def test_nanogpt_prints_evaluations_and_iterations() -> None:
    follower = Follower(LOGS / "nanogpt_lr_3e-3.log")
    found = epochs(follower.poll(), "val/loss")
    assert [epoch.metrics["val/loss"] for epoch in found] == [2.6241, 2.5681, 2.4954, 2.4389, 2.3794, 2.3508]
    assert found[0].metrics["start/loss"] == 4.1649
    assert follower.facts == {"max_iters": 300, "vocab_size": 65, "warmup_steps": 30}


def test_printed_dictionaries_are_counts_by_class(tmp_path: Path) -> None:
    lines = [
        "Epoch 3 - Prediction distribution: {np.int64(0): np.int64(887), np.int64(1): np.int64(13)}",
        "Epoch 3 - Label distribution: {0: 696, 1: 204}",
        "Current learning rate: 2.00e-05",
        "f1_macro_cli: 0.5494",
        "Total gradient norm before clipping: 3.141593",
        "Epoch 4 - Prediction distribution: {0: 900}",
        "f1_macro_cli: 0.4361",
    ]
    third, fourth = epochs(read(tmp_path / "train.log", "\n".join(lines)), "val/macro_f1")
    counts = {"val/predicted/0": 887, "val/predicted/1": 13, "val/labels/0": 696, "val/labels/1": 204}
    assert third == Epoch(3, {**counts, "lr": 2e-5, "val/macro_f1": 0.5494, "grad_norm": 3.141593})
    assert fourth == Epoch(4, {"val/labels/0": 696, "val/labels/1": 204, "val/predicted/0": 900, "val/macro_f1": 0.4361})


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("Epoch 3/20 | train loss 0.5 | val loss 0.6 | val acc 0.8", ("val", {**BOTH, "val/accuracy": 0.8}, None, 3)),
        ("Epoch [3/20], Step [100/600], Loss: 0.2514", ("train", {"train/loss": 0.2514}, 1900, 3)),
        ("Train Epoch: 2 [640/60000 (1%)]\tLoss: 2.305400", ("train", {"train/loss": 2.3054}, 120640, 2)),
        ("{'loss': 0.5, 'learning_rate': 1e-05, 'epoch': 0.3}", ("train", {"train/loss": 0.5, "lr": 1e-5}, None, None)),
        ("\x1b[32mepoch=4 val_f1=0.5 lr=3e-4\x1b[0m", ("val", {"val/f1": 0.5, "lr": 3e-4}, None, 4)),
        ("iter 10: loss nan, time 100.88ms, mfu 0.01%", ("train", {"train/loss": float("nan")}, 10, None)),
        ("Iter(val) [50/50]  loss: 0.25", ("val", {"val/loss": 0.25}, None, None)),
    ],
)  # fmt: skip
def test_usual_lines_are_understood(line: str, row: tuple[object, ...], tmp_path: Path) -> None:
    (found,) = read(tmp_path / "train.log", line + "\n")
    assert repr(tuple(found)) == repr((*row, 1))


@pytest.mark.parametrize(
    "line",
    [
        "learning_rate = 1e-3 # with baby networks can afford to go a bit higher",
        "Overriding: learning_rate = 30.0",
        "saving checkpoint to out-b",
        "epochs: 100",
        "iou_threshold: 0.5",
        "I0101 00:00:00.0 1860 solver.cpp:228] Solving",
        "mmengine - INFO - The best checkpoint with 0.3897 acc/top1 at 6 epoch is saved to best_acc_top1_epoch_6.pth.",
        "    default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1)), batch_size = 12",
        "number of parameters: 0.80M",
        "  File \"train.py\", line 77, in <module>",
    ],
)  # fmt: skip
def test_what_is_no_reading_is_passed_over(line: str, tmp_path: Path) -> None:
    assert read(tmp_path / "train.log", line + "\n") == []


def test_a_progress_bar_is_a_line_for_each_return(tmp_path: Path) -> None:
    bar = "Epoch 1/2\n" + "".join(f" {n}/3 [=>..] - loss: {n}.5\r" for n in (1, 2, 3)) + "\nval_loss: 0.25\n"
    rows = read(tmp_path / "keras.log", bar)
    assert [row.metrics.get("train/loss") for row in rows[:3]] == [1.5, 2.5, 3.5]
    assert rows[3] == Row("val", {"val/loss": 0.25}, None, 1)


def test_a_users_patterns_and_names_come_first(tmp_path: Path) -> None:
    text = "noise loss 3\n@ 5 :: L=0.5 K=0.7\n@ 6 :: L=0.4 K=0.8\n"
    rows = read(
        tmp_path / "x.log",
        text,
        pattern=[r"@ (?P<epoch>\d+) :: L=(?P<val_loss>\S+) K=(?P<kappa>\S+)"],
        names={"kappa": "val/kappa"},
    )
    assert rows[0] == Row("val", {"val/loss": 0.5, "val/kappa": 0.7}, None, 5)
    assert [epoch.step for epoch in epochs(rows)] == [5, 6]


@pytest.mark.parametrize("merge", [2, 256])
@pytest.mark.parametrize(
    "log", ["nanogpt_lr_3e-3.log", "mmengine_healthy/scalars.json", "mmengine_diverged/run.log", "lightning_lr_1e6.csv"]
)
def test_reading_many_lines_at_a_time_gives_the_same_epochs(log: str, merge: int) -> None:
    plain, merged = (epochs(Follower(LOGS / log, merge=n).poll()) for n in (1, merge))
    assert [epoch.step for epoch in plain] == [epoch.step for epoch in merged]
    for one, other in zip(plain, merged, strict=True):
        assert one.metrics == pytest.approx(dict(other.metrics), nan_ok=True)


def test_the_telemetry_of_a_trial_is_read_as_it_is(tmp_path: Path) -> None:
    told = [Epoch(5, {"val/macro_f1": 0.4361, "clipped": 0.0}), Epoch(6, {"val/macro_f1": 0.5, "clipped": 1.0})]
    assert epochs(read(tmp_path / "telemetry.jsonl", "".join(dumps(epoch) + "\n" for epoch in told))) == told


def test_event_files_give_their_scalars(tmp_path: Path) -> None:
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path))
    for step in range(1, 5):
        writer.add_histogram("weights", [1.0, 2.0, 3.0], step)
        writer.add_scalar("train/loss", 4.0 - step, step)
        writer.add_scalar("eval/accuracy", 0.25 * step, step)
    writer.close()
    (file,) = tmp_path.iterdir()
    assert formats.recognise(file) == "tensorboard"
    found = epochs(Follower(file).poll())
    assert [(epoch.metrics["train/loss"], epoch.metrics["val/accuracy"]) for epoch in found] == [
        (4.0 - step, 0.25 * step) for step in range(1, 5)
    ]
    torn = tmp_path / "torn"
    torn.write_bytes(file.read_bytes()[:-3])
    follower = Follower(torn, "tensorboard")
    assert len(follower.poll()) == 7
    torn.write_bytes(file.read_bytes())
    assert len(follower.poll()) == 1


def test_event_files_in_a_folder_for_each_side_are_one_training(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("tensorboardX")
    for run in ("a", "b"):
        for side, loss in (("train", 1.0), ("validation", 2.0)):
            writer = tensorboard.SummaryWriter(str(tmp_path / run / side))
            for step in range(4):
                writer.add_scalar("epoch_loss", loss - step / 4, step)
            writer.close()
    found = trainings(tmp_path)
    assert {name: len(files) for name, files in found.items()} == {"a": 2, "b": 2}
    read = finished.read(found["a"], None, None, (), {}).epochs
    assert [dict(epoch.metrics) for epoch in read] == [
        {"train/loss": 1 - step / 4, "val/loss": 2 - step / 4} for step in range(4)
    ]


@pytest.mark.parametrize("name", [name for name in VOCABULARY if not name.endswith("/")])
def test_our_own_names_stay_as_they_are(name: str) -> None:
    assert {Names()(name, kind) for kind in ("train", "val", "epoch")} == {name}


@pytest.mark.parametrize(
    ("theirs", "kind", "ours"),
    [
        ("loss", "train", "train/loss"),
        ("loss", "val", "val/loss"),
        ("eval_loss", "val", "val/loss"),
        ("val_sparse_categorical_accuracy", "epoch", "val/accuracy"),
        ("Loss/train", "train", "train/loss"),
        ("valid_loss_epoch", "val", "val/loss"),
        ("acc/top1", "val", "val/top1"),
        ("top1_acc", "train", "train/top1"),
        ("eval/f1_macro", "val", "val/macro_f1"),
        ("learning_rate", "train", "lr"),
        ("lr-AdamW/pg1", "train", "lr"),
        ("train/learning_rate", "train", "lr"),
        ("eval_samples_per_second", "val", None),
        ("data_time", "train", None),
    ],
)
def test_usual_names_are_translated(theirs: str, kind: str, ours: str | None) -> None:
    assert Names()(theirs, kind) == ours


def test_a_users_name_may_be_a_prefix() -> None:
    names = Names({"acc/": "val/", "acc/RGBPose_1:1_top1": "val/top1"})
    assert [names("acc/pose", "val"), names("acc/RGBPose_1:1_top1", "val")] == ["val/pose", "val/top1"]


TABLES = {
    "excel.csv": "Epoche;Verlust;Validierungsgenauigkeit\r\n1;0,9;0,4\r\n2;0,8;0,5\r\n",
    "zh.csv": "轮次,训练损失,验证准确率\n1,0.9,0.4\n2,0.8,0.5\n",
    "scores.csv": "epoch,steps,accuracy\n1,-1,0.4\n2,-1,0.5\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_with_foreign_words_commas_or_nothing_but_scores_is_of_validation(name: str, tmp_path: Path) -> None:
    found = epochs(read(tmp_path / name, TABLES[name]))
    assert [epoch.metrics["val/accuracy"] for epoch in found] == [0.4, 0.5]
