"""What the adapters share: foreign names, the first epoch, and judging as a search would."""

from __future__ import annotations

import logging
import math
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.adapters.monitor import LACKS, Watch, Watches, translate, translated
from pitprop.detection.detect import Signature, defaults, judge
from pitprop.telemetry import Epoch

ROOT = Path(__file__).parents[1]
LABELS = {"0": 100, "1": 100}
DEAD = {"train_loss": 0.7, "val_loss": 0.7, "val_accuracy": 0.5}


def blocks(*numbers: int) -> str:
    """The examples of docs/adapters.md with these numbers, as one program."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8"), re.DOTALL)
    return "\n".join(found[number] for number in numbers)


def example(number: int) -> dict[str, Any]:
    """What an example of docs/adapters.md leaves behind, once it ran after the first one."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(blocks(0, number), "docs/adapters.md", "exec"), names)
    return names


def watch(**options: Any) -> Watch:
    return Watch(**{"budget": 20, "metric": "val_accuracy", "labels": LABELS, **options})


def alive(step: int) -> dict[str, float]:
    return {"val_loss": 0.7 * 0.9**step, "val_accuracy": 1 - 0.5 * 0.9**step}


def test_a_dead_training_ends_and_a_living_one_does_not() -> None:
    dead, living = watch(), watch()
    ends = [dead.see(step, DEAD) for step in range(1, 21)]
    assert dead.verdict == next(verdict for verdict in ends if verdict)
    assert dead.verdict.ends
    assert "0.5" in dead.verdict.reason
    assert not any(living.see(step, alive(step)) for step in range(1, 21))
    assert living.verdict is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.5, 0.69, 0.7, 5.0, math.nan, math.inf]), min_size=1, max_size=20))
def test_a_watch_says_what_a_search_would(losses: list[float]) -> None:
    seen, epochs = watch(), []
    for step, loss in enumerate(losses, 1):
        epochs.append(Epoch(step, {"val/loss": loss, "val/accuracy": 0.5}))
        expected = [verdict for verdict in judge(epochs, seen.facts, defaults()) if verdict.ends]
        assert repr(seen.see(step, {"val_loss": loss, "val_accuracy": 0.5})) == repr(expected[0] if expected else None)


def test_the_longest_name_that_fits_translates() -> None:
    names = {"val_": "val/", "val_f1": "val/macro_f1", "loss": "train/loss"}
    translated = {
        name: translate(name, names) for name in ("val_loss", "val_f1", "val_f1_weighted", "loss", "timestamp", "val/auc")
    }
    assert list(translated.values()) == ["val/loss", "val/macro_f1", "val/f1_weighted", "train/loss", "timestamp", "val/auc"]
    assert watch(metric="val_f1", names={"val_f1": "val/macro_f1"}).facts.metric == "val/macro_f1"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("mean_loss", "val/loss"),  # Ray Tune's
        ("valid_loss", "val/loss"),  # Lightning's
        ("eval_accuracy", "val/accuracy"),  # Hugging Face's
        ("accuracy", "val/accuracy"),
        ("val_acc", "val/accuracy"),
        ("episode_reward_mean", "val/episode_reward_mean"),
        ("val_predicted/0", "val/predicted/0"),
        ("training_iteration", "training_iteration"),
        ("config/lr", "config/lr"),
    ],
)
def test_usual_names_need_no_translation(theirs: str, ours: str) -> None:
    assert translate(theirs, {}) == ours


def test_a_name_of_no_side_is_of_training_where_another_is_of_validation() -> None:
    assert translated(["loss", "val_loss"], {}, "val_loss") == {"loss": "train/loss", "val_loss": "val/loss"}
    assert translated(["loss", "train_loss"], {}, "loss") == {"loss": "val/loss", "train_loss": "train/loss"}


def test_where_chance_is_not_known_it_is_asked_for_once_of_all_trainings(caplog: pytest.LogCaptureFixture) -> None:
    watches = Watches({"budget": 20, "metric": "val_accuracy"})
    for training in range(3):
        watches.over(training).take(1, alive(1))
    watch().read(1, alive(1))
    said = [record.getMessage() for record in caplog.records if "chance" in record.getMessage()]
    assert not said
    asked = [record.getMessage() for record in caplog.records if "learned nothing" in record.getMessage()]
    assert len(asked) == 1
    assert "say labels={'0': 700, '1': 300} or classes=N" in asked[0]


@pytest.mark.parametrize(
    ("metric", "option"),
    [("val_loss", "chance_loss=2.303"), ("val_psnr", "what the same output for every sample scores"), ("reward", "at random")],
)
def test_what_is_asked_for_is_what_the_objective_takes(metric: str, option: str, caplog: pytest.LogCaptureFixture) -> None:
    watch(metric=metric, labels={}).read(1, {metric: 3.0, "train_loss": 0.3})
    assert any(option in record.getMessage() for record in caplog.records)


def test_when_the_rate_rises_and_falls_is_asked_for_where_no_rate_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pitprop")
    for known in ({}, {"lr": 0.1}):
        watch().read(1, {**alive(1), **known})
    assert sum("warmup=5, drops=[30]" in record.getMessage() for record in caplog.records) == 1


