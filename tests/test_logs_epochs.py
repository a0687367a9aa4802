"""Which rows make an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from pitprop.logs import Epochs, Row
from pitprop.logs.epochs import MOST, Bins, forget
from pitprop.telemetry import Epoch


def joined(rows: Sequence[Row], metric: str | None = None) -> list[Epoch]:
    epochs = Epochs(metric)
    return epochs.add(rows) + epochs.end()


def train(loss: float, step: int | None = None, epoch: int | None = None) -> Row:
    return Row("train", {"train/loss": loss}, step, epoch)


def val(loss: float, step: int | None = None, epoch: int | None = None, name: str = "val/loss") -> Row:
    return Row("val", {name: loss}, step, epoch)


def test_a_validation_closes_what_was_trained_before_it() -> None:
    rows = [train(4, 10), train(2, 20), val(3, 20), train(1, 30), val(2, 40)]
    assert joined(rows) == [
        Epoch(1, {"train/loss": 3, "val/loss": 3}),
        Epoch(2, {"train/loss": 1, "val/loss": 2}),
    ]


def test_an_epoch_that_the_source_numbers_keeps_its_number_though_it_is_not_validated() -> None:
    rows = [train(4, 1, 1), train(3, 2, 2), val(5, None, 2), train(2, 3, 3), train(1, 4, 4), val(4, None, 4)]
    found = joined(rows, "val/loss")
    assert [epoch.step for epoch in found] == [1, 2, 3, 4]
    assert [epoch.metrics.get("val/loss") for epoch in found] == [None, 5, None, 4]


def test_numbers_from_0_are_counted_from_1() -> None:
    assert [epoch.step for epoch in joined([train(1, 1, 0), val(1, 1, 0), train(1, 2, 1), val(1, 2, 1)])] == [1, 2]


def test_training_that_follows_the_validation_of_its_number_is_no_epoch_of_its_own() -> None:
    rows = [row for n in (1, 2, 3) for row in (val(n, None, n), train(n, 10 * n, n), train(n + 2, 10 * n + 5, n))]
    assert joined(rows) == [Epoch(n, {"val/loss": n, "train/loss": n + 1}) for n in (1, 2, 3)]


def test_training_at_the_step_of_the_validation_above_it_is_of_that_epoch() -> None:
    rows = [row for n in (1, 2, 3) for row in (val(n, n), train(n, n))]
    assert joined(rows) == [Epoch(n, {"val/loss": n, "train/loss": n}) for n in (1, 2, 3)]


def test_several_validations_within_one_number_are_epochs_each() -> None:
    rows = [row for step in range(1, 7) for row in (train(step, step, step // 4), val(step, step, step // 4))]
    assert [epoch.metrics["val/loss"] for epoch in joined(rows)] == [1, 2, 3, 4, 5, 6]


def test_what_is_printed_of_one_validation_line_by_line_is_one() -> None:
    lines = [Row("val", {"val/predicted/0": 900.0}, None, 3), Row("val", {"val/macro_f1": 0.43}, None, 3)]
    lines += [Row("val", {"val/predicted/0": 880.0}, None, 4), Row("val", {"val/macro_f1": 0.5}, None, 4)]
    assert joined(lines) == [
        Epoch(3, {"val/predicted/0": 900, "val/macro_f1": 0.43}),
        Epoch(4, {"val/predicted/0": 880, "val/macro_f1": 0.5}),
    ]


def test_batches_of_a_validation_are_averaged_and_give_way_to_its_own_mean() -> None:
    parts = [Row("part", {"val/loss": 1.0}), Row("part", {"val/loss": 3.0})]
    assert joined([train(1, 1), *parts])[0].metrics["val/loss"] == 2
    assert joined([train(1, 1, 0), *parts, val(2.5, 1, 0)])[0].metrics["val/loss"] == 2.5


def test_a_validation_before_any_training_is_the_start() -> None:
    rows = [val(4.16, 0), train(4, 10), val(3, 10), train(3, 20), val(2, 20)]
    assert joined(rows)[0].metrics == {"start/loss": 4.16, "train/loss": 4, "val/loss": 3}


def test_an_epoch_is_given_as_soon_as_it_has_what_the_one_before_had() -> None:
    epochs = Epochs("val/loss")
    assert epochs.add([train(4, 1, 1), val(4, 1, 1)]) == []
    assert len(epochs.add([train(3, 2, 2)])) == 1
    assert len(epochs.add([val(3, 2, 2)])) == 1


def test_nothing_is_reported_twice_if_more_of_an_epoch_comes_late() -> None:
    rows = [row for n in (1, 2, 3) for row in (train(1, n, n), val(1, n, n), Row("mean", {"train/loss": 0.5}, n, n))]
    assert [epoch.step for epoch in joined(rows)] == [1, 2, 3]


def test_a_training_that_went_back_gives_its_steps_again() -> None:
    rows = [row for n in (1, 2, 3, 2, 3, 4) for row in (train(n, 10 * n, n), val(n, 10 * n, n))]
    by_number = joined(rows)
    by_step = joined([row._replace(epoch=None) for row in rows])
    assert [epoch.step for epoch in by_number] == [epoch.step for epoch in by_step] == [1, 2, 3, 2, 3, 4]
    kept: list[Epoch] = []
    forget(kept, by_number)
    assert [epoch.step for epoch in kept] == [1, 2, 3, 4]


def test_a_loss_that_was_mended_is_left_out_and_one_that_was_not_is_nan() -> None:
    assert joined([train(1, 1), train(math.nan, 2), train(3, 3), val(1, 3)])[0].metrics["train/loss"] == 2
    assert math.isnan(joined([train(1, 1), train(math.nan, 2), val(1, 3)])[0].metrics["train/loss"])


def test_labels_that_were_printed_once_hold_on() -> None:
    rows = [Row("val", {"val/labels/0": 3.0, "val/loss": 1.0}, 1), train(1, 2), val(1, 2)]
    assert joined(rows)[1].metrics["val/labels/0"] == 3


def test_a_loss_of_training_as_objective_makes_each_row_an_epoch() -> None:
    assert [epoch.metrics["train/loss"] for epoch in joined([train(3, 1), train(2, 2), train(1, 3)], "train/loss")] == [3, 2, 1]


@given(
    st.lists(st.sampled_from(["train", "val", "part", "mean", "epoch"]), max_size=60), st.lists(st.integers(0, 9), max_size=60)
)
def test_however_rows_are_cut_the_epochs_are_the_same(kinds: list[str], cuts: list[int]) -> None:
    rows = [Row(kind, {"val/loss" if kind in ("val", "part") else "train/loss": 1.0 * n}, n) for n, kind in enumerate(kinds)]
    pieces, left = Epochs(), list(rows)
    found: list[Epoch] = []
    for cut in cuts:
        found += pieces.add(left[:cut])
        left = left[cut:]
    assert found + pieces.add(left) + pieces.end() == joined(rows)


@given(st.integers(0, 3000))
def test_bins_hold_every_reading_and_never_too_many(count: int) -> None:
    bins = Bins()
    bins.add(train(1.0, step) for step in range(count))
    found = bins.telemetry()
    assert len(found) <= MOST
    assert {epoch.metrics["train/loss"] for epoch in found} <= {1.0}
    assert len(found) == count if count < MOST else len(found) >= MOST / 2


def test_unnumbered_training_after_the_validation_of_a_numbered_epoch_belongs_to_the_next_validation() -> None:
    first = [train(4, epoch=1), val(4), train(3)]
    rows = [*first, train(3, epoch=2), val(3), train(2), train(1, epoch=3), val(2), train(1)]
    assert [(epoch.step, epoch.metrics.get("val/loss")) for epoch in joined(rows, "val/loss")] == [(1, 4), (2, 3), (3, 2)]
