"""What single signatures take for ill and what they leave alone, where it is easily mistaken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from curves import FALLING, HEALTHY, ILL, KNOWN, TWO_STREAM, curve, joined
from pitprop.detection.detect import Signature, judge, replay
from pitprop.detection.facts import Facts, Peer
from pitprop.detection.stopping import EarlyStopping
from pitprop.telemetry import Epoch, Telemetry


def first(name: str, epochs: Sequence[Epoch], facts: Facts = KNOWN, **thresholds: float) -> int | None:
    """The step at which a signature first speaks."""
    return next((verdict.step for verdict in replay(epochs, facts, [Signature(name, "", thresholds)])), None)


def test_an_explosion_that_comes_back_is_spared_and_one_that_learned_is_too() -> None:
    back = curve(40, val__loss=lambda t: 0.7 if t < 3 else 31 * 0.9**t + 0.1, val__macro_f1=0.4)
    assert first("explosion", back) is None
    assert first("explosion", curve(40, val__loss=lambda t: 0.5 + 0.5 * t, val__macro_f1=0.7)) is None


def test_a_single_bad_step_of_the_training_loss_is_no_collapse_and_two_reports_are() -> None:
    once = curve(6, train__loss=lambda t: float("inf") if t == 3 else 0.5)
    assert first("non_finite", once) is None
    assert first("non_finite", curve(6, train__loss=lambda t: float("nan") if t > 3 else 0.5, val__loss=0.5)) == 5


def test_a_loss_of_zero_has_no_gradient_and_is_no_collapse() -> None:
    assert first("nothing_trains", curve(40, grad_norm=0.0, val__macro_f1=0.95)) is None


def test_a_frozen_model_is_named_at_its_first_epoch_and_a_schedule_that_begins_at_zero_is_not() -> None:
    assert first("nothing_trains", curve(3, params__with_grad=0.0)) == 1
    assert first("nothing_trains", curve(5, update_ratio=0.0, lr=0.0)) is None
    assert first("nothing_trains", curve(5, update_ratio=0.0, lr=1e-3)) == 3


def test_batches_of_one_sample_and_few_classes_are_meant_so() -> None:
    assert first("single_class_batches", curve(3, batch__classes=1.0, batch__size=1.0)) is None
    rare = replace(KNOWN, labels={"0": 990, "1": 10})
    assert first("single_class_batches", curve(3, batch__classes=1.05, batch__size=8.0), rare) is None
    assert first("single_class_batches", curve(3, batch__classes=1.0)) == 1, "though nobody says how large they are"
    assert first("single_class_batches", curve(3, batch__classes=1.0, val__macro_f1=0.7)) is None, "it has learned"


def test_a_smaller_metric_can_be_the_better_one() -> None:
    facts = Facts(40, "val/error", maximize=False, chance_score=0.9)
    assert first("chance_plateau", curve(40, val__loss=2.3, val__error=0.9), facts) == 10
    assert first("chance_plateau", curve(40, val__loss=2.3, val__error=0.4), facts) is None


def test_a_model_that_ranks_but_does_not_decide_is_advised_and_not_ended() -> None:
    epochs = curve(40, val__loss=0.5, val__auc=0.8, val__macro_f1=0.4361, val__predicted__0=900.0, val__predicted__1=0.0)
    assert first("ranks_without_deciding", epochs) == 5
    assert first("constant_prediction", epochs) is None


def test_one_class_at_a_time_gives_the_same_score_rightly() -> None:
    facts = Facts(40, "val/balanced_accuracy", labels={"0": 50, "1": 50})
    counts = {"val__predicted__0": lambda t: 100.0 * (t % 2), "val__predicted__1": lambda t: 100.0 * ((t + 1) % 2)}
    turns = curve(20, val__balanced_accuracy=0.5, val__loss=lambda t: 0.7 + 0.01 * (t % 3), **counts)
    assert first("frozen_metric", turns, facts) is None
    assert first("frozen_metric", joined(turns, val__predicted__0=lambda t: 50.0 + t), facts) == 10


def test_a_class_that_takes_turns_is_still_one_class() -> None:
    counts = {"val__predicted__0": lambda t: 900.0 * (t % 2), "val__predicted__1": lambda t: 900.0 * ((t + 1) % 2)}
    (verdict, *_) = replay(curve(20, val__auc=0.5, **counts), KNOWN, [Signature("constant_prediction")])
    assert verdict.reason.startswith("one-class collapse: predicted a single class, not always the same,")


def test_a_branch_is_not_collapsed_while_it_comes_nearer() -> None:
    one = ILL["branch_collapse"]
    assert first("branch_collapse", one.epochs, one.facts) is not None
    assert first("branch_collapse", joined(one.epochs, val__pose__top1=lambda t: 0.3 + 0.005 * t), one.facts) is None
    assert first("branch_collapse", one.epochs, one.facts, patience=1) is not None


@pytest.mark.parametrize("name", ["val/top1", "val/loss", "val/pose/loss", "val/precision"])
def test_only_scores_of_branches_drop(name: str) -> None:
    facts = replace(TWO_STREAM, checkpoint={name: 0.9})
    assert first("branch_drop", [Epoch(1, {name: 0.3})], facts) is None


def test_a_loss_that_is_the_objective_rises_where_a_branch_drops() -> None:
    facts = Facts(40, "val/loss", maximize=False, checkpoint={"val/loss": 0.5, "val/pose/loss": 0.5, "val/pose/top1": 0.5})
    assert first("branch_drop", [Epoch(1, {"val/pose/loss": 0.4, "val/pose/top1": 0.9})], facts) is None
    (verdict,) = judge([Epoch(1, {"val/pose/loss": 0.9, "val/pose/top1": 0.9})], facts, [Signature("branch_drop")])
    assert verdict.reason.startswith("val/pose/loss 0.9 at epoch 1, 40.00 points above")


def test_early_stopping_that_was_never_fed_is_not_blamed() -> None:
    facts = replace(KNOWN, stopping=EarlyStopping(3))
    assert first("stopped_early", curve(9, val__loss=0.5), facts) is None
    assert first("stopped_early", curve(9, val__macro_f1=0.5), facts) == 4


def test_a_score_that_only_falls_is_late_collapse_once_it_stays_at_chance() -> None:
    learned = curve(40, val__macro_f1=lambda t: max(0.43, 0.7 - 0.03 * t))
    assert first("late_collapse", learned) is not None
    assert first("late_collapse", curve(40, val__macro_f1=0.43)) is None, "it never learned"
    assert first("late_collapse", joined(learned, val__macro_f1=lambda t: 0.7 if t < 6 or t % 10 == 0 else 0.43)) is None


def test_batches_of_one_class_end_a_training_of_unknown_chance_only_once_a_window_shows_no_life() -> None:
    unknown = Facts(40, "val/knn")
    assert first("single_class_batches", curve(20, batch__classes=1.0, val__knn=0.82), unknown) == 5
    assert first("single_class_batches", curve(20, batch__classes=1.0, val__knn=lambda t: 0.3 + 0.02 * t), unknown) is None
    assert first("single_class_batches", curve(3, batch__classes=1.0), unknown) == 1, "nothing else is reported"


def test_what_had_learned_and_fell_back_is_not_said_to_be_slow_or_never_to_have_left_chance() -> None:
    fallen = curve(40, val__macro_f1=lambda t: 0.7 if 3 < t < 9 else 0.43, val__loss=0.6)
    assert first("late_collapse", fallen) is not None
    assert (first("hopelessly_slow", fallen), first("chance_plateau", fallen)) == (None, None)


def peers(*others: Peer) -> Facts:
    return replace(KNOWN, params={"depth": 2, "lr": 0.1}, peers=others)


def test_a_parameter_without_effect_is_named_by_the_trial_that_looks_the_same() -> None:
    other = joined(FALLING, train__loss=lambda t: 0.5 * 0.8**t)
    facts = peers(Peer(1, {"depth": 3, "lr": 0.1}, other), Peer(4, {"depth": 3, "lr": 0.1}, FALLING))
    (verdict,) = replay(FALLING, facts, [Signature("no_effect")])
    assert (verdict.step, verdict.action) == (5, "warn")
    assert verdict.reason == "the same curve as trial 4 in epochs 1-5, although depth differs"
    nearly = joined(FALLING, train__loss=lambda t: 0.6 * 0.9**t * (1 + 1e-8))
    assert first("no_effect", FALLING, peers(Peer(4, {"depth": 3, "lr": 0.2}, nearly))) == 5


def test_trials_that_differ_or_are_meant_to_be_alike_or_are_dead_have_an_effect() -> None:
    alike = {"depth": 2, "lr": 0.1}
    assert first("no_effect", FALLING, peers()) is None
    assert first("no_effect", FALLING, peers(Peer(4, alike, FALLING))) is None, "a repetition"
    assert first("no_effect", FALLING, peers(Peer(4, {}, joined(FALLING, train__loss=lambda t: 0.6 * 0.9**t * 1.01)))) is None
    flat = curve(10, train__loss=0.6, val__loss=0.6)
    assert first("no_effect", flat, peers(Peer(4, {"depth": 3}, flat))) is None, "all dead trainings look alike"
    assert first("no_effect", FALLING, peers(Peer(4, {"depth": 3}, Telemetry(FALLING[:4])))) is None, "not as far yet"
    shifted = Telemetry(Epoch(e.step + 20, e.metrics) for e in FALLING)
    assert first("no_effect", FALLING, peers(Peer(4, {"depth": 3}, shifted))) is None, "other steps"
    assert first("no_effect", FALLING, peers(Peer(4, {"depth": 3}, Telemetry()))) is None


def test_a_curve_that_parts_from_its_peer_is_alike_no_more() -> None:
    parts = joined(HEALTHY, train__loss=lambda t: 0.6 * 0.95**t * (1.001 if t > 20 else 1))
    facts = peers(Peer(4, {"depth": 3}, HEALTHY))
    assert judge(parts[:20], facts, [Signature("no_effect")])
    assert judge(parts[:21], facts, [Signature("no_effect")]) == []
