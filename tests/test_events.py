"""The workload ``events``: its data, what it learns, and that each lane is a training of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import laned
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laned import Record, same
from pitprop.detection import detect
from pitprop.detection.facts import Facts
from pitprop.driver.preflight import findings
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.trainers import events
from pitprop.trainers.lanes import draw, losses
from pitprop.trainers.lanes.learner import Learner
from pitprop.trainers.sequences import recordings, windows
from pitprop.trainers.sequences.convolution import Convolution
from torch.nn.functional import binary_cross_entropy_with_logits, conv1d

EPOCHS = 4
SIZES = (2, 3)
VARIED: list[dict[str, Any]] = [
    {"lr": 1e-2, "clip": 0.05, "threshold": 0.3},
    {"lr": 3e-2, "focal": {"alpha": [0.5, 2.0], "gamma": 1.5}, "oversample": None, "prior_bias": False},
    {"lr": 1e-3, "weight": None, "loss_weight": {"coarse": 2.0, "fine": 0.0}, "oversample": 0.9},
    {"lr": 1e-2, "weight_decay": 0.1, "warmup": {"epochs": 0}, "weight": 7.0, "loss_weight": {"fine": 3.0}},
]
CASE: dict[str, Any] = {"lr": 1e-3, "weight": None, "prior_bias": False, "oversample": None}


def write(path: Path, length: int, seed: int, **changed: Any) -> str:
    """A recording of two channels in which an event is a bump of the first, and the second says what it is."""
    random = np.random.default_rng(seed)
    x, at = random.normal(0, 0.3, (length, 2)), np.arange(20 + seed, length - 20, 45)
    elements = np.stack([random.integers(0, size, len(at)) for size in SIZES], axis=1)
    for shift, height in ((-1, 1.5), (0, 3.0), (1, 1.5)):
        x[at + shift, 0] += height
        x[at + shift, 1] += 2 * elements[:, 0] - elements[:, 1]
    arrays = {"x": x, "channels": np.array(["bump", "sort"]), "frames": at, "elements": elements} | changed
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return str(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The options of a quick training on three short recordings."""
    folder = tmp_path_factory.mktemp("recordings")
    files = [
        write(folder / f"{name}.npz", frames, seed) for seed, (name, frames) in enumerate((("a", 400), ("b", 333), ("c", 410)))
    ]
    shape = {"window": 30, "batch_size": 5, "width": 8, "dilations": [1, 3], "tolerance": 2}
    return {"data": files, "channels": ["bump", "sort"], **shape}


def start(index: int, params: Mapping[str, Any] | None = None, **given: Any) -> Start:
    return Start(lane=Lane(index, 0), params=VARIED[index] if params is None else params, seed=index, folder=".", **given)


def trained(
    starts: list[Start], options: Mapping[str, Any], plan: Mapping[int, Change] | None = None, epochs: int = EPOCHS
) -> tuple[Record, list[Any]]:
    return laned.trained(events, starts, epochs, plan, options=dict(options))


@pytest.fixture(scope="module")
def alone(small: dict[str, Any]) -> list[list[Epoch]]:
    return [trained([start(index)], small)[0][Lane(index, 0)] for index in range(4)]


# lanes


def test_a_lane_among_others_equals_the_lane_alone(small: dict[str, Any], alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(index) for index in range(4)], small)
    for index in range(4):
        same(record[Lane(index, 0)], alone[index])


def test_a_refilled_lane_and_one_whose_neighbour_stops_equal_the_lanes_alone(
    small: dict[str, Any], alone: list[list[Epoch]]
) -> None:
    plan = {2: Change([Lane(0, 0)], [start(2)]), 3: Change([], [start(3)])}
    record, _ = trained([start(0), start(1)], small, plan)
    same(record[Lane(0, 0)], alone[0][:2])
    for index in (1, 2, 3):
        same(record[Lane(index, 0)], alone[index])


@pytest.mark.parametrize("index", range(4))
def test_a_resumed_lane_equals_the_undisturbed_one(small: dict[str, Any], alone: list[list[Epoch]], index: int) -> None:
    lane, neighbour = Lane(index, 0), (index + 1) % 4
    _, states = trained([start(neighbour), start(index)], small)
    record, _ = trained([start(neighbour, {"lr": 1.0}), start(index, step=2, state=states[1][lane])], small)
    same(record[lane], alone[index][2:])


