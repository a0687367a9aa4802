"""The workload ``contrastive``: its data, loss and measures, its collapses, and that each lane is a training of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import laned
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laned import Record, same
from pitprop.detection import chance, detect
from pitprop.detection.facts import Facts
from pitprop.driver.preflight.findings import judge
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start, card
from pitprop.trainers import contrastive
from pitprop.trainers.data import satimage
from pitprop.trainers.embeddings import batches, quality
from pitprop.trainers.embeddings.encoders import Encoders, normalised
from pitprop.trainers.lanes import draw
from pitprop.trainers.lanes.losses import supervised_contrastive
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

EPOCHS = 4
BANDS = ("green", "red", "infrared_1", "infrared_2")
RAW = {"layer_norm": False, "l2_normalize": False}
VARIED: list[dict[str, Any]] = [
    {"lr": 1e-3, "clip": 0.5},
    {"lr": 3e-3, "frozen": ["red", "green"], "sampler": "balanced", "layer_norm": False},
    {"lr": 1e-4, **RAW, "sampler": "plain", "temperature": 0.5, "weight_decay": 0.1},
    {"lr": 1e-2, "l2_normalize": False, "warmup": {"epochs": 0}, "sampler": "single_class", "frozen": 1},
]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A quarter of the satellite image, for trainings of which only their sameness is asked."""
    whole = satimage.load()
    path = tmp_path_factory.mktemp("own") / "quarter.npz"
    np.savez(path, x=whole.x[::4], y=whole.y[::4], modalities=np.array(BANDS))
    return str(path)


def start(index: int, params: Mapping[str, Any] | None = None, **given: Any) -> Start:
    return Start(lane=Lane(index, 0), params=VARIED[index] if params is None else params, seed=index, folder=".", **given)


def trained(
    starts: list[Start], plan: Mapping[int, Change] | None = None, epochs: int = EPOCHS, **given: Any
) -> tuple[Record, list[Any]]:
    return laned.trained(contrastive, starts, epochs, plan, **given)


@pytest.fixture(scope="module")
def alone(own: str) -> list[list[Epoch]]:
    return [trained([start(index)], options={"data": own})[0][Lane(index, 0)] for index in range(4)]


# lanes


def test_a_lane_among_others_equals_the_lane_alone(alone: list[list[Epoch]], own: str) -> None:
    record, _ = trained([start(index) for index in range(4)], options={"data": own})
    for index in range(4):
        same(record[Lane(index, 0)], alone[index])


def test_a_refilled_lane_and_one_whose_neighbour_stops_equal_the_lanes_alone(alone: list[list[Epoch]], own: str) -> None:
    plan = {1: Change([Lane(0, 0)], [start(2)]), 2: Change([], [start(3)])}
    record, _ = trained([start(0), start(1)], plan, options={"data": own})
    same(record[Lane(0, 0)], alone[0][:1])
    for index in (1, 2, 3):
        same(record[Lane(index, 0)], alone[index])


@pytest.mark.parametrize("index", range(4))
def test_a_resumed_lane_equals_the_undisturbed_one(alone: list[list[Epoch]], own: str, index: int) -> None:
    lane, neighbour = Lane(index, 0), (index + 1) % 4
    _, states = trained([start(neighbour), start(index)], options={"data": own})
    resumed = [start(neighbour, {"lr": 1.0}), start(index, step=2, state=states[1][lane])]
    record, _ = trained(resumed, options={"data": own})
    same(record[lane], alone[index][2:])


def test_a_lane_that_turns_nan_reports_it_and_leaves_its_neighbour_alone(alone: list[list[Epoch]], own: str) -> None:
    record, _ = trained([start(3, {"lr": 1e15, **RAW, "warmup": {"epochs": 0}}), start(1)], options={"data": own})
    last = record[Lane(3, 0)][-1].metrics
    for name in ("val/loss", "val/knn", "val/linear_probe", "embedding/rank", "embedding/cosine"):
        assert math.isnan(last[name])
    assert last["params/non_finite"] > 0
    same(record[Lane(1, 0)], alone[1])


