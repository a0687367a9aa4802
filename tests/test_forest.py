"""The random forest of the report: the trees are those of scikit-learn, which takes too long to import for a report."""

from __future__ import annotations

from typing import Any

import numpy as np
from pitprop.results import forest
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor


def study(trials: int, seed: int) -> tuple[Any, Any]:
    """Configurations with a choice, ties and a cliff, and their scores."""
    random = np.random.default_rng(seed)
    rows = np.float64(np.float32(random.random((trials, 5)).round(2)))  # scikit-learn cuts in single precision
    rows[:, 0] = rows[:, 0] > 0.5
    scores = np.sin(4 * rows[:, 1]) + rows[:, 0] - 2.0 * (rows[:, 2] > 0.8) + 0.1 * random.standard_normal(trials)
    return rows, scores


def test_a_tree_parts_its_rows_as_one_of_scikit_learn_does() -> None:
    for trials in (2, 12, 200):
        for leaf in (1, 2, 5):
            rows, scores = study(trials, seed=trials)
            often = np.random.default_rng(leaf).integers(0, 3, trials)
            often[:2] = 1
            ours = forest.grown(rows, scores, rows[often > 0], often[None, :], leaf, np.random.default_rng(0))[0]
            theirs = DecisionTreeRegressor(min_samples_leaf=leaf, random_state=0).fit(rows, scores, sample_weight=often)
            assert np.allclose(ours, theirs.predict(rows[often > 0]), atol=1e-9), (trials, leaf)


def test_a_forest_expects_what_one_of_scikit_learn_does_and_doubts_as_much() -> None:
    (rows, scores), (points, _) = study(150, seed=1), study(40, seed=2)
    ours = forest.expected(rows, scores, points, trees=400, leaf=2)
    theirs = RandomForestRegressor(400, min_samples_leaf=2, random_state=0).fit(rows, scores)
    each = np.array([tree.predict(points) for tree in theirs.estimators_])
    assert np.abs(ours.mean(0) - each.mean(0)).max() < 0.1 * scores.std()
    assert abs(ours.std(0).mean() / each.std(0).mean() - 1) < 0.1


def test_a_forest_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    rows, scores = study(50, seed=3)
    one, again, other = (forest.expected(rows, scores, rows, trees=20, leaf=2, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_of_two_parameters_that_say_the_same_neither_is_preferred() -> None:
    rows, scores = study(60, seed=4)
    twins = np.column_stack([rows[:, 1], rows[:, 1]])
    apart = np.array([[0.0, 1.0], [1.0, 0.0]])  # who asks only one of the two says 0 for the one and 1 for the other
    first, second = forest.expected(twins, scores, apart, trees=400, leaf=2).mean(0)
    assert abs(first - second) < 0.2 * scores.std()


def test_where_all_scores_or_all_configurations_are_the_same_the_mean_is_expected() -> None:
    rows, scores = study(30, seed=5)
    assert np.allclose(forest.expected(rows, np.full(30, 0.7), rows, trees=5, leaf=2), 0.7)
    found = forest.expected(np.ones((30, 3)), scores, rows[:, :3], trees=300, leaf=2)
    assert np.ptp(found, axis=1).max() == 0.0
    assert abs(found.mean() - scores.mean()) < 0.1 * scores.std()


def test_thousands_of_trials_cost_no_more_than_a_thousand() -> None:
    rows, scores = study(3000, seed=6)
    found = forest.expected(rows, scores, rows[:1], trees=3, leaf=1000)
    assert found.shape == (3, 1)
    assert len({*found[:, 0]}) == 3, "no tree draws a thousand different rows, so none has two leaves: each says its mean"
