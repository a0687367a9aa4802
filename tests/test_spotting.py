"""How found events and ranked frames are scored, against plain computations that try everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.trainers.lanes import evaluation
from pitprop.trainers.sequences import spotting
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

SIZES = (2, 3)
ROWS = st.lists(st.floats(-3, 3, width=16), min_size=1, max_size=24)


@given(ROWS, st.integers(0, 4), st.floats(-2, 2, width=16))
def test_peaks_are_what_no_neighbour_exceeds(scores: list[float], radius: int, least: float) -> None:
    kept = []
    for t, score in enumerate(scores):
        before, after = scores[max(0, t - radius) : t], scores[t + 1 : t + radius + 1]
        kept.append(score >= least and all(one < score for one in before) and all(one <= score for one in after))
    found = spotting.peaks(torch.tensor([scores]), torch.tensor([least]), radius)
    assert found[0].tolist() == kept


def largest(pairs: Sequence[tuple[int, int]]) -> int:
    """The largest one-to-one matching, by trying all."""
    if not pairs:
        return 0
    (left, right), *rest = pairs
    return max(largest(rest), 1 + largest([(a, b) for a, b in rest if a != left and b != right]))


def matched(found: Sequence[int], true: Sequence[int], tolerance: int) -> int:
    return largest([(a, b) for a in true for b in found if abs(a - b) <= tolerance])


def plain_f1(found: Mapping[Any, Sequence[int]], true: Mapping[Any, Sequence[int]], tolerance: int) -> float:
    """The mean over the classes that occur on either side."""
    known = [name for name in {*found, *true} if found.get(name) or true.get(name)]
    each = []
    for name in known:
        ours, theirs = found.get(name, []), true.get(name, [])
        each.append(2 * matched(ours, theirs, tolerance) / (len(ours) + len(theirs)))
    return sum(each) / len(each) if each else 0.0


def levenshtein(left: Sequence[int], right: Sequence[int]) -> int:
    if not left or not right:
        return len(left) + len(right)
    changed = levenshtein(left[1:], right[1:]) + (left[0] != right[0])
    return min(changed, 1 + levenshtein(left[1:], right), 1 + levenshtein(left, right[1:]))


ELEMENTS = st.tuples(*(st.integers(0, size - 1) for size in SIZES))
EVENTS = st.dictionaries(st.integers(0, 15), ELEMENTS, min_size=1, max_size=5)


def grouped(labelled: Mapping[int, tuple[int, ...]], single: bool) -> dict[Any, list[int]]:
    """The frames of each combination, or of each element by itself."""
    groups: dict[Any, list[int]] = {}
    for frame, elements in sorted(labelled.items()):
        for name in enumerate(elements) if single else [elements]:
            groups.setdefault(name, []).append(frame)
    return groups


@settings(deadline=None)
@given(EVENTS, EVENTS, st.integers(0, 3))
def test_scores_of_events_equal_those_of_trying_every_matching(
    found: dict[int, tuple[int, ...]], true: dict[int, tuple[int, ...]], tolerance: int
) -> None:
    at, guess = torch.zeros(1, 16, dtype=torch.bool), torch.zeros(1, 16, len(SIZES), dtype=torch.long)
    for frame, elements in found.items():
        at[0, frame], guess[0, frame] = True, torch.tensor(elements)
    order = sorted(true)
    truth = spotting.truth(np.array(order), np.array([true[frame] for frame in order]), SIZES, "cpu")
    tally = spotting.tally(at, spotting.named(guess, SIZES), truth, tolerance, 0)
    assert float(spotting.f1(tally.located)) == pytest.approx(plain_f1({0: list(found)}, {0: order}, tolerance))
    for counts, single in ((tally.kinds, False), (tally.elements, True)):
        assert float(spotting.f1(counts)) == pytest.approx(plain_f1(grouped(found, single), grouped(true, single), tolerance))
    ours, theirs = ([side[frame] for frame in sorted(side)] for side in (found, true))
    distance = levenshtein(*([elements[0] * SIZES[1] + elements[1] for elements in side] for side in (ours, theirs)))
    assert float(tally.edit) == pytest.approx(100 * (1 - distance / max(len(ours), len(theirs))))


def test_a_true_event_is_found_once_and_a_found_one_counts_once() -> None:
    truth = spotting.truth(np.array([10, 12]), np.array([[0, 0], [1, 2]]), SIZES, "cpu")
    found, guess = torch.zeros(2, 20, dtype=torch.bool), torch.zeros(2, 20, 3, dtype=torch.long)
    found[0, 11], found[1, [8, 9, 11]] = True, True
    located = spotting.tally(found, guess, truth, 2, 0).located[..., 0]
    assert located.T.tolist() == [[1, 1, 2], [2, 3, 2]]


def test_the_gate_lets_the_elements_of_found_events_through_alone() -> None:
    truth = spotting.truth(np.array([5]), np.array([[1, 2]]), SIZES, "cpu")
    guess = spotting.named(torch.tensor([1, 2]).expand(1, 9, 2), SIZES)
    closed = spotting.tally(torch.zeros(1, 9, dtype=torch.bool), guess, truth, 1, 0)
    assert [float(spotting.f1(counts)) for counts in (closed.located, closed.kinds, closed.elements)] == [0, 0, 0]
    assert float(closed.edit) == 0


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=30).filter(lambda s: len({y for _, y in s}) > 1)
)
def test_measures_of_frames_equal_those_of_scikit_learn(samples: list[tuple[int, bool]]) -> None:
    scores, y = [float(score) for score, _ in samples], [int(label) for _, label in samples]
    found = {
        name: float(value)
        for name, value in evaluation.thresholded(torch.tensor([scores]), torch.tensor(y), torch.ones(1)).items()
    }
    chosen = [int(score >= 1) for score in scores]
    for name, measure in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert found[f"val/coarse/{name}"] == pytest.approx(measure(y, chosen, zero_division=0))
    assert found["val/auc"] == pytest.approx(roc_auc_score(y, scores))
    assert found["val/average_precision"] == pytest.approx(average_precision_score(y, scores))
    assert found["val/true_positives/1"] == sum(a and b for a, b in zip(y, chosen, strict=True))
    assert found["val/true_positives/0"] == sum(not a and not b for a, b in zip(y, chosen, strict=True))
