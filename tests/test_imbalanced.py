"""The workload ``imbalanced``: its data, and that each lane is a training of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import laned
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laned import Record, same
from pitprop.detection import chance
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start, card
from pitprop.trainers import imbalanced
from pitprop.trainers.data import table

EPOCHS = 6
VARIED: list[dict[str, Any]] = [
    {"lr": 1e-3, "clip": 0.05},
    {"lr": 3e-3, "focal": {"alpha": [0.5, 2.0]}, "dropout": 0.3, "prior_bias": True},
    {"lr": 1e-4, "focal": {"gamma": 0.0}, "class_weight": "sqrt", "oversample": True},
    {"lr": 1e-2, "weight_decay": 0.1, "warmup": {"epochs": 0}, "class_weight": [1.0, 2.0]},
]


def start(index: int, params: Mapping[str, Any] | None = None, **given: Any) -> Start:
    return Start(lane=Lane(index, 0), params=VARIED[index] if params is None else params, seed=index, folder=".", **given)


def trained(starts: list[Start], plan: Mapping[int, Change] | None = None, **given: Any) -> tuple[Record, list[Any]]:
    return laned.trained(imbalanced, starts, EPOCHS, plan, **given)


@pytest.fixture(scope="module")
def alone() -> list[list[Epoch]]:
    return [trained([start(index)])[0][Lane(index, 0)] for index in range(4)]


# lanes


def test_a_lane_among_others_equals_the_lane_alone(alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(index) for index in range(4)])
    for index in range(4):
        same(record[Lane(index, 0)], alone[index])


def test_a_refilled_lane_and_one_whose_neighbour_stops_equal_the_lanes_alone(alone: list[list[Epoch]]) -> None:
    plan = {2: Change([Lane(0, 0)], [start(2)]), 3: Change([], [start(3)])}
    record, _ = trained([start(0), start(1)], plan)
    same(record[Lane(0, 0)], alone[0][:2])
    for index in (1, 2, 3):
        same(record[Lane(index, 0)], alone[index])


@pytest.mark.parametrize("index", range(4))
def test_a_resumed_lane_equals_the_undisturbed_one(alone: list[list[Epoch]], index: int) -> None:
    lane, neighbour = Lane(index, 0), (index + 1) % 4
    _, states = trained([start(neighbour), start(index)])
    record, _ = trained([start(neighbour, {"lr": 1.0}), start(index, step=3, state=states[2][lane])])
    same(record[lane], alone[index][3:])


def test_the_same_seed_gives_the_same_training_and_another_seed_another() -> None:
    first, again = trained([start(1)])[0], trained([start(1)])[0]
    other, _ = trained([Start(lane=Lane(1, 0), params=VARIED[1], seed=7, folder=".")])
    same(first[Lane(1, 0)], again[Lane(1, 0)], 0)
    assert first[Lane(1, 0)][-1].metrics["val/loss"] != other[Lane(1, 0)][-1].metrics["val/loss"]


def test_a_lane_that_turns_nan_reports_it_and_leaves_its_neighbour_alone(alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(3, {"lr": 1e12}), start(1)])
    assert all(math.isnan(epoch.metrics["val/loss"]) and math.isnan(epoch.metrics["val/auc"]) for epoch in record[Lane(3, 0)][1:])
    same(record[Lane(1, 0)], alone[1])


def test_grad_mode_and_global_random_numbers_are_untouched_at_each_yield() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    generator = imbalanced.train_lanes([start(1), start(2)], Context(epochs=EPOCHS))
    for _ in range(3):
        next(generator)
        assert torch.is_grad_enabled()
        assert torch.equal(torch.get_rng_state(), torch_before)
        assert np.array_equal(np.random.get_state()[1], numpy_before)
    generator.close()


def test_a_group_that_loses_its_last_lane_ends() -> None:
    generator = imbalanced.train_lanes([start(0)], Context(epochs=EPOCHS))
    next(generator)
    with pytest.raises(StopIteration):
        generator.send(Change([Lane(0, 0)]))


# one lane against plain torch


def plain(params: Mapping[str, Any], state: Mapping[str, torch.Tensor], orders: list[torch.Tensor], fused: bool) -> list[float]:
    """Validation losses of the same training as one would write it with torch.nn and torch.optim."""
    data = table.split(table.load(), 0.3, 0)
    x, y, x_val, y_val = (torch.from_numpy(part) for part in (data.x_train, data.y_train, data.x_val, data.y_val))
    layers = [torch.nn.Linear(inputs, outputs) for inputs, outputs in ((9, 64), (64, 64), (64, 2))]
    offset = 0
    for layer in layers:
        for parameter, shape in ((layer.weight, layer.weight.T.shape), (layer.bias, layer.bias.shape)):
            values = state["weights"][offset : offset + parameter.numel()].view(shape)
            parameter.data.copy_(values.T if parameter is layer.weight else values)
            offset += parameter.numel()
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=params["lr"], weight_decay=1e-3, fused=fused)
    steps, warm = 33, 33 * 2

    def factor(step: int) -> float:
        rise = 0.01 + 0.99 * step / warm
        return rise if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps * EPOCHS - warm)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    loss: Callable[..., torch.Tensor] = torch.nn.functional.cross_entropy
    weight, found = torch.tensor([1.0, 2.0]), []
    for order in orders:
        for rows in torch.split(order, 32):
            optimizer.zero_grad()
            (loss(model(x[rows]), y[rows], weight, reduction="none").mean()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            found.append(float(loss(model(x_val), y_val, weight, reduction="none").mean()))
    return found


@pytest.mark.parametrize("fused", [False, True])
def test_one_lane_equals_a_plain_torch_loop(fused: bool) -> None:
    from pitprop.trainers.lanes import draw, stack

    params = {"lr": 1e-3, "focal": {"alpha": [1.0, 2.0], "gamma": 0.0}, "clip": 0.5}
    record, _ = trained([start(0, params)])
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in enumerate(((9, 64), (64, 64), (64, 2))):
        shapes |= stack.linear_shapes(str(name), inputs, outputs)
    state = stack.fresh(stack.initial(shapes, draw.generator(0, "weights")))
    orders = [draw.order(draw.generator(0, "order", epoch), 1031) for epoch in range(EPOCHS)]
    expected = plain(params, state, orders, fused)
    assert [epoch.metrics["val/loss"] for epoch in record[Lane(0, 0)]] == pytest.approx(expected, rel=1e-5)


# what it reports


def test_it_reports_what_it_says_and_nothing_else() -> None:
    record, _ = trained([start(0)])
    said = imbalanced.REPORTS
    for epoch in record[Lane(0, 0)]:
        assert all(any(name == word or (word[-1] == "/" and name.startswith(word)) for word in said) for name in epoch.metrics)
        due = [word for word in said if epoch.step == 1 or word != "start/"]
        assert all(any(name.startswith(word) for name in epoch.metrics) for word in due)
        assert all(isinstance(value, float) for value in epoch.metrics.values())


def test_the_card_can_be_read_without_importing_it() -> None:
    found = card("pitprop.trainers.imbalanced")
    assert found.params == imbalanced.PARAMS
    assert found.options == imbalanced.OPTIONS
    assert found.width == imbalanced.WIDTH
    assert found.summary.startswith("Imbalanced binary classification")


def test_a_model_that_sees_nothing_ends_at_the_chance_loss() -> None:
    """Weight decay this strong leaves a constant prediction, which then learns the weighted prior."""
    params = {"lr": 1e-2, "weight_decay": 99.0, "focal": {"alpha": [0.5, 2.0], "gamma": 2.0}, "warmup": {"epochs": 0}}
    metrics = trained([start(0, params)])[0][Lane(0, 0)][-1].metrics
    assert metrics["val/logit_spread"] < 1e-3
    assert metrics["val/loss"] == pytest.approx(metrics["chance/loss"], rel=0.02)
    assert metrics["chance/loss"] == chance.focal([342, 100], [0.5, 2.0], 2.0)


def test_wrong_class_weights_give_constant_predictions_and_right_ones_do_not() -> None:
    cases: list[dict[str, Any]] = [{"focal": {"alpha": [5.0, 1.0]}}, {"focal": {"alpha": [1.0, 300.0]}}, {"class_weight": "sqrt"}]
    record, _ = trained([start(index, params | {"lr": 3e-3}) for index, params in enumerate(cases)])
    majority, minority, good = (record[Lane(index, 0)][-1].metrics for index in range(3))
    assert majority["val/predicted/0"] == 442
    assert minority["val/predicted/1"] == 442
    assert good["val/macro_f1"] > 0.6


def test_prior_bias_starts_near_the_class_prior() -> None:
    params = {"lr": 0.0, "prior_bias": True, "focal": {"gamma": 0.0}}
    metrics = trained([start(0, params)])[0][Lane(0, 0)][0].metrics
    assert metrics["val/loss"] == pytest.approx(chance.cross_entropy([342, 100]), abs=0.05)
    assert metrics["grad_norm"] > 0
    assert metrics["update_ratio"] == 0


def test_the_start_is_what_validation_gives_before_the_first_step_and_is_told_once() -> None:
    record, _ = trained([start(0, {"lr": 0.0}), start(1)], {2: Change([], [start(2, {"lr": 0.0})])})
    for index in (0, 2):
        first, *later = (epoch.metrics for epoch in record[Lane(index, 0)])
        for name in ("loss", "macro_f1"):
            assert first[f"start/{name}"] == pytest.approx(first[f"val/{name}"], rel=1e-6)
        assert not any(name.startswith("start/") for metrics in later for name in metrics)


def test_clipped_is_the_share_of_steps_above_the_limit() -> None:
    record, _ = trained([start(0, {"clip": 1e-6}), start(1, {}), start(2, {"clip": 0.3})])
    always, never, sometimes = (record[Lane(index, 0)][0].metrics for index in range(3))
    assert (always["clipped"], never["clipped"]) == (1, 0)
    assert 0 < sometimes["clipped"] < 1


def test_true_positives_are_within_what_is_predicted_and_what_is_there() -> None:
    for epoch in trained([start(2)])[0][Lane(2, 0)]:
        hits = [epoch.metrics[f"val/true_positives/{label}"] for label in (0, 1)]
        assert sum(hits) == pytest.approx(442 * epoch.metrics["val/accuracy"])
        for label in (0, 1):
            assert hits[label] <= min(epoch.metrics[f"val/predicted/{label}"], epoch.metrics[f"val/labels/{label}"])


def test_batches_hold_as_many_classes_as_sampling_gives() -> None:
    """798 and 233 rows in batches of 8, half of each where they are drawn balanced; no batch of one row mixes."""
    record, _ = trained([start(0, {}), start(1, {"oversample": True})], options={"batch_size": 8})
    for index, prior in enumerate(([798, 233], [1, 1])):
        mean = np.mean([epoch.metrics["batch/classes"] for epoch in record[Lane(index, 0)]])
        assert mean == pytest.approx(chance.classes_in_batch(prior, 8), abs=0.03)
        assert record[Lane(index, 0)][0].metrics["batch/size"] == 8
    single = imbalanced.preflight({}, Context(epochs=EPOCHS, options={"batch_size": 1}))
    assert single.metrics["batch/classes"] == 1


def test_parameters_are_counted_with_those_that_are_lost() -> None:
    record, _ = trained([start(0, {"lr": 1e20}), start(1, {})])
    lost, sound = (record[Lane(index, 0)][-1].metrics for index in range(2))
    size = 9 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    assert sound["params/total"] == sound["params/trainable"] == size
    assert 0.5 * size < sound["params/with_grad"] <= size
    assert (sound["params/non_finite"], lost["params/non_finite"]) == (0, size)


def test_units_that_never_fire_are_dormant_and_large_outputs_saturated() -> None:
    """Of 64 units of the first layer, 16 have a bias far below 0 and 8 one far above; none of them moves at learning rate 0."""
    _, states = trained([start(0, {})])
    state = {name: rows.clone() for name, rows in states[0][Lane(0, 0)].items()}
    state["weights"][: 9 * 64] = 0
    bias = state["weights"][9 * 64 : 10 * 64]
    bias[:], bias[:16], bias[16:24] = 1.0, -99.0, 99.0
    record, _ = trained([start(0, {"lr": 0.0}, step=1, state=state), start(1)])
    metrics = record[Lane(0, 0)][0].metrics
    assert (metrics["dormant/0"], metrics["saturated/0"]) == (16 / 64, 24 / 64)


def test_a_preflight_measures_what_training_starts_from() -> None:
    params = {"focal": {"alpha": [0.5, 2.0]}, "prior_bias": True}
    epoch = imbalanced.preflight(params, Context(epochs=EPOCHS, seed=1))
    first = trained([start(1, params)])[0][Lane(1, 0)][0].metrics
    shared = ("start/loss", "start/macro_f1", "params/with_grad", "batch/classes", "batch/size", "chance/loss", "params/total")
    assert {name: epoch.metrics[name] for name in shared} == pytest.approx({name: first[name] for name in shared})
    assert [epoch.metrics[f"train/labels/{label}"] for label in (0, 1)] == [798, 233]
    assert epoch.metrics["inputs/non_finite"] == 0


# errors


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"lr": -1}, "lr: -1 is not allowed; give a number from 0"),
        ({"class_weight": "balanced"}, "class_weight: 'balanced' is not known; give null, log, sqrt, ratio, or two numbers"),
        ({"class_weight": [1]}, "class_weight: .* give two numbers"),
        ({"focal": {"alpha": 0.25}}, "focal.alpha: 0.25 is not allowed; give two numbers"),
        ({"focal": {"gama": 2}}, "focal.gama: .* did you mean 'gamma'"),
        ({"dropout": 1.0}, "dropout: 1.0 is not allowed; give a number from 0 to below 1"),
        ({"clip": 0}, "clip: 0 is not allowed; give a number above 0"),
        ({"prior_bias": "yes"}, "prior_bias: 'yes' is not allowed; give true or false"),
        ({"warmup": 3}, "warmup: 3 is not a mapping with the keys epochs, start_factor"),
    ],
)
def test_params_that_do_not_fit_are_refused_in_a_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trained([start(0, params)])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batchsize": 8}, "batchsize: .* did you mean 'batch_size'"),
        ({"batch_size": 0}, "batch_size: 0 is not allowed; give a whole number from 1"),
        ({"hidden": 64}, "hidden: 64 is not allowed; give a list"),
        ({"val_fraction": 1.5}, "val_fraction: 1.5 is not between 0 and 1"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trained([start(0)], options=options)


# data


def arrays(rows: int = 60, groups: int | None = None) -> dict[str, Any]:
    random = np.random.default_rng(0)
    found: dict[str, Any] = {"x": random.normal(size=(rows, 3)), "y": np.arange(rows) % 4 == 0}
    return found if groups is None else found | {"group": np.arange(rows) % groups}


def test_the_shipped_table_is_the_contraceptive_data() -> None:
    shipped = table.load()
    assert shipped.x.shape == (1473, 9)
    assert np.bincount(shipped.y).tolist() == [1140, 333]
    assert shipped.x[0].tolist() == [24, 2, 3, 3, 1, 1, 2, 3, 0]


def test_a_table_of_ones_own_trains_with_groups_kept_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays(groups=13))
    record, _ = trained([start(0)], options={"data": str(tmp_path / "own.npz"), "hidden": [8], "batch_size": 16})
    assert len(record[Lane(0, 0)]) == EPOCHS


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": None}, "has no array 'x', only \\['y'\\]; it needs x"),
        ({"x": np.ones(60)}, "x in .* has shape \\(60,\\) and type float64; it has to be numbers of shape \\(n, d\\)"),
        ({"x": np.full((60, 3), "a")}, "x in .* type <U1"),
        ({"x": np.full((60, 3), np.nan)}, "60 of 60 rows of x in .* are not finite"),
        ({"y": np.zeros(60)}, "y in .* holds the classes \\[0.0\\]; this trainer takes exactly two, written 0 and 1"),
        ({"y": np.arange(60)}, "y in .* holds the classes \\[0, 1, 2, 3, '...'\\]"),
        ({"y": np.zeros(59)}, "y in .* has shape \\(59,\\); with x of shape \\(60, 3\\) it has to be \\(60,\\)"),
        ({"group": np.zeros(1)}, "group in .* has shape \\(1,\\)"),
        ({"group": np.zeros(60)}, "groups hold no class 0; give more groups of every class"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    found = {name: value for name, value in (arrays() | change).items() if value is not None}
    np.savez(tmp_path / "own.npz", **found)
    with pytest.raises(ValueError, match=sentence):
        table.split(table.load(str(tmp_path / "own.npz")), 0.3, 0)


def test_a_missing_file_and_one_that_is_no_npz_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none.npz"):
        table.load(str(tmp_path / "none.npz"))
    for name, content in (("text.npz", b"x,y\n1,2\n"), ("empty.npz", b""), ("torn.npz", b"PK\x03\x04torn")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} cannot be read as an .npz file"):
            table.load(str(tmp_path / name))
    np.save(tmp_path / "single.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"cannot be read as an .npz file"):
        table.load(str(tmp_path / "single.npy"))


@given(st.integers(2, 200), st.integers(2, 200), st.floats(0.05, 0.95), st.integers(0, 100))
def test_a_split_keeps_the_share_of_each_class(zeros: int, ones: int, fraction: float, seed: int) -> None:
    y = np.array([0] * zeros + [1] * ones)
    parts = table.split(table.Table(np.arange(len(y), dtype=float)[:, None], y), fraction, seed)
    for label, count in ((0, zeros), (1, ones)):
        held = int((parts.y_val == label).sum())
        assert 1 <= held <= count - 1
        assert abs(held - fraction * count) <= 1
        assert held + int((parts.y_train == label).sum()) == count


@settings(max_examples=50, deadline=None)
@given(st.integers(10, 60), st.floats(0.2, 0.8), st.integers(0, 100))
def test_a_grouped_split_has_no_group_on_both_sides(groups: int, fraction: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    group = random.integers(groups, size=600).astype(str)
    parts = table.split(
        table.Table(random.normal(size=(600, 2)), (random.random(600) < 0.25).astype(np.int64), group), fraction, seed
    )
    held = np.isin(np.arange(600), parts.held)
    assert not set(group[held]) & set(group[~held])
    assert abs(held.mean() - fraction) < 0.25


def test_features_are_scaled_by_the_training_rows() -> None:
    parts = table.split(table.load(), 0.3, 0)
    assert parts.x_train.mean(axis=0) == pytest.approx(np.zeros(9), abs=1e-5)
    assert parts.x_train.std(axis=0) == pytest.approx(np.ones(9), abs=1e-5)
    assert np.abs(parts.x_val.mean(axis=0)).max() > 1e-3


def test_the_split_depends_on_its_seed_only() -> None:
    first, again, other = (table.split(table.load(), 0.3, seed).held.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_importing_the_trainer_does_not_import_the_service() -> None:
    code = "import sys, pitprop.trainers.imbalanced; print([m for m in ('ray', 'optuna', 'mlflow') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
