"""Four real failures and four recorded trainings with known ends, replayed: what is said, when, and what to do about it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from curves import CASE, curve, joined
from pitprop import telemetry
from pitprop.detection import detect
from pitprop.detection.detect import Bound, Verdict, judge, judge_gates, replay
from pitprop.detection.facts import Facts
from pitprop.telemetry import Epoch, Telemetry

GOLDEN = Path(__file__).parent / "golden"
UNSEEN = [case for name in ("unseen", "heldout") for case in json.loads((GOLDEN / f"{name}.json").read_text())]
DIGITS = {str(k): 62 for k in range(10)}
STILL = {"val__loss": 0.2, "val__auc": 0.5, "val__logit_spread": 1e-2}


def golden(name: str) -> Telemetry:
    return telemetry.read(GOLDEN / f"{name}.jsonl")


def between(points: Mapping[int, float], name: str) -> Telemetry:
    """A straight line from each recorded epoch to the next."""
    rows = []
    for (a, low), (b, high) in pairwise([*points.items(), (max(points) + 1, list(points.values())[-1])]):
        rows += [Epoch(t, {name: low + (high - low) * (t - a) / (b - a)}) for t in range(a, b)]
    return Telemetry(rows)


def said(epochs: Sequence[Epoch], facts: Facts) -> dict[str, Verdict]:
    """The first verdict of each signature."""
    return {verdict.signature: verdict for verdict in replay(epochs, facts, detect.defaults())}


def ended(epochs: Sequence[Epoch], facts: Facts) -> list[tuple[str, int]]:
    return [(v.signature, v.step) for v in said(epochs, facts).values() if v.ends]


# Imbalanced: 696 to 204 samples, focal loss; all are predicted as one class at first.
MODEL_1, MODEL_2 = Facts(20, "val/macro_f1", labels=CASE), Facts(24, "val/macro_f1", labels=CASE)


@pytest.mark.parametrize("budget", [20, 25])
def test_model_1_which_was_all_majority_for_12_epochs_is_spared_where_nothing_could_show_life(budget: int) -> None:
    assert said(golden("imbalanced_model_1"), replace(MODEL_1, budget=budget)) == {}


@pytest.mark.parametrize(
    "sign",
    [
        {"val__loss": 0.2, "val__auc": lambda t: 0.5 + 0.01 * t},
        {"val__loss": 0.2, "val__logit_spread": lambda t: 1e-3 * 1.5**t},
        {"val__loss": lambda t: 0.2 * 0.99**t},
    ],
    ids=["ranking", "spreading", "falling"],
)
def test_model_1_is_spared_with_one_sign_of_life(sign: dict[str, Callable[[int], float] | float]) -> None:
    assert ended(joined(golden("imbalanced_model_1"), **sign), MODEL_1) == []


def test_model_1_without_any_life_is_parked_after_the_grace_never_pruned() -> None:
    found = said(joined(golden("imbalanced_model_1"), **STILL), MODEL_1)
    first = found["constant_prediction"]
    assert (first.step, first.action) == (5, "park")
    assert first.reason.startswith("majority collapse: predicted class 0 for all 900 validation samples in epochs 1-5")
    assert "AUC 0.50 to 0.50" in first.reason
    assert "3.4 : 1" in first.remedy
    assert {v.action for v in found.values()} <= {"park", "warn"}
    assert next(iter(found)) == "constant_prediction", "the cause stands before the plateau"


def test_model_1_revived_at_any_epoch_goes_on_to_become_the_better_one() -> None:
    model, still = golden("imbalanced_model_1"), joined(golden("imbalanced_model_1"), **STILL)
    assert max(epoch.metrics["val/macro_f1"] for epoch in model) == 0.5494 > 0.5284
    assert [judge(still[:end], MODEL_1, detect.defaults()) for end in range(18, 21)] == [[], [], []]


def test_model_1_is_told_that_its_alpha_is_not_what_is_missing() -> None:
    facts = replace(MODEL_1, params={"focal.alpha": [0.5, 2.0]})
    remedy = said(joined(golden("imbalanced_model_1"), **STILL), facts)["constant_prediction"].remedy
    assert remedy.startswith("alpha ratio 4.0 is already at the class ratio 3.4 or above: lengthen the warm-up")
    low = said(joined(golden("imbalanced_model_1"), **STILL), replace(MODEL_1, params={"focal.alpha": [1.0, 2.0]}))
    assert low["constant_prediction"].remedy.startswith("raise the minority's alpha ratio")


def test_a_slow_winner_before_it_spares_model_1_until_1_5_times_its_recovery() -> None:
    still = joined(golden("imbalanced_model_1"), **STILL)
    assert [step for _, step in ended(still, replace(MODEL_1, recovery=8.0))][:1] == [12]
    assert ended(still, replace(MODEL_1, recovery=9.0)) == []


def test_model_2_which_was_all_minority_is_not_ended_before_it_recovers() -> None:
    assert said(golden("imbalanced_model_2"), MODEL_2) == {}
    assert ended(joined(golden("imbalanced_model_2"), **STILL), MODEL_2) == []


def test_a_model_2_that_never_recovers_is_named_for_its_reverse_collapse_and_waits_half_as_long_again() -> None:
    stuck = curve(24, val__macro_f1=0.1848, val__predicted__0=0.0, val__predicted__1=900.0, val__loss=0.7, val__auc=0.5)
    verdict = said(stuck, MODEL_2)["minority_prediction"]
    assert (verdict.step, verdict.action) == (9, "park")
    assert verdict.reason.startswith("minority collapse: predicted class 1")
    assert "clip gradients" in verdict.remedy


def test_both_are_known_by_their_macro_f1_alone() -> None:
    for score, label, name in ((0.4361, "0", "constant_prediction"), (0.1848, "1", "minority_prediction")):
        found = said(curve(24, val__macro_f1=score, val__loss=0.7), MODEL_2)
        assert f"predicted class {label} for every sample" in found[name].reason
        assert f"macro F1 {score:.4f}" in found[name].reason
    assert not {"constant_prediction", "minority_prediction"} & set(said(curve(24, val__macro_f1=0.44, val__loss=0.7), MODEL_2))


# Two streams: fine-tuned from a checkpoint, and the weak branch falls.
CHECKPOINT = {"val/top1": 0.8919, "val/rgb/top1": 0.8900, "val/pose/top1": 0.8250}
ATTEMPT_2 = Facts(24, "val/top1", checkpoint=CHECKPOINT, params={"lr": 0.01, "loss_weights_pose": 2.0})
ATTEMPT_3 = Facts(30, "val/top1", checkpoint=CHECKPOINT, params={"lr": 0.003, "loss_weights": [1.0, 2.0, 0.5, 1.0]})
EPOCH_1 = Epoch(1, {"val/top1": 0.8669, "val/rgb/top1": 0.8756, "val/pose/top1": 0.7666, "lr": 0.003})


def test_the_fall_of_the_pose_branch_is_a_warning_with_the_learning_rate_first_and_then_the_weight() -> None:
    found = said([EPOCH_1], ATTEMPT_3)
    drop = found["branch_drop"]
    assert (drop.step, drop.action) == (1, "warn")
    assert drop.reason == "val/pose/top1 0.7666 at epoch 1, 5.84 points below the checkpoint's 0.825"
    rate, weight = drop.remedy.split("; then ")
    assert rate == "first lower the learning rate from 0.003 to 0.001"
    assert "loss weight to 1.0-1.5 (now loss_weights [1.0, 2.0, 0.5, 1.0])" in weight
    assert drop.evidence["val/pose/top1"] == 0.7666
    assert "val/top1 0.8669 at epoch 1, 2.50 points below" in found["forgetting"].reason
    assert not any(verdict.ends for verdict in found.values())


def test_the_attempt_whose_branches_held_is_warned_of_forgetting_alone_and_not_ended() -> None:
    first = {"val/top1": 0.8832, "val/rgb/top1": 0.8763, "val/pose/top1": 0.8201, "lr": 0.001}
    falling = between({1: 0.8832, 10: 0.8533, 11: 0.8533}, "val/top1")
    found = said([Epoch(e.step, {**first, **e.metrics}) for e in falling], ATTEMPT_2)
    assert set(found) == {"forgetting"}
    assert found["forgetting"].action == "warn"


def test_a_branch_that_stays_20_points_below_is_parked_and_one_that_comes_back_is_not() -> None:
    down = curve(30, val__top1=0.7, val__rgb__top1=0.88, val__pose__top1=0.5, train__loss=lambda t: 2 * 0.95**t)
    found = said(down, ATTEMPT_3)
    assert found["branch_collapse"].action == "park"
    assert ended(joined(down, val__pose__top1=lambda t: 0.5 + 0.01 * t), ATTEMPT_3) == []


def test_a_loss_that_the_checkpoint_had_is_no_branch_and_no_score() -> None:
    facts = Facts(30, "val/top1", checkpoint={"val/top1": 0.8, "val/loss": 0.9, "val/pose/loss": 0.9, "val/pose/top1": 0.8})
    assert said(curve(1, val__top1=0.85, val__loss=0.4, val__pose__loss=0.4, val__pose__top1=0.8), facts) == {}


def test_a_checkpoint_that_was_not_loaded_is_proof_at_the_first_epoch() -> None:
    (verdict,) = judge([Epoch(1, {**EPOCH_1.metrics, "start/top1": 0.0167})], ATTEMPT_3, detect.defaults())[:1]
    assert (verdict.signature, verdict.action) == ("checkpoint_mismatch", "prune")
    assert "0.0167 before epoch 1, the checkpoint's was 0.8919" in verdict.reason
    assert "checkpoint_mismatch" not in said([Epoch(1, {**EPOCH_1.metrics, "start/top1": 0.8919})], ATTEMPT_3)


def test_the_gates_that_were_read_off_by_hand_are_missed_where_they_were_missed() -> None:
    bounds = {"val/top1": 0.885, "val/rgb/top1": 0.885, "val/pose/top1": 0.80}
    gates = [Bound(metric, 1, at_least=bound, action="warn") for metric, bound in bounds.items()]
    assert [v.signature for v in judge_gates([EPOCH_1], gates)] == [f"gate:{metric}@1" for metric in bounds]


# Contrastive: a batch of 32, and a loss that does not move.
CONTRASTIVE = Facts(30, "val/knn", batch=32)


def test_the_flat_contrastive_loss_is_named_for_what_it_is() -> None:
    found = said(curve(30, val__loss=3.4340), CONTRASTIVE)
    assert list(found) == ["contrastive_collapse"]
    verdict = found["contrastive_collapse"]
    assert (verdict.step, verdict.action) == (8, "park")
    assert "ln(32 - 1) = 3.4340" in verdict.reason
    assert "every batch mixes classes" in verdict.remedy
    assert list(said(curve(20, val__loss=3.43), CONTRASTIVE)) == ["contrastive_collapse"]
    assert list(said(curve(30, train__loss=3.4340), CONTRASTIVE)) == ["contrastive_collapse"]


def test_its_sampler_is_named_before_its_loss_where_batches_hold_one_class() -> None:
    single = curve(30, val__loss=3.4340, batch__size=32.0, batch__classes=1.0)
    first, second = said(single, replace(CONTRASTIVE, labels={str(k): 50 for k in range(6)})).values()
    assert (first.signature, first.step, first.action) == ("single_class_batches", 1, "prune")
    assert (second.signature, second.remedy.split(",")[0]) == ("contrastive_collapse", "batches hold one class")


def test_the_other_curves_of_the_contrastive_case_are_told_apart() -> None:
    healthy = between({1: 3.54, 5: 3.21, 10: 2.87, 15: 2.34, 20: 1.89, 30: 1.45}, "val/loss")
    assert said(healthy, CONTRASTIVE) == {}
    exploding = [Epoch(1, {"val/loss": 3.54}), Epoch(2, {"val/loss": 12.34}), Epoch(3, {"val/loss": math.nan})]
    assert ended(exploding, CONTRASTIVE) == [("non_finite", 3)]
    frozen = said(curve(1, val__loss=3.54, params__trainable=0.0), CONTRASTIVE)
    assert list(frozen) == ["nothing_trains"]
    uniform = Facts(30, "val/accuracy", batch=32, labels={str(k): 10 for k in range(31)})
    assert "contrastive_collapse" not in said(curve(30, val__loss=math.log(31), val__accuracy=1 / 31), uniform)


# Events: the coarse head never says that there is one, so no fine prediction counts.
EVENTS = Facts(50, "val/event/f1")
NOTHING = {"val__lcl__f1": 0.0, "val__event__f1": 0.0, "val__element__f1": 0.0, "val__edit": 0.0}


def test_a_gate_that_never_opens_is_named_though_the_loss_hovers() -> None:
    hovering = curve(50, train__loss=0.77, val__loss=lambda t: 0.77 + 0.01 * (t % 2), **NOTHING)
    found = said(hovering, EVENTS)
    verdict = found["no_positives"]
    assert verdict.action == "park"
    assert 13 <= verdict.step < 30
    assert "no positives: val/element/f1, val/event/f1, val/lcl/f1 exactly 0" in verdict.reason
    assert "threshold" in verdict.remedy


def test_an_event_that_is_found_at_last_is_life() -> None:
    found = joined(curve(50, val__loss=0.77, **NOTHING), val__event__f1=lambda t: 0.0 if t < 10 else 0.1)
    assert ended(found, EVENTS) == []


# Recorded trainings on scikit-learn's data.
@pytest.mark.parametrize("name", ["late_winner", "late_bloomer"])
def test_runs_that_leave_chance_late_are_spared(name: str) -> None:
    labels = {"0": 499, "1": 130} if name == "late_winner" else DIGITS
    assert said(golden(name), Facts(40, "val/balanced_accuracy", labels=labels)) == {}


@pytest.mark.parametrize(("name", "kind"), [("majority_slow", "majority"), ("plateau_dead", "one-class")])
def test_runs_that_never_leave_chance_are_parked_with_the_cause_first(name: str, kind: str) -> None:
    facts = Facts(40, "val/balanced_accuracy", labels={"0": 568, "1": 61} if kind == "majority" else DIGITS)
    found = list(said(golden(name), facts).values())
    assert found[0].signature == "constant_prediction"
    assert {v.action for v in found} == {"park"}
    assert found[0].reason.startswith(f"{kind} collapse")
    assert found[0].step <= 12
    assert said(golden(name), facts)["chance_plateau"].remedy.startswith("raise the learning rate from ")


def test_equal_classes_are_not_told_to_weigh_a_minority() -> None:
    found = said(golden("plateau_dead"), Facts(40, "val/balanced_accuracy", labels=DIGITS))
    assert "minority" not in found["constant_prediction"].remedy
    assert found["constant_prediction"].remedy.startswith("raise the learning rate from 5e-06 to 5e-05 (steps are ")


def test_at_a_learning_rate_of_1e_10_the_remedy_names_one_at_which_something_moves() -> None:
    still = curve(30, train__loss=3.5419, val__loss=3.5419, update_ratio=5e-10, lr=1e-10)
    found = said(still, Facts(30, "val/loss", maximize=False, loss="supcon", batch=32, params={"lr": 1e-10}))
    assert "raise the learning rate from 1e-10 to 0.0001" in found["tiny_steps"].remedy


# Kinds of tasks that no threshold was chosen on.


@pytest.mark.parametrize("case", UNSEEN, ids=lambda case: f"{case['label']} {case['kind']}")
def test_of_kinds_that_no_threshold_was_chosen_on_the_dead_are_found_in_time_and_the_healthy_that_start_late_are_left(
    case: dict[str, Any],
) -> None:
    facts, columns = Facts(**case["facts"]), case["metrics"].items()
    epochs = [
        Epoch(step, {name: values[step - 1] for name, values in columns if values[step - 1] is not None})
        for step in range(1, facts.budget + 1)
    ]
    stops = [step for _name, step in ended(epochs, facts)]
    assert (bool(stops) and min(stops) <= 0.6 * facts.budget) if case["label"] == "dead" else not stops
