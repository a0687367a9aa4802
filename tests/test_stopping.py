"""Early stopping and objectives as functions of a curve."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.detection.stopping import EarlyStopping, objective

curves = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40)


@given(curves, st.integers(1, 10), st.floats(0, 2), st.booleans())
def test_more_patience_never_makes_the_best_epoch_worse(curve: list[float], patience: int, delta: float, up: bool) -> None:
    def best(patience: int) -> float:
        end = EarlyStopping(patience, delta, maximize=up).stops_at(curve)
        value = objective(curve[:end], "best", up)
        return (value if up else -value) if not math.isnan(value) else -math.inf

    assert best(patience + 1) >= best(patience)


@given(curves, st.integers(1, 10), st.floats(0, 2), st.booleans())
def test_stopping_does_not_look_ahead(curve: list[float], patience: int, delta: float, up: bool) -> None:
    rule = EarlyStopping(patience, delta, maximize=up)
    end = rule.stops_at(curve)
    live = next((n for n in range(len(curve) + 1) if rule.stops_at(curve[:n]) is not None), None)
    assert live == end


def test_patience_counts_epochs_without_improvement() -> None:
    assert EarlyStopping(3).stops_at([0.1, 0.3, 0.2, 0.3, 0.1, 0.9]) == 5
    assert EarlyStopping(4).stops_at([0.1, 0.3, 0.2, 0.3, 0.1, 0.9]) is None
    assert EarlyStopping(2, maximize=False).stops_at([3.0, 2.0, 2.0, 2.5]) == 4


def test_gains_below_min_delta_have_to_add_up_within_the_patience() -> None:
    assert EarlyStopping(3, 0.5).stops_at([0.0, 0.2, 0.4, 0.6, 0.7]) is None
    assert EarlyStopping(3, 1.0).stops_at([0.0, 0.2, 0.4, 0.6, 0.7]) == 4


def test_nan_is_never_an_improvement() -> None:
    assert EarlyStopping(2).stops_at([math.nan, math.nan]) == 2
    assert EarlyStopping(2).stops_at([0.5, math.nan, math.nan, 0.9]) == 3


def test_the_two_stream_run_is_stopped_after_ten_epochs_without_beating_its_first() -> None:
    curve = [0.8832] + [0.8533] * 23
    assert EarlyStopping(10, 0.001).stops_at(curve) == 11
    assert EarlyStopping(15, 0.0005).stops_at(curve) == 16


@pytest.mark.parametrize(("patience", "delta"), [(0, 0.0), (3, -0.1), (3, math.nan)])
def test_impossible_early_stopping_is_refused(patience: int, delta: float) -> None:
    with pytest.raises(ValueError, match="early stopping"):
        EarlyStopping(patience, delta)


def test_objective_is_the_best_or_the_last_number() -> None:
    assert objective([0.1, math.nan, 0.7, 0.2, math.nan]) == 0.7
    assert objective([0.1, math.nan, 0.7, 0.2, math.nan], "last") == 0.2
    assert objective([3.0, 1.0, 2.0], "best", maximize=False) == 1.0
    assert math.isnan(objective([math.nan]))
    assert math.isnan(objective([]))
    with pytest.raises(ValueError, match="'best' or 'last'"):
        objective([1.0], "first")
