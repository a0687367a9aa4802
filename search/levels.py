"""Where chance lies for one training and how long to wait: from its facts, else read off its telemetry."""

from __future__ import annotations

import math
from collections.abc import Mapping

from search import chance
from search.facts import Facts
from search.telemetry import Telemetry, columns


def recent(telemetry: Telemetry, name: str, count: int) -> list[tuple[int, float]]:
    """The last ``count`` finite readings of ``name`` with their steps, oldest first; fewer if there are not as many."""
    found: list[tuple[int, float]] = []
    for epoch in reversed(telemetry):
        value = epoch.metrics.get(name)
        if value is not None and math.isfinite(value):
            found.append((epoch.step, value))
            if len(found) == count:
                break
    return found[::-1]


def window(facts: Facts, patience: int) -> int:
    """How many readings to judge by: ``patience``, or a tenth of the budget if that is more."""
    return max(patience, math.ceil(0.1 * facts.budget), 2)


def warmup(telemetry: Telemetry, facts: Facts) -> float:
    """The epochs of warm-up; if not known, up to the last step at which the learning rate had never yet fallen but rose."""
    if facts.warmup is not None:
        return facts.warmup
    end, before = 0, math.nan
    for epoch in telemetry:
        rate = epoch.metrics.get("lr", math.nan)
        if math.isnan(rate) or rate < before:
            break
        if rate > before:
            end = epoch.step
        before = rate
    return end


def grace(telemetry: Telemetry, facts: Facts, share: float) -> float:
    """The step before which nothing but hard evidence counts: a share of the budget, and a tenth of it after the warm-up."""
    return max(share * facts.budget, warmup(telemetry, facts) + 0.1 * facts.budget)


def labels(telemetry: Telemetry, facts: Facts) -> Mapping[str, float]:
    """Validation samples by class; empty if nobody says."""
    if facts.labels:
        return facts.labels
    counts = columns(telemetry[-1], "val/labels/") if telemetry else {}
    return counts if counts and all(0 <= n < 1e12 for n in counts.values()) and any(counts.values()) else {}


def score(telemetry: Telemetry, facts: Facts) -> float | None:
    """The objective of a model that has learned nothing; None if the metric or the prior is not known."""
    if facts.chance_score is not None:
        return facts.chance_score
    if facts.metric == "val/loss":
        return loss(telemetry, facts, guess=False)
    return chance.score(facts.metric, list(labels(telemetry, facts).values()))


def loss(telemetry: Telemetry, facts: Facts, guess: bool = True) -> float | None:
    """The validation loss of a model that has learned nothing; if nobody says, a guess: the prior's cross entropy."""
    if facts.chance_loss is not None:
        return facts.chance_loss
    if reported := recent(telemetry[-1:], "chance/loss", 1):
        return reported[0][1]
    counts = labels(telemetry, facts) if guess else {}
    return chance.cross_entropy(list(counts.values())) if counts else None


def error(metric: str, telemetry: Telemetry, facts: Facts) -> float:
    """The standard error of ``metric`` at chance; 0 if it is not known."""
    return chance.standard_error(metric, [round(n) for n in labels(telemetry, facts).values()]) or 0.0


def bound(telemetry: Telemetry, facts: Facts, margin: float = 0.02) -> float | None:
    """How good the objective has to be to stand above chance: by a share of what lies above it, and by 2 standard errors."""
    level = score(telemetry, facts)
    if level is None:
        return None
    room = abs(1 - level) if facts.maximize else abs(level)
    ahead = max(margin * room, 2 * error(facts.metric, telemetry, facts))
    return level + ahead if facts.maximize else level - ahead


def above_chance(telemetry: Telemetry, facts: Facts, count: int, margin: float = 0.02) -> bool | None:
    """Whether any of the last ``count`` readings of the objective stands above chance; None if that cannot be said."""
    limit, readings = bound(telemetry, facts, margin), recent(telemetry, facts.metric, count)
    if limit is None or len(readings) < count:
        return None
    return any(value > limit if facts.maximize else value < limit for _, value in readings)


def below_chance(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether all of the last ``count`` readings stand as far below chance as `bound` stands above it."""
    level, limit, readings = score(telemetry, facts), bound(telemetry, facts), recent(telemetry, facts.metric, count)
    if level is None or limit is None:
        return False
    mirrored = 2 * level - limit
    return all(value < mirrored if facts.maximize else value > mirrored for _, value in readings)