def test_frozen_encoders_do_not_move_and_the_others_do(own: str) -> None:
    _, states = trained([start(1)], options={"data": own})
    first, last = (states[step][Lane(1, 0)]["weights"].view(4, -1) for step in (0, -1))
    assert [torch.equal(one, other) for one, other in zip(first, last, strict=True)] == [True, True, False, False]


def test_autocast_changes_digits_only(own: str) -> None:
    single, half = (
        trained([start(0)], options={"data": own, "autocast": autocast})[0][Lane(0, 0)][-1].metrics["val/loss"]
        for autocast in (None, "bf16")
    )
    assert half != single
    assert half == pytest.approx(single, rel=0.02)


# loss and model


def naive(z: torch.Tensor, y: torch.Tensor, temperature: float) -> float:
    """Equation 2 of Khosla et al. (2020), term by term."""
    terms = []
    for i in range(len(y)):
        others = [a for a in range(len(y)) if a != i]
        positives = [p for p in others if y[p] == y[i]]
        scores = {a: float(z[i] @ z[a]) / temperature for a in others}
        total = math.log(sum(math.exp(score) for score in scores.values()))
        if positives:
            terms.append(-sum(scores[p] - total for p in positives) / len(positives))
    return sum(terms) / len(terms)


@given(st.integers(0, 1000), st.floats(0.1, 2.0))
def test_the_loss_is_that_of_the_paper_term_by_term(seed: int, temperature: float) -> None:
    random = torch.Generator().manual_seed(seed)
    z, y = torch.randn(2, 9, 5, generator=random).double(), torch.randint(3, (2, 9), generator=random)
    found = supervised_contrastive(z, y, torch.tensor([temperature, 1.0], dtype=torch.float64))
    assert found.tolist() == pytest.approx([naive(z[0], y[0], temperature), naive(z[1], y[1], 1.0)])


@given(st.integers(3, 40), st.integers(1, 6), st.floats(0.02, 2))
def test_equal_embeddings_cost_ln_of_the_others_whatever_the_classes(size: int, classes: int, temperature: float) -> None:
    y = torch.arange(size)[None] % classes
    if classes * 2 > size:
        y = torch.zeros_like(y)
    found = supervised_contrastive(torch.ones(1, size, 4).double(), y, torch.tensor([temperature]).double())
    assert float(found) == pytest.approx(chance.supervised_contrastive(size))


def test_batches_of_one_class_are_paid_for_equal_embeddings() -> None:
    """No embeddings of a single class do better than those all alike."""
    random = torch.Generator().manual_seed(0)
    z, y = torch.randn(200, 32, 8, generator=random), torch.zeros(200, 32, dtype=torch.long)
    assert float(supervised_contrastive(z, y, torch.full((200,), 0.5)).min()) > chance.supervised_contrastive(32)


def test_the_embedding_is_a_linear_layer_on_the_hidden_units_of_all_encoders_side_by_side() -> None:
    model, random = Encoders(3, 4, [5, 6], 7), torch.Generator().manual_seed(0)
    weights = model.initial(random)["encoders"]
    x = torch.randn(1, 3, 10, 4, generator=random)
    hidden, blocks, bias = [], [], torch.zeros(7)
    for modality in range(3):
        w1, b1, w2, b2, w3, b3 = weights[modality].split([20, 5, 30, 6, 42, 7])
        inner = (x[0, modality] @ w1.view(4, 5) + b1).relu()
        hidden.append((inner @ w2.view(5, 6) + b2).relu())
        blocks.append(w3.view(6, 7) / 3)
        bias += b3 / 3
        assert w1.abs().max() <= 1 / math.sqrt(4)
        assert b3.abs().max() <= 1 / math.sqrt(6) < w1.abs().max()
    expected = torch.cat(hidden, dim=1) @ torch.cat(blocks) + bias
    torch.testing.assert_close(model.fused({"encoders": weights[None]}, x)[0], expected)


def test_each_lane_is_normalised_as_its_own_switches_say() -> None:
    z = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(0))
    layer, l2 = torch.tensor([False, True, False, True]), torch.tensor([False, False, True, True])
    centred = torch.nn.LayerNorm(8, elementwise_affine=False)(z)
    unit = torch.nn.functional.normalize
    expected = torch.stack([z[0], centred[1], unit(z[2], dim=1), unit(centred[3], dim=1)])
    torch.testing.assert_close(normalised(z, layer, l2), expected)


