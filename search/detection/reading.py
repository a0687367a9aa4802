"""The readings of one training: which to judge by, in what unit, and from which epoch on: its window, warm-up and grace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from statistics import median
from typing import Concatenate, ParamSpec, TypeVar, cast

from pitprop.detection import chance, metrics
from pitprop.detection.facts import DROPS, WARM_SHARES, WARMUPS, Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry, columns

GUARD = 0.67
"""The recoveries of other trials lengthen the grace up to this share of the budget; a parked trial can still be revived."""
LEAST, SHARE = 3, 0.3
"""Of few evaluations: how many it takes at least, and the share of all of them that is enough."""
FEW = 5
"""Readings of which fewer tell nothing of where a training stands."""
LEARNS = 0.2
"""By how much more than its first readings a score that is never above 1 has to be, to tell that it is a share."""
ABSURD = 20.0
"""A loss that no classifier has: more than the logarithm of any number of classes."""
STILL = 0.02
"""What a score that has not moved may have risen by, as a share of its scale; and a loss, of itself."""
MOST_DROPS = 8
"""Drops of the learning rate that are read off a log."""
TRAINING, VALIDATION = message("training loss"), message("validation loss")
Asks = ParamSpec("Asks")
Answer = TypeVar("Answer")


def once(look: Callable[Concatenate[Telemetry, Facts, Asks], Answer]) -> Callable[Concatenate[Telemetry, Facts, Asks], Answer]:
    """Caches a pure function of the epochs so far until there is another epoch: many signatures ask the same."""

    @wraps(look)
    def kept(telemetry: Telemetry, facts: Facts, /, *args: Asks.args, **named: Asks.kwargs) -> Answer:
        return telemetry.cached((look, *args, *named.items()), facts, lambda: look(telemetry, facts, *args, **named))

    return cast("Callable[Concatenate[Telemetry, Facts, Asks], Answer]", kept)


def recent(telemetry: Telemetry, name: str, count: int) -> list[tuple[int, float]]:
    """The last ``count`` finite readings of ``name`` with their steps, oldest first; fewer if there are not as many."""
    column = telemetry.column(name)
    return list(zip(column.steps[-count:], column.values[-count:], strict=True))


def losses(telemetry: Telemetry, count: int) -> tuple[Message, list[tuple[int, float]]]:
    """The name of the loss to judge by, and its last ``count`` readings: of training where there is none of validation."""
    found = recent(telemetry, "val/loss", count)
    trained = recent(telemetry, "train/loss", count) if not found else []
    return (TRAINING, trained) if trained else (VALIDATION, found)


def window(telemetry: Telemetry, facts: Facts, patience: int) -> int:
    """How many readings to judge by: ``patience``, or as many as come in a tenth of the budget if that is more.

    Of a training of few evaluations fewer, as in `fewer`.
    """
    return max(fewer(telemetry, facts, patience), math.ceil(0.1 * facts.budget / stride(telemetry, facts)), 2)


def fewer(telemetry: Telemetry, facts: Facts, patience: int) -> int:
    """``patience``, but no more than `SHARE` of all evaluations that there will be, and than `LEAST` if that is less."""
    return min(patience, max(LEAST, math.ceil(SHARE * facts.budget / stride(telemetry, facts))))


def stride(telemetry: Telemetry, facts: Facts) -> int:
    """How many epochs (or steps) lie between two validations, on average, rounded down; or two reports if there is none."""
    steps = telemetry.column(facts.metric).steps
    if len(steps) < 2:
        steps = [telemetry[0].step, telemetry[-1].step] if len(telemetry) > 1 else []
        return max(1, (steps[1] - steps[0]) // (len(telemetry) - 1)) if steps else 1
    return max(1, (steps[-1] - steps[0]) // (len(steps) - 1))


@once
def warmup(telemetry: Telemetry, facts: Facts) -> float:
    """The length of the warm-up in epochs: stated, said by the log or the trial's own parameters (a share, where below 1).

    If none says it, it ends at the last step up to which the learning rate rose and never fell.
    """
    if facts.warmup is not None:
        return facts.warmup
    if said := telemetry.column("facts/warmup").values:
        return said[-1] * facts.budget if said[-1] < 1 else said[-1]
    own = facts.own(*WARMUPS, *WARM_SHARES)
    if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own <= facts.budget:
        return own * facts.budget if own < 1 else own  # more than the budget is in steps, of which the number is not known
    column = telemetry.column("lr")
    end = 0
    for step, before, after in zip(column.steps[1:], column.values, column.values[1:], strict=False):
        if after < before:
            break
        if after > before:
            end = step
    return end


@once
def drop(telemetry: Telemetry, facts: Facts) -> float | None:
    """The epoch after which a step lowers the learning rate that is ahead, or was a tenth of the budget ago at most; else None.

    Drops are stated, or told by the trial's own parameters or the log.
    """
    own = facts.own(*DROPS)
    named = own if isinstance(own, Sequence) and not isinstance(own, str) else [own]
    said = [value for place in range(MOST_DROPS) for value in telemetry.column(f"facts/drop/{place}").values[-1:]]
    found = said if facts.drops is None and own is None else named if facts.drops is None else facts.drops
    numbers = [float(one) for one in found if isinstance(one, int | float) and not isinstance(one, bool) and one > 0]
    drops = sorted(one * facts.budget if one < 1 else one for one in numbers)
    now = (telemetry[-1].step if telemetry else 0) - 0.1 * facts.budget
    return next((one for one in drops if now < one < facts.budget), None)


def grace(telemetry: Telemetry, facts: Facts, share: float, count: int = 1) -> float:
    """The step (epoch) before which only proof counts.

    The largest of ``share`` of the budget, a tenth of it after the warm-up, and 1.5 times what the slowest recovery took; the
    last no more than `GUARD` of the budget: one recovery at 70 % of the budget spared 109 dead trials after it, of 300. Of a
    warm-up that is longer than the share none of the last ``count`` readings is judged.
    """
    guard, warm = min(1.5 * (facts.recovery or 0.0), GUARD * facts.budget), warmup(telemetry, facts)
    after = count * stride(telemetry, facts) if warm > share * facts.budget else 0
    return max(share * facts.budget, warm + max(0.1 * facts.budget, after), guard)


@once
def labels(telemetry: Telemetry, facts: Facts) -> Mapping[str, float]:
    """Validation samples by class; empty if not known."""
    if facts.labels:
        return facts.labels
    counts = columns(telemetry[-1], "val/labels/") if telemetry else {}
    return counts if counts and all(0 <= n < 1e12 for n in counts.values()) and any(counts.values()) else {}


@once
def unit(telemetry: Telemetry, facts: Facts) -> float:
    """What the objective calls a whole: 100 for a share that is printed in percent, by this curve so far or those of peers.

    A range that is stated decides; of the trials that tell, most do.
    """
    if not metrics.of(facts.metric).share:
        return 1.0
    if facts.range is not None:
        return 100.0 if facts.range[1] > 1 else 1.0
    if (facts.chance_score or 0.0) > 1:
        return 100.0
    values, curves = telemetry.column(facts.metric).values, [peer.telemetry for peer in facts.peers]
    if not facts.maximize and len(curves) > 2:  # an error rate above 1 is one in percent only if others of the study are
        largest = facts.of_study("largest", lambda: max((median(one) for one in _columns(curves, facts) if one), default=0.0))
        return 100.0 if max(largest, median(values or [0.0])) > metrics.LARGE else 1.0
    told = facts.of_study("percent", lambda: sum(_vote(facts, one) for one in _columns(curves, facts)) > 0)
    return 100.0 if told or metrics.percent(facts.metric, values) else 1.0


def _vote(facts: Facts, values: Sequence[float]) -> int:
    """What a curve tells of the unit: 1 for percent, -1 for a share, of which one that stays low tells nothing: 0."""
    if metrics.percent(facts.metric, values):
        return 1
    shares = [value for value in values if value <= metrics.WHOLE]
    return -1 if facts.maximize and shares and max(shares) > median(shares[:FEW]) + LEARNS else 0


def _columns(curves: Sequence[Telemetry], facts: Facts) -> Iterator[Sequence[float]]:
    return (curve.column(facts.metric).values for curve in curves)


@once
def reach(telemetry: Telemetry, facts: Facts) -> float:
    """What a band on the objective is a share of: the whole of a share; of others the largest reading so far."""
    if facts.range is not None:
        return abs(facts.range[1] - facts.range[0])
    values, meaning = telemetry.column(facts.metric).values, metrics.of(facts.metric)
    largest = max(map(abs, values), default=1.0)
    if meaning.share or (not meaning.family and largest <= 1):
        return unit(telemetry, facts)
    return largest


@once
def scatter(telemetry: Telemetry, facts: Facts) -> float:
    """The standard deviation by which neighbouring readings of the objective scatter: of a normal one, by the median step."""
    values = telemetry.column(facts.metric).values
    return median(abs(after - before) for before, after in pairwise(values)) / 0.954 if len(values) > 2 else 0.0


def told_classes(telemetry: Telemetry, facts: Facts) -> int:
    """The number of classes, or of words, that is stated or that the log says; 0 if neither."""
    said = telemetry.column("facts/classes").values
    return facts.classes or (round(said[-1]) if said else 0)


def near_classes(telemetry: Telemetry, count: int) -> bool:
    """Whether the loss begins within 15 % of the logarithm of ``count``."""
    first = began(telemetry)
    return count > 1 and first is not None and abs(first / math.log(count) - 1) < 0.15


def began(telemetry: Telemetry) -> float | None:
    """The loss of the untrained model, or about that: the larger of the first one and the middle one of the first five."""
    begun = telemetry.column("start/loss").values
    found = begun or (telemetry.column("train/loss").values or telemetry.column("val/loss").values)[:FEW]
    return max(found[0], median(found)) if found and found[0] > 0 else None


def batch(telemetry: Telemetry, facts: Facts) -> int:
    """Samples in a batch; 0 if not known."""
    sizes = telemetry.column("batch/size").values
    return round(sizes[-1]) if sizes else facts.batch or 0


@once
def classes(telemetry: Telemetry, facts: Facts) -> int:
    """The number K of classes of one size: the loss stands at ln K, and the accuracy no higher than at 1/K; 0 if they do not."""
    losses, scores = telemetry.column("val/loss").values, telemetry.column(facts.metric).values
    losses = losses or telemetry.column("train/loss").values
    if min(len(losses), len(scores)) < FEW or not chance.ACCURACY & {*metrics.split(facts.metric)} or labels(telemetry, facts):
        return 0
    count = chance.standing(losses) or chance.standing(losses[-max(FEW, len(losses) // 2) :])  # an initial loss may be any
    highest = max(scores) * count / unit(telemetry, facts)
    return count if highest < 1.5 and median(scores) * count / unit(telemetry, facts) < 1.15 else 0


@once
def stood(telemetry: Telemetry, facts: Facts) -> float | None:
    """The best of the first five scores of a training whose loss is absurd and whose score never rose since; else None."""
    losses = telemetry.column("val/loss").values or telemetry.column("train/loss").values
    absurd = bool(losses) and min(losses) > ABSURD and bool(chance.ACCURACY & {*metrics.split(facts.metric)})
    return start(telemetry, facts) if absurd else None


@once
def start(telemetry: Telemetry, facts: Facts) -> float | None:
    """The best of the first five scores, if the mean of five running never rose above that of these by `STILL`; else None."""
    meaning, values = metrics.of(facts.metric), telemetry.column(facts.metric).values
    if not (meaning.share and facts.maximize) or len(values) < FEW or not any(values):
        return None  # where nothing is found, that is what it is judged by
    means, still = [sum(values[i : i + FEW]) / FEW for i in range(len(values) - FEW + 1)], STILL * unit(telemetry, facts)
    best = max(values[:FEW])
    return best if max(means) < means[0] + still and max(values) < best + still else None
