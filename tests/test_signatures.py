"""Every signature that ships: its shape, the curve it is there for, the healthy curves it must not touch, and golden curves."""

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import detect, life, signatures, telemetry
from search.detect import Signature, judge, replay
from search.facts import Facts
from search.telemetry import Epoch, Telemetry

GOLDEN = Path(__file__).parent / "golden"
CASE = {"0": 696, "1": 204}
DIGITS = {str(k): 62 for k in range(10)}
FACTS = Facts(40, "val/macro_f1", labels=CASE)


def curve(length: int, **metrics: Callable[[int], float]) -> list[Epoch]:
    """Epochs 1 to ``length``; ``__`` in a name stands for ``/``."""
    return [Epoch(t, {name.replace("__", "/"): f(t) for name, f in metrics.items()}) for t in range(1, length + 1)]


def constant(value: float) -> Callable[[int], float]:
    return lambda _: value


def with_counts(epochs: Telemetry, first: float, second: float) -> list[Epoch]:
    return [Epoch(e.step, {**e.metrics, "val/predicted/0": first, "val/predicted/1": second}) for e in epochs]


FLAT = curve(40, val__loss=constant(0.55), val__auc=constant(0.5), val__macro_f1=constant(0.43), grad_norm=constant(1.0))
HEALTHY = with_counts(
    curve(
        40,
        train__loss=lambda t: 0.6 * 0.95**t,
        val__loss=lambda t: 0.3 + 0.4 * 0.9**t,
        val__auc=lambda t: 0.9 - 0.4 * 0.85**t,
        val__logit_spread=lambda t: 1 - 0.95 * 0.9**t,
        val__macro_f1=lambda t: 0.8 - 0.4 * 0.85**t,
        grad_norm=lambda t: 2.0 / t,
        update_ratio=constant(1e-3),
        lr=constant(1e-3),
    ),
    650,
    250,
)
ILL: Mapping[str, list[Epoch]] = {
    "non_finite": curve(5, val__loss=lambda t: 0.7 if t < 3 else math.nan),
    "explosion": curve(20, val__loss=lambda t: 0.7 if t < 3 else 50.0 + t % 2, val__macro_f1=constant(0.3)),
    "zero_gradient": curve(5, grad_norm=lambda t: 1.0 if t < 2 else 0.0),
    "constant_prediction": with_counts(FLAT, 900, 0),
    "chance_plateau": FLAT,
}


@pytest.mark.parametrize("name", signatures.names())
def test_a_signature_has_the_shape_of_one(name: str) -> None:
    module = signatures.load(name)
    assert (module.__doc__ or "").split("\n")[0].endswith(".")
    assert module.ACTION in detect.ACTIONS
    assert isinstance(module.READS, tuple)
    assert all(
        read in telemetry.VOCABULARY or read + "/" in telemetry.VOCABULARY or read.startswith("val/") for read in module.READS
    )
    parameters = list(inspect.signature(module.detect).parameters.values())
    assert [p.name for p in parameters[:2]] == ["telemetry", "facts"]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters[2:])
    assert "patience" in signatures.thresholds(name)


@pytest.mark.parametrize("name", signatures.names())
def test_a_signature_fires_on_the_curve_it_is_there_for_with_epoch_and_remedy(name: str) -> None:
    assert name in ILL, f"add a curve for {name} to ILL"
    (verdict,) = replay(ILL[name], FACTS, [Signature(name)])
    assert str(verdict.step) in verdict.reason
    assert verdict.remedy


@pytest.mark.parametrize("name", signatures.names())
def test_a_signature_is_silent_on_a_healthy_curve(name: str) -> None:
    assert replay(HEALTHY, FACTS, [Signature(name)]) == []


@pytest.mark.parametrize("name", signatures.names())
def test_a_signature_is_silent_without_its_readings(name: str) -> None:
    module = signatures.load(name)
    for epochs in (HEALTHY, *ILL.values()):
        bare = [
            Epoch(e.step, {n: v for n, v in e.metrics.items() if not n.startswith(module.READS)} | {"seconds": 1.0})
            for e in epochs
        ]
        assert replay([Epoch(e.step, {}) for e in epochs], FACTS, [Signature(name)]) == []
        if name != "non_finite":
            assert replay(bare, Facts(40, "val/other"), [Signature(name)]) == []


@pytest.mark.parametrize("name", signatures.names())
def test_one_epoch_alone_and_no_epoch_break_nothing(name: str) -> None:
    module = signatures.load(name)
    assert module.detect([], FACTS) is None
    assert module.detect(HEALTHY[:1], FACTS) is None
    assert module.remedy(HEALTHY[:1], FACTS)


