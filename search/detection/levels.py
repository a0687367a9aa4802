"""The chance level of one training: from its facts, else read off its telemetry or learned from its study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from pitprop.detection import chance, learned, metrics, reading
from pitprop.detection.chance import BY_CLASSES, COUNTED, NAMED, REPORTED, STATED, Level
from pitprop.detection.facts import Facts
from pitprop.detection.reading import FEW
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

NOISE = 0.2
"""The share of the range above chance that scattering readings never widen a band beyond."""
HARD = 0.25
"""The share of a scale whose end nobody reaches (BLEU, mAP) that some trial may well reach, where none is known."""
FELL = 0.9
"""What a training loss falls to, as a share of its first reading, where something was learned in the first epochs."""
AHEAD = 1 / 3
"""The share of the way from where others began to the best of them by which one that began further on has learned something."""
LITTLE = 0.08
"""The share of such a scale below which a score may be that of a model that has learned nothing."""
OPENS = 0.25
"""The share of the budget over which the band above chance opens, late in a training."""
LEARNED = 0.1
"""The share of what lies above chance from which on something was learned, however hard the problem."""
NOTHING = 1e-6
"""The share of a whole that no sample makes: a BLEU of 1e-75 is 0, smoothed."""
UNTRAINED = (0.6, 12.0)
"""Between which losses one may be that of an untrained classifier: a little less than ln 2, and ln of the largest vocabulary."""
MANY = 5
"""How many times the loss of a guess is absurd."""
GOOD = 0.6
"""The share above which no score at the start is taken for that of an untrained model: it learned within its first epoch."""


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


@reading.once
def known_score(telemetry: Telemetry, facts: Facts) -> Level | None:
    """The objective of a model that has learned nothing: stated, of its name, of the classes, or as the study shows.

    Where trials stand a little above what is told, it is there: a random ranking of few positives scores more than their share.
    """
    told, shown = _told_score(telemetry, facts), None
    if told is None or facts.metric not in ("val/loss", "train/loss"):
        shown = _learned(telemetry, facts, facts.metric)
    best = surpassed(telemetry, facts)
    if told is None or shown is None or best is None:
        return told or shown
    above = facts.sign * (shown.value - told.value)
    near = 0 < above < LEARNED * facts.sign * (best - told.value)
    return Level(shown.value, told.source if told.told else shown.source, told.value if told.told else None) if near else told


def _told_score(telemetry: Telemetry, facts: Facts) -> Level | None:
    if facts.chance_score is not None:
        return Level(facts.chance_score, STATED)
    if facts.metric in ("val/loss", "train/loss"):
        return known_loss(telemetry, facts, guess=False)
    if reported := _beside(telemetry, facts, "chance/"):
        return Level(reported[-1], REPORTED)
    whole, counts = reading.unit(telemetry, facts), list(reading.labels(telemetry, facts).values())
    if (found := chance.score(facts.metric, counts)) is not None:
        return Level(found * whole, NAMED if metrics.of(facts.metric).chance is not None else COUNTED)
    told = reading.told_classes(telemetry, facts)
    if told and (facts.classes or reading.near_classes(telemetry, told)) and not counts:
        found = chance.score(facts.metric, [1] * told)
    if found is not None:
        return Level(found * whole, BY_CLASSES)
    if count := reading.classes(telemetry, facts):
        return Level(whole / count, message("by where the loss stands, ln {count}", count=count))
    lowest = reading.stood(telemetry, facts)
    return None if lowest is None else Level(lowest, message("where it began, at a loss that is worse than any guess"))


@reading.once
def known_loss(telemetry: Telemetry, facts: Facts, guess: bool = True) -> Level | None:
    """The same of the validation loss; with ``guess``, the cross entropy of the prior where nothing else tells."""
    if facts.chance_loss is not None:
        return Level(facts.chance_loss, STATED)
    if (size := reading.batch(telemetry, facts)) and (by_batch := chance.CONTRASTIVE.get(facts.loss or "")):
        return Level(by_batch(size), message("by a batch of {size}", size=size))
    if reported := telemetry.column("chance/loss").values:
        return Level(reported[-1], REPORTED)
    counts = list(reading.labels(telemetry, facts).values())
    if counts and facts.loss == "cross_entropy":
        return Level(chance.cross_entropy(counts), COUNTED)
    told = reading.told_classes(telemetry, facts)
    entropy = facts.loss == "cross_entropy" or reading.near_classes(telemetry, told) or _shown_classes(facts, told)
    if told and (entropy or _tossed(telemetry, facts, told)):
        return Level(math.log(told), BY_CLASSES)
    if count := reading.classes(telemetry, facts):
        return Level(math.log(count), message("by where the loss stands, ln {count}", count=count))
    fresh = not (facts.checkpoint or telemetry.column("facts/pretrained").values) and facts.metric in ("val/loss", "train/loss")
    if fresh and (count := chance.usual(telemetry.column(facts.metric).values)):  # beside a score a loss may rise with it
        return Level(math.log(count), message("by where the loss stands, ln {count}", count=count))
    name = "val/loss" if telemetry.column("val/loss").values else "train/loss"
    if (found := _learned(telemetry, facts, name)) is not None:
        return found
    if fresh and (begun := telemetry.column("start/loss").values):
        return Level(begun[0], message("the loss before training"))
    return Level(chance.cross_entropy(counts), COUNTED) if guess and counts else None


@reading.once
def absurd(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether the loss has been many times that of a guess from the first reading to the last ones, ``count`` of them.

    Such a training may do nothing for long and be among the best once its loss comes down. Where nobody tells that of a guess,
    one that no classifier has is absurd.
    """
    losses = telemetry.column("val/loss").values or telemetry.column("train/loss").values
    level = loss(telemetry, facts, guess=False) or (
        reading.ABSURD / MANY if chance.ACCURACY & {*metrics.split(facts.metric)} else 0.0
    )
    return len(losses) >= count and 0 < MANY * level < min(losses[0], *losses[-count:])


