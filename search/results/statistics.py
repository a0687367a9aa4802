"""Trials against baselines, with confidence: is a candidate better, or were its seeds lucky?

A search ranks its trials by one noisy score each, so the best of them has been lucky too. That is why the best few are trained
again, on fresh seeds that the baselines share: those scores do not know of the search, and here they alone are judged.

**The test.** A score is taken as configuration + seed + noise. The spread of a difference is the residual of that two-way
analysis of variance (Fisher 1925), pooled over the baseline and all candidates: with 5 seeds and 3 candidates that gives
Student's t (1908) 12 degrees of freedom instead of the 4 of a paired t. Where an F test at 5 % says that this pair spreads
otherwise than the rest (one of them nearly collapses now and then), the pair stands alone: a paired t.

**The correction.** Candidates are tested in the order of the search's ranking, each at 5 %, until the first that cannot be told
from the baseline; those behind it stay open. Tests in an order fixed beforehand keep the error of the whole family at 5 %
without a factor (Maurer, Hothorn & Lehmacher 1995). The price: a candidate that is better behind one that is not stays unfound.

**What it assumes.** Noise that is independent from seed to seed, near normal, and of one size as far as the F test can see.
Simulated with 5 seeds and 3 candidates, whatever the seeds share: without any difference, any candidate is called better in 3 %
of the studies, for normal, t (3) and exponential noise alike; the first one, if better by two standard deviations of the score,
in 81 % or more (66 % with one candidate). Spreads that differ by a factor of 3 make the 3 % up to 7 %, and 13 % where the one
that spreads more is a candidate with a tail downwards: few seeds hide it. Intervals hold the truth in 94 %. Whoever failed
(NaN) has no score: how often that happens must be said beside the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pitprop.detection.stopping import sign

Scores = NDArray[np.float64]

BETTER, WORSE, OPEN = "better", "worse", "not distinguishable"

SPREADS = 4.0
"""A configuration whose variance is more than so many times the median one says nothing of the noise of the others."""

OPEN_ENDS = (-math.inf, math.inf)
"""The bounds of a metric that has none."""

LEVEL = 0.05
"""Of every test; an interval is of 1 - LEVEL."""

POWER = 0.8
"""How often a difference of the size `detectable` is found (Cohen 1988)."""

ROUNDING = 1e-12
"""Scores that differ by less than this share of the largest are the same."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a candidate is than a baseline, in the metric's units; positive is better whatever the direction.

    ``low`` to ``high`` is the 95 % interval of this candidate on its own; of a candidate behind one that could not
    be told from the baseline, the interval is widened to hold 0. So `BETTER` is ``low > 0``, `WORSE` is ``high < 0``, `OPEN`
    the rest. ``p`` is the largest of the candidate's own two-sided p and those of the candidates before it. ``detectable`` is
    what a candidate must truly gain to be found in 80 % of cases, with this spread and once those before it are found. With
    fewer than two scores to go by there is no spread: then ``p`` is 1, the interval and ``detectable`` are infinite, ``mean``
    is the one difference, or NaN.
    """

    mean: float
    low: float
    high: float
    p: float
    detectable: float
    verdict: str


@dataclass(frozen=True, slots=True)
class _Estimate:
    mean: float
    error: float  # standard error of the mean, 0 without a spread
    freedom: float  # its degrees of freedom
    least: float  # p is not below this


def paired(candidates: Mapping[str, Sequence[float]], baseline: Sequence[float], *, maximize: bool) -> dict[str, Difference]:
    """Each candidate, best of the search first, against the baseline: scores of the same seeds in the same order.

    A score that is not finite is missing: its pair is dropped. A candidate with fewer than two pairs is `OPEN`, passed over by
    the correction and left out of the spread. ``ValueError`` if a candidate has not as many scores as the baseline.
    """
    for name, scores in candidates.items():
        if len(scores) != len(baseline):
            raise ValueError(f"{name} has {len(scores)} scores, its baseline {len(baseline)}: give one a seed, NaN if it failed")
    table = _finite([baseline, *candidates.values()])
    table[:, np.isnan(table[0])] = math.nan
    shared = _residual(table[np.isfinite(table).sum(axis=1) > 1])
    return _in_order({name: _pair(sign(maximize) * table[[0, row]], *shared) for row, name in enumerate(candidates, start=1)})


def recorded(
    candidates: Mapping[str, Sequence[float]], number: float, *, maximize: bool, samples: int | None = None, bounded: bool = True
) -> dict[str, Difference]:
    """Each candidate, best of the search first, against one recorded number: Student's one-sample t over the seeds.

    If ``samples``, the size of the validation set that the number p comes from, is known and the score lies in [0, 1], the
    number's own variance p (1 - p) / samples is added, with Welch's degrees of freedom (1947). That is the binomial's: exact
    for accuracy, the most that a mean of values in [0, 1] can have, an approximation for F1 and AUC. For other scores
    (``bounded=False``) the number is taken as exact.

    "Better" is better than this number, not than its method: how that spreads over seeds nobody knows. If the number is one
    training's and that spreads as the candidates do, one study in five calls a candidate better that is not (simulated).

    Scores that are not finite are dropped. ``ValueError`` for samples below 1, and for a number outside [0, 1] with samples.
    """
    doubt = 0.0
    if samples is not None and bounded:
        if samples < 1 or not 0 <= number <= 1:
            raise ValueError(f"{number} on {samples} samples is no score in [0, 1] on 1 or more: pass bounded=False")
        doubt = number * (1 - number) / samples
    upward = sign(maximize)
    return _in_order({name: _alone(upward * _finite(scores), upward * number, doubt) for name, scores in candidates.items()})


def changed(
    chosen: Sequence[float], variants: Mapping[str, Sequence[float]], *, maximize: bool, family: int = 0
) -> dict[str, Difference]:
    """Each variant against the ``chosen`` configuration: scores of the same seeds, which nobody chose by, in the same order.

    The spread is the residual of configuration + seed, as in `paired`; variants that spread more (`SPREADS`), such as those that
    collapse on some seeds, are no part of it and stand alone. All are tested at once, so p is corrected by Holm's step-down
    procedure (1979) and the intervals by Bonferroni's: together they hold in 95 % of studies. An interval that holds 0 though
    Holm's test sees a difference ends at 0. ``family`` is how many comparisons there are if that is more than the variants.

    Simulated with 8 seeds and 14 variants, 1,500 studies each (``tests/bench/by_parameter.py``): without any difference one or
    more is found in 2 to 5 % of the studies, whatever the seeds share, for normal, t (3) and exponential noise, and where one
    variant spreads five times as much; a difference of two standard deviations in 80 to 85 %, with 5 seeds in 52 to 68 %.
    """
    table = sign(maximize) * _finite([chosen, *variants.values()])
    calm, count = _calm(table), max(family, len(variants))
    shared, freedom = _residual(table[calm])
    found = {}
    for row, name in enumerate(variants, start=1):
        pairs = table[[0, row]][:, np.isfinite(table[[0, row]]).all(axis=0)]
        differences, few = pairs[1] - pairs[0], pairs.shape[1] - 1
        own = _squares(differences, np.abs(pairs).max(initial=0.0)) / few if few > 0 else 0.0
        pooled = calm[0] and calm[row] and freedom > 0
        found[name] = _estimate(differences, 2 * shared / freedom if pooled else own, freedom if pooled else few, 0.0)
    alone = {name: _difference(one, 0.0, LEVEL / max(count, 1)) for name, one in found.items()}
    told, before = dict[str, Difference](), 0.0
    for place, name in enumerate(sorted(alone, key=lambda name: alone[name].p)):
        before = min(1.0, max(before, alone[name].p * (count - place)))
        told[name] = _at(alone[name], before)
    return {name: told[name] for name in variants}


def interval(scores: Sequence[float], bounds: tuple[float, float] = OPEN_ENDS) -> tuple[float, float]:
    """The 95 % interval of the mean of the scores that are there, by Student's t, as far as it lies within ``bounds``.

    A mean cannot lie beyond the bounds of its metric, so that what is cut off there never holds the truth: the interval is right
    as often as before. That is less often near a bound, where noise is lopsided: with 5 scores of a beta distribution in 94 % if
    the mean is three standard deviations away from the bound, in 88 % if it is one (200,000 simulated), cut or not.

    NaN for fewer than two, and where all are alike: these show no spread, which is not to say that there is none.
    """
    from scipy import special

    there = [score for score in scores if math.isfinite(score)]
    few = len(there) - 1
    variance = _squares(np.array(there), max(map(abs, there))) / few if few > 0 else 0.0
    if variance == 0:
        return math.nan, math.nan
    mean, margin = math.fsum(there) / len(there), float(special.stdtrit(few, 1 - LEVEL / 2)) * math.sqrt(variance / len(there))
    return max(mean - margin, bounds[0]), min(mean + margin, bounds[1])


def within(one: Difference, bounds: tuple[float, float]) -> Difference:
    """The same, with an interval that is cut at the ``bounds`` of both scores: they cannot lie further apart."""
    width = bounds[1] - bounds[0]
    return replace(one, low=max(one.low, -width), high=min(one.high, width)) if math.isfinite(one.low) else one


def _calm(table: Scores) -> NDArray[np.bool_]:
    """The rows that do not spread much more than most do, once the medians of the seeds are taken out."""
    own = table - np.nanmean(np.where(np.isfinite(table).any(axis=1, keepdims=True), table, 0.0), axis=1, keepdims=True)
    rest = own - np.nanmedian(np.where(np.isfinite(own).any(axis=0, keepdims=True), own, 0.0), axis=0, keepdims=True)
    spread = np.nansum(rest**2, axis=1) / np.maximum(np.isfinite(rest).sum(axis=1) - 1, 1)
    there = spread[spread > 0]
    most = SPREADS * float(np.median(there)) if len(there) else 0.0
    calm: NDArray[np.bool_] = (spread <= most) & (np.isfinite(table).sum(axis=1) > 1)
    return calm


def _at(one: Difference, p: float) -> Difference:
    """The same with a ``p`` that is corrected for how many were tried, an interval that agrees with it, and the verdict."""
    if p > LEVEL:
        return replace(one, low=min(one.low, 0.0), high=max(one.high, 0.0), p=p, verdict=OPEN)
    low, high = (max(one.low, 0.0), one.high) if one.mean > 0 else (one.low, min(one.high, 0.0))
    return replace(one, low=low, high=high, p=p, verdict=BETTER if one.mean > 0 else WORSE)


def _finite(scores: Sequence[float] | Sequence[Sequence[float]]) -> Scores:
    values = np.array(scores, dtype=float)
    return np.where(np.isfinite(values), values, math.nan)


def _residual(table: Scores) -> tuple[float, int]:
    """Sum of squares, and degrees of freedom, of what configuration (row) and seed (column) leave of the scores there are."""
    rows, columns = np.nonzero(np.isfinite(table))
    if not len(rows):
        return 0.0, 0
    scores = table[rows, columns]
    design = np.hstack([np.eye(len(table))[rows], np.eye(table.shape[1])[columns]])
    fit, _, rank, _ = np.linalg.lstsq(design, scores, rcond=None)
    return _squares(scores - design @ fit, float(np.abs(scores).max())), len(scores) - int(rank)


def _squares(values: Scores, scale: float) -> float:
    """Sum of squares about the mean; 0 if it is the rounding of scores of this size."""
    rest = values - values.mean() if len(values) else values
    return float(rest @ rest) if np.abs(rest).max(initial=0.0) > ROUNDING * scale else 0.0


def _pair(table: Scores, shared: float, freedom: int) -> _Estimate:
    """Candidate (row 1) less baseline (row 0); ``shared`` is the residual of all configurations, this pair's included."""
    pairs = table[:, np.isfinite(table).all(axis=0)]
    differences = pairs[1] - pairs[0]
    own, few = _squares(differences, np.abs(pairs).max(initial=0.0)) / 2, len(differences) - 1
    rest, more = max(shared - own, 0.0), freedom - few
    if few > 0 and own > 0 and (more == 0 or not _alike(own / few, few, rest / more, more)):
        shared, freedom = own, few
    variance = 2 * shared / freedom if freedom else 0.0
    return _estimate(differences, variance, freedom, 0.0)


