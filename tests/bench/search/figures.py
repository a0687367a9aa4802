"""What the searches of a workload come to, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np

from tests.bench.search.meter import Found

HEADER = "".join(
    [
        f"{'':<34}{'reached':>10}{'epochs: median':>16}{'20 to 80 %':>16}{'mean':>8}{'times pitprop':>15}",
        f"{'seconds':>10}{'own':>9}",
    ]
)
OWN = "pitprop"


def spent(found: Sequence[Found], budget: int) -> list[int]:
    """The epochs of each search; one that missed the target counts with the whole ``budget``, whatever it spent."""
    return [one.epochs if one.reached else budget for one in found]


def lines(results: Mapping[str, Sequence[Found]], budget: int, rates: Mapping[str, float]) -> Iterator[str]:
    """A line for each method. ``rates`` are seconds an epoch, by method; seconds, and the method's own in them, are medians."""
    ours = np.median(spent(results[OWN], budget)) if OWN in results else np.nan
    for name, found in results.items():
        epochs = spent(found, budget)
        low, middle, high = np.quantile(epochs, [0.2, 0.5, 0.8])
        reached, width = f"{sum(one.reached for one in found)} of {len(found)}", f"{low:.0f} to {high:.0f}"
        seconds = np.median([count * rates[name] + one.overhead for count, one in zip(epochs, found, strict=True)])
        own = np.median([one.overhead for one in found])
        counts = f"{name:<34}{reached:>10}{middle:>16.0f}{width:>16}{fmean(epochs):>8.0f}{middle / ours:>15.2f}"
        yield f"{counts}{seconds:>10.0f}{own:>9.2f}"


def verdict(results: Mapping[str, Sequence[Found]], peers: Sequence[str], budget: int) -> str:
    """Our epochs over those of the peer with the fewest, by medians and by means."""
    told = []
    for kind, mean in (("medians", np.median), ("means", np.mean)):
        by = {name: float(mean(spent(results[name], budget))) for name in (OWN, *peers)}
        best = min(peers, key=by.__getitem__)
        told.append(f"{by[OWN] / by[best]:.2f} by {kind} ({best})")
    return f"pitprop / best peer: {', '.join(told)}"
