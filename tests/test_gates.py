"""Gates: bounds at an epoch, and what is said of a miss."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.detection.detect import Bound, judge_gates
from pitprop.telemetry import Epoch

values = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12)


def telemetry(*values: float, metric: str = "val/top1") -> list[Epoch]:
    return [Epoch(step, {metric: value}) for step, value in enumerate(values, 1)]


def test_a_gate_is_judged_at_its_epoch_and_the_miss_stays() -> None:
    gate = Bound("val/top1", 2, at_least=0.885, remedy="lower lr to 0.001")
    assert gate.missed(telemetry(0.1)) is None
    assert gate.missed(telemetry(0.9, 0.8669)) == "val/top1 was 0.8669 at epoch 2, the gate asks for at least 0.885"
    assert gate.missed(telemetry(0.9, 0.8669, 0.95)) == gate.missed(telemetry(0.9, 0.8669))
    assert gate.missed(telemetry(0.1, 0.89)) is None


@given(values, st.integers(1, 12), st.floats(-1, 1), st.booleans())
def test_no_later_epoch_changes_what_a_gate_has_said(curve: list[float], epoch: int, bound: float, least: bool) -> None:
    gate = Bound("val/top1", epoch, bound if least else None, None if least else bound)
    said = gate.missed(telemetry(*curve[:epoch]))
    assert gate.missed(telemetry(*curve)) == said
    if len(curve) >= epoch:
        value = curve[epoch - 1]
        assert (said is None) == (value >= bound if least else value <= bound)


@given(values, st.integers(1, 12))
def test_a_gate_with_both_bounds_is_met_between_them_alone(curve: list[float], epoch: int) -> None:
    met = Bound("val/top1", epoch, -0.5, 0.5).missed(telemetry(*curve)) is None
    assert met == (len(curve) < epoch or -0.5 <= curve[epoch - 1] <= 0.5)


def test_a_gate_without_its_reading_says_nothing_and_nan_misses_it() -> None:
    gate = Bound("val/top1", 1, at_most=0.5)
    assert gate.missed([]) is None
    assert gate.missed(telemetry(0.9, metric="val/other")) is None
    assert "nan" in (gate.missed(telemetry(math.nan)) or "")
    assert "at most" in (gate.missed(telemetry(0.9)) or "")


def test_a_gate_whose_epoch_is_not_validated_is_judged_at_the_next_validation() -> None:
    gate = Bound("val/top1", 4, at_least=0.5)
    assert gate.value([Epoch(2, {"val/top1": 0.1}), Epoch(4, {"val/top1": 0.2}), Epoch(6, {"val/top1": 0.9})]) == 0.2
    unvalidated = Epoch(4, {"train/loss": 0.1})
    assert gate.missed([Epoch(2, {"val/top1": 0.1}), unvalidated]) is None
    later = [Epoch(2, {"val/top1": 0.1}), unvalidated, Epoch(6, {"val/top1": 0.4}), Epoch(8, {"val/top1": 0.9})]
    assert gate.value(later) == 0.4
    assert "was 0.4 at epoch 6" in (gate.missed(later) or "")


def test_a_missed_gate_is_a_verdict_with_its_remedy() -> None:
    gates = [Bound("val/top1", 1, at_least=0.8, action="warn", remedy="lower the pose weight"), Bound("val/top1", 1, at_most=1.0)]
    (verdict,) = judge_gates(telemetry(0.7666), gates)
    assert (verdict.signature, verdict.step, verdict.action) == ("gate:val/top1@1", 1, "warn")
    assert verdict.evidence == {"val/top1": 0.7666, "at_least": 0.8}
    assert verdict.remedy == "lower the pose weight"


@pytest.mark.parametrize("action", ["prune", "park", "warn"])
def test_a_gate_acts_as_it_says(action: str) -> None:
    (verdict,) = judge_gates(telemetry(0.1, 0.1), [Bound("val/top1", 1, at_least=0.5, action=action)])
    assert (verdict.action, verdict.ends, verdict.step) == (action, action != "warn", 2)


def test_a_gate_without_a_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="no bound"):
        Bound("val/top1", 1)
