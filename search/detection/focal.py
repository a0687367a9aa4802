"""The level of focal loss (Lin et al. 2017): what a model reaches that has learned nothing but how often each class occurs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pitprop.detection.chance import shares


def level(prior: Sequence[float], alpha: Sequence[float], gamma: float) -> float:
    """The least that a constant prediction c has: sum p_k alpha_k (1 - c_k)^gamma (-ln c_k), a plain mean over the samples.

    The best c is not the prior, except for gamma 0. Each term is convex and falls with c_k, so at the
    minimum all a_k g'(c_k) are equal (to minus a multiplier), and Newton's method finds the one at which the c_k sum to 1.
    """
    terms = [p * a for p, a in zip(shares(prior), alpha, strict=True) if p * a > 0]
    if gamma < 0 or min(alpha) < 0 or not terms:
        raise ValueError(f"focal loss takes alpha >= 0, not all zero, and gamma >= 0, not {list(alpha)} and {gamma}")
    if len(terms) == 1:
        return 0.0  # the one class that counts is predicted with certainty

    def solved(multiplier: float) -> dict[float, float]:
        return {a: _log_confidence(multiplier - math.log(a), gamma) for a in set(terms)}

    def excess(multiplier: float) -> tuple[float, float]:
        logs = solved(multiplier)
        total = math.fsum(math.exp(logs[a]) for a in terms)
        slopes = {a: 1 / _steepness(log, gamma)[1] for a, log in logs.items()}
        return math.log(total), math.fsum(math.exp(logs[a]) * slopes[a] for a in terms) / total

    logs = solved(_zero(excess, -700.0, math.log(math.fsum(terms)), 700.0))  # from what it is for gamma 0
    total = math.fsum(math.exp(logs[a]) for a in terms)
    best = {a: math.exp(log) / total for a, log in logs.items()}
    return math.fsum(-a * (1 - best[a]) ** gamma * math.log(best[a]) for a in terms)


def _log_confidence(slope: float, gamma: float) -> float:
    """The ln c at which (1 - c)^gamma (-ln c) falls with a slope of this logarithm; about 0 if it is steeper all the way."""

    def above(log: float) -> tuple[float, float]:
        steepness, change = _steepness(log, gamma)
        return steepness - slope, change

    return _zero(above, -745.0, -min(max(slope, 0.1), 744.0), 0.0)  # ln c, so that rare classes keep their digits


def _steepness(log: float, gamma: float) -> tuple[float, float]:
    """The logarithm of how steeply (1 - c)^gamma (-ln c) falls with c, and how that changes with ln c; at this ln c."""
    c, rest = math.exp(log), -math.expm1(log)
    factor = rest - gamma * c * log
    steepness = (gamma - 1) * math.log(rest) - log + math.log(factor)
    return steepness, (1 - gamma) * c / rest - 1 - c * (1 + gamma + gamma * log) / factor


def _zero(falling: Callable[[float], tuple[float, float]], low: float, x: float, high: float) -> float:
    """Where a falling function, given with its slope, is 0: Newton's steps from ``x``, halves where they leave the bracket."""
    for _ in range(100):
        value, slope = falling(x)
        low, high = (x, high) if value > 0 else (low, x)
        newton = x - value / slope if slope else math.inf
        if min(abs(newton - x), high - low) <= 1e-13 + 1e-12 * abs(x):
            break
        x = newton if low < newton < high else (low + high) / 2
    return x