def test_an_embedding_of_zeros_has_finite_gradients_under_every_switch() -> None:
    z = torch.zeros(4, 6, 8, requires_grad=True)
    layer, l2 = torch.tensor([False, True, False, True]), torch.tensor([False, False, True, True])
    normalised(z, layer, l2).sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


# samplers


@given(st.sampled_from(batches.SAMPLERS), st.lists(st.integers(2, 60), min_size=2, max_size=6), st.integers(0, 99))
def test_every_sampler_gives_whole_batches_of_training_rows(sampler: str, counts: list[int], seed: int) -> None:
    y = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    size = min(8, len(y))
    rows = batches.rows(sampler, torch.Generator().manual_seed(seed), y, size)
    assert len(rows) == len(y) // size * size
    assert 0 <= int(rows.min()) <= int(rows.max()) < len(y)
    if sampler in ("plain", "stratified"):
        assert len(rows.unique()) == len(rows)
    if sampler == "single_class":
        assert all(len(batch.unique()) == 1 for batch in y[rows].view(-1, size))


@pytest.mark.parametrize("sampler", ["stratified", "balanced"])
def test_batches_hold_their_share_of_each_class_or_as_many_of_each(sampler: str) -> None:
    y = torch.from_numpy(satimage.split(satimage.load(), 0.3, 0).y_train)
    rows = batches.rows(sampler, torch.Generator().manual_seed(0), y, 32)
    shares = 32 * y.bincount() / len(y) if sampler == "stratified" else torch.full((6,), 32 / 6)
    held = torch.stack([batch.bincount(minlength=6) for batch in y[rows].view(-1, 32)])
    assert (held - shares).abs().max() < 2.5
    torch.testing.assert_close(held.double().mean(dim=0), shares.double(), atol=0.05, rtol=0)


# measures


