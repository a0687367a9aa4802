"""What lane trainers share: each piece against torch or scikit-learn, one lane at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.trainers.lanes import draw, evaluation, hyperparameters, losses, optim, stack
from pitprop.trainers.lanes.perceptron import Perceptron, extremes
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score
from torch.nn import functional

LANES, ROWS = 3, 40


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filled(lanes: int = LANES) -> stack.Stack:
    shapes = stack.linear_shapes("0", 4, 5) | stack.linear_shapes("1", 5, 2)
    models = stack.Stack(shapes, "cpu")
    models.rearrange([], [stack.fresh(stack.initial(shapes, random(lane))) for lane in range(lanes)])
    return models


# losses


def test_focal_with_gamma_0_is_weighted_cross_entropy() -> None:
    logits, y = torch.randn(LANES, ROWS, 2, generator=random()), torch.randint(2, (LANES, ROWS), generator=random())
    weight = torch.rand(LANES, 2, generator=random())
    ours = losses.focal(logits, y, weight, torch.zeros(LANES))
    for lane in range(LANES):
        torch.testing.assert_close(ours[lane], functional.cross_entropy(logits[lane], y[lane], weight[lane], reduction="none"))


def test_focal_is_cross_entropy_scaled_by_the_miss() -> None:
    logits, y = torch.randn(LANES, ROWS, 3, generator=random()).double(), torch.randint(3, (LANES, ROWS), generator=random())
    gamma, one = torch.tensor([0.5, 2.0, 5.0], dtype=torch.float64), torch.ones(LANES, 3, dtype=torch.float64)
    p = logits.softmax(dim=2).gather(2, y[..., None])[..., 0]
    torch.testing.assert_close(losses.focal(logits, y, one, gamma), (1 - p) ** gamma[:, None] * -p.log())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_finite_gradients_where_the_model_is_certain(gamma: float) -> None:
    logits = torch.tensor([[[200.0, -200.0], [0.0, 40.0]]], requires_grad=True)
    losses.focal(logits, torch.tensor([[0, 0]]), torch.ones(1, 2), torch.tensor([gamma])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("rule", "weights"),
    [(None, [1, 1]), ("log", [1, np.log(4)]), ("sqrt", [1, 2]), ("ratio", [1, 4]), ([0.5, 3], [0.5, 3])],
)
def test_class_weights_follow_their_formulas(rule: str | list[float] | None, weights: list[float]) -> None:
    assert losses.class_weights(rule, [400, 100]) == pytest.approx(weights)


def test_class_weights_favour_the_minority_whichever_class_it_is() -> None:
    assert losses.class_weights("ratio", [100, 400]) == [4.0, 1.0]


# metrics


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 1000]), st.floats(-3, 3))
def test_metrics_equal_those_of_scikit_learn(seed: int, levels: int, shift: float) -> None:
    """Coarse ``levels`` give many ties, a large ``shift`` gives constant predictions."""
    y = torch.cat([torch.tensor([0, 1]), torch.randint(2, (ROWS,), generator=random(seed))])
    logits = (torch.randn(LANES, len(y), 2, generator=random(seed)) * levels).round() / levels
    logits[..., 1] += shift
    found = evaluation.classification(logits, y)
    for lane in range(LANES):
        predicted = logits[lane].argmax(dim=1)
        score = logits[lane, :, 1] - logits[lane, :, 0]
        precision, recall, f1, _ = precision_recall_fscore_support(y, predicted, average="macro", zero_division=0)
        expected = {
            "val/macro_f1": f1,
            "val/precision": precision,
            "val/recall": recall,
            "val/accuracy": accuracy_score(y, predicted),
            "val/auc": roc_auc_score(y, score),
            "val/predicted/0": int((predicted == 0).sum()),
            "val/predicted/1": int((predicted == 1).sum()),
            "val/labels/0": int((y == 0).sum()),
            "val/labels/1": int((y == 1).sum()),
            "val/true_positives/0": int(((predicted == 0) & (y == 0)).sum()),
            "val/true_positives/1": int(((predicted == 1) & (y == 1)).sum()),
            "val/logit_spread": np.std(score.double().numpy()),
            "val/probability_spread": np.std(score.double().sigmoid().numpy()),
        }
        assert {name: float(value[lane]) for name, value in found.items()} == pytest.approx(expected)


def test_a_lane_of_nan_has_no_auc_and_leaves_its_neighbour_alone() -> None:
    score = torch.tensor([[0.1, 0.2, 0.3], [0.1, torch.nan, 0.3]])
    area = evaluation.auc(score, torch.tensor([0, 1, 1]))
    assert area[0] == 1
    assert area[1].isnan()


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 1000))
def test_classes_are_counted_in_every_batch_and_in_what_is_left(rows: int, batch: int, seed: int) -> None:
    labels = torch.randint(2, (LANES, rows), generator=random(seed))
    expected = [np.mean([len(part.unique()) for part in lane.split(batch)]) for lane in labels]
    assert evaluation.classes_in_batches(labels, batch).tolist() == pytest.approx(expected)


# perceptron


def test_a_perceptron_is_its_layers_in_turn() -> None:
    model = Perceptron(4, [5, 3], 2)
    models = stack.Stack(model.shapes, "cpu")
    models.rearrange([], [stack.fresh(model.initial(random(lane), torch.tensor([0.75, 0.25]))) for lane in range(LANES)])
    x, kept = torch.randn(LANES, ROWS, 4, generator=random(9)), torch.rand(LANES, ROWS, 8, generator=random(10))
    for lane in range(LANES):
        hidden = x[lane]
        for layer, part in enumerate(kept[lane].split([5, 3], dim=1)):
            hidden = (hidden @ models.views[f"{layer}.weight"][lane] + models.views[f"{layer}.bias"][lane]).relu() * part
        logits = hidden @ models.views["2.weight"][lane] + models.views["2.bias"][lane]
        torch.testing.assert_close(model.logits(models.views, x, kept)[lane], logits)
        assert models.views["2.bias"][lane][0].tolist() == pytest.approx([np.log(0.75), np.log(0.25)])


@given(st.integers(1, ROWS), st.integers(0, 1000))
def test_activity_is_that_of_all_samples_whatever_the_pieces(piece: int, seed: int) -> None:
    model = Perceptron(4, [5, 3], 2)
    hidden = [6 * torch.randn(LANES, ROWS, width, generator=random(seed)) - 8 for width in model.hidden]
    seen = [extremes(parts) for parts in zip(*(output.split(piece, dim=1) for output in hidden), strict=True)]
    largest, saturated = (torch.stack(parts) for parts in zip(*seen, strict=True))
    found = model.activity(largest.amax(dim=0), saturated.sum(dim=0) / ROWS)
    for layer, output in enumerate(hidden):
        dormant = (output.relu() == 0).all(dim=1).double().mean(dim=1)
        assert found[f"dormant/{layer}"].tolist() == pytest.approx(dormant.tolist())
        beyond = (output.abs() > 5).double().mean(dim=(1, 2))
        assert found[f"saturated/{layer}"].tolist() == pytest.approx(beyond.tolist())


# stack and optimizer


def test_gradients_equal_those_of_torch_linear_layers() -> None:
    models = filled()
    x, y = torch.randn(LANES, 8, 4, generator=random(1)), torch.randint(2, (LANES, 8), generator=random(2))
    views = models.views
    hidden = torch.baddbmm(views["0.bias"], x, views["0.weight"]).relu()
    logits = torch.baddbmm(views["1.bias"], hidden, views["1.weight"])
    models.differentiate(losses.focal(logits, y, torch.ones(LANES, 2), torch.zeros(LANES)).mean(dim=1).sum())
    for lane in range(LANES):
        leaves = {name: view[lane].detach().clone().requires_grad_() for name, view in views.items()}
        inner = functional.linear(x[lane], leaves["0.weight"].T, leaves["0.bias"][0]).relu()
        functional.cross_entropy(functional.linear(inner, leaves["1.weight"].T, leaves["1.bias"][0]), y[lane]).backward()
        expected = torch.cat([leaf.grad.flatten() for leaf in leaves.values() if leaf.grad is not None])
        torch.testing.assert_close(models.grads[lane], expected)


def test_weights_that_the_loss_does_not_reach_get_gradient_0() -> None:
    models = filled()
    models.differentiate(models.views["0.weight"].square().sum())
    assert models.grads[:, :20].abs().min() > 0
    assert models.grads[:, 20:].abs().max() == 0


def test_rearranging_keeps_and_appends_whole_lanes() -> None:
    models = filled()
    before = models.state()
    models.rearrange([2, 0], [{name: rows[1] for name, rows in before.items()}])
    for name, rows in models.state().items():
        torch.testing.assert_close(rows, before[name][[2, 0, 1]], rtol=0, atol=0)
    assert models.views["1.weight"].shape == (3, 5, 2)
    models.weights.zero_()
    assert not models.views["1.weight"].any(), "the views are no longer those of the weights"


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_equals_that_of_torch_adamw_with_a_schedule_and_clipping(fused: bool) -> None:
    models, steps, total = filled(), 100, 120
    lr, decay = [1e-2, 1e-3, 3e-2], [0.0, 1e-2, 1.0]
    limit = torch.tensor([torch.inf, 1.0, 0.5])
    column = torch.tensor([[0.0], [10.0], [40.0]], dtype=torch.float64)
    step = torch.arange(steps, dtype=torch.float64).expand(LANES, -1)
    start = torch.full_like(column, 0.1)
    rates = optim.warmup_cosine(step, torch.tensor(lr, dtype=torch.float64)[:, None], column, start, total)
    factors = optim.coefficients(step, rates, torch.tensor(decay, dtype=torch.float64)[:, None])
    plain = [models.weights[lane].clone().requires_grad_() for lane in range(LANES)]
    peers = [torch.optim.AdamW([p], lr=1e-3, weight_decay=d, fused=fused) for p, d in zip(plain, decay, strict=True)]
    noise = random(5)
    for index in range(steps):
        models.grads.copy_(torch.randn(LANES, models.size, generator=noise))
        for lane, peer in enumerate(peers):
            plain[lane].grad = models.grads[lane].clone()
            if limit[lane].isfinite():
                torch.nn.utils.clip_grad_norm_(plain[lane], float(limit[lane]))
            peer.param_groups[0]["lr"] = float(rates[lane, index])
            peer.step()
        optim.clip(models, optim.norms(models.grads), limit)
        optim.adamw(models, factors[index])
    torch.testing.assert_close(models.weights, torch.stack([p.detach() for p in plain]), rtol=1e-5, atol=1e-5)


def test_the_update_ratio_is_the_step_over_the_weights() -> None:
    models = filled()
    before = models.weights.clone()
    models.grads.copy_(torch.randn(models.grads.shape, generator=random()))
    one = torch.ones(LANES, 1, dtype=torch.float64)
    ratio = optim.adamw(models, optim.coefficients(0 * one, 0.01 * one, 0.1 * one)[0])
    torch.testing.assert_close(ratio, (models.weights - before).norm(dim=1) / before.norm(dim=1))


@given(st.floats(0, 30), st.floats(0, 1), st.floats(1e-6, 1))
def test_the_schedule_rises_to_the_peak_and_falls_to_zero(warmup: float, start: float, peak: float) -> None:
    step = torch.arange(51, dtype=torch.float64)[None]
    column = [torch.tensor([[value]], dtype=torch.float64) for value in (peak, warmup, start)]
    rates = optim.warmup_cosine(step, *column, 50)[0]
    top = int(np.ceil(warmup))
    assert float(rates[0]) == pytest.approx(peak * start if warmup > 0 else peak)
    assert float(rates.max()) <= peak * (1 + 1e-12)
    assert float(rates[-1]) == pytest.approx(0, abs=1e-12)
    assert bool((rates[: top + 1].diff()[: max(0, top - 1)] >= -1e-12).all())
    assert bool((rates[top:].diff() <= 1e-12).all())


# draws


def test_draws_depend_on_every_part_of_their_key() -> None:
    keys = [(0, "order", 1), (1, "order", 1), (0, "dropout", 1), (0, "order", 2)]
    firsts = [tuple(draw.order(draw.generator(*key), 50).tolist()) for key in keys]
    assert len(set(firsts)) == 4
    assert firsts[0] == tuple(draw.order(draw.generator(0, "order", 1), 50).tolist())


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 1000))
def test_a_balanced_order_is_half_minority_and_as_long_as_the_data(zeros: int, ones: int, seed: int) -> None:
    y = torch.tensor([0] * zeros + [1] * ones)
    rows = draw.balanced_order(random(seed), y)
    assert len(rows) == len(y)
    assert abs(int((y[rows] == 0).sum()) - int((y[rows] == 1).sum())) <= 1
    majority = rows[y[rows] != (0 if zeros <= ones else 1)]
    assert len(majority.unique()) == len(majority)


def test_dropout_factors_keep_the_mean_and_do_not_depend_on_neighbours() -> None:
    rates, shape = [0.0, 0.5, 0.1], (64, 64)
    factors = draw.dropout_factors([random(lane) for lane in range(3)], rates, shape, "cpu")
    alone = draw.dropout_factors([random(1)], [0.5], shape, "cpu")
    assert factors is not None
    assert alone is not None
    assert torch.equal(factors[1], alone[0])
    assert factors.mean(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1], abs=0.05)
    assert set(factors[1].unique().tolist()) == {0.0, 2.0}
    assert draw.dropout_factors([random()], [0.0], shape, "cpu") is None


# params


def test_complete_fills_in_what_is_not_given() -> None:
    defaults = {"lr": 1.0, "focal": {"alpha": 1, "gamma": 2}}
    assert hyperparameters.complete({"focal": {"gamma": 0}}, defaults) == {"lr": 1.0, "focal": {"alpha": 1, "gamma": 0}}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"focal": {"gama": 1}}, r"focal.gama: this trainer has no such key; did you mean 'gamma'"),
        ({"zzz": 1}, r"zzz: this trainer has no such key; it takes lr, focal"),
        ({"focal": 3}, r"focal: 3 is not a mapping with the keys alpha, gamma"),
    ],
)
def test_complete_names_what_does_not_fit(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        hyperparameters.complete(given, {"lr": 1.0, "focal": {"alpha": 1, "gamma": 2}})


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "0.1", None, True, 1.5])
def test_number_refuses_what_is_outside(value: object) -> None:
    with pytest.raises(ValueError, match=r"rate: .* is not allowed; give a number from 0 to below 1"):
        hyperparameters.number("rate", value, 0, 1, below=True)


@pytest.mark.parametrize("value", [[1], [1, 2, 3], 1.0, "ab", [1, "b"], [-1, 1], [0, 0]])
def test_pair_refuses_what_is_not_two_weights(value: object) -> None:
    with pytest.raises(ValueError, match=r"^w"):
        hyperparameters.pair("w", value)