def score(telemetry: Telemetry, facts: Facts) -> float | None:
    """The objective of a model that has learned nothing: as `known`, else where it `begun`; None if neither is known."""
    level, own, best = known(telemetry, facts), begun(telemetry, facts), surpassed(telemetry, facts)
    if level is None or own is None or metrics.of(facts.metric).chance is not None:
        return own if level is None else level
    ahead = facts.sign * (own - level)
    little = best is not None and ahead < LEARNED * facts.sign * (best - level)  # as `known_score` of trials
    return own if ahead > 0 and (little or worse(telemetry, facts)) else level


def against_start(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether a training is held against where it began, and that is not chance: nobody knows it, or it lies 2 % further down."""
    level, own = known(telemetry, facts), score(telemetry, facts)
    return own is not None and (level is None or abs(own - level) > 0.02 * room(telemetry, facts))


@reading.once
def worse(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether no loss was ever as low as that of a guess, where that is known: then nothing was learned."""
    level = known_loss(telemetry, facts, guess=False)
    losses = [value for name in ("train/loss", "val/loss") for value in telemetry.column(name).values]
    return level is not None and bool(losses) and min(losses) > level.value + LEARNED * abs(level.value)


@reading.once
def known(telemetry: Telemetry, facts: Facts) -> float | None:
    """The objective of a model that has learned nothing; None if the metric or the prior is not known."""
    found = known_score(telemetry, facts)
    return None if found is None else found.value


def loss(telemetry: Telemetry, facts: Facts, guess: bool = True) -> float | None:
    """The validation loss of a model that has learned nothing; where not stated, a guess: the cross entropy of the prior."""
    found = known_loss(telemetry, facts, guess)
    return None if found is None else found.value


def _learned(telemetry: Telemetry, facts: Facts, metric: str) -> Level | None:
    whole = reading.unit(telemetry, facts)
    if (found := learned.level(facts, metric, whole)) is not None:
        trials = Message.join([str(number) for number in found.trials[:5]])
        return Level(found.value, message("where trials {trials} stand", trials=trials))
    return None


def _beside(telemetry: Telemetry, facts: Facts, place: str) -> Sequence[float]:
    """What is reported of the objective under ``place``; nothing of one of training."""
    name = facts.metric.replace("val/", place, 1)
    return telemetry.column(name).values if name != facts.metric else ()


def _tossed(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether an objective of many times the logarithm of ``count`` scatters and never fell: whatever it is, nothing is learned.

    One that stands may be summed over samples, and have been learned in the first epoch.
    """
    values = telemetry.column(facts.metric).values if metrics.of(facts.metric).family == "loss" else ()
    if len(values) < 2 * FEW or count < 2 or min(values) < MANY * math.log(count):
        return False
    recent = values[-max(FEW, len(values) // 2) :]
    return median(recent) > FELL * median(values[:FEW]) and max(recent) - min(recent) > NOISE * median(recent)


def _shown_classes(facts: Facts, count: int) -> bool:
    """Whether the loss of another trial begins there: then it is a cross entropy, wherever that of this one began."""
    return facts.of_study(("near", count), lambda: any(reading.near_classes(peer.telemetry, count) for peer in facts.peers))


@reading.once
def begun(telemetry: Telemetry, facts: Facts) -> float | None:
    """Where an untrained model began and still stands; None once it has moved, or where its start may be that of a trained one.

    It has moved if a mean of a few running is better than the first such, or than the score before training, by `STILL`, or by
    four standard errors of what readings scatter. A score that other trials do not surpass has to look like a guess (`_guess`).
    """
    column, few = telemetry.column(facts.metric), reading.fewer(telemetry, facts, FEW)
    values, meaning = column.values, metrics.of(facts.metric)
    trained = facts.checkpoint or not facts.untrained or telemetry.column("facts/pretrained").values
    if trained or len(values) < few or column.steps[0] > max(1.0, 0.1 * facts.budget):
        return None
    means = [sum(values[i : i + few]) / few for i in range(len(values) - few + 1)]
    whole = reading.unit(telemetry, facts) * (1.0 if meaning.attainable else HARD)
    scale = whole if meaning.share else abs(means[0]) if meaning.family == "loss" else 0.0
    noise = reading.scatter(telemetry, facts)
    before = _beside(telemetry, facts, "start/")[:1]
    firsts = (means[0], values[0] + 2 * facts.sign * noise, *before)
    gain = max(facts.sign * mean for mean in means) - min(facts.sign * first for first in firsts)
    if gain > max(reading.STILL * scale, 4 * noise * math.sqrt(2 / few), 1e-12):
        return None
    return means[0] if _guess(telemetry, facts, means[0]) else None


def _guess(telemetry: Telemetry, facts: Facts, level: float) -> bool:
    """Whether ``level`` may be that of a model that has learned nothing.

    No training loss has fallen, and below that of a guess where it is known, unless the score is the same again and again. And
    others did better by a tenth; else a share has to be that same, up to `GOOD`, or 1/K for some K classes, and a loss between
    that of two classes and the largest vocabulary.
    """
    meaning, values = metrics.of(facts.metric), telemetry.column(facts.metric).values
    whole = reading.unit(telemetry, facts) if meaning.share else abs(level)
    alike = meaning.share and 2 * values.count(median(values)) >= len(values)
    trained = telemetry.column("train/loss").values if meaning.family != "reward" else ()
    guess = loss(telemetry, facts, guess=False) if facts.metric not in ("val/loss", "train/loss") else None
    if trained and not alike and min(trained) < FELL * min(trained[0], guess or math.inf):
        return False
    best, usual = surpassed(telemetry, facts), _firsts(facts)
    if best is not None and usual is not None and facts.sign * (level - usual) > AHEAD * abs(best - usual):
        return False  # others began far worse: it learned before its first report
    if best is not None and facts.sign * (best - level) > 0.1 * whole:
        return True
    if meaning.family == "loss":
        return UNTRAINED[0] <= level <= UNTRAINED[1]
    if not meaning.share:
        return True
    share = level / whole if facts.maximize else 1 - level / whole
    if share <= 0 or not meaning.attainable:
        return share < LITTLE
    return (alike and share <= GOOD) or abs(share * max(2, round(1 / share)) - 1) < 0.08


def _firsts(facts: Facts) -> float | None:
    """Where most other trials began; None if there are hardly any."""

    def middle() -> float | None:
        firsts = [column[0] for peer in facts.peers if (column := peer.telemetry.column(facts.metric).values)]
        return median(firsts) if len(firsts) >= FEW else None

    return facts.of_study("firsts", middle)


@reading.once
def surpassed(telemetry: Telemetry, facts: Facts) -> float | None:
    """The best of the objective in the other trials of the study, its baselines and its targets; None if there is none."""

    def best() -> float | None:
        bests = (peer.telemetry.best(facts.metric, facts.maximize) for peer in facts.peers if peer.telemetry is not telemetry)
        return (max if facts.maximize else min)((*(one for one in bests if one is not None), *facts.seen), default=None)

    return facts.of_study("surpassed", best)


@reading.once
def leads(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether this training is the best of its study so far, beside at least three others, and has left chance at some time."""
    best, other, limit = telemetry.best(facts.metric, facts.maximize), surpassed(telemetry, facts), bound(telemetry, facts)
    if best is None or other is None or limit is None or len(facts.peers) < 3:
        return False
    return facts.sign * best > facts.sign * other and facts.sign * best > facts.sign * limit


@reading.once
def error(telemetry: Telemetry, facts: Facts, metric: str) -> float:
    """The standard error of ``metric`` at chance; 0 if it is not known."""
    found = chance.standard_error(metric, [round(n) for n in reading.labels(telemetry, facts).values()]) or 0.0
    return found * reading.unit(telemetry, facts) if metric == facts.metric else found


@reading.once
def bound(telemetry: Telemetry, facts: Facts, margin: float = 0.02) -> float | None:
    """The value beyond which the objective is above chance: by a share of the range above it, and by 2 standard errors."""
    level = score(telemetry, facts)
    if level is None:
        return None
    meaning = metrics.of(facts.metric)
    steady = meaning.family == "loss" or (meaning.share and meaning.attainable)
    noise = 0.0 if steady else min(3 * reading.scatter(telemetry, facts), NOISE * room(telemetry, facts))
    whole = room(telemetry, facts)
    within = margin * (min(whole, shown(telemetry, facts)) if margin < LEARNED else whole)
    least = NOTHING * reading.unit(telemetry, facts) if meaning.share else 0.0
    ahead = max(within, min(margin, reading.STILL) * whole, 2 * error(telemetry, facts, facts.metric), noise, least)
    return level + ahead if facts.maximize else level - ahead


def opening(telemetry: Telemetry, facts: Facts, late: float, band: float) -> float:
    """The margin above chance, as a share: 2 % up to the share ``late`` of the budget, from then on more, at its end ``band``.

    It opens little by little, so that no training is judged by a wide band on the day that it leaves the narrow one; but it is
    open from the first for a score that stands where it `begun`, which only the initial weights have put there.
    """
    if begun(telemetry, facts) is not None:
        return max(0.02, band)
    return 0.02 + max(0.0, band - 0.02) * min(1.0, max(0.0, telemetry[-1].step / facts.budget - late) / OPENS)


@reading.once
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
        return abs(reading.unit(telemetry, facts) - level)
    if not meaning.family and max(values, default=1.0) <= 1:
        return abs(1 - level)
    seen = max((facts.sign * (value - level) for value in (*values, *(() if other is None else (other,)))), default=0.0)
    least = HARD * reading.unit(telemetry, facts) if meaning.share else abs(level)
    return max(0.0, seen, least if other is None else 0.0)


@reading.once
def shown(telemetry: Telemetry, facts: Facts) -> float:
    """What the study has shown to lie above chance, at least `HARD` of all there is; infinite where few trials have shown it."""
    level, other = score(telemetry, facts), surpassed(telemetry, facts)
    if level is None or other is None or len(facts.peers) < FEW:
        return math.inf
    return max(facts.sign * (other - level), HARD * room(telemetry, facts))


def above_chance(telemetry: Telemetry, facts: Facts, count: int, margin: float = 0.02) -> bool | None:
    """Whether any of the last ``count`` readings of the objective is above chance; None if that is not known."""
    values = telemetry.column(facts.metric).values[-count:]
    limit = bound(telemetry, facts, margin) if len(values) == count else None
    if limit is None:
        return None
    return max(values) > limit if facts.maximize else min(values) < limit


@reading.once
def learned_once(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether a few readings were above chance by `LEARNED` of what lies there: such a training is not at chance, it fell."""
    values, limit = telemetry.column(facts.metric).values, bound(telemetry, facts, LEARNED)
    return limit is not None and sum(facts.sign * value > facts.sign * limit for value in values) >= reading.LEAST


def below_chance(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether all of the last ``count`` readings are at least as far below chance as `bound` is above it.

    It may be on its way: one class for all, ranks upside down, a loss that exploded. A WER, a distance or a return is not.
    """
    level, limit, meaning = score(telemetry, facts), bound(telemetry, facts), metrics.of(facts.metric)
    values = telemetry.column(facts.metric).values[-count:]
    on_its_way = meaning.family in ("", "loss") or (meaning.share and meaning.chance != 1)
    if level is None or limit is None or len(values) < count or not on_its_way:
        return False
    mirrored = 2 * level - limit
    return max(values) < mirrored if facts.maximize else min(values) > mirrored
