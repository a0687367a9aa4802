"""The chance levels, held to identities and to the figures of real failures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.detection import chance

priors = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6)


def nearly(value: float, tolerance: float = 1e-9) -> object:
    return pytest.approx(value, abs=tolerance, rel=tolerance)


@given(st.integers(2, 50))
def test_uniform_classes_cost_the_logarithm_of_their_number(classes: int) -> None:
    assert chance.cross_entropy([1] * classes) == nearly(math.log(classes))


@given(priors)
def test_counts_and_shares_give_the_same(prior: list[float]) -> None:
    assert chance.cross_entropy(prior) == nearly(chance.cross_entropy([1000 * p for p in prior]))


@given(priors, st.data())
def test_focal_with_gamma_zero_is_weighted_cross_entropy(prior: list[float], data: st.DataObject) -> None:
    alpha = data.draw(st.lists(st.floats(0.1, 5.0), min_size=len(prior), max_size=len(prior)))
    terms = [p * a for p, a in zip(chance.shares(prior), alpha, strict=True)]
    assert chance.focal(prior, alpha, 0.0) == nearly(sum(terms) * chance.cross_entropy(terms), 1e-8)


def test_the_perplexity_of_a_guess_is_the_number_of_tokens() -> None:
    assert chance.score("val/ppl", [1] * 65) == nearly(65.0)
    assert chance.score("val/perplexity", [3, 1]) == nearly(math.exp(chance.cross_entropy([3, 1])))


@given(st.integers(2, 8), st.floats(0.0, 6.0))
def test_focal_of_equal_classes_predicts_them_equally(classes: int, gamma: float) -> None:
    expected = (1 - 1 / classes) ** gamma * math.log(classes)
    assert chance.focal([1] * classes, [1.0] * classes, gamma) == nearly(expected, 1e-8)


@given(st.floats(0.01, 0.99), st.floats(0.1, 4.0), st.floats(0.1, 5.0))
def test_focal_is_the_least_over_a_fine_grid_of_constant_predictions(p: float, alpha: float, gamma: float) -> None:
    def value(c: float) -> float:
        return p * math.pow(1 - c, gamma) * -math.log(c) + (1 - p) * alpha * math.pow(c, gamma) * -math.log(1 - c)

    least = min(value(i / 1000) for i in range(1, 1000))
    assert chance.focal([p, 1 - p], [1.0, alpha], gamma) == pytest.approx(least, abs=2e-3)
    assert chance.focal([p, 1 - p], [1.0, alpha], gamma) <= least + 1e-9


@given(priors, st.floats(0.0, 5.0), st.data())
def test_no_prediction_beats_the_focal_level(prior: list[float], gamma: float, data: st.DataObject) -> None:
    c = chance.shares(data.draw(st.lists(st.floats(0.01, 1.0), min_size=len(prior), max_size=len(prior))))
    value = sum(p * (1 - q) ** gamma * -math.log(q) for p, q in zip(chance.shares(prior), c, strict=True))
    assert chance.focal(prior, [1.0] * len(prior), gamma) <= value + 1e-9


def test_binary_cross_entropy_sums_over_the_labels() -> None:
    assert chance.binary_cross_entropy([0.5, 0.5, 0.5]) == nearly(3 * math.log(2))
    assert chance.binary_cross_entropy([0.0, 1.0]) == 0.0


def test_collapsed_embeddings_of_a_batch_of_32_cost_3_4340() -> None:
    assert chance.supervised_contrastive(32) == pytest.approx(3.4340, abs=5e-5)
    assert chance.nt_xent(32) == nearly(math.log(63))


@given(st.integers(2, 4096))
def test_contrastive_levels_differ_by_what_a_sample_is_compared_with(batch: int) -> None:
    assert chance.clip(batch) == nearly(math.log(batch))
    assert chance.supervised_contrastive(batch) <= chance.clip(batch) < chance.nt_xent(batch)


@given(priors)
def test_a_random_ranking_is_as_precise_as_the_class_is_frequent(prior: list[float]) -> None:
    assert chance.average_precision(prior) == min(chance.shares(prior))
    assert [chance.average_precision(prior, c) for c in range(len(prior))] == chance.shares(prior)


def test_average_precision_is_that_of_the_rarest_class_there_is() -> None:
    assert chance.average_precision([696, 204]) == nearly(204 / 900)
    assert chance.average_precision([9, 1, 0]) == nearly(0.1)
    assert chance.score("val/pose/average_precision", [3, 1]) == chance.score("val/ap", [3, 1]) == 0.25


@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=8), st.integers(1, 64))
def test_a_larger_batch_holds_more_classes_but_never_more_than_there_are(prior: list[float], batch: int) -> None:
    found = chance.classes_in_batch(prior, batch)
    assert chance.classes_in_batch(prior, 1) == nearly(1.0)
    assert 1 - 1e-9 <= found <= min(len(prior), batch) + 1e-9
    assert found <= chance.classes_in_batch(prior, batch + 1) + 1e-9
    assert found <= chance.classes_in_batch([1] * len(prior), batch) + 1e-9, "most when all are equally frequent"


def test_a_batch_of_32_of_6_classes_holds_nearly_all() -> None:
    assert chance.classes_in_batch([1] * 6, 32) == pytest.approx(5.98, abs=5e-3)
    assert chance.classes_in_batch([550, 10, 8], 32) == pytest.approx(1.80, abs=5e-3)


def test_constant_predictors_of_the_imbalanced_case_have_their_macro_f1() -> None:
    assert chance.macro_f1([696, 204]) == pytest.approx(0.4361, abs=5e-5)
    assert chance.macro_f1([696, 204], 1) == pytest.approx(0.1848, abs=5e-5)
    assert chance.accuracy([696, 204], 1) == pytest.approx(0.2267, abs=5e-5)


def test_score_knows_a_metric_by_the_last_part_of_its_name() -> None:
    assert chance.score("val/pose/accuracy", [3, 1]) == 0.75
    assert chance.score("val/balanced_accuracy", [3, 1]) == 0.5
    assert chance.score("val/auc", []) == 0.5
    assert chance.score("val/accuracy", []) is None
    assert chance.score("val/edit", [3, 1]) == 0
    assert chance.score("val/psnr", [3, 1]) is None


@pytest.mark.parametrize(
    ("metric", "level"),
    [("val/node_acc", 0.25), ("val/top1", 0.25), ("val/top1_acc", 0.25), ("val/acc@1", 0.25), ("val/balanced_acc", 0.25)]
    + [
        (name, None)
        for name in ("val/knn_top1", "val/top5_acc", "val/acc@5", "val/acc_3", "val/accuracy_loss", "val/top1_error_rate_gap")
    ],
)
def test_any_accuracy_has_the_chance_of_its_classes_but_not_one_of_several_guesses_of_one_class_or_of_neighbours(
    metric: str, level: float | None
) -> None:
    assert chance.score(metric, [1, 1, 1, 1]) == level


def test_the_mean_accuracy_of_classes_has_no_majority() -> None:
    assert [chance.score(f"val/{name}", [3, 1]) for name in ("acc", "mean_acc", "macro_accuracy")] == [0.75, 0.5, 0.5]


@given(st.lists(st.integers(1, 500), min_size=2, max_size=5))
def test_standard_errors_halve_with_four_times_the_samples(counts: list[int]) -> None:
    for metric in ("val/accuracy", "val/balanced_accuracy", "val/macro_f1"):
        once, four = chance.standard_error(metric, counts), chance.standard_error(metric, [4 * n for n in counts])
        assert once is not None
        assert four == nearly(once / 2)


def test_standard_error_is_unknown_for_one_class_and_for_unknown_metrics() -> None:
    assert chance.standard_error("val/accuracy", [10]) is None
    assert chance.standard_error("val/edit", [10, 10]) is None


@pytest.mark.parametrize("prior", [[], [0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0]])
def test_an_impossible_prior_is_refused(prior: list[float]) -> None:
    with pytest.raises(ValueError, match="class prior"):
        chance.cross_entropy(prior)


def test_impossible_batches_and_focal_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="batch of at least 2"):
        chance.supervised_contrastive(1)
    with pytest.raises(ValueError, match="batch of at least 1"):
        chance.nt_xent(0)
    with pytest.raises(ValueError, match="batch of at least 1"):
        chance.clip(0)
    with pytest.raises(ValueError, match="focal"):
        chance.focal([1, 1], [0, 0], 2)