values = st.floats(allow_nan=True, allow_infinity=True)
readings = ["train/loss", "val/loss", "chance/loss", "val/macro_f1", "val/auc", "val/logit_spread", "lr", "grad_norm"]
counts = ["update_ratio", "params/with_grad", "val/predicted/0", "val/predicted/1", "val/labels/0", "val/labels/1"]
metric_names = st.sampled_from([*readings, *counts])
wild = st.lists(st.dictionaries(metric_names, values), max_size=25).map(
    lambda rows: [Epoch(t, row) for t, row in enumerate(rows, 1)]
)
known = st.builds(
    Facts,
    budget=st.integers(1, 30),
    metric=st.sampled_from(["val/macro_f1", "val/loss", "val/auc", "val/unknown"]),
    maximize=st.booleans(),
    warmup=st.sampled_from([None, 0.0, 3.0]),
    labels=st.sampled_from([{}, CASE]),
    chance_loss=st.sampled_from([None, 0.53]),
)


@given(wild, known)
def test_nan_and_infinity_anywhere_break_nothing(epochs: list[Epoch], facts: Facts) -> None:
    for verdict in judge(epochs, facts, detect.defaults()):
        assert verdict.reason
        assert verdict.remedy


@given(st.sampled_from(sorted(ILL)), st.data())
def test_a_reading_turned_nan_never_raises_and_never_adds_a_soft_verdict(name: str, data: st.DataObject) -> None:
    epochs = [Epoch(e.step, dict(e.metrics)) for e in HEALTHY]
    for e in data.draw(st.lists(st.sampled_from(epochs), max_size=10)):
        object.__setattr__(e, "metrics", {**e.metrics, data.draw(st.sampled_from(sorted(e.metrics))): math.nan})
    assert {v.signature for v in replay(epochs, FACTS, detect.defaults())} <= {"non_finite"}


def golden(name: str) -> list[Epoch]:
    return telemetry.read(GOLDEN / f"{name}.jsonl")


def pruned(epochs: Telemetry, facts: Facts) -> list[tuple[str, int]]:
    return [(v.signature, v.step) for v in replay(epochs, facts, detect.defaults())]


def dead_like(epochs: Telemetry, **metrics: Callable[[int], float]) -> list[Epoch]:
    """The same run with more readings."""
    extra = curve(len(epochs), **metrics)
    return [Epoch(a.step, {**a.metrics, **b.metrics}) for a, b in zip(epochs, extra, strict=True)]


def test_the_winner_that_was_all_majority_for_60_percent_of_its_budget_is_spared() -> None:
    model = golden("imbalanced_model_1")
    facts = Facts(20, "val/macro_f1", labels=CASE)
    assert pruned(model, facts) == []
    assert pruned(dead_like(model, val__loss=constant(0.2), val__auc=lambda t: 0.5 + 0.01 * t), facts) == []
    assert pruned(dead_like(model, val__loss=constant(0.2), val__logit_spread=lambda t: 1e-3 * 1.5**t), facts) == []


def test_the_same_run_without_any_life_is_pruned_but_not_before_the_grace() -> None:
    facts = Facts(20, "val/macro_f1", labels=CASE)
    still = {"val__loss": constant(0.2), "val__auc": constant(0.5), "val__logit_spread": constant(1e-4)}
    found = replay(dead_like(golden("imbalanced_model_1"), **still), facts, detect.defaults())
    assert found[0].signature == "constant_prediction"
    assert found[0].step == 5
    assert "majority collapse: only class 0" in found[0].reason
    assert "3.4 : 1" in found[0].remedy


def test_the_reverse_collapse_is_never_pruned_before_it_recovers() -> None:
    assert pruned(golden("imbalanced_model_2"), Facts(24, "val/macro_f1", labels=CASE)) == []
    stuck = dead_like(golden("imbalanced_model_2"), val__loss=constant(0.7), val__auc=constant(0.5))
    assert [step for _, step in pruned(stuck, Facts(24, "val/macro_f1", labels=CASE)) if step <= 8] == []


def test_a_minority_collapse_is_named_and_waits_half_as_long_again() -> None:
    epochs = with_counts(curve(40, val__loss=constant(0.7), val__macro_f1=constant(0.1848)), 0, 900)
    (verdict,) = replay(epochs, FACTS, [Signature("constant_prediction")])
    assert verdict.step == 15
    assert "minority collapse: only class 1" in verdict.reason