def test_a_lane_that_turns_nan_reports_it_and_leaves_its_neighbour_alone(small: dict[str, Any], alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(3, {"lr": 1e30, "warmup": {"epochs": 0}}), start(1)], small)
    last = record[Lane(3, 0)][-1].metrics
    assert all(math.isnan(last[name]) for name in ("val/loss", "val/auc", "val/average_precision"))
    assert last["val/lcl_f1"] == last["val/predicted/1"] == 0
    same(record[Lane(1, 0)], alone[1])


def test_half_precision_computes_the_same_model_roughly(small: dict[str, Any], alone: list[list[Epoch]]) -> None:
    record, _ = trained([start(0)], {**small, "autocast": "bf16"})
    assert record[Lane(0, 0)][0].metrics["val/loss"] == pytest.approx(alone[0][0].metrics["val/loss"], rel=0.05)


# what is learned, and what is not


@cache
def curves() -> dict[str, list[Epoch]]:
    """Trainings on the whales, by what they are; all in one group."""
    settings: dict[str, dict[str, Any]] = {"seed 0": {}, "seed 1": {}, "seed 2": {}, "case": CASE, "slow": {**CASE, "lr": 1e-4}}
    settings |= {"threshold": {**CASE, "threshold": 0.02}, "one class": {"oversample": 0.0}}
    starts = [
        Start(Lane(index, 0), params, int(name[-1]) if name.startswith("seed") else 0, ".")
        for index, (name, params) in enumerate(settings.items())
    ]
    record, _ = trained(starts, {}, epochs=14)
    return dict(zip(settings, record.values(), strict=True))


def verdicts(curve: list[Epoch]) -> dict[str, str]:
    found = detect.replay(curve, Facts(len(curve), "val/element_f1"), detect.defaults())
    return {verdict.signature: verdict.action for verdict in found}


@pytest.mark.parametrize("seed", range(3))
def test_the_default_settings_find_lunges_and_say_what_they_are(seed: int) -> None:
    metrics = curves()[f"seed {seed}"][-1].metrics
    assert metrics["val/lcl_f1"] > 0.75
    assert metrics["val/element_f1"] > 0.45
    assert metrics["val/event_f1"] > 0.1
    assert metrics["val/edit"] > 30
    assert metrics["val/loss"] < 0.7 * metrics["chance/loss"]
    assert not {"park", "prune"} & set(verdicts(curves()[f"seed {seed}"]).values())


@pytest.mark.parametrize("name", ["case", "slow"])
def test_the_settings_of_the_case_find_nothing_at_all(name: str) -> None:
    for epoch in curves()[name][4:]:
        scores = ("predicted/1", "lcl_f1", "event_f1", "element_f1", "edit", "true_positives/1", "found")
        assert all(epoch.metrics[f"val/{score}"] == 0 for score in scores)


def test_what_finds_nothing_is_named() -> None:
    slow, case, one = (verdicts(curves()[name]) for name in ("slow", "case", "one class"))
    assert slow["no_positives"] == slow["constant_prediction"] == "park"
    assert case["ranks_without_deciding"] == "warn"  # it is not dead: a lower threshold finds events
    assert curves()["threshold"][-1].metrics["val/lcl_f1"] > 0.3
    assert one["single_class_batches"] == "prune"


def test_the_preflight_warns_of_the_background_alone() -> None:
    epoch = events.preflight({}, Context(epochs=20))
    found = findings.judge(epoch, Facts(20, "val/element_f1"))
    assert {finding.check: finding.severity for finding in found if finding.severity in ("warn", "stop")} == {"labels": "warn"}
    assert (epoch.metrics["train/labels/1"], epoch.metrics["val/labels/1"]) == (139, 79)
    assert epoch.metrics["files/missing"] == epoch.metrics["files/empty"] == epoch.metrics["inputs/non_finite"] == 0


