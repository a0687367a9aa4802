"""The workload ``two_stream``: its data, its checkpoint, its lanes, and that branches really drop and come back."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import laned
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laned import Record, same
from pitprop import space
from pitprop.detection import chance, detect
from pitprop.detection.facts import Facts
from pitprop.driver.preflight.findings import judge
from pitprop.telemetry import Epoch, Telemetry
from pitprop.trainer import Change, Context, Lane, Start, card
from pitprop.trainers import two_stream
from pitprop.trainers.data import pendigits
from pitprop.trainers.lanes import draw, evaluation, optim, stack
from pitprop.trainers.streams import augment, pretrained
from pitprop.trainers.streams.fusion import Streams, terms
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from torch.nn import functional

EPOCHS = 4
SMALL: dict[str, Any] = {
    "side": 5,
    "hidden": {"rgb": [8], "pose": [6], "fused": [5]},
    "batch_size": 256,
    "pretrain": {"rows": 700, "epochs": 2},
}
VARIED: list[dict[str, Any]] = [
    {"clip": 0.5},
    {"lr": 3e-3, "loss_weights": {"pose": 2.0, "aux": 0.0}, "augmentation": {"jitter": 0.3, "shift": 1}},
    {"lr": 2e-3, "focal": {"gamma": 2.0}, "warmup": {"epochs": 2}, "min_lr": 1e-4},
    {"lr": 1e-3, "weight_decay": 0.1, "loss_weights": {"rgb": 0.5, "fused": 0.0}},
]
RECORDED = {"val/top1": 0.9254, "val/rgb/top1": 0.8201, "val/pose/top1": 0.8031}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the tests of this file, and none of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pretrained.FOLDER, str(folder))
        yield folder


def start(index: int, params: Mapping[str, Any] | None = None, **given: Any) -> Start:
    return Start(lane=Lane(index, 0), params=VARIED[index] if params is None else params, seed=index, folder=".", **given)


def trained(
    starts: list[Start], plan: Mapping[int, Change] | None = None, epochs: int = EPOCHS, options: Mapping[str, Any] = SMALL
) -> tuple[Record, list[Any]]:
    return laned.trained(two_stream, starts, epochs, plan, options=options)


@pytest.fixture(scope="module")
def alone(cache: Path) -> list[list[Epoch]]:
    return [trained([start(index)])[0][Lane(index, 0)] for index in range(4)]


# lanes


def test_a_lane_among_others_equals_the_lane_alone(alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(index) for index in range(4)])
    for index in range(4):
        same(record[Lane(index, 0)], alone[index])


def test_a_refilled_lane_and_one_whose_neighbour_stops_equal_the_lanes_alone(alone: list[list[Epoch]]) -> None:
    plan = {1: Change([Lane(0, 0)], [start(2)]), 2: Change([], [start(3)])}
    record, _ = trained([start(0), start(1)], plan)
    same(record[Lane(0, 0)], alone[0][:1])
    for index in (1, 2, 3):
        same(record[Lane(index, 0)], alone[index])


def test_resumed_lanes_equal_the_undisturbed_ones(alone: list[list[Epoch]]) -> None:
    """Resumed in another order, and beside a lane that is new."""
    _, states = trained([start(index) for index in range(4)])
    again = [start(index, step=2, state=states[1][Lane(index, 0)]) for index in (3, 1, 0, 2)]
    record, _ = trained([Start(Lane(9, 0), {"lr": 0.1}, 9, "."), *again])
    for index in range(4):
        same(record[Lane(index, 0)], alone[index][2:])


def test_a_lane_that_turns_nan_reports_it_and_leaves_its_neighbour_alone(alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(3, {"lr": 1e9}), start(1)])
    last = record[Lane(3, 0)][-1].metrics
    assert all(math.isnan(last[name]) for name in ("val/loss", "val/rgb/loss", "val/auc", "grad_norm"))
    assert last["params/non_finite"] > 0
    same(record[Lane(1, 0)], alone[1])


def test_adamw_may_fine_tune_as_well_and_bfloat16_gives_about_the_same() -> None:
    for more, tolerance in (({"optimizer": "adamw"}, None), ({"autocast": "bf16"}, 0.1)):
        record, _ = trained([start(2)], options=SMALL | more)
        plain, _ = trained([start(2)])
        ours, others = (found[Lane(2, 0)][-1].metrics["val/loss"] for found in (record, plain))
        assert ours != others
        assert tolerance is None or ours == pytest.approx(others, rel=tolerance)


# one lane against plain torch


def plain(found: Mapping[str, Any], weights: list[float]) -> list[float]:
    """Validation losses (rgb, pose, fused) after an epoch of the same training from ``found``, written in plain torch."""
    parts = pendigits.split(pendigits.load(None, 12, (0.45, 0.2), 0), 0.3, 0)
    train, val = ([torch.from_numpy(array) for array in (side.rgb, side.pose, side.y)] for side in (parts.train, parts.val))
    layers = {name: torch.nn.Linear(*found[f"{name}.weight"].shape) for name in ("rgb.0", "rgb.1", "pose.0", "pose.1", "fused.0")}
    for name, layer in layers.items():
        layer.weight.data.copy_(torch.from_numpy(found[f"{name}.weight"].T))
        layer.bias.data.copy_(torch.from_numpy(found[f"{name}.bias"][0]))

    def heads(rgb: torch.Tensor, pose: torch.Tensor) -> list[torch.Tensor]:
        a, b = layers["rgb.0"](rgb.flatten(1)).relu(), layers["pose.0"](pose).relu()
        return [layers["rgb.1"](a), layers["pose.1"](b), layers["fused.0"](torch.cat([a, b], 1))]

    parameters = [parameter for layer in layers.values() for parameter in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=1e-4)
    batches = torch.split(draw.order(draw.generator(0, "order", 0), len(train[2])), 64)
    for step, rows in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.5e-3 * (1 + math.cos(math.pi * step / len(batches)))
        optimizer.zero_grad()
        logits, y = heads(train[0][rows], train[1][rows]), train[2][rows]
        p, q = (head.softmax(1) for head in logits[:2])
        middle = ((p + q) / 2).log()
        aux = [0.5 * functional.kl_div(middle, part, reduction="batchmean") for part in (p, q)]
        losses = [functional.cross_entropy(head, y) for head in logits]
        torch.stack([weight * loss for weight, loss in zip([*weights, weights[3]], losses + aux, strict=True)]).sum().backward()
        optimizer.step()
    with torch.no_grad():
        return [float(functional.cross_entropy(head, val[2])) for head in heads(val[0], val[1])]


def test_one_lane_equals_a_plain_torch_loop(tmp_path: Path) -> None:
    weights = {"rgb": 1.0, "pose": 0.7, "fused": 1.3, "aux": 0.5}
    options = {"cache": str(tmp_path), "pretrain": {"rows": 500, "epochs": 2}}
    (epoch,) = trained([start(0, {"loss_weights": weights})], epochs=1, options=options)[0][Lane(0, 0)]
    expected = plain(np.load(next(tmp_path.iterdir())), list(weights.values()))
    assert [epoch.metrics[f"val/{name}loss"] for name in ("rgb/", "pose/", "")] == pytest.approx(expected, rel=1e-5)


def test_a_step_of_sgd_equals_that_of_torch() -> None:
    shapes, lr, decay = stack.linear_shapes("0", 4, 5), [1e-2, 1e-1], [0.0, 1e-1]
    models = stack.Stack(shapes, "cpu")
    models.rearrange([], [stack.fresh(stack.initial(shapes, draw.generator(lane))) for lane in range(2)])
    plain = [models.weights[lane].clone().requires_grad_() for lane in range(2)]
    peers = [torch.optim.SGD([p], lr=r, momentum=0.9, weight_decay=d) for p, r, d in zip(plain, lr, decay, strict=True)]
    column = torch.tensor([lr, decay], dtype=torch.float64)[..., None]
    factors, noise = optim.sgd_coefficients(torch.zeros(2, 1), column[0].expand(2, 30), column[1]), draw.generator(9)
    for factor in factors:
        models.grads.copy_(torch.randn(models.grads.shape, generator=noise))
        before = models.weights.clone()
        ratio = optim.sgd(models, factor)
        torch.testing.assert_close(ratio, (models.weights - before).norm(dim=1) / before.norm(dim=1), rtol=1e-3, atol=0)
        for lane, peer in enumerate(peers):
            plain[lane].grad = models.grads[lane].clone()
            peer.step()
    torch.testing.assert_close(models.weights, torch.stack([p.detach() for p in plain]))


# the loss and the metrics


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 2.0]), st.sampled_from([0.1, 1.0, 30.0]))
def test_terms_are_the_heads_losses_and_how_far_the_streams_disagree(seed: int, gamma: float, scale: float) -> None:
    random = draw.generator(seed)
    logits = [(scale * torch.randn(2, 7, 4, generator=random)).double() for _ in range(3)]
    y = torch.randint(4, (2, 7), generator=random)
    found = terms(logits, y, torch.tensor([gamma, 0.0], dtype=torch.float64))
    for head, one in zip(logits, found, strict=False):
        p = head.softmax(2).gather(2, y[..., None])[..., 0]
        torch.testing.assert_close(one[0], (1 - p[0]) ** gamma * -p[0].log(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(one[1], -p[1].log(), rtol=1e-4, atol=1e-6)
    aux = found[3]
    assert ((aux > -1e-9) & (aux <= math.log(2) + 1e-9)).all()
    torch.testing.assert_close(terms([logits[1], logits[0], logits[2]], y, torch.zeros(2).double())[3], aux)
    assert terms([logits[0]] * 3, y, torch.zeros(2).double())[3].abs().max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 1000]), st.floats(-3, 3))
def test_metrics_equal_those_of_scikit_learn(seed: int, levels: int, shift: float) -> None:
    """Coarse ``levels`` give many ties, a large ``shift`` predictions of one class."""
    random = draw.generator(seed)
    y = torch.cat([torch.arange(4), torch.randint(4, (30,), generator=random)])
    logits = (torch.randn(2, len(y), 4, generator=random) * levels).round() / levels
    logits[..., 1] += shift
    found = evaluation.counts(logits, y) | evaluation.ranking(logits, y) | {"val/top1": evaluation.top1(logits, y)}
    for lane in range(2):
        predicted, p = logits[lane].argmax(dim=1).numpy(), logits[lane].double().softmax(dim=1).numpy()
        labels = y.numpy()
        expected = {
            "val/macro_f1": f1_score(labels, predicted, average="macro", zero_division=0),
            "val/top1": accuracy_score(labels, predicted),
            "val/auc": roc_auc_score(labels, p, multi_class="ovr", average="macro"),
            "val/logit_spread": logits[lane].double().numpy().std(axis=0).mean(),
            "val/probability_spread": p.std(axis=0).mean(),
        }
        for label in range(4):
            expected |= {
                f"val/predicted/{label}": (predicted == label).sum(),
                f"val/labels/{label}": (labels == label).sum(),
                f"val/true_positives/{label}": ((predicted == label) & (labels == label)).sum(),
            }
        assert {name: float(value[lane]) for name, value in found.items()} == pytest.approx(expected)


def test_a_branchs_gradient_is_that_of_its_own_weights() -> None:
    """With the pose head alone no gradient reaches rgb, and the whole norm is that of pose."""
    record, _ = trained([start(0, {"loss_weights": {"rgb": 0.0, "pose": 1.0, "fused": 0.0, "aux": 0.0}}), start(1)])
    single, both = (record[Lane(index, 0)][0].metrics for index in range(2))
    assert single["grad_norm/rgb"] == 0
    assert single["grad_norm/pose"] == pytest.approx(single["grad_norm"])
    assert both["grad_norm"] ** 2 >= both["grad_norm/rgb"] ** 2 + both["grad_norm/pose"] ** 2 - 1e-3
    assert single["params/with_grad"] < both["params/with_grad"] <= both["params/total"]


def test_the_chance_loss_is_that_of_the_class_prior() -> None:
    metrics = trained([start(2)], epochs=1)[0][Lane(2, 0)][0].metrics
    counts = [metrics[f"val/labels/{label}"] for label in range(10)]
    assert metrics["chance/loss"] == pytest.approx(chance.focal(counts, [1.0] * 10, 2.0))


def test_it_says_what_it_takes_and_reports_nothing_else() -> None:
    found = card("pitprop.trainers.two_stream")
    assert (found.params, found.options, found.width) == (two_stream.PARAMS, two_stream.OPTIONS, two_stream.WIDTH)
    for epoch in trained([start(0)])[0][Lane(0, 0)]:
        assert all(
            any(name == word or (word[-1] == "/" and name.startswith(word)) for word in two_stream.REPORTS)
            for name in epoch.metrics
        )


# augmentation


def images(lanes: int = 2, batch: int = 5, side: int = 6) -> torch.Tensor:
    return torch.randn(lanes, batch, side, side, generator=draw.generator(3))


def changed(given: list[dict[str, Any]]) -> augment.Change | None:
    lanes = [(one.get("jitter", 0.0), one.get("shift", 0)) for one in given]
    randoms = [draw.generator(lane) for lane in range(len(given))]
    return next(iter(augment.changes(randoms, lanes, 5, 5, "cpu")))


def test_a_lane_without_augmentation_keeps_every_bit_beside_one_with() -> None:
    assert changed([{}, {}]) is None
    after = augment.apply(changed([{}, {"jitter": 0.4, "shift": 2}]), images())
    assert torch.equal(after[0], images()[0])
    assert not torch.isclose(after[1], images()[1]).all()


def test_a_shift_moves_whole_images_and_repeats_their_edges() -> None:
    change = changed([{"shift": 3}, {"shift": 3}])
    assert change is not None
    after = augment.apply(change, images())
    for lane in range(2):
        for row in range(5):
            down, right = change[1][lane, row].tolist()
            assert max(abs(down), abs(right)) <= 3
            padded = functional.pad(images()[lane, row][None, None], (3, 3, 3, 3), mode="replicate")[0, 0]
            assert torch.equal(after[lane, row], padded[3 + down :, 3 + right :][:6, :6])


# the checkpoint


def test_training_starts_from_what_the_spaces_record_of_the_checkpoint() -> None:
    measured = two_stream.preflight({}, Context(epochs=EPOCHS)).metrics
    assert {name: round(measured[name.replace("val/", "start/")], 4) for name in RECORDED} == RECORDED
    shipped = [found for found in map(space.load, space.names()) if found.trainer == "pitprop.trainers.two_stream"]
    assert {found.name for found in shipped} >= {"loss_weights", "warmup_finetune", "combined_two_stream"}
    assert all(found.checkpoint == RECORDED for found in shipped)


def test_the_start_is_what_validation_gives_before_the_first_step_and_is_told_once() -> None:
    record, _ = trained([start(0, {"lr": 0.0}), start(1)], {2: Change([], [start(2, {"lr": 0.0})])})
    for index in (0, 2):
        first, *later = (epoch.metrics for epoch in record[Lane(index, 0)])
        for name in ("loss", "top1", "rgb/top1", "pose/top1"):
            assert first[f"start/{name}"] == pytest.approx(first[f"val/{name}"], rel=1e-6)
        assert not any(name.startswith("start/") for metrics in later for name in metrics)
    assert record[Lane(0, 0)][0].metrics["start/loss"] == record[Lane(1, 0)][0].metrics["start/loss"]


def test_from_scratch_each_seed_starts_from_its_own_weights() -> None:
    record, _ = trained([start(0), start(1)], epochs=1, options=SMALL | {"checkpoint": None})
    ours, others = (record[Lane(index, 0)][0].metrics for index in range(2))
    assert ours["start/loss"] != others["start/loss"]
    assert max(ours["start/top1"], others["start/top1"]) < 0.3


def test_a_lane_may_start_from_scratch_beside_one_that_starts_from_the_checkpoint() -> None:
    record, _ = trained([start(0), start(1), start(2, {"checkpoint": False})], epochs=1)
    first, second, scratch = (record[Lane(index, 0)][0].metrics["start/loss"] for index in range(3))
    assert first == pytest.approx(second) != pytest.approx(scratch)


def test_a_trial_from_scratch_is_not_held_against_the_checkpoint() -> None:
    found = space.load("loss_weights")
    assert found.known_of().checkpoint == found.known_of({}, {"checkpoint": True}).checkpoint == RECORDED
    assert found.known_of({}, {"checkpoint": False}).checkpoint == {}


def test_the_cache_keeps_one_checkpoint_for_each_thing_that_it_depends_on(tmp_path: Path) -> None:
    options = SMALL | {"cache": str(tmp_path / "new")}
    first = two_stream.preflight({}, Context(epochs=2, options=options))
    files = list((tmp_path / "new").iterdir())
    assert [path.suffix for path in files] == [".npz"]
    for same_one in ({}, {"batch_size": 32}, {"optimizer": "adamw"}, {"autocast": "bf16"}):
        two_stream.preflight({}, Context(epochs=2, options=options | same_one))
    assert list((tmp_path / "new").iterdir()) == files
    for other in ({"pretrain": {"rows": 700, "epochs": 2, "seed": 1}}, {"noise": {"rgb": 0.1}}, {"side": 6}):
        two_stream.preflight({}, Context(epochs=2, options=options | other))
    assert len(list((tmp_path / "new").iterdir())) == 4
    files[0].write_bytes(b"torn")
    assert two_stream.preflight({}, Context(epochs=2, options=options)) == first
    assert pretrained.load(files[0], {}) == {}


def test_a_cache_that_cannot_be_written_to_changes_no_result(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    context = [Context(epochs=2, options=SMALL | {"cache": str(folder)}) for folder in (tmp_path / "file", tmp_path / "good")]
    assert two_stream.preflight({}, context[0]) == two_stream.preflight({}, context[1])


def test_a_checkpoint_of_ones_own_is_loaded_and_one_of_another_model_is_noticed(tmp_path: Path) -> None:
    split = pendigits.split(pendigits.load(None, 5, (0.45, 0.2), 0), 0.3, 0)
    model = Streams((25, split.train.pose.shape[1]), SMALL["hidden"], split.classes)
    weights = model.initial(draw.generator(5))
    pretrained.save(tmp_path / "own.npz", weights)
    assert all(torch.equal(weights[name], value) for name, value in pretrained.load(tmp_path / "own.npz", model.shapes).items())
    epoch = two_stream.preflight({}, Context(epochs=2, options=SMALL | {"checkpoint": str(tmp_path / "own.npz")}))
    stops = [finding.check for finding in judge(epoch, Facts(2, "val/top1", checkpoint=RECORDED)) if finding.severity == "stop"]
    assert stops == ["checkpoint"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"checkpoint: there is no file '.*own.npz'; give an .npz file, pretrained, or null for none"),
        (b"text", r"own.npz cannot be read as an .npz file of weights by name"),
        ({}, r"own.npz has no array 'rgb.0.weight'; this model needs rgb.0.weight, rgb.0.bias, "),
        ({"rgb.0.weight": np.ones((3, 8))}, r"rgb.0.weight in .* has shape \(3, 8\) .*; it has to be numbers of shape \(25, 8\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, content: Any, sentence: str) -> None:
    path = tmp_path / "own.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        two_stream.preflight({}, Context(epochs=2, options=SMALL | {"checkpoint": str(path)}))


def test_two_workers_that_want_a_checkpoint_at_once_both_get_it_whole(tmp_path: Path) -> None:
    weights, both = {"a": torch.randn(300, 300, generator=draw.generator(0))}, threading.Barrier(2)

    def make() -> dict[str, torch.Tensor]:
        both.wait()  # neither finds the other's
        return weights

    with ThreadPoolExecutor(2) as workers:
        asked = [workers.submit(pretrained.cached, str(tmp_path), "key", {"a": (300, 300)}, make) for _ in range(2)]
        assert all(torch.equal(one.result()["a"], weights["a"]) for one in asked)
    (kept,) = tmp_path.iterdir()
    assert torch.equal(pretrained.load(kept, {"a": (300, 300)})["a"], weights["a"])


# what the workload is for: it learns, and it collapses as the case did


def verdicts(epochs: list[Epoch], budget: int) -> dict[str, tuple[int, str]]:
    """Epoch and action of each signature's first verdict."""
    facts = Facts(budget, "val/top1", checkpoint=RECORDED)
    found = detect.replay(Telemetry(epochs), facts, detect.defaults())
    return {verdict.signature: (verdict.step, verdict.action) for verdict in found}


