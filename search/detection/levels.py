"""Where chance lies for one training and how long to wait: from its facts, else read off its telemetry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from pitprop.detection import chance
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry, columns

GUARD = 0.67
"""The share of the budget up to which other trials' recoveries make a trial wait; a parked one can still be revived."""
TRAINING, VALIDATION = message("training loss"), message("validation loss")
Asks = ParamSpec("Asks")
Answer = TypeVar("Answer")


def once(look: Callable[Concatenate[Telemetry, Facts, Asks], Answer]) -> Callable[Concatenate[Telemetry, Facts, Asks], Answer]:
    """Keeps what a pure function of the epochs so far has given until there is another: many signatures ask the same."""

    @wraps(look)
    def kept(telemetry: Telemetry, facts: Facts, /, *args: Asks.args, **named: Asks.kwargs) -> Answer:
        return telemetry.answer((look, *args, *named.items()), facts, lambda: look(telemetry, facts, *args, **named))

    return cast("Callable[Concatenate[Telemetry, Facts, Asks], Answer]", kept)


def recent(telemetry: Telemetry, name: str, count: int) -> list[tuple[int, float]]:
    """The last ``count`` finite readings of ``name`` with their steps, oldest first; fewer if there are not as many."""
    column = telemetry.column(name)
    return list(zip(column.steps[-count:], column.values[-count:], strict=True))


def losses(telemetry: Telemetry, count: int) -> tuple[Message, list[tuple[int, float]]]:
    """The name of the loss to judge by, and its last ``count`` readings: of training where there are too few of validation."""
    found = recent(telemetry, "val/loss", count)
    trained = recent(telemetry, "train/loss", count) if len(found) < count else []
    return (TRAINING, trained) if len(trained) == count else (VALIDATION, found)


def window(facts: Facts, patience: int) -> int:
    """How many readings to judge by: ``patience``, or a tenth of the budget if that is more."""
    return max(patience, math.ceil(0.1 * facts.budget), 2)


@once
def warmup(telemetry: Telemetry, facts: Facts) -> float:
    """The epochs of warm-up; if not known, up to the last step at which the learning rate had never yet fallen but rose."""
    if facts.warmup is not None:
        return facts.warmup
    column = telemetry.column("lr")
    end = 0
    for step, before, after in zip(column.steps[1:], column.values, column.values[1:], strict=False):
        if after < before:
            break
        if after > before:
            end = step
    return end


def grace(telemetry: Telemetry, facts: Facts, share: float) -> float:
    """The step before which nothing but hard evidence counts.

    A share of the budget, a tenth of it after the warm-up, and 1.5 times what the slowest trial took that came back to life;
    that by itself no longer than `GUARD`: one recovery at 70 % of the budget spared 109 dead trials after it, of 300.
    """
    guard = min(1.5 * (facts.recovery or 0.0), GUARD * facts.budget)
    return max(share * facts.budget, warmup(telemetry, facts) + 0.1 * facts.budget, guard)


def awakening(telemetry: Telemetry, facts: Facts, count: int) -> int | None:
    """The step from which on ``count`` readings of the objective stood above chance, in a training that came well above it.

    None if it never did, by a tenth of what lies above chance, or if nobody knows where chance is.
    """
    limit, learned = bound(telemetry, facts), bound(telemetry, facts, 0.1)
    column = telemetry.column(facts.metric)
    if limit is None or learned is None:
        return None
    sign = facts.sign
    if not any(sign * value > sign * learned for value in column.values):
        return None
    above = 0
    for index, value in enumerate(column.values):
        above = above + 1 if sign * value > sign * limit else 0
        if above == min(count, len(column.values)):
            return column.steps[index - above + 1]
    return None


@once
def labels(telemetry: Telemetry, facts: Facts) -> Mapping[str, float]:
    """Validation samples by class; empty if nobody says."""
    if facts.labels:
        return facts.labels
    counts = columns(telemetry[-1], "val/labels/") if telemetry else {}
    return counts if counts and all(0 <= n < 1e12 for n in counts.values()) and any(counts.values()) else {}


@once
def score(telemetry: Telemetry, facts: Facts) -> float | None:
    """The objective of a model that has learned nothing; None if the metric or the prior is not known."""
    if facts.chance_score is not None:
        return facts.chance_score
    if facts.metric in ("val/loss", "train/loss"):
        return loss(telemetry, facts, guess=False)
    return chance.score(facts.metric, list(labels(telemetry, facts).values()))


@once
def loss(telemetry: Telemetry, facts: Facts, guess: bool = True) -> float | None:
    """The validation loss of a model that has learned nothing; if nobody says, a guess: the prior's cross entropy."""
    if facts.chance_loss is not None:
        return facts.chance_loss
    if reported := telemetry.column("chance/loss").values:
        return reported[-1]
    counts = labels(telemetry, facts) if guess else {}
    return chance.cross_entropy(list(counts.values())) if counts else None


@once
def error(telemetry: Telemetry, facts: Facts, metric: str) -> float:
    """The standard error of ``metric`` at chance; 0 if it is not known."""
    return chance.standard_error(metric, [round(n) for n in labels(telemetry, facts).values()]) or 0.0


@once
def bound(telemetry: Telemetry, facts: Facts, margin: float = 0.02) -> float | None:
    """How good the objective has to be to stand above chance: by a share of what lies above it, and by 2 standard errors."""
    level = score(telemetry, facts)
    if level is None:
        return None
    room = abs(1 - level) if facts.maximize else abs(level)
    ahead = max(margin * room, 2 * error(telemetry, facts, facts.metric))
    return level + ahead if facts.maximize else level - ahead


def above_chance(telemetry: Telemetry, facts: Facts, count: int, margin: float = 0.02) -> bool | None:
    """Whether any of the last ``count`` readings of the objective stands above chance; None if that cannot be said."""
    values = telemetry.column(facts.metric).values[-count:]
    limit = bound(telemetry, facts, margin) if len(values) == count else None
    if limit is None:
        return None
    return max(values) > limit if facts.maximize else min(values) < limit


def below_chance(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether all of the last ``count`` readings stand as far below chance as `bound` stands above it."""
    level, limit = score(telemetry, facts), bound(telemetry, facts)
    values = telemetry.column(facts.metric).values[-count:]
    if level is None or limit is None or len(values) < count:
        return False
    mirrored = 2 * level - limit
    return max(values) < mirrored if facts.maximize else min(values) > mirrored
