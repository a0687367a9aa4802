"""The chance level of one training, and its grace period: from its facts, else read off its telemetry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from itertools import pairwise
from statistics import median
from typing import Concatenate, ParamSpec, TypeVar, cast

from pitprop.detection import chance, learned, metrics
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry, columns

GUARD = 0.67
"""The recoveries of other trials lengthen the grace up to this share of the budget; a parked trial can still be revived."""
FEW = 5
"""Readings of which fewer tell nothing of where a training stands."""
LEAST, SHARE = 3, 0.3
"""Of few evaluations: how many it takes at least, and the share of all of them that is enough."""
NOISE = 0.2
"""The share of the range above chance that scattering readings never widen a band beyond."""
HARD = 0.25
"""The share of a scale whose end nobody reaches (BLEU, mAP) that some trial may well reach, where none is known."""
FELL = 0.9
"""What a training loss falls to, as a share of its first reading, where something was learned in the first epochs."""
LITTLE = 0.08
"""The share of such a scale below which a score may be that of a model that has learned nothing."""
OPENS = 0.25
"""The share of the budget over which the band above chance opens, late in a training."""
STILL = 0.02
"""What a score that has not moved may have risen by, as a share of its scale; and a loss, of itself."""
UNTRAINED = (0.6, 12.0)
"""Between which losses one may be that of an untrained classifier: a little less than ln 2, and ln of the largest vocabulary."""
LARGE = 5.0
"""An error rate that, as the median of a training, is in percent: a share is hardly ever so large."""
ABSURD = 20.0
"""A loss that no classifier has: more than the logarithm of any number of classes."""
ACCURACY = frozenset(("acc", "accuracy", "top1", "mean1"))
"""Words for the share of samples that are classified rightly."""
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
    """The length of the warm-up in epochs; if not known, the last step up to which the learning rate rose and never fell."""
    if facts.warmup is not None:
        return facts.warmup
    if said := telemetry.column("facts/warmup").values:
        return said[-1]
    column = telemetry.column("lr")
    end = 0
    for step, before, after in zip(column.steps[1:], column.values, column.values[1:], strict=False):
        if after < before:
            break
        if after > before:
            end = step
    return end


def grace(telemetry: Telemetry, facts: Facts, share: float) -> float:
    """The step (epoch) before which only proof counts.

    The largest of ``share`` of the budget, a tenth of it after the warm-up, and 1.5 times what the slowest recovery took; the
    last no more than `GUARD` of the budget: one recovery at 70 % of the budget spared 109 dead trials after it, of 300.
    """
    guard = min(1.5 * (facts.recovery or 0.0), GUARD * facts.budget)
    return max(share * facts.budget, warmup(telemetry, facts) + 0.1 * facts.budget, guard)


def left_chance(telemetry: Telemetry, facts: Facts, count: int) -> int | None:
    """The step from which ``count`` readings of the objective were above chance, in a training that ended well above it.

    None if it never got above chance by a tenth of the range there, or if the chance level is not known.
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
    """Validation samples by class; empty if not known."""
    if facts.labels:
        return facts.labels
    counts = columns(telemetry[-1], "val/labels/") if telemetry else {}
    return counts if counts and all(0 <= n < 1e12 for n in counts.values()) and any(counts.values()) else {}


@once
def unit(telemetry: Telemetry, facts: Facts) -> float:
    """What the objective calls a whole: 100 for a share that is printed in percent, by this curve so far or those of peers."""
    if not metrics.of(facts.metric).share:
        return 1.0
    if (facts.chance_score or 0.0) > 1 or (facts.range is not None and facts.range[1] > 1):
        return 100.0
    curves = (telemetry, *(peer.telemetry for peer in facts.peers))
    if not facts.maximize and len(curves) > 3:  # an error rate above 1 is one in percent only if others of the study are
        middles = [median(values) for curve in curves if (values := curve.column(facts.metric).values)]
        return 100.0 if max(middles, default=0.0) > LARGE else 1.0
    return 100.0 if any(map(partial(_percent, metric=facts.metric), curves)) else 1.0


def _percent(telemetry: Telemetry, metric: str) -> bool:
    values = telemetry.column(metric).values
    return telemetry.cached(("percent", metric), None, lambda: metrics.percent(metric, values))


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


