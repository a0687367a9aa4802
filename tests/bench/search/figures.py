"""What the searches of a workload come to, as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tests.bench.search.meter import Found

SHARES = (0.25, 0.5, 1.0)
HEADER = "".join(
    [
        f"{'':<32}{'reached':>10}{'epochs: median':>16}{'its 90 %':>14}{'to 99 %':>9}{'times pitprop':>15}",
        f"{'seconds':>9}{'own':>7}   short of the best at 25, 50, 100 % of the budget; late winners lost",
    ]
)
OWN = "pitprop"


def spent(found: Sequence[Found], target: float, budget: int) -> list[int]:
    """The epochs of each search to ``target``; one that missed it counts with the whole ``budget``, whatever it spent."""
    return [budget if (reached := one.reached(target)) is None else reached[0] for one in found]


def lines(
    results: Mapping[str, Sequence[Found]], budget: int, targets: Sequence[float], ceiling: float, rates: Mapping[str, float]
) -> Iterator[str]:
    """A line for each method.

    ``targets`` are two scores to reach, ``ceiling`` is the best of the pool, from which scores at shares of the budget are told
    apart by their medians. ``rates`` are seconds an epoch, by method; seconds, and the method's own in them, are medians.
    """
    ours = np.median(spent(results[OWN], targets[0], budget)) if OWN in results else math.nan
    for name, found in results.items():
        epochs, later = (spent(found, target, budget) for target in targets)
        low, middle, high = _median(epochs)
        reached = [one.reached(targets[0]) for one in found]
        own = [
            one.bests[-1][2] if at is None and one.bests else at[1] if at else 0.0 for one, at in zip(found, reached, strict=True)
        ]
        seconds = np.median([count * rates[name] + taken for count, taken in zip(epochs, own, strict=True)])
        count = f"{sum(at is not None for at in reached)} of {len(found)}"
        short = "".join(f"{ceiling - np.median([one.best(round(share * budget)) for one in found]):>8.4f}" for share in SHARES)
        lost = f"{sum(one.lost for one in found)} of {sum(one.late for one in found)}"
        yield (
            f"{name:<32}{count:>10}{middle:>16.0f}{f'{low:.0f} to {high:.0f}':>14}{np.median(later):>9.0f}{middle / ours:>15.2f}"
            f"{seconds:>9.1f}{np.median(own):>7.2f}{short}{lost:>13}"
        )


def _median(epochs: Sequence[int]) -> tuple[float, float, float]:
    """The median between the bounds of its 90 % interval, by a bootstrap over the searches."""
    again = np.random.default_rng(0).choice(epochs, (2000, len(epochs)))
    low, high = np.quantile(np.median(again, axis=1), [0.05, 0.95])
    return float(low), float(np.median(epochs)), float(high)


def verdict(medians: Mapping[str, Sequence[float]], peers: Sequence[str]) -> Iterator[str]:
    """The geometric mean over the workloads of each method's median epochs, and of their ratio to the best peer of each."""
    best = [min(medians[peer][at] for peer in peers) for at in range(len(next(iter(medians.values()))))]
    for name, values in medians.items():
        ratios = [value / least for value, least in zip(values, best, strict=True)]
        mean, ratio = (math.exp(math.fsum(map(math.log, row)) / len(row)) for row in (values, ratios))
        yield f"{name:<32}{mean:>8.0f} epochs, {ratio:.2f} times the best peer of each workload, at most {max(ratios):.2f}"