def test_the_defaults_gain_on_the_checkpoint_with_three_seeds() -> None:
    record, _ = trained([Start(Lane(0, seed), {}, seed, ".") for seed in range(3)], epochs=4, options={})
    for epochs in record.values():
        last = epochs[-1].metrics
        assert last["val/top1"] > RECORDED["val/top1"] + 0.01
        assert min(last["val/rgb/top1"], last["val/pose/top1"]) > 0.8
        assert not any(action != "warn" for _, action in verdicts(epochs, 4).values())


def test_a_large_pose_weight_drops_that_branch_in_the_first_epoch_and_it_comes_back() -> None:
    """The third attempt of the case; with a weight of 1 the same rate does no harm."""
    weights = {"rgb": 1.0, "pose": 2.0, "fused": 0.5, "aux": 1.0}
    cases = [{"lr": 3e-3, "loss_weights": weights}, {"lr": 3e-3, "loss_weights": weights | {"pose": 1.0}}]
    record, _ = trained([Start(Lane(index, 0), case, 0, ".") for index, case in enumerate(cases)], epochs=4, options={})
    heavy, even = (record[Lane(index, 0)] for index in range(2))
    assert verdicts(heavy, 4)["branch_drop"] == (1, "warn")
    assert heavy[0].metrics["val/rgb/top1"] > RECORDED["val/rgb/top1"]
    assert "branch_drop" not in verdicts(even, 4)
    assert heavy[-1].metrics["val/pose/top1"] > RECORDED["val/pose/top1"]


