"""A real Lightning Trainer that stops a fit which is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_adapters_monitor import LABELS, example

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than the logging interval"),
]
# Lightning takes seconds to import, so the tests do, and this module does not.


@pytest.fixture(scope="module")
def docs() -> dict[str, Any]:
    """What the example in the docs defines, after it ran."""
    return example(3)


def callback(**options: Any) -> Any:
    from pitprop.adapters.lightning import CollapseCallback

    return CollapseCallback(**{"metric": "val_accuracy", "labels": LABELS, **options})


def test_a_dying_fit_stops_with_a_reason_and_a_healthy_one_is_left_alone(docs: dict[str, Any]) -> None:
    dying = callback()
    trainer = docs["fit"](-9.0, dying)
    assert dying.watch.verdict.step == trainer.current_epoch < 20
    assert "chance" in dying.watch.verdict.reason
    assert docs["trainer"].current_epoch == 20
    healthy = docs["callback"].watch
    assert healthy.verdict is None
    assert [epoch.step for epoch in healthy.telemetry] == list(range(1, 21))
    assert set(healthy.telemetry[-1].metrics) == {"lr", "train/loss", "val/loss", "val/accuracy"}


def test_a_resumed_fit_is_judged_as_an_undisturbed_one(docs: dict[str, Any], tmp_path: Path) -> None:
    whole, half, rest = callback(), callback(budget=20), callback()
    docs["fit"](-9.0, whole)
    path = str(tmp_path / "three.ckpt")
    docs["fit"](-9.0, half, max_epochs=3).save_checkpoint(path)
    docs["fit"](-9.0, rest, path)
    assert [epoch.step for epoch in rest.watch.telemetry] == [epoch.step for epoch in whole.watch.telemetry]
    assert rest.watch.telemetry[:3] == whole.watch.telemetry[:3]
    assert rest.watch.verdict == whole.watch.verdict


def test_a_whole_validation_before_training_is_part_of_the_first_epoch(docs: dict[str, Any]) -> None:
    whole, part = callback(), callback()
    docs["fit"](0.0, whole, max_epochs=2, num_sanity_val_steps=-1)
    docs["fit"](0.0, part, max_epochs=2, num_sanity_val_steps=1)
    assert {"start/loss", "start/accuracy"} <= set(whole.watch.telemetry[0].metrics)
    assert not any(name.startswith("start/") for epoch in part.watch.telemetry for name in epoch.metrics)


def test_validations_within_an_epoch_count_one_each(docs: dict[str, Any]) -> None:
    often = callback()
    docs["fit"](0.0, often, max_epochs=3, val_check_interval=0.5)
    assert often.watch.facts.budget == 6
    assert [epoch.step for epoch in often.watch.telemetry] == [1, 2, 3, 4, 5, 6]


def test_a_validation_outside_of_a_fit_is_not_judged(docs: dict[str, Any]) -> None:
    import pytorch_lightning
    import torch

    mistaken = callback(metric="val_nothing")
    trainer = pytorch_lightning.Trainer(accelerator="cpu", callbacks=[mistaken], logger=False, enable_progress_bar=False)
    trainer.validate(docs["Classifier"](0.0), torch.utils.data.DataLoader(docs["val"], batch_size=50), verbose=False)
    assert mistaken.watch.telemetry == []


def test_misuse_is_an_error_in_the_first_epoch(docs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'val/acuracy' is not among .* epoch 1 .* did you mean 'val/accuracy'"):
        docs["fit"](0.0, callback(metric="val_acuracy"))
    with pytest.raises(ValueError, match="this fit has none"):
        docs["fit"](0.0, callback(), limit_val_batches=0)
    with pytest.raises(ValueError, match=r"budget is .* at least 1, not -1"):
        docs["fit"](0.0, callback(), max_epochs=-1)
    with pytest.raises(ValueError, match="did you mean 'labels'"):
        callback(label=LABELS)