@dataclass(frozen=True, slots=True)
class Level:
    """Where a model stands that has learned nothing, and from where that is known, in words."""

    value: float
    source: Message


STATED, REPORTED, NAMED = message("stated"), message("reported"), message("by its name")
COUNTED, BY_CLASSES = message("by the class counts"), message("by the number of classes")


@once
def known_score(telemetry: Telemetry, facts: Facts) -> Level | None:
    """The objective of a model that has learned nothing: stated, of its name, of the classes, or as the study shows."""
    if facts.chance_score is not None:
        return Level(facts.chance_score, STATED)
    if facts.metric in ("val/loss", "train/loss"):
        return known_loss(telemetry, facts, guess=False)
    whole, counts = unit(telemetry, facts), list(labels(telemetry, facts).values())
    if (found := chance.score(facts.metric, counts)) is not None:
        return Level(found * whole, NAMED if metrics.of(facts.metric).chance is not None else COUNTED)
    told = told_classes(telemetry, facts)
    if told and (facts.classes or near_classes(telemetry, told)) and not counts:
        found = chance.score(facts.metric, [1] * told)
    if found is not None:
        return Level(found * whole, BY_CLASSES)
    if count := classes(telemetry, facts):
        return Level(whole / count, message("by where the loss stands, ln {count}", count=count))
    if (lowest := stood(telemetry, facts)) is not None:
        return Level(lowest, message("where it began, at a loss that is worse than any guess"))
    return _learned(telemetry, facts, facts.metric)


@once
def known_loss(telemetry: Telemetry, facts: Facts, guess: bool = True) -> Level | None:
    """The same of the validation loss; with ``guess``, the cross entropy of the prior where nothing else tells."""
    if facts.chance_loss is not None:
        return Level(facts.chance_loss, STATED)
    if (size := batch(telemetry, facts)) and (by_batch := chance.CONTRASTIVE.get(facts.loss or "")):
        return Level(by_batch(size), message("by a batch of {size}", size=size))
    if reported := telemetry.column("chance/loss").values:
        return Level(reported[-1], REPORTED)
    counts = list(labels(telemetry, facts).values())
    if counts and facts.loss == "cross_entropy":
        return Level(chance.cross_entropy(counts), COUNTED)
    told = told_classes(telemetry, facts)
    if told and (facts.loss == "cross_entropy" or near_classes(telemetry, told)):
        return Level(math.log(told), BY_CLASSES)
    if count := classes(telemetry, facts):
        return Level(math.log(count), message("by where the loss stands, ln {count}", count=count))
    name = "val/loss" if telemetry.column("val/loss").values else "train/loss"
    if (found := _learned(telemetry, facts, name)) is not None:
        return found
    fresh = not (facts.checkpoint or telemetry.column("facts/pretrained").values)
    if fresh and facts.metric in ("val/loss", "train/loss"):  # beside a score a loss may rise while that does too
        if begun := telemetry.column("start/loss").values:
            return Level(begun[0], message("the loss before training"))
        if count := chance.usual(telemetry.column(facts.metric).values):
            return Level(math.log(count), message("by where the loss stands, ln {count}", count=count))
    return Level(chance.cross_entropy(counts), COUNTED) if guess and counts else None


def score(telemetry: Telemetry, facts: Facts) -> float | None:
    """The objective of a model that has learned nothing: as `known`, else where it began; None if neither is known."""
    level = known(telemetry, facts)
    return begun(telemetry, facts) if level is None else level


@once
def known(telemetry: Telemetry, facts: Facts) -> float | None:
    """The objective of a model that has learned nothing; None if the metric or the prior is not known."""
    found = known_score(telemetry, facts)
    return None if found is None else found.value


def loss(telemetry: Telemetry, facts: Facts, guess: bool = True) -> float | None:
    """The validation loss of a model that has learned nothing; where not stated, a guess: the cross entropy of the prior."""
    found = known_loss(telemetry, facts, guess)
    return None if found is None else found.value