def test_a_large_rate_forgets_the_checkpoint_and_a_larger_one_ends_in_nan() -> None:
    record, _ = trained([start(0, {"lr": 0.05}), start(1, {"lr": 0.1})], epochs=2, options={})
    assert verdicts(record[Lane(0, 0)], 2)["forgetting"] == (1, "warn")
    assert verdicts(record[Lane(1, 0)], 2)["non_finite"][1] == "prune"


# errors


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"lr": -1}, "lr: -1 is not allowed; give a number from 0"),
        ({"loss_weights": {"audio": 1}}, "loss_weights.audio: this trainer has no such key; did you mean 'aux'|it takes rgb"),
        ({"loss_weights": {"rgb": 0, "pose": 0, "fused": 0}}, "loss_weights: .* leave nothing to learn from"),
        ({"loss_weights": {"pose": -1}}, "loss_weights.pose: -1 is not allowed"),
        ({"augmentation": {"shift": 1.5}}, "augmentation.shift: 1.5 is not allowed; give a whole number"),
        ({"augmentation": {"jitter": 2}}, "augmentation.jitter: 2 is not allowed; give a number from 0 to 1"),
    ],
)
def test_params_that_do_not_fit_are_refused_in_a_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trained([start(0, params)])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"optimizer": "adam"}, "optimizer: 'adam' is not known; give sgd or adamw"),
        ({"autocast": "fp16"}, "autocast: 'fp16' is not allowed; give null or bf16"),
        ({"hidden": {"rgb": []}}, r"hidden.rgb: \[\] is not allowed; give a list of layer widths"),
        ({"pretrain": {"rows": 0}}, "pretrain.rows: 0 is not allowed"),
        ({"side": 1}, "side: 1 is not allowed; an image needs at least 2 pixels a side"),
        ({"val_fraction": 0}, "val_fraction: 0 is not between 0 and 1"),
        ({"check_point": None}, "check_point: .* did you mean 'checkpoint'"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trained([start(0)], options=options)


# data


def arrays(rows: int = 60) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {"rgb": random.normal(size=(rows, 4, 3)), "pose": random.normal(size=(rows, 2)), "y": np.arange(rows) % 3}


def test_the_shipped_digits_are_the_pen_digits() -> None:
    digits = pendigits.load(None, 12, (0.0, 0.0), 0)
    assert (digits.rgb.shape, digits.pose.shape) == ((10992, 12, 12), (10992, 16))
    assert np.bincount(digits.y).tolist() == [1143, 1143, 1144, 1055, 1144, 1055, 1056, 1142, 1055, 1055]
    assert digits.pose[0].tolist() == pytest.approx([47, 100, 27, 81, 57, 37, 26, 0, 0, 23, 56, 53, 100, 90, 40, 98])


def test_a_raster_shows_the_line_through_the_points() -> None:
    across = np.array([[[0.0, 1.0], [1.0, 1.0]], [[0.5, 0.0], [0.5, 1.0]], [[0.0, 0.0], [1.0, 1.0]]], dtype=np.float32)
    top, middle, rising = pendigits.raster(across, 5)
    assert np.array_equal(top > 0, [[True] * 5] + [[False] * 5] * 4)
    assert np.array_equal(middle > 0, [[False, False, True, False, False]] * 5)
    assert np.diag(rising[::-1]).min() > 0.5
    assert rising[0, 0] == rising[4, 4] == 0


def test_noise_depends_on_the_seed_alone_and_is_as_large_as_said() -> None:
    clean, first, again, other = (
        pendigits.load(None, 6, noise, seed) for noise, seed in (((0, 0), 0), ((0.4, 0.2), 0), ((0.4, 0.2), 0), ((0.4, 0.2), 1))
    )
    assert np.array_equal(first.rgb, again.rgb)
    assert not np.array_equal(first.pose, other.pose)
    assert (first.rgb - clean.rgb).std() == pytest.approx(0.4, rel=0.01)
    assert (first.pose - clean.pose).std() == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.7])