def test_chance_is_the_loss_of_a_model_that_knows_how_often_everything_occurs() -> None:
    event = torch.zeros(1, 1, 50)
    elements = torch.zeros(1, 1, 50, 4)
    event[..., [3, 9, 20]], elements[..., [3, 9], 0], elements[..., 20, 2] = 1.0, 1.0, 1.0
    weight, gamma = torch.tensor([[1.0, 6.0]]), torch.zeros(1)
    odds = torch.full((1, 1, 50), math.log(3 * 6 / 47))
    shares = elements[0, 0, [3, 9, 20]].mean(dim=0)
    coarse, fine = losses.event_levels(50, elements[0, 0, [3, 9, 20]].int().tolist(), (1.0, 6.0), 0.0)
    assert float(losses.binary_focal(odds, event, weight, gamma)) / 50 == pytest.approx(coarse, rel=1e-5)
    found = losses.event_elements(shares.logit(eps=1e-9).expand(1, 1, 50, 4), event, elements)
    assert float(found) / 3 == pytest.approx(fine, rel=1e-5)


# the model and its windows


def test_the_model_is_dilated_convolutions() -> None:
    model = Convolution(3, 5, [1, 4], 7)
    weights = [model.initial(draw.generator(seed, "weights")) for seed in range(2)]
    views = {name: torch.stack([one[name] for one in weights]) for name in weights[0]}
    x = torch.randn(2, 6, 30 + 2 * model.margin, 3, generator=draw.generator(0, "x"))
    coarse, fine = model.logits(views, x)
    assert (coarse.shape, fine.shape) == ((2, 6, 30), (2, 6, 30, 7))
    for lane, one in enumerate(weights):
        signal = x[lane].transpose(1, 2)
        for layer, dilation in enumerate(model.dilations):
            kernel = one[f"{layer}.weight"].view(3, -1, 5).permute(2, 1, 0)
            signal = conv1d(signal, kernel, one[f"{layer}.bias"][0], dilation=dilation).relu()
        assert torch.allclose(fine[lane], signal.transpose(1, 2) @ one["fine.weight"] + one["fine.bias"], atol=1e-5)
    assert sum(part.stop - part.start for part in model.branches.values()) == 5 + 1 + 5 * 7 + 7


def test_windows_side_by_side_are_the_recording(small: dict[str, Any]) -> None:
    split = recordings.split(recordings.load(small["data"]), ["sort"], ["c"])
    cut = windows.cut(split.train, split.sizes, 30, 4)
    first = windows.padded(split.train[0], 4)
    assert torch.equal(cut.x[0], first[:38])
    assert torch.equal(cut.x[12], first[360:398])
    assert cut.x.shape == (13 + 11, 38, 1)
    told = {int(frame): elements for frame, elements in zip(split.train[0].frames, split.train[0].elements, strict=True)}
    for window, frame in cut.event[:13].nonzero().tolist():
        one, other = told[30 * window + frame]
        assert cut.elements[window, frame].nonzero()[:, 0].tolist() == [one, 2 + other]
    assert cut.elements.sum() == 2 * cut.event.sum()


@given(st.lists(st.booleans(), min_size=1, max_size=20).filter(any), st.none() | st.floats(0, 1), st.integers(0, 9))
def test_an_epoch_holds_the_share_of_windows_with_an_event(holds: list[bool], share: float | None, seed: int) -> None:
    drawn = windows.order(draw.generator(seed, "order"), torch.tensor(holds), share).tolist()
    assert len(drawn) == len(holds)
    if share is None or all(holds):
        assert sorted(drawn) == list(range(len(holds)))
        return
    assert sum(holds[row] for row in drawn) == round(share * len(holds))
    for kind in (False, True):
        counts = [drawn.count(row) for row, held in enumerate(holds) if held == kind]
        assert max(counts) - min(counts) <= 1


def test_a_step_weighs_both_heads_as_its_settings_say(small: dict[str, Any]) -> None:
    context = Context(epochs=2, options={**small, "channels": ["bump", "sort"], "dilations": [1]})
    detector = events.Detector(context)
    group = Learner(detector, context).group
    params = {"weight": 4.0, "loss_weight": {"coarse": 2.0, "fine": 3.0}}
    group.rearrange(Change(started=[start(0, params)]))
    split = recordings.split(recordings.load(small["data"]), ["bump", "sort"], None)
    cut = windows.cut(split.train, split.sizes, 30, 1)
    rows = torch.arange(6)
    loss, _ = detector.loss(group.stack.views, rows[None], detector.prepare(group.settings), None)
    model = Convolution(2, 8, [1], sum(SIZES))
    coarse, fine = model.logits({name: view[:1] for name, view in group.stack.views.items()}, cut.x[None, rows])
    event = cut.event[rows]
    coarse, fine = coarse.detach(), fine.detach()
    first = binary_cross_entropy_with_logits(coarse[0], event, weight=1 + 3 * event)
    second = binary_cross_entropy_with_logits(fine[0][event > 0], cut.elements[rows][event > 0])
    assert float(loss.detach()) == pytest.approx(float(2 * first + 3 * second), rel=1e-5)


