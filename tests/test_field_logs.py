"""Logs as people have them, with made-up numbers (`tests/field`, by what went wrong): each is read right and judged right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pitprop.errors import UserError
from pitprop.logs.diagnosis import Diagnosis, Given, diagnose
from pitprop.logs.sources import trainings

FIELD = Path(__file__).with_name("field")
ALIVE, DEAD, OPEN = "alive", "dead", "cannot judge"
CASES: Mapping[str, tuple[str, str, str]] = {  # the answer, the objective, and what ended it or is warned of
    "false_dead/wer_in_percent_trainer_state.json": (ALIVE, "val/wer", ""),
    "false_dead/cer_is_an_error.log": (ALIVE, "val/wer", ""),
    "false_dead/resumed_metrics.csv": (OPEN, "train/loss", ""),
    "false_dead/ppo_reward_rises.csv": (ALIVE, "rollout/ep_rew_mean", ""),
    "false_dead/iter_of_80000.log": (ALIVE, "train/loss", ""),
    "missed_dead/at_ln_10_from_the_start.csv": (DEAD, "val/accuracy", "chance_plateau"),
    "missed_dead/one_class_trainer_state.json": (DEAD, "val/accuracy", "constant_prediction"),
    "missed_dead/nan_in_ppl.log": (DEAD, "train/loss", "non_finite"),
    "missed_dead/yolo_map_0.csv": (DEAD, "val/map50_95", "no_positives"),
    "missed_dead/yolo_val_nan.csv": (DEAD, "val/map50_95", "non_finite"),
    "missed_dead/endless_epochs_trainer_state.json": (DEAD, "val/accuracy", "hopelessly_slow"),
    "misread/detectron2_metrics.json": (ALIVE, "val/bbox_ap", ""),
    "misread/gan_with_batch_column.csv": (OPEN, "", ""),
    "misread/printed_grpo.log": (ALIVE, "train/reward", ""),
    "misread/yolov10_losses_without_the_word.csv": (ALIVE, "val/map50_95", ""),
    "misread/colon_joined_names.log": (ALIVE, "val/miou", ""),
    "misread/fairseq_epochs_doubled.log": (ALIVE, "val/bleu", ""),
    "misread/wandb_export.csv": (DEAD, "val/loss", "chance_plateau"),
    "misread/caffe_train_output_is_no_validation.log": (ALIVE, "train/loss", ""),
    "misread/swings_of_one_percent_point.csv": (ALIVE, "val/class_error", ""),
    "not_read/keras_history.json": (ALIVE, "val/accuracy", ""),
    "not_read/keras_dataframe_with_index.csv": (ALIVE, "val/accuracy", ""),
    "not_read/sb3_progress.csv": (ALIVE, "rollout/ep_rew_mean", ""),
    "not_read/sb3_monitor.csv": (ALIVE, "rollout/ep_rew_mean", ""),
    "not_read/mlruns": (ALIVE, "val/accuracy", ""),
    "not_read/lightgbm.log": (ALIVE, "val/auc", ""),
    "not_read/chinese.log": (ALIVE, "val/accuracy", ""),
    "not_read/cyclegan_loss_log.txt": (OPEN, "", ""),
    "not_read/nnunet_dice.txt": (OPEN, "val/dice", "unchanged_score"),
    "not_read/yolo_stdout_table.log": (ALIVE, "val/map50_95", ""),
    "not_read/lone_score_lines.log": (ALIVE, "val/map", ""),
    "not_read/with_bom.csv": (ALIVE, "val/accuracy", ""),
    "not_read/notebook_on_one_line.ipynb": (ALIVE, "val/loss", ""),
    "words/loss_rose.log": (DEAD, "train/loss", "hopelessly_slow"),
    "words/version_0": (ALIVE, "val/loss", ""),
    "words/excerpt_bad_start_guessed.log": (OPEN, "train/loss", ""),
    "ext/attempt_2.log": (ALIVE, "val/RGBPose_1:1/top1", ""),
    "ext/attempt_3.log": (ALIVE, "val/RGBPose_1:1/top1", ""),
    "ext/bestline.log": (ALIVE, "val/loss", ""),
    "ext/boom_seed.log": (DEAD, "train/loss", "non_finite"),
    "ext/chinese.log": (ALIVE, "val/accuracy", ""),
    "ext/dead_bash_lr1e7.log": (DEAD, "val/accuracy", "chance_plateau"),
    "ext/dead_hydra_lr500.log": (DEAD, "val/accuracy", "chance_plateau"),
    "ext/dead_keras_lr1e9.csv": (DEAD, "val/accuracy", "chance_plateau"),
    "ext/dice_names.log": (ALIVE, "val/dice", ""),
    "ext/f3set_events.log": (DEAD, "val/edit_score", "no_positives"),
    "ext/f3set_loss.json": (DEAD, "val/edit", "chance_plateau"),
    "ext/hf5_real.log": (ALIVE, "val/accuracy", ""),
    "ext/hf_no_trainer.log": (ALIVE, "val/accuracy", ""),
    "ext/lightgbm.log": (ALIVE, "val/auc", ""),
    "ext/model1.log": (ALIVE, "val/macro_f1", "constant_prediction"),
    "ext/model1_at6.log": (OPEN, "val/macro_f1", "constant_prediction"),
    "ext/pt_mnist.log": (ALIVE, "val/accuracy", ""),
    "ext/results.json": (OPEN, "val/accuracy", ""),
    "ext/sb3_progress.csv": (ALIVE, "rollout/ep_rew_mean", ""),
    "ext/sb3_table.log": (ALIVE, "rollout/ep_rew_mean", ""),
    "ext/thousand.log": (OPEN, "val/loss", ""),
    "ext/xgboost.log": (OPEN, "val/logloss", ""),
}
AT_CHANCE = ("chance_plateau", "hopelessly_slow")
"""Two words for one thing: which of them comes first is no matter here."""
VALUES: Mapping[str, tuple[str, list[float]]] = {
    "misread/colon_joined_names.log": ("lr", [0.001]),
    "misread/fairseq_epochs_doubled.log": ("val/bleu", []),
    "ext/bestline.log": ("val/loss", [0.8, 0.7, 0.6]),
    "ext/pt_mnist.log": ("val/accuracy", [0.9, 0.91, 0.92]),
    "ext/thousand.log": ("val/loss", [1230.5]),
}


def judged(name: str, given: Given | None = None) -> Diagnosis:
    """The last training that is dead, or else the last, of what ``name`` holds."""
    found = [diagnose(files, given, label) for label, files in trainings(FIELD / name).items()]
    return next((one for one in found if one.dead), found[-1])


def answer(found: Diagnosis) -> str:
    return DEAD if found.dead else ALIVE if found.alive else OPEN


@pytest.mark.parametrize("name", CASES)
def test_a_log_from_the_field_gets_the_right_answer_by_the_right_objective(name: str) -> None:
    found, (expected, metric, told) = judged(name), CASES[name]
    assert (answer(found), found.facts.metric) == (expected, metric), (found.unjudged, found.ended, found.notes)
    named = {one.signature for one in found.verdicts}
    assert not told or named & {told, *(AT_CHANCE if told in AT_CHANCE else ())}


@pytest.mark.parametrize("name", VALUES)
def test_the_numbers_of_a_log_from_the_field_are_its_own(name: str) -> None:
    metric, first = VALUES[name]
    values = judged(name).telemetry.column(metric).values
    assert values
    assert list(values[: len(first)]) == pytest.approx(first)


def test_an_empty_log_says_so() -> None:
    with pytest.raises(UserError, match="is empty"):
        judged("words/empty.log")


def test_an_excerpt_is_no_bad_start_and_a_loss_that_rose_did_not_fall() -> None:
    assert "bad_start" not in {one.signature for one in judged("words/excerpt_bad_start_guessed.log").verdicts}
    assert not any("fell" in str(one.reason) for one in judged("words/loss_rose.log").verdicts)


def test_a_branch_that_fell_is_told_of_a_log_of_one_epoch() -> None:
    checkpoint = {"val/top1": 0.8919, "val/rgb/top1": 0.89, "val/pose/top1": 0.825}
    found = judged("ext/attempt_3.log", Given(checkpoint=checkpoint, names={"acc/RGBPose_1:1_top1": "val/top1"}))
    assert found.facts.metric == "val/top1"
    assert "branch_drop" in {one.signature for one in found.verdicts}