def test_a_split_keeps_the_share_of_each_class_and_scales_by_the_training_rows(fraction: float) -> None:
    parts = pendigits.split(pendigits.load(None, 4, (0.4, 0.2), 0), fraction, 0)
    held, kept = np.bincount(parts.val.y), np.bincount(parts.train.y)
    assert np.abs(held - fraction * (held + kept)).max() <= 1
    assert (parts.train.rgb.mean(), parts.train.rgb.std()) == pytest.approx((0, 1), abs=1e-3)
    assert parts.train.pose.mean(axis=0) == pytest.approx(np.zeros(16), abs=1e-2)
    assert parts.train.pose.std() > 30, "points keep their units"


def test_digits_of_ones_own_train_in_any_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays())
    record, _ = trained([start(1)], options=SMALL | {"data": str(tmp_path / "own.npz"), "batch_size": 16})
    assert record[Lane(1, 0)][-1].metrics["val/labels/2"] == 6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pose": None}, r"has no array 'pose', only \['rgb', 'y'\]; it needs rgb \(n, h, w\), pose"),
        (
            {"rgb": np.ones((60, 12))},
            r"rgb in .* has shape \(60, 12\) and type float64; it has to be numbers of shape \(n, h, w\)",
        ),
        ({"pose": np.ones((59, 2))}, r"pose in .* has shape \(59, 2\) .* with n = 60"),
        ({"pose": np.full((60, 2), "a")}, r"pose in .* type <U1"),
        ({"rgb": np.full((60, 4, 3), np.nan)}, r"60 of 60 rows in .* are not finite"),
        ({"y": np.zeros(60)}, r"y in .* holds the classes \[0.0\]; they have to be two or more, written 0, 1, 2 and so on"),
        ({"y": np.arange(60) + 1}, r"holds the classes \[1, 2, 3, 4, '...'\]"),
        ({"y": np.arange(60)}, r"class 0 has one row; each class needs at least two"),
    ],
)
def test_data_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    np.savez(tmp_path / "own.npz", **{name: value for name, value in (arrays() | change).items() if value is not None})
    with pytest.raises(ValueError, match=sentence):
        pendigits.split(pendigits.load(str(tmp_path / "own.npz"), 5, (0, 0), 0), 0.3, 0)


def test_a_missing_file_and_one_that_is_no_npz_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none.npz"):
        pendigits.load(str(tmp_path / "none.npz"), 5, (0, 0), 0)
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04torn")
    with pytest.raises(ValueError, match=r"torn.npz cannot be read as an .npz file"):
        pendigits.load(str(tmp_path / "torn.npz"), 5, (0, 0), 0)