def _alike(first: float, freedom: int, second: float, other: int) -> bool:
    """Whether an F test, two-sided at `LEVEL`, leaves it open that two variances are the same."""
    ratio = first / second if second > 0 else math.inf
    from scipy import special

    return bool(min(special.fdtr(freedom, other, ratio), special.fdtrc(freedom, other, ratio)) > LEVEL / 2)


def _alone(scores: Scores, number: float, doubt: float) -> _Estimate:
    there = scores[np.isfinite(scores)]
    freedom = len(there) - 1
    variance = _squares(there, np.abs(there).max(initial=0.0)) / freedom if freedom > 0 else 0.0
    return _estimate(there - number, variance, freedom, doubt)


def _estimate(differences: Scores, variance: float, freedom: float, doubt: float) -> _Estimate:
    """Without a spread only signs count: n like ones have p = 2^(1 - n) in the sign test (Arbuthnott 1710), 0.03 for 6."""
    n = len(differences)
    mean = float(differences.mean()) if n else math.nan
    if n < 2 or variance == 0:
        return _Estimate(mean, math.sqrt(doubt), math.inf, 2.0 ** min(1 - n, 0))
    seeds = variance / n
    return _Estimate(mean, math.sqrt(seeds + doubt), freedom * (1 + doubt / seeds) ** 2, 0.0)