def _learned(telemetry: Telemetry, facts: Facts, metric: str) -> Level | None:
    whole = unit(telemetry, facts)
    if (found := learned.level(facts, metric, whole)) is not None:
        trials = Message.join([str(number) for number in found.trials[:5]])
        return Level(found.value, message("where trials {trials} stand", trials=trials))
    return None


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
    if min(len(losses), len(scores)) < FEW or not ACCURACY & {*metrics.split(facts.metric)} or labels(telemetry, facts):
        return 0
    count = chance.standing(losses) or chance.standing(losses[-max(FEW, len(losses) // 2) :])  # an initial loss may be any
    highest = max(scores) * count / unit(telemetry, facts)
    return count if highest < 1.5 and median(scores) * count / unit(telemetry, facts) < 1.15 else 0


@once
def stood(telemetry: Telemetry, facts: Facts) -> float | None:
    """The best of the first five scores of a training whose loss is absurd and whose score never rose since; else None."""
    losses = telemetry.column("val/loss").values or telemetry.column("train/loss").values
    absurd = bool(losses) and min(losses) > ABSURD and bool(ACCURACY & {*metrics.split(facts.metric)})
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


@once
def begun(telemetry: Telemetry, facts: Facts) -> float | None:
    """Where an untrained model began and still stands; None once it has moved, or where its start may be that of a trained one.

    It has moved if a mean of a few running is better than the first such by `STILL`, or by four standard errors of what readings
    scatter. A score that other trials do not surpass has to look like a guess, see `_guess`.
    """
    column, few = telemetry.column(facts.metric), fewer(telemetry, facts, FEW)
    values, meaning = column.values, metrics.of(facts.metric)
    if facts.checkpoint or not facts.untrained or len(values) < few or column.steps[0] > max(1.0, 0.1 * facts.budget):
        return None
    means = [sum(values[i : i + few]) / few for i in range(len(values) - few + 1)]
    whole = unit(telemetry, facts) * (1.0 if meaning.attainable else HARD)
    scale = whole if meaning.share else abs(means[0]) if meaning.family == "loss" else 0.0
    noise = scatter(telemetry, facts)
    gain = max(facts.sign * mean for mean in means) - min(facts.sign * means[0], facts.sign * values[0] + 2 * noise)
    if gain > max(STILL * scale, 4 * noise * math.sqrt(2 / few), 1e-12):
        return None
    return means[0] if _guess(telemetry, facts, means[0]) else None


def _guess(telemetry: Telemetry, facts: Facts, level: float) -> bool:
    """Whether ``level`` may be that of a model that has learned nothing.

    No training loss has fallen, unless the score is the same again and again. And others did better by a tenth; else a share has
    to be that same, or 1/K for some K classes, and a loss between that of two classes and that of the largest vocabulary.
    """
    meaning, values = metrics.of(facts.metric), telemetry.column(facts.metric).values
    whole = unit(telemetry, facts) if meaning.share else abs(level)
    alike = meaning.share and 2 * values.count(median(values)) >= len(values)
    trained = telemetry.column("train/loss").values if meaning.family != "reward" else ()
    if trained and not alike and min(trained) < FELL * trained[0]:
        return False
    if (best := surpassed(telemetry, facts)) is not None and facts.sign * (best - level) > 0.1 * whole:
        return True
    if meaning.family == "loss":
        return UNTRAINED[0] <= level <= UNTRAINED[1]
    if not meaning.share:
        return True
    share = level / whole if facts.maximize else 1 - level / whole
    if not 0 < share < 0.9:
        return share <= 0
    if not meaning.attainable:
        return share < LITTLE
    return alike or abs(share * max(2, round(1 / share)) - 1) < 0.08


@once
def surpassed(telemetry: Telemetry, facts: Facts) -> float | None:
    """The best of the objective in the other trials of the study, its baselines and its targets; None if there is none."""
    found = [value for peer in facts.peers if peer.telemetry is not telemetry for value in _ends(peer.telemetry, facts)]
    return (max if facts.maximize else min)((*found, *facts.seen), default=None)


def _ends(telemetry: Telemetry, facts: Facts) -> Sequence[float]:
    """The best reading of the objective, if there is one."""
    best = telemetry.best(facts.metric, facts.maximize)
    return () if best is None else (best,)


@once
def leads(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether this training is the best of its study so far, beside at least three others, and has left chance at some time."""
    best, other, limit = telemetry.best(facts.metric, facts.maximize), surpassed(telemetry, facts), bound(telemetry, facts)
    if best is None or other is None or limit is None or len(facts.peers) < 3:
        return False
    return facts.sign * best > facts.sign * other and facts.sign * best > facts.sign * limit


@once
def scatter(telemetry: Telemetry, facts: Facts) -> float:
    """The standard deviation by which neighbouring readings of the objective scatter: of a normal one, by the median step."""
    values = telemetry.column(facts.metric).values
    return median(abs(after - before) for before, after in pairwise(values)) / 0.954 if len(values) > 2 else 0.0


@once
def error(telemetry: Telemetry, facts: Facts, metric: str) -> float:
    """The standard error of ``metric`` at chance; 0 if it is not known."""
    found = chance.standard_error(metric, [round(n) for n in labels(telemetry, facts).values()]) or 0.0
    return found * unit(telemetry, facts) if metric == facts.metric else found


@once
def bound(telemetry: Telemetry, facts: Facts, margin: float = 0.02) -> float | None:
    """The value beyond which the objective is above chance: by a share of the range above it, and by 2 standard errors."""
    level = score(telemetry, facts)
    if level is None:
        return None
    meaning = metrics.of(facts.metric)
    steady = meaning.family == "loss" or (meaning.share and meaning.attainable)
    noise = 0.0 if steady else min(3 * scatter(telemetry, facts), NOISE * room(telemetry, facts))
    ahead = max(margin * room(telemetry, facts), 2 * error(telemetry, facts, facts.metric), noise)
    return level + ahead if facts.maximize else level - ahead


def opening(telemetry: Telemetry, facts: Facts, late: float, band: float) -> float:
    """The margin above chance, as a share: 2 % up to the share ``late`` of the budget, from then on more, at its end ``band``.

    It opens little by little, so that no training is judged by a wide band on the day that it leaves the narrow one; but it is
    open from the first for a score that stands where it `begun`, which only the initial weights have put there.
    """
    spent = telemetry[-1].step / facts.budget
    if begun(telemetry, facts) is not None:
        return max(0.02, band)
    return 0.02 + max(0.0, band - 0.02) * min(1.0, max(0.0, spent - late) / OPENS)


@once
def room(telemetry: Telemetry, facts: Facts) -> float:
    """What lies between chance and the best that there can be; of a scale whose end nobody reaches, the best that was seen.

    Where no other trial has shown what can be reached, that of a share is no less than `HARD` of the whole, and of what has no
    bounds no less than the size of chance itself.
    """
    level = score(telemetry, facts) or 0.0
    if facts.range is not None:
        return abs(facts.range[facts.maximize] - level)
    meaning, values, other = metrics.of(facts.metric), telemetry.column(facts.metric).values, surpassed(telemetry, facts)
    if not facts.maximize and (meaning.share or meaning.family == "loss"):
        return abs(level)
    if meaning.share and meaning.attainable:
        return abs(unit(telemetry, facts) - level)
    if not meaning.family and max(values, default=1.0) <= 1:
        return abs(1 - level)
    seen = max((facts.sign * (value - level) for value in (*values, *(() if other is None else (other,)))), default=0.0)
    least = HARD * unit(telemetry, facts) if meaning.share else abs(level)
    return max(0.0, seen, least if other is None else 0.0)


def above_chance(telemetry: Telemetry, facts: Facts, count: int, margin: float = 0.02) -> bool | None:
    """Whether any of the last ``count`` readings of the objective is above chance; None if that is not known."""
    values = telemetry.column(facts.metric).values[-count:]
    limit = bound(telemetry, facts, margin) if len(values) == count else None
    if limit is None:
        return None
    return max(values) > limit if facts.maximize else min(values) < limit


def below_chance(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether all of the last ``count`` readings are at least as far below chance as `bound` is above it."""
    level, limit = score(telemetry, facts), bound(telemetry, facts)
    values = telemetry.column(facts.metric).values[-count:]
    if level is None or limit is None or len(values) < count:
        return False
    mirrored = 2 * level - limit
    return max(values) < mirrored if facts.maximize else min(values) > mirrored