def embedded(seed: int, lanes: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings and classes to know, and to judge."""
    random = torch.Generator().manual_seed(seed)
    y, other = torch.randint(3, (80,), generator=random), torch.randint(3, (50,), generator=random)
    centres = torch.randn(lanes, 3, 6, generator=random)
    known, z = (centres[:, which] + 0.8 * torch.randn(lanes, len(which), 6, generator=random) for which in (y, other))
    return known, y, z, other


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_neighbours_and_probe_equal_those_of_scikit_learn(seed: int) -> None:
    known, known_y, z, y = embedded(seed)
    found = quality.separation(known, known_y, z, y, 3)
    for lane in range(2):
        a, b = known[lane].double().numpy(), z[lane].double().numpy()
        votes = KNeighborsClassifier(5, metric="cosine").fit(a, known_y).predict(b)
        assert float(found["val/knn"][lane]) == pytest.approx(balanced_accuracy_score(y, votes))
        penalty = quality.RIDGE * np.square(a - a.mean(axis=0)).sum() / a.shape[1]
        probe = Ridge(penalty).fit(a, np.eye(3)[known_y]).predict(b).argmax(axis=1)
        assert float(found["val/linear_probe"][lane]) == pytest.approx(balanced_accuracy_score(y, probe))


@given(st.integers(0, 1000), st.integers(-40, 40))
def test_spread_is_the_mean_cosine_and_rankme_whatever_the_scale(seed: int, scale: int) -> None:
    z = embedded(seed)[0]
    found = quality.spread(z * 2.0**scale)
    for lane in range(2):
        unit = torch.nn.functional.normalize(z[lane].double(), dim=1)
        cosines = unit @ unit.T
        assert float(found["embedding/cosine"][lane]) == pytest.approx(float(cosines.sum() - 80) / (80 * 79), abs=1e-9)
        singular = torch.linalg.svdvals(z[lane].double())
        share = singular / singular.sum() + 1e-7
        assert float(found["embedding/rank"][lane]) == pytest.approx(math.exp(-float((share * share.log()).sum())), rel=1e-6)


@pytest.mark.parametrize(("value", "cosine", "rank"), [(1.0, 1.0, 1.0), (0.0, 0.0, 1.0), (math.nan, math.nan, math.nan)])
def test_embeddings_all_alike_and_lost_ones_are_measured_without_an_error(value: float, cosine: float, rank: float) -> None:
    known, known_y, z, y = embedded(0)
    known[1], z[1] = value, value
    found = quality.spread(z) | quality.separation(known, known_y, z, y, 3)
    assert float(found["embedding/cosine"][1]) == pytest.approx(cosine, nan_ok=True)
    assert float(found["embedding/rank"][1]) == pytest.approx(rank, rel=1e-3, nan_ok=True)
    if not math.isnan(value):
        assert float(found["val/linear_probe"][1]) == pytest.approx(1 / 3)  # the most frequent class
    apart = quality.spread(z[:1]) | quality.separation(known[:1], known_y, z[:1], y, 3)
    assert {name: float(value[0]) for name, value in found.items()} == {name: float(value) for name, value in apart.items()}


# what it learns and how it collapses


@pytest.fixture(scope="module")
def curves() -> dict[str, list[Epoch]]:
    """The whole image: the defaults on three seeds, the case's own settings, and three ways to collapse."""
    slow = {"epochs": 4, "start_lr": 1e-7}
    chosen: dict[str, dict[str, Any]] = {
        "default": {},
        "default 1": {},
        "default 2": {},
        "repaired": {"lr": 1e-4, "warmup": slow},
        "single class": {"sampler": "single_class", "lr": 1e-2},
        "all alike": {**RAW, "lr": 100.0, "warmup": slow},
        "exploding": {**RAW, "lr": 100.0, "warmup": {"epochs": 10}, "weight_decay": 0.2},
        "frozen": {"frozen": 4},
    }
    record, _ = trained([start(index, params) for index, params in enumerate(chosen.values())], epochs=12)
    return {name: record[Lane(index, 0)] for index, name in enumerate(chosen)}


def verdicts(epochs: list[Epoch]) -> dict[str, int]:
    """The epoch at which each signature that ends a training first speaks."""
    facts = Facts(budget=12, metric="val/knn")
    return {verdict.signature: verdict.step for verdict in detect.replay(epochs, facts, detect.defaults()) if verdict.ends}


@pytest.mark.parametrize("seed", ["default", "default 1", "default 2", "repaired"])
def test_it_learns_well_above_chance_and_nothing_alarms(curves: dict[str, list[Epoch]], seed: str) -> None:
    first, last = curves[seed][0].metrics, curves[seed][-1].metrics
    assert last["val/knn"] > max(0.85, first["start/knn"] + 0.01)
    assert last["val/linear_probe"] > 0.81
    assert last["val/loss"] < 0.72 * last["chance/loss"]
    assert last["val/loss_ratio"] == pytest.approx(last["val/loss"] / math.log(31))
    assert last["embedding/cosine"] < 0.8
    assert verdicts(curves[seed]) == {}


def test_the_loss_of_the_repaired_settings_falls_from_epoch_to_epoch_once_warm(curves: dict[str, list[Epoch]]) -> None:
    losses = [epoch.metrics["val/loss"] for epoch in curves["repaired"]]
    assert losses == sorted(losses, reverse=True)
    rates = [epoch.metrics["lr"] for epoch in curves["repaired"]]
    assert rates[:4] == sorted(rates[:4])
    assert (max(rates), rates[-1]) == (pytest.approx(1e-4, rel=0.01), pytest.approx(1e-6, rel=0.1))


def test_batches_of_one_class_hold_the_loss_at_ln_31_and_are_seen_as_soon_as_it_stands_there(
    curves: dict[str, list[Epoch]],
) -> None:
    epochs = curves["single class"]
    assert all(epoch.metrics["batch/classes"] == 1 for epoch in epochs)
    assert epochs[-1].metrics["train/loss"] == pytest.approx(math.log(31), abs=1e-3)
    found = verdicts(epochs)
    assert found["single_class_batches"] == 2  # in the first epoch the loss is not yet within 0.1 % of ln 31
    assert "contrastive_collapse" in found


def test_embeddings_all_alike_hold_the_loss_at_ln_31_though_batches_mix(curves: dict[str, list[Epoch]]) -> None:
    last = curves["all alike"][-1].metrics
    assert last["batch/classes"] == pytest.approx(6, abs=0.1)
    assert last["val/loss"] == pytest.approx(math.log(31), abs=0.02)
    assert last["embedding/cosine"] > 0.99
    assert last["embedding/rank"] < 2
    assert "contrastive_collapse" in verdicts(curves["all alike"])
    warned = detect.replay(curves["all alike"], Facts(budget=12, metric="val/knn"), detect.defaults())
    assert "dimensional_collapse" in {verdict.signature for verdict in warned}


def test_a_learning_rate_too_high_without_normalisation_explodes_to_nan(curves: dict[str, list[Epoch]]) -> None:
    losses = [epoch.metrics["train/loss"] for epoch in curves["exploding"]]
    assert losses[0] > 2 * math.log(31)
    assert math.isnan(losses[2])
    assert verdicts(curves["exploding"])["non_finite"] <= 3


def test_with_all_encoders_frozen_nothing_trains(curves: dict[str, list[Epoch]]) -> None:
    first, last = curves["frozen"][0].metrics, curves["frozen"][-1].metrics
    assert (last["params/trainable"], last["params/with_grad"], last["grad_norm"], last["update_ratio"]) == (0, 0, 0, 0)
    assert last["val/loss"] == first["start/loss"]
    assert verdicts(curves["frozen"])["nothing_trains"] == 1


# what it reports


def test_it_reports_of_each_modality_and_of_the_schedule(curves: dict[str, list[Epoch]]) -> None:
    epochs = curves["repaired"]
    metrics = epochs[-1].metrics
    parts = [metrics[f"grad_norm/{band}"] for band in BANDS]
    assert 0 < max(parts) <= metrics["grad_norm"] <= math.sqrt(4) * max(parts)
    assert metrics["params/total"] == metrics["params/trainable"] == 4 * (9 * 32 + 32 + 32 * 32 + 32 + 32 * 64 + 64)
    assert (metrics["batch/size"], metrics["embedding/dimensions"]) == (32, 64)
    assert sum(metrics[f"val/labels/{label}"] for label in range(6)) == 1930
    assert {name for epoch in epochs[1:] for name in epoch.metrics if name.startswith("start/")} == set()


def test_the_card_can_be_read_without_importing_it() -> None:
    found = card("pitprop.trainers.contrastive")
    assert (found.params, found.options, found.width) == (contrastive.PARAMS, contrastive.OPTIONS, contrastive.WIDTH)


def test_a_preflight_measures_what_training_starts_from() -> None:
    epoch = contrastive.preflight({"lr": 0.0}, Context(epochs=1, seed=1))
    first = trained([start(1, {"lr": 0.0})], epochs=1)[0][Lane(1, 0)][0].metrics
    shared = ("start/loss", "start/knn", "params/with_grad", "batch/classes", "batch/size", "chance/loss", "params/total")
    assert {name: epoch.metrics[name] for name in shared} == pytest.approx({name: first[name] for name in shared})
    assert [epoch.metrics[f"train/labels/{label}"] for label in range(6)] == [1073, 492, 951, 438, 495, 1056]


@pytest.mark.parametrize(
    ("params", "check", "severity"),
    [
        ({"sampler": "single_class"}, "batches", "stop"),
        ({"frozen": 4}, "parameters", "stop"),
        ({"frozen": 1}, "parameters", "warn"),
        ({"l2_normalize": False}, "start", "warn"),
    ],
)
def test_a_preflight_finds_what_no_learning_rate_mends(params: dict[str, Any], check: str, severity: str) -> None:
    findings = judge(contrastive.preflight(params, Context(epochs=1)), Facts(budget=1))
    assert {finding.check: finding.severity for finding in findings}[check] == severity


# errors


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"lr": -1}, "lr: -1 is not allowed; give a number from 0"),
        ({"temperature": 0}, "temperature: 0 is not allowed; give a number above 0"),
        ({"sampler": "random"}, "sampler: 'random' is not known; give plain, stratified, balanced, single_class"),
        ({"frozen": 5}, "frozen: 5 is not allowed; give modalities, or how many from 0 to 4"),
        ({"frozen": ["gren"]}, "frozen: there is no modality 'gren'; did you mean 'green'"),
        ({"layer_norm": 1}, "layer_norm: 1 is not allowed; give true or false"),
        ({"warmup": {"start_factor": 0.1}}, "warmup.start_factor: .* it takes epochs, start_lr|did you mean 'start_lr'"),
    ],
)
def test_params_that_do_not_fit_are_refused_in_a_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trained([start(0, params)])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_size": 2}, "batch_size: 2 is not allowed; give a whole number from 3 to 1930"),
        ({"batch_size": 2000}, "batch_size: 2000 is not allowed"),
        ({"hidden": []}, r"hidden: \[\] is not allowed; give a list"),
        ({"embedding": 0}, "embedding: 0 is not allowed; give a whole number from 1"),
        ({"autocast": "fp16"}, "autocast: 'fp16' is not allowed; give null or bf16"),
        ({"val_fraction": 1.5}, "val_fraction: 1.5 is not between 0 and 1"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trained([start(0)], options=options)


# data


def test_the_shipped_samples_are_the_satellite_image() -> None:
    shipped = satimage.load()
    assert shipped.x.shape == (6435, 4, 9)
    assert shipped.modalities == BANDS
    assert np.bincount(shipped.y).tolist() == [1533, 703, 1358, 626, 707, 1508]
    assert shipped.x[0, :, :2].T.flatten().tolist() == [92, 115, 120, 94, 84, 102, 106, 79]  # as UCI writes them, by pixel


def test_a_split_keeps_the_share_of_each_class_and_scales_by_the_training_side() -> None:
    parts = satimage.split(satimage.load(), 0.3, 0)
    for label, count in enumerate([1533, 703, 1358, 626, 707, 1508]):
        assert abs(int((parts.y_val == label).sum()) - 0.3 * count) <= 1
    assert np.abs(parts.x_train.mean(axis=0)).max() < 1e-5
    assert np.abs(parts.x_train.std(axis=0) - 1).max() < 1e-5
    assert len(parts.y_train) + len(parts.y_val) == 6435


def test_modalities_are_numbered_where_they_have_no_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=np.random.default_rng(0).normal(size=(80, 2, 3)), y=np.arange(80) % 2)
    options = {"data": str(tmp_path / "own.npz"), "batch_size": 8, "hidden": [4], "embedding": 3}
    metrics = trained([start(0, {})], epochs=1, options=options)[0][Lane(0, 0)][0].metrics
    assert {name for name in metrics if name.startswith("grad_norm/")} == {"grad_norm/0", "grad_norm/1"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"y": None}, "has no array 'y', only \\['x'\\]; it needs x \\(n, m, d\\) and y \\(n,\\)"),
        ({"x": np.ones((60, 3))}, "x in .* has shape \\(60, 3\\) and type float64; it has to be numbers of shape \\(n, m, d\\)"),
        ({"x": np.full((60, 2, 3), np.nan)}, "60 of 60 rows of x in .* are not finite"),
        ({"y": np.zeros(60)}, "y in .* holds the classes \\[0.0\\]; write them as 0, 1, 2 and so on, two at least"),
        ({"y": np.arange(60) % 3 + 1}, "y in .* holds the classes \\[1, 2, 3\\]"),
        ({"y": np.zeros(59)}, "y in .* has shape \\(59,\\); with x of shape \\(60, 2, 3\\) it has to be \\(60,\\)"),
        (
            {"modalities": np.array(["a", "a"])},
            "modalities in .* are \\['a', 'a'\\]; with x of shape \\(60, 2, 3\\) give 2 names",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused_in_a_sentence(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    arrays = {"x": np.random.default_rng(0).normal(size=(60, 2, 3)), "y": np.arange(60) % 3} | change
    np.savez(tmp_path / "own.npz", **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(ValueError, match=sentence):
        satimage.load(str(tmp_path / "own.npz"))


def test_a_missing_file_and_one_that_is_no_npz_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none.npz"):
        satimage.load(str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_bytes(b"x,y\n1,2\n")
    with pytest.raises(ValueError, match=r"text.npz cannot be read as an .npz file"):
        satimage.load(str(tmp_path / "text.npz"))


def test_draws_of_an_epoch_depend_on_seed_and_age_alone() -> None:
    y = torch.arange(100) % 3
    first, again, later = (batches.rows("stratified", draw.generator(0, "order", age), y, 8) for age in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