def _in_order(estimates: Mapping[str, _Estimate]) -> dict[str, Difference]:
    found, before = {}, 0.0
    for name, one in estimates.items():
        found[name] = _difference(one, before)
        before = before if one.least == 1 else found[name].p
    return found


def _difference(one: _Estimate, before: float, level: float = LEVEL) -> Difference:
    """``before`` is the p of the candidates before this one; the interval is of 1 - ``level``."""
    if one.least > level:
        return Difference(one.mean, -math.inf, math.inf, max(one.least, before), math.inf, OPEN)
    freedom = min(one.freedom, 1e6)  # where t is the normal; the functions below want a finite one
    from scipy import special  # a quarter of a second to import, and few studies have a confirmation to judge

    critical = float(special.stdtrit(freedom, 1 - level / 2))
    own = 2 * float(special.stdtr(freedom, -abs(one.mean) / one.error)) if one.error else float(one.mean == 0)
    low, high, p = one.mean - critical * one.error, one.mean + critical * one.error, max(own, one.least, before)
    if p > level:
        low, high = min(low, 0.0), max(high, 0.0)
    # The noncentral t that exceeds the critical value in 80 % of cases is this many standard errors away.
    detectable = float(special.nctdtrinc(freedom, 1 - POWER, critical)) * one.error
    return Difference(one.mean, low, high, p, detectable, BETTER if low > 0 else WORSE if high < 0 else OPEN)
