"""Comparisons, held to scipy on known cases and to their promises on simulated studies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.results.statistics import BETTER, OPEN, WORSE, Difference, paired, recorded
from scipy import stats

STUDIES, SEEDS, TOP = 400, 5, 3
BASELINE = [0.61, 0.64, 0.60, 0.66, 0.63]
CANDIDATES = {"a": [0.70, 0.71, 0.68, 0.76, 0.70], "b": [0.68, 0.73, 0.69, 0.72, 0.73], "c": [0.64, 0.62, 0.64, 0.65, 0.66]}
NOISE = ["normal", "heavy", "skewed"]

scores = st.floats(-10, 10).map(lambda x: round(x, 3)) | st.just(math.nan)


def draw(random: np.random.Generator, kind: str, size: tuple[int, ...]) -> np.ndarray:
    """Noise of mean 0 and standard deviation 1."""
    if kind == "heavy":
        return random.standard_t(3, size) / math.sqrt(3)
    return random.standard_normal(size) if kind == "normal" else 1 - random.exponential(1, size)


def simulate(seed: int, kind: str, gains: Sequence[float], shared: float, spreads: Sequence[float] = (1, 1, 1, 1)) -> np.ndarray:
    """Scores, (studies, the baseline and the candidates, seeds), with this share of the variance from the seed."""
    random = np.random.default_rng(seed)
    own, common = draw(random, kind, (STUDIES, len(spreads), SEEDS)), draw(random, kind, (STUDIES, 1, SEEDS))
    noise = math.sqrt(1 - shared) * own + math.sqrt(shared) * common
    return np.array([0, *gains])[:, None] + np.array(spreads)[:, None] * noise


def judge(study: np.ndarray) -> list[Difference]:
    return list(paired({str(i): row for i, row in enumerate(study[1:])}, study[0], maximize=True).values())


def any_better(studies: np.ndarray) -> float:
    """In which share of studies any candidate is called better."""
    return float(np.mean([any(one.verdict == BETTER for one in judge(study)) for study in studies]))


def first_better(studies: np.ndarray) -> float:
    return float(np.mean([judge(study)[0].verdict == BETTER for study in studies]))


def agree(found: Mapping[str, Difference]) -> None:
    """The verdict says what interval and p say."""
    before = 0.0
    for one in found.values():
        assert one.verdict == (BETTER if one.low > 0 else WORSE if one.high < 0 else OPEN)
        assert math.isnan(one.mean) or one.low <= one.mean <= one.high
        assert 0 <= one.p <= 1
        assert one.p <= 0.05 or one.low <= 0 <= one.high
        if one.p < 1:
            assert one.p >= before
            before = one.p


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("kind", NOISE)
def test_without_a_difference_at_most_one_study_in_twenty_calls_any_candidate_better(kind: str, shared: float) -> None:
    assert any_better(simulate(1, kind, [0, 0, 0], shared)) <= 0.05


def test_having_been_the_best_of_32_noisy_values_helps_nobody_on_fresh_seeds() -> None:
    search = np.random.default_rng(2).standard_normal((STUDIES, 32))
    best = np.argsort(-search, axis=1)[:, :TOP]
    fresh = np.random.default_rng(3).standard_normal((STUDIES, 33, SEEDS))
    chosen = np.stack([study[[32, *ranked]] for study, ranked in zip(fresh, best, strict=True)])
    assert np.take_along_axis(search, best, axis=1).mean() > 1.5, "their search values would have fooled anybody"
    assert any_better(chosen) <= 0.05


@pytest.mark.parametrize("gains", [(2, 2, 2), (2, 0, 0)], ids=["all", "only the first"])
@pytest.mark.parametrize("kind", NOISE)
def test_a_gain_of_two_standard_deviations_is_found_in_four_of_five_studies(kind: str, gains: tuple[float, ...]) -> None:
    assert first_better(simulate(4, kind, gains, 0.0)) >= 0.8


def test_what_the_seeds_share_makes_differences_easier_to_find() -> None:
    assert first_better(simulate(5, "normal", [2, 2, 2], 0.5)) >= 0.93


def test_a_candidate_that_is_better_by_luck_alone_stays_rare_behind_one_that_is_better() -> None:
    found = [judge(study) for study in simulate(6, "normal", [4, 0, 0], 0.0)]
    assert np.mean([one[1].verdict == BETTER or one[2].verdict == BETTER for one in found]) <= 0.05


@pytest.mark.parametrize("spreads", [(3, 1, 1, 1), (1, 3, 1, 1), (3, 3, 1, 1), (1, 1, 1, 3), (1, 3, 3, 3)], ids=str)
def test_unequal_spreads_mislead_in_few_studies(spreads: tuple[float, ...]) -> None:
    assert any_better(simulate(7, "normal", [0, 0, 0], 0.0, spreads)) <= 0.08


def test_one_candidate_that_nearly_collapses_does_not_hide_the_others() -> None:
    assert first_better(simulate(8, "normal", [3, 0, 0], 0.0, (1, 1, 1, 10))) >= 0.8


def test_intervals_hold_the_truth_in_nineteen_of_twenty_studies() -> None:
    found = [judge(study)[0] for study in simulate(9, "normal", [1, 1, 1], 0.0)]
    assert np.mean([one.low <= 1 <= one.high for one in found]) >= 0.92


def test_what_is_detectable_is_found_in_four_of_five_studies() -> None:
    squares = [judge(study)[0].detectable ** 2 for study in simulate(10, "normal", [0, 0, 0], 0.0)]
    typical = math.sqrt(np.mean(squares))
    assert first_better(simulate(11, "normal", [typical] * 3, 0.0)) == pytest.approx(0.8, abs=0.06)


def test_one_candidate_alone_is_a_paired_t_test() -> None:
    one = paired({"a": CANDIDATES["a"]}, BASELINE, maximize=True)["a"]
    known = stats.ttest_rel(CANDIDATES["a"], BASELINE)
    interval = known.confidence_interval(0.95)
    assert (one.p, one.low, one.high) == pytest.approx((known.pvalue, interval.low, interval.high), rel=1e-9)
    error = one.mean / known.statistic
    assert stats.nct.sf(stats.t.isf(0.025, 4), 4, one.detectable / error) == pytest.approx(0.8, abs=1e-6)


def test_several_candidates_share_the_residual_of_the_two_way_analysis_of_variance() -> None:
    table = np.array([BASELINE, *CANDIDATES.values()])
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    error = math.sqrt(2 * (rest**2).sum() / 12 / 5)
    found = paired(CANDIDATES, BASELINE, maximize=True)
    p = [2 * stats.t.sf(abs(one.mean) / error, 12) for one in found.values()]
    assert [one.p for one in found.values()] == pytest.approx([p[0], max(p[:2]), max(p)], rel=1e-9)
    assert found["a"].low == pytest.approx(found["a"].mean - stats.t.isf(0.025, 12) * error, rel=1e-9)
    assert [one.verdict for one in found.values()] == [BETTER, BETTER, OPEN]


def test_a_pair_that_spreads_otherwise_than_the_rest_is_judged_by_its_own_spread() -> None:
    for name in "ac":  # quiet, beside one that is wild
        wild = {name: CANDIDATES[name], "w": [0.9, 0.4, 0.8, 0.45, 0.95]} | {"b": CANDIDATES["b"]}
        known = stats.ttest_rel(CANDIDATES[name], BASELINE).pvalue
        assert paired(wild, BASELINE, maximize=True)[name].p == pytest.approx(known, rel=1e-9)
    swapped = {"w": [0.95, 0.3, 0.9, 0.35, 0.9], "v": [0.3, 0.95, 0.35, 0.9, 0.4]}
    known = stats.ttest_rel(swapped["w"], swapped["v"]).pvalue
    assert paired({"w": swapped["w"], **CANDIDATES}, swapped["v"], maximize=True)["w"].p == pytest.approx(known, rel=1e-9)


def test_behind_a_candidate_that_is_open_all_are_open() -> None:
    found = paired({"c": CANDIDATES["c"], "a": CANDIDATES["a"]}, BASELINE, maximize=True)
    assert found["c"].verdict == found["a"].verdict == OPEN
    assert found["a"].low == 0 < found["a"].high
    assert found["a"].p == found["c"].p


def test_a_recorded_number_is_a_one_sample_t_test() -> None:
    one, known = recorded(CANDIDATES, 0.6232, maximize=True)["a"], stats.ttest_1samp(CANDIDATES["a"], 0.6232)
    interval = known.confidence_interval(0.95)
    assert (one.p, one.low + 0.6232, one.high + 0.6232) == pytest.approx((known.pvalue, interval.low, interval.high), rel=1e-9)


def test_a_small_validation_set_makes_a_recorded_number_doubtful() -> None:
    exact = recorded(CANDIDATES, 0.65, maximize=True, samples=100, bounded=False)["a"]
    few, many = (recorded(CANDIDATES, 0.65, maximize=True, samples=n)["a"] for n in (100, 10**9))
    assert few.high - few.low > 2 * (many.high - many.low)
    assert many.low == pytest.approx(exact.low, rel=1e-4)
    assert recorded(CANDIDATES, 0.65, maximize=True)["a"] == exact
    assert (few.verdict, many.verdict, exact.verdict) == (OPEN, BETTER, BETTER)


def test_a_recorded_number_fools_one_study_in_twenty_and_hides_no_gain() -> None:
    random = np.random.default_rng(12)
    rows = random.standard_normal((STUDIES, TOP, SEEDS)) * 0.02 + 0.7
    numbers = 0.7 + math.sqrt(0.21 / 400) * random.standard_normal(STUDIES)
    named = [{str(i): row for i, row in enumerate(study)} for study in rows]
    null = [recorded(one, p, maximize=True, samples=400).values() for one, p in zip(named, numbers, strict=True)]
    assert np.mean([any(one.verdict == BETTER for one in study) for study in null]) <= 0.05
    assert np.mean([recorded(one, 0.66, maximize=True)["0"].verdict == BETTER for one in named]) >= 0.8


def test_a_loss_is_better_where_it_is_lower() -> None:
    up, down = paired(CANDIDATES, BASELINE, maximize=True), paired(CANDIDATES, BASELINE, maximize=False)
    assert (up["a"].verdict, down["a"].verdict) == (BETTER, WORSE)
    assert (down["a"].low, down["a"].high) == pytest.approx((-up["a"].high, -up["a"].low))
    assert recorded(CANDIDATES, 0.5, maximize=False)["a"].verdict == WORSE


def test_a_failed_seed_drops_its_pair_and_a_failed_candidate_no_other() -> None:
    holed = [*CANDIDATES["a"][:4], math.nan]
    one = paired({"a": holed}, BASELINE, maximize=True)["a"]
    assert one.p == pytest.approx(stats.ttest_rel(holed[:4], BASELINE[:4]).pvalue, rel=1e-9)
    assert paired({"a": CANDIDATES["a"]}, [*BASELINE[:4], math.inf], maximize=True)["a"] == one
    failed = {"dead": [math.nan] * 5, "a": CANDIDATES["a"], "b": CANDIDATES["b"]}
    found = paired(failed, BASELINE, maximize=True)
    assert found["dead"].verdict == OPEN
    assert math.isnan(found["dead"].mean)
    del failed["dead"]
    assert [found[name] for name in failed] == list(paired(failed, BASELINE, maximize=True).values())


@pytest.mark.parametrize("left", [0, 1])
def test_fewer_than_two_scores_decide_nothing(left: int) -> None:
    few = {"a": CANDIDATES["a"][:left], "b": CANDIDATES["b"][:left]}
    for found in (paired(few, BASELINE[:left], maximize=True), recorded(few, 0.1, maximize=True, samples=100)):
        for one in found.values():
            assert (one.verdict, one.p, one.low, one.high, one.detectable) == (OPEN, 1, -math.inf, math.inf, math.inf)


def test_two_seeds_are_enough_for_an_interval() -> None:
    one = paired({name: row[:2] for name, row in CANDIDATES.items()}, BASELINE[:2], maximize=True)["a"]
    assert math.isfinite(one.low)
    assert math.isfinite(one.detectable)


@pytest.mark.parametrize(("seeds", "verdict", "p"), [(2, OPEN, 1 / 2), (5, OPEN, 1 / 16), (6, BETTER, 1 / 32)])
def test_trainings_that_ignore_the_seed_are_judged_by_sign(seeds: int, verdict: str, p: float) -> None:
    for found in (
        paired({"a": [0.7] * seeds, "b": [0.8] * seeds}, [0.6] * seeds, maximize=True),
        recorded({"a": [0.7] * seeds, "b": [0.8] * seeds}, 0.6, maximize=True),
    ):
        assert [(one.verdict, one.p) for one in found.values()] == [(verdict, p)] * 2
        assert found["a"].low == (-math.inf if verdict == OPEN else pytest.approx(0.1))


def test_a_configuration_held_against_itself_is_open() -> None:
    for seeds in (1, 5, 9):
        same = [0.6] * seeds
        assert paired({"a": same}, same, maximize=True)["a"].verdict == OPEN
        assert recorded({"a": same}, 0.6, maximize=True)["a"].verdict == OPEN


def test_what_cannot_be_compared_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="a has 4 scores, its baseline 5"):
        paired({"a": [0.7] * 4}, BASELINE, maximize=True)
    with pytest.raises(ValueError, match=r"2\.3 on 400 samples is no score in \[0, 1\]"):
        recorded(CANDIDATES, 2.3, maximize=False, samples=400)
    assert recorded(CANDIDATES, 2.3, maximize=False, samples=400, bounded=False)["a"].verdict == BETTER


tables = st.integers(0, 8).flatmap(lambda n: st.lists(st.lists(scores, min_size=n, max_size=n), min_size=1, max_size=5))


@settings(max_examples=60, deadline=None)
@given(tables, st.booleans())
def test_verdict_interval_and_p_agree_whatever_the_scores(rows: list[list[float]], maximize: bool) -> None:
    named = {str(i): row for i, row in enumerate(rows[1:])}
    agree(paired(named, rows[0], maximize=maximize))
    agree(recorded(named, 0.5, maximize=maximize, samples=200))
    agree(recorded(named, 0.5, maximize=maximize))
