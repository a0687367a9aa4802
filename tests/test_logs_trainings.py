"""Several trainings in one place: folds of a log, runs of MLflow's database and server, exports; and prints of other programs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pitprop.cli import main
from pitprop.errors import UserError
from pitprop.logs import finished
from pitprop.logs.diagnosis import Diagnosis, Given, diagnose
from pitprop.logs.sources import located, trainings
from pitprop.messages import Message


def found(path: Path, **given: Any) -> dict[str, Diagnosis]:
    return {name: diagnose(files, Given(**given), name) for name, files in trainings(path).items()}


def answers(path: Path) -> dict[str, str]:
    return {name: "dead" if one.dead else "alive" if one.alive else "cannot judge" for name, one in found(path).items()}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def epochs(dead: bool = False, before: str = "") -> str:
    """Ten epochs of two classes."""
    rows = ((n, 0.6931 if dead else 2 / n, 0.5 if dead else 1 - 0.7 / n) for n in range(1, 11))
    return "".join(f"{before}Epoch {n}/10 train_loss: {a:.4f} val_loss: {a:.4f} val_acc: {b:.4f}\n" for n, a, b in rows)


@pytest.mark.parametrize("heading", ["Fold {}", "===== FOLD {}/3 =====", "2024-01-01 10:00:00 INFO - starting fold {}", "第{}折"])
def test_each_fold_of_a_log_is_a_training(heading: str, tmp_path: Path) -> None:
    text = "".join(f"{heading.format(n)}\n{epochs(n == 2)}" for n in (1, 2, 3))
    path = written(tmp_path, "train.log", "device: cuda\n" + text)
    assert answers(path) == {f"train.log#fold {n}": "dead" if n == 2 else "alive" for n in (1, 2, 3)}
    assert list(answers(tmp_path)) == list(answers(path))


def test_a_fold_may_be_named_on_each_line_and_in_a_column(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", "".join(epochs(n == 1, f"Fold: {n} ") for n in (0, 1)))
    assert answers(path) == {"a.log#fold 0": "alive", "a.log#fold 1": "dead"}
    rows = [f"{fold},{n},{0.6931 if fold else 2 / n},{0.5 if fold else 1 - 0.7 / n}" for fold in (0, 1) for n in range(1, 11)]
    path = written(tmp_path, "a.csv", "\n".join(["fold,epoch,val_loss,val_acc", *rows, ""]))
    assert answers(path) == {"a.csv#fold 0": "alive", "a.csv#fold 1": "dead"}


def test_a_path_with_a_fold_in_it_makes_no_fold(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", "writing to results/fold_0/model.pt\n" + epochs())
    assert answers(path) == {"a.log": "alive"}


def database(path: Path, runs: dict[str, bool]) -> Path:
    """What MLflow keeps of runs in a database, as far as it is read."""
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT, lifecycle_stage TEXT, start_time INT)")
        base.execute("CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan BOOLEAN)")
        base.execute("CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT)")
        for at, (name, dead) in enumerate(runs.items()):
            base.execute("INSERT INTO runs VALUES (?, ?, 'active', ?)", (f"id{at}", name, at))
            base.execute("INSERT INTO params VALUES ('epochs', '12', ?)", (f"id{at}",))
            for step in range(12):
                for key, value in (
                    ("val_loss", 2.3026 if dead else 2.3 * 0.9**step),
                    ("val_accuracy", 0.1 if dead else 0.1 + step / 20),
                ):
                    base.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, 0)", (key, value, step, f"id{at}", step))
    return path


def test_each_run_of_a_database_of_mlflow_is_a_training(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db", {"swift-fox": False, "calm-owl": True})
    assert answers(path) == {"mlflow.db#swift-fox": "alive", "mlflow.db#calm-owl": "dead"}
    assert answers(located(f"sqlite:///{path}")) == answers(path) == answers(tmp_path)
    assert {one.facts.budget for one in found(path).values()} == {12}


def test_another_database_is_no_log(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as base, base:
        base.execute("CREATE TABLE loss (epoch INT)")
    with pytest.raises(UserError, match=r"no log|no text"):
        finished.read([tmp_path / "other.db"], None, None, (), {})


class Server(BaseHTTPRequestHandler):
    """Answers as a tracking server does."""

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        history = [{"key": "val_accuracy", "value": 0.1 + step / 20, "timestamp": step, "step": step} for step in range(12)]
        self.answer({"metrics": history})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("experiments/search"):
            return self.answer({"experiments": [{"experiment_id": "1", "name": "x", "lifecycle_stage": "active"}]})
        info = {
            "run_id": "0123abc",
            "run_uuid": "0123abc",
            "run_name": "../swift-fox",
            "experiment_id": "1",
            "status": "FINISHED",
        }
        return self.answer(
            {"runs": [{"info": info, "data": {"metrics": [{"key": "val_accuracy", "value": 1, "timestamp": 1, "step": 1}]}}]}
        )

    def answer(self, found: object) -> None:
        data = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[str]:
    held = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=held.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{held.server_address[1]}"
    held.shutdown()
    held.server_close()


@pytest.mark.slow
def test_the_runs_of_a_tracking_server_are_fetched_and_stay_in_their_folder(server: str, tmp_path: Path) -> None:
    from pitprop.track.fetch import fetched

    home = fetched(f"{server}/#/experiments/1", tmp_path / "runs")
    (one,) = found(home).values()
    assert (one.alive, one.facts.metric, len(one.telemetry)) == (True, "val/accuracy", 12)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


PRINTS = {
    "darknet": (
        "".join(f" {n}: {99 / n:.6f}, {90 / n:.6f} avg loss, 0.001000 rate, 2.2 seconds\n" for n in range(1, 30)),
        "train/loss",
    ),
    "without a colon": ("".join(f"step {n} bpb {1.9 - n / 30:.3f} lr 0.1\n" for n in range(1, 30)), "train/bpb"),
    "a reward without a colon": ("".join(f"step {n} mean_reward {n + 30}\n" for n in range(1, 30)), "train/mean_reward"),
    "BLEU by its order": (
        "".join(f"Epoch {n} - Dev BLEU: BLEU-1 {40 + n}, BLEU-4 {20 + n}\n" for n in range(1, 20)),
        "val/bleu_1",
    ),
    "mean of IoU": (
        "".join(f"Epoch {n}/30\nLoss: {2 / n:.3f}, MeanIU:  {0.7 - 0.6 / n:.4f}\n" for n in range(1, 30)),
        "val/mean_iu",
    ),
    "top 1": (
        "".join(f"Epoch: {n}/30, loss: {2 / n:.3f}\n=Epoch: {n}/30,top 1 acc: {0.7 - 0.6 / n:.4f}=\n" for n in range(1, 30)),
        "val/top1",
    ),
    "bars": (
        "".join(f"\r{b}%|###   | {b}/100 [00:01<00:02, 8.1it/s, loss={2.3 / e:.4f}]" for e in range(1, 9) for b in (0, 50, 100))
        + "\n",
        "train/loss",
    ),
    "conlleval": (
        "".join(
            f"2020-02-10 21:04:50,178 - train.log - INFO - evaluate:dev\n2020-02-10 21:04:57,616 - train.log - INFO - "
            f"accuracy:  {90 - 60 / n:.2f}%; precision:  {80 - 9 / n:.1f}%; recall:  {80 - 75 / n:.2f}%; FB1:  {80 - 7 / n:.1f}\n"
            "2020-02-10 21:04:57,616 - train.log - INFO -   PARK: precision:  0.00%; recall:  0.00%; FB1:  0.00  64\n"
            for n in range(1, 30)
        ),
        "val/accuracy",
    ),
    "lightgbm's second set": (
        "".join(f"[{n}]\ttraining's rmse: {2 / n}\tvalid_1's rmse: {2.1 / n}\n" for n in range(1, 30)),
        "val/rmse",
    ),
    "holes": ("Epoch 1 val_loss: 2.0\n\0\0\0" + "".join(f"Epoch {n} val_loss: {2 / n}\n" for n in range(2, 30)), "val/loss"),
}


@pytest.mark.parametrize("name", PRINTS)
def test_what_programs_print_is_read_and_judged(name: str, tmp_path: Path) -> None:
    text, metric = PRINTS[name]
    (one,) = found(written(tmp_path, "train.log", text)).values()
    assert (one.alive, one.facts.metric) == (True, metric), one.unjudged
    assert len(one.curve) >= 8


def test_a_bar_that_begins_anew_is_an_epoch(tmp_path: Path) -> None:
    (one,) = found(written(tmp_path, "train.log", PRINTS["bars"][0])).values()
    assert (one.unit, [round(value, 4) for _, value in one.curve][:2]) == ("epoch", [2.3, 1.15])


def test_what_a_model_predicts_is_no_log(tmp_path: Path) -> None:
    boxes = [{"image_id": n, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5 + n / 100} for n in range(20)]
    with pytest.raises(UserError):
        trainings(written(tmp_path, "coco_instances_results.json", json.dumps(boxes))) and found(tmp_path)


def test_scores_without_any_place_may_be_of_several_models(tmp_path: Path) -> None:
    text = "".join(f"accuracy: {0.9 + 0.01 * (n % 5):.3f}\nauc: {0.93 + 0.01 * (n % 4):.3f}\n" for n in range(12))
    (one,) = found(written(tmp_path, "svm.log", text)).values()
    assert "name no epoch" in str(one.unjudged)


def test_classes_of_a_batch_that_a_script_prints_are_read(tmp_path: Path) -> None:
    text = (
        "[DEBUG] Batch 0 labels - unique: [0], counts: [32]\nParams with grad: 93\nEpoch 1 loss: 3.4339\nEpoch 2 loss: 3.4340\n"
    )
    (one,) = found(written(tmp_path, "train.log", text)).values()
    assert one.ended is not None
    assert one.ended.signature == "single_class_batches"


def test_a_gate_of_what_is_not_reported_and_an_early_end_are_noted(tmp_path: Path) -> None:
    rows = "".join(f"Epoch {n}/30 val_acc: {0.9 - 0.01 * n if n > 1 else 0.9} val_loss: {1 + n / 10}\n" for n in range(1, 12))
    path = written(tmp_path, "train.log", rows)
    (one,) = found(path, checkpoint={"val/top1": 0.9}).values()
    assert any("val/top1 is not among its readings" in note for note in one.notes)
    assert any("ends 10 evaluations after its best, at 11 of 30" in note for note in one.notes)
    assert all(isinstance(note, Message) for note in one.notes)  # so that each can be told in another language


def test_of_a_search_of_ours_the_trials_are_shown_by_what_its_space_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "runs" / "mine"
    for number in ("0000", "0001"):
        home = study / "trials" / number
        (home / "command-0").mkdir(parents=True)
        (home / "command-0" / "stdout.log").write_text(epochs(), encoding="utf-8")
        rows = (json.dumps({"step": n, "val/quality": 0.9 - 0.8 / n, "train/loss": 2 / n}) for n in range(1, 13))
        (home / "telemetry.jsonl").write_text("\n".join([*rows, ""]), encoding="utf-8")
    space = "question: q\nobjective: {metric: val/quality, goal: maximize}\nepochs: 24\n"
    (study / "space.yaml").write_text(space, encoding="utf-8")
    assert list(trainings(tmp_path)) == ["runs/mine/trials/0000", "runs/mine/trials/0001"]
    assert main.main(["diagnose", str(study), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["trainings"]
    assert [(one["metric"], one["answer"], one["budget"]) for one in told] == [("val/quality", "alive", 24)] * 2


def test_a_folder_of_many_trainings_ends_with_their_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(8):
        written(tmp_path, f"{n}.log", epochs(n == 3))
    assert main.main(["diagnose", str(tmp_path)]) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line[:2] for line in lines[-8:]] == [[f"{n}.log", "dead" if n == 3 else "alive"] for n in range(8)]


HEALTHY, CHANCE = [2 / n for n in range(1, 11)], [0.6931] * 10


@pytest.mark.parametrize(
    "document",
    [
        {f"fold_{n}": {"loss": some, "val_loss": some} for n, some in enumerate((HEALTHY, CHANCE), 1)},
        {"lr": 0.1, "cv": {f"fold{n}": {"val_loss": some} for n, some in enumerate((HEALTHY, CHANCE), 1)}},
        {"folds": [{"history": {"val_loss": some}} for some in (HEALTHY, CHANCE)]},
        [{"fold": n, "epoch": at, "val_loss": x} for n, some in enumerate((HEALTHY, CHANCE), 1) for at, x in enumerate(some)],
        [{"fold": n, "history": [{"val_loss": x} for x in some]} for n, some in enumerate((HEALTHY, CHANCE), 1)],
    ],
)
def test_each_fold_in_a_document_is_a_training(document: Any, tmp_path: Path) -> None:
    path = written(tmp_path, "cv.json", json.dumps(document))
    assert answers(path) == {"cv.json#fold 1": "alive", "cv.json#fold 2": "dead"}


def test_scores_of_folds_without_epochs_are_one_training(tmp_path: Path) -> None:
    path = written(tmp_path, "cv.json", json.dumps({"fold_1": {"val_auc": 0.8}, "fold_2": {"val_auc": 0.9}}))
    assert list(trainings(path)) == ["cv.json"]


def test_a_restart_in_one_log_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", epochs() + epochs())
    assert any("goes back from epoch 10 to 1;" in note for note in found(path)["a.log"].notes)
    path = written(tmp_path, "b.log", epochs())
    assert not any("goes back" in note for note in found(path)["b.log"].notes)