def test_a_constant_predictor_is_recognised_by_its_macro_f1_alone() -> None:
    epochs = curve(40, val__loss=constant(0.6), val__macro_f1=constant(0.4361))
    (verdict,) = replay(epochs, FACTS, [Signature("constant_prediction")])
    assert "macro F1 0.4361" in verdict.reason
    assert (
        replay(curve(40, val__loss=constant(0.6), val__macro_f1=constant(0.44)), FACTS, [Signature("constant_prediction")]) == []
    )


def test_a_model_that_ranks_but_does_not_decide_is_not_dead() -> None:
    epochs = with_counts(curve(40, val__loss=constant(0.5), val__auc=constant(0.8), val__macro_f1=constant(0.4361)), 900, 0)
    assert pruned(epochs, FACTS) == []


@pytest.mark.parametrize("name", ["late_winner", "late_bloomer"])
def test_runs_that_leave_chance_late_are_spared(name: str) -> None:
    labels = {"0": 499, "1": 130} if name == "late_winner" else DIGITS
    assert pruned(golden(name), Facts(40, "val/balanced_accuracy", labels=labels)) == []


@pytest.mark.parametrize(("name", "kind"), [("majority_slow", "majority"), ("plateau_dead", "one-class")])
def test_runs_that_never_leave_chance_are_pruned_with_the_cause_first(name: str, kind: str) -> None:
    facts = Facts(40, "val/balanced_accuracy", labels={"0": 568, "1": 61} if kind == "majority" else DIGITS)
    first, second = replay(golden(name), facts, detect.defaults())
    assert (first.signature, second.signature) == ("constant_prediction", "chance_plateau")
    assert first.reason.startswith(f"{kind} collapse")
    assert "raise the learning rate tenfold" in second.remedy
    assert first.step <= 25


def test_the_broken_curves_of_the_contrastive_case_are_told_apart() -> None:
    facts = Facts(30, "val/knn", chance_loss=3.4340)
    exploding = [Epoch(1, {"val/loss": 3.54}), Epoch(2, {"val/loss": 12.34}), Epoch(3, {"val/loss": math.nan})]
    assert pruned(exploding, facts) == [("non_finite", 3)]
    assert pruned(curve(30, val__loss=constant(3.4340)), facts) == [("chance_plateau", 8)]
    assert pruned(curve(30, val__loss=lambda t: 1.4 + 2.1 * 0.93**t), facts) == []


def test_an_explosion_that_comes_back_is_spared_and_one_that_learned_is_too() -> None:
    back = curve(40, val__loss=lambda t: 0.7 if t < 3 else 31 * 0.9**t + 0.1, val__macro_f1=constant(0.4))
    assert replay(back, FACTS, [Signature("explosion")]) == []
    overfit = curve(40, val__loss=lambda t: 0.5 + 0.5 * t, val__macro_f1=constant(0.7))
    assert replay(overfit, FACTS, [Signature("explosion")]) == []


def test_a_loss_of_zero_has_no_gradient_and_is_no_collapse() -> None:
    done = curve(40, grad_norm=constant(0.0), val__macro_f1=constant(0.95))
    assert replay(done, FACTS, [Signature("zero_gradient")]) == []


def test_a_frozen_model_is_named_at_its_first_epoch() -> None:
    (verdict,) = replay(curve(3, params__with_grad=constant(0.0)), FACTS, [Signature("zero_gradient")])
    assert verdict.step == 1


def test_nothing_soft_is_said_while_the_learning_rate_still_warms_up() -> None:
    warming = [Epoch(e.step, {**e.metrics, "lr": 1e-5 * min(e.step, 20)}) for e in FLAT]
    assert pruned(warming, FACTS)[0] == ("chance_plateau", 24)
    assert pruned(FLAT, FACTS)[0] == ("chance_plateau", 10)


def test_a_smaller_metric_can_be_the_better_one() -> None:
    facts = Facts(40, "val/error", maximize=False, chance_score=0.9)
    assert pruned(curve(40, val__loss=constant(2.3), val__error=constant(0.9)), facts) == [("chance_plateau", 10)]
    assert pruned(curve(40, val__loss=constant(2.3), val__error=constant(0.4)), facts) == []


def test_random_weights_that_rank_well_and_stay_where_they_are_show_no_life() -> None:
    still = curve(10, val__auc=constant(0.65), val__logit_spread=constant(0.2))
    assert life.ranking(still, FACTS, 5) is None
    moving = curve(10, val__auc=constant(0.65), val__logit_spread=lambda t: 0.2 + 0.02 * t)
    assert "above chance" in (life.ranking(moving, FACTS, 5) or "")