def test_what_was_measured_before_training_is_part_of_the_first_epoch() -> None:
    one = watch()
    one.before({"val_loss": 2.3, "val_accuracy": 0.1, "train_loss": 9.0})
    one.take(1, alive(1))
    one.take(2, alive(2))
    assert {name for name in one.telemetry[0].metrics if name.startswith("start/")} == {"start/loss", "start/accuracy"}
    assert "start/loss" not in one.telemetry[1].metrics


def test_numbers_of_any_library_count_and_nothing_else_does() -> None:
    loss = (torch.ones(1, requires_grad=True) * 0.5).sum()
    numbers = {"loss": loss, "accuracy": np.float32(0.5), "auc": 1, "predicted": {"0": torch.tensor(7)}}
    others = {"kind": "good", "flag": True, "many": torch.zeros(3), "none": None, "rows": [1.0], "array": np.zeros(2)}
    epoch = watch().read(1, {"val": {**numbers, **others}, "timestamp": 1.0, "lr": 0.1})
    assert epoch.metrics == {"val/loss": 0.5, "val/accuracy": 0.5, "val/auc": 1.0, "val/predicted/0": 7.0, "lr": 0.1}


def test_an_objective_that_is_not_reported_is_an_error_at_the_first_epoch_and_names_the_nearest() -> None:
    mistaken = watch(metric="val_acuracy")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"'val/acuracy' is not .* epoch 1 .*: did you mean 'val/accuracy'\?"):
            mistaken.see(1, DEAD)


def test_an_epoch_that_no_signature_reads_is_an_error_that_says_what_they_need() -> None:
    with pytest.raises(ValueError, match=r"by the numbers of epoch 1 \(points\): each needs some of .*val/loss"):
        watch(metric="points", maximize=True).see(1, {"points": 0.5})
    with pytest.raises(ValueError, match="each needs some of grad_norm"):
        watch(signatures=["nothing_trains"]).see(1, DEAD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "at least 1, not 0"),
        ({"budget": True}, "at least 1, not True"),
        ({"label": LABELS}, "no option 'label': did you mean 'labels'"),
        ({"signatures": ["explosoin"]}, "did you mean explosion"),
        ({"names": {"l": "val/los", "f": "train/los"}}, "'f' to 'train/los', .* did you mean 'train/loss'"),
    ],
)
def test_an_option_that_cannot_be_meant_is_an_error_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Watches({"budget": 20, "metric": "val_accuracy", **options})


def test_a_loss_is_minimized_unless_you_say() -> None:
    assert [watch(metric=name).facts.maximize for name in ("val_loss", "val_auc")] == [False, True]
    assert watch(metric="val_perplexity", maximize=False).facts.maximize is False


def test_a_name_that_is_nearly_known_is_pointed_at(caplog: pytest.LogCaptureFixture) -> None:
    watch().take(1, {"val_accuracy": 0.5, "valloss": 0.7, "timestamp": 3.0})
    assert [record.getMessage() for record in caplog.records if "did you mean 'val/loss'" in record.getMessage()]
    assert "timestamp" not in caplog.text


def test_a_verdict_is_logged_once_and_advice_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    advised = watch(signatures=[Signature("chance_plateau", "warn")], warmup=0)
    with caplog.at_level(logging.WARNING, "pitprop"):
        assert not any(advised.see(step, DEAD) for step in range(1, 21))
    assert [record.getMessage().split()[0] for record in caplog.records] == ["chance_plateau"]
    assert advised.verdict is None


def test_a_second_report_of_an_epoch_adds_to_it() -> None:
    seen = watch()
    seen.take(1, DEAD)
    seen.take(1, {"val_loss": 0.6, "val_auc": 0.5})
    assert seen.telemetry == [Epoch(1, {"train/loss": 0.7, "val/loss": 0.6, "val/accuracy": 0.5, "val/auc": 0.5})]


def test_a_training_that_goes_back_to_a_checkpoint_is_judged_as_if_undisturbed() -> None:
    seen, undisturbed = watch(), watch()
    for step in (1, 2, 3, 4, 2, 3, 4, 5, 6):
        seen.take(step, alive(step))
    for step in range(1, 7):
        undisturbed.take(step, alive(step))
    assert seen.telemetry == undisturbed.telemetry
    assert seen.telemetry.column("val/loss") == undisturbed.telemetry.column("val/loss")


def test_a_watch_that_was_pickled_goes_on() -> None:
    first = watch()
    verdicts = [first.see(step, DEAD) for step in range(1, 4)]
    second = pickle.loads(pickle.dumps(first))
    verdicts += [second.see(step, DEAD) for step in range(4, 21)]
    whole = watch()
    assert verdicts == [whole.see(step, DEAD) for step in range(1, 21)]


def test_what_adapters_share_imports_nothing_heavy() -> None:
    code = "import sys, pitprop.adapters.monitor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "optuna", "pytorch_lightning", "transformers", "numpy"} & set(loaded)


def test_an_adapter_is_short() -> None:
    files = [path for path in (ROOT / "search" / "adapters").glob("*.py") if path.name != "monitor.py"]
    assert {path.name: lines for path in files if (lines := len(path.read_text().splitlines())) > 65} == {}


def test_what_is_not_watched_is_said_in_one_line_for_all_trainings_of_a_process(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pitprop")
    LACKS.clear()
    for _training in range(2):
        watch(metric="val_mcc").read(1, {"val_mcc": 0.1})
    assert sum("not watched" in record.getMessage() for record in caplog.records) == 1
