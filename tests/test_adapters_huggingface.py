"""A real Trainer of Hugging Face that stops a training which is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_adapters_monitor import LABELS, example

# transformers takes seconds to import, so the tests do, and this module does not.


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the example in the docs defines, after it ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("docs"))
        return example(4)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Trainer makes its folder here."""
    monkeypatch.chdir(tmp_path)


def callback(**options: Any) -> Any:
    from pitprop.adapters.huggingface import CollapseCallback

    return CollapseCallback(**{"metric": "eval_accuracy", "labels": LABELS, **options})


def test_a_dying_training_stops_with_a_reason_and_a_healthy_one_is_left_alone(docs: dict[str, Any]) -> None:
    dying = callback()
    trainer = docs["trained"](-9.0, dying)
    assert dying.watch.verdict.step == trainer.state.epoch < 20
    assert "chance" in dying.watch.verdict.reason
    assert docs["trainer"].state.epoch == 20
    healthy = docs["callback"].watch
    assert healthy.verdict is None
    assert [epoch.step for epoch in healthy.telemetry] == list(range(1, 21))
    assert {"lr", "grad_norm", "train/loss", "val/loss", "val/accuracy"} <= set(healthy.telemetry[-1].metrics)


def test_a_resumed_training_is_judged_as_an_undisturbed_one(docs: dict[str, Any]) -> None:
    whole, rest = callback(), callback()
    docs["trained"](-9.0, whole, save_strategy="epoch")
    docs["trained"](-9.0, rest, "trained/checkpoint-12")
    assert [epoch.step for epoch in rest.watch.telemetry] == [epoch.step for epoch in whole.watch.telemetry]
    assert rest.watch.telemetry[:3] == whole.watch.telemetry[:3]
    assert rest.watch.verdict.reason == whole.watch.verdict.reason


def test_evaluations_by_steps_count_one_each_and_those_outside_of_a_training_do_not(docs: dict[str, Any]) -> None:
    often = callback()
    trainer = docs["trained"](0.0, often, num_train_epochs=3, eval_strategy="steps", eval_steps=2, eval_on_start=True)
    trainer.evaluate()
    assert often.watch.facts.budget == 6
    assert [epoch.step for epoch in often.watch.telemetry] == [1, 2, 3, 4, 5, 6]
    assert {"start/loss", "start/accuracy"} <= set(often.watch.telemetry[0].metrics)  # eval_on_start
    assert "start/loss" not in often.watch.telemetry[1].metrics


def test_a_tiny_bert_whose_loss_is_nan_stops_at_once(docs: dict[str, Any]) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=8, max_position_embeddings=8, **sizes))
    rows = [{"input_ids": torch.tensor([1 + label, 3, 4]), "labels": label} for label in (0, 1) * 8]
    quiet = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "use_cpu": True}
    arguments = TrainingArguments("bert", eval_strategy="epoch", num_train_epochs=4, learning_rate=1e30, **quiet)
    broken = callback(metric="eval_loss")
    Trainer(model, arguments, train_dataset=rows, eval_dataset=rows, callbacks=[broken]).train()
    assert (broken.watch.verdict.signature, broken.watch.verdict.step) == ("non_finite", 1)
    assert broken.watch.facts.maximize is False


def test_misuse_is_an_error_in_the_first_epoch(docs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'val/acuracy' is not among .* epoch 1 .* did you mean 'val/accuracy'"):
        docs["trained"](0.0, callback(metric="eval_acuracy"))
    with pytest.raises(ValueError, match="say eval_strategy='epoch'"):
        docs["trained"](0.0, callback(), eval_strategy="no")
    with pytest.raises(ValueError, match="did you mean 'labels'"):
        callback(label=LABELS)