# data and settings that do not fit


def test_files_that_are_missing_or_empty_are_counted_and_left_out(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty.npz").touch()
    files = [*small["data"], str(tmp_path / "empty.npz"), str(tmp_path / "absent.npz")]
    epoch = events.preflight({}, Context(epochs=2, options={**small, "data": files}))
    assert (epoch.metrics["files/missing"], epoch.metrics["files/empty"]) == (1, 1)
    with pytest.raises(ValueError, match=r"no recording \(1 of the files are missing, 1 empty\)"):
        events.preflight({}, Context(epochs=2, options={**small, "data": files[-2:]}))


def test_inputs_that_are_not_finite_are_counted(small: dict[str, Any], tmp_path: Path) -> None:
    broken = np.load(small["data"][0])["x"].copy()
    broken[7:9] = np.nan
    files = [write(tmp_path / "a.npz", 400, 0, x=broken), *small["data"][1:]]
    epoch = events.preflight({}, Context(epochs=2, options={**small, "data": files}))
    assert epoch.metrics["inputs/non_finite"] == 2
    assert epoch.metrics["params/with_grad"] > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": None}, "has no array 'frames'"),
        ({"x": np.zeros(400)}, "do not fit"),
        ({"channels": np.array(["one"])}, "do not fit"),
        ({"elements": np.zeros((3, 2), int)}, "do not fit"),
        ({"frames": np.arange(8) + 1000}, "different ones from 0 to 399"),
        ({"elements": -np.ones((8, 2), int)}, "whole numbers from 0"),
        ({"channels": np.array(["sort", "bump"])}, "differ in their channels"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused_in_one_sentence(
    small: dict[str, Any], tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    files = [write(tmp_path / "z.npz", 400, 0, **changed), *small["data"]]
    with pytest.raises(ValueError, match=message):
        recordings.load(files)


def test_a_file_that_is_no_recording_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("pitch,roll")
    with pytest.raises(ValueError, match=r"cannot be read as an \.npz file"):
        recordings.load([str(tmp_path / "a.npz")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "a.npz"}, "give a list of .npz files"),
        ({"channels": ["bumps"]}, "there is no 'bumps'; the data has bump, sort"),
        ({"held_out": ["d"]}, "there is no 'd'; the data has a, b, c"),
        ({"held_out": ["a", "b", "c"]}, "training recordings hold no event"),
        ({"window": 1000}, "longer than any recording"),
        ({"window": 0}, "whole number from 1"),
        ({"dilations": []}, "list of whole numbers"),
        ({"autocast": "fp16"}, "give null or bf16"),
        ({"windows": 3}, "did you mean 'window'"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_sentence(
    small: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        next(events.train_lanes([start(0)], Context(epochs=2, options={**small, **options})))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weight": "rato"}, "weight: 'rato' is not known; give null, log, sqrt, ratio, or a number"),
        ({"weight": 0}, "weight: 0 is not allowed"),
        ({"threshold": 1}, "threshold: 1 is not allowed"),
        ({"oversample": True}, "oversample: True is not allowed"),
        ({"loss_weight": {"coarse": 0, "fine": 0.0}}, "leaves nothing to learn"),
        ({"weights": 1}, "did you mean 'weight'"),
    ],
)
def test_params_that_do_not_fit_are_refused_in_one_sentence(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        events.settle(params, (99, 1))


def test_the_shipped_recordings_are_what_they_are_said_to_be() -> None:
    found = recordings.load()
    assert [len(one.frames) for one in found.recordings] == [40, 35, 27, 46, 44, 26]
    assert sum(len(one.x) for one in found.recordings) == 41_605
    elements = np.concatenate([one.elements for one in found.recordings])
    assert np.bincount(elements[:, 2]).tolist() == [73, 73, 72]
    split = recordings.split(found, ["pitch", "roll", "depth", "speed"], None)
    assert [one.name for one in split.val] == ["bw180904-48", "bw180905-49"]
    assert all(min(b - a for a, b in itertools.pairwise(one.frames.tolist())) > 60 for one in found.recordings)
