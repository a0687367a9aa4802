"""Life signs: readings which tell that a training at chance will recover; and the `course` of one that learned.

On labelled curves, the area under the ROC curve of "will this run, now at chance, recover?" is .85 for the validation AUC,
.80 for the growth of the logit spread and .76 for that of the probability spread, against .55 for the fall of the loss and
.46 (no information) for the gradient norm. So a trainer should report AUC or logit spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from pitprop.detection import levels, metrics, predictions, reading, stopping
from pitprop.detection.facts import Facts
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Epoch, Telemetry, finite

DECIDES = 0.1
"""The spread (standard deviation across samples) above which predictions begin to differ between samples."""
SPREAD = 1e-3
"""The spread below which, if it does not grow, the output does not depend on the input whatever the ranks say."""
SPREADS = {
    "val/logit_spread": N_("logit spread {first:.2g} to {last:.2g}"),
    "val/probability_spread": N_("probability spread {first:.2g} to {last:.2g}"),
}
NEAR = 0.1
"""The share of its start, or of chance, from which on a training loss is near 0."""
RECOVERED = 3
"""Reports in which one class was all that was predicted, before it is worth telling that this ended."""
FITS = 0.01
"""The share by which the training loss falls from window to window, and lies below any validation loss, in one that learns."""
TREND, SURE = 8, 3.3
"""How many readings show a trend at least, and how many standard errors of Kendall's statistic make one that is no chance."""
SLOW = 0.1
"""The share of what the study has shown above chance that a slow rise has to reach by the end of the budget to count."""
HOT = 1.05
"""How many times as large as at chance a loss is whose steps are too large."""
BESIDE = ("fitting", "score_trending")
"""Signs that count only where neither AUC nor spread is reported."""
OVERRULED = 0.3
"""The share of the budget after which weak signs no longer count where better ones are reported."""


@dataclass(frozen=True)
class Sign:
    """A life sign that could be looked for: whether it is there, and what was seen, as a template and its numbers."""

    name: str
    alive: bool
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def seen(self) -> Message:
        """What was seen. Made only where a reason quotes it: signs are looked for in every epoch."""
        return message(self.template, **self.values)


@reading.once
def signs(telemetry: Telemetry, facts: Facts, count: int, despite: tuple[str, ...] = ()) -> list[Sign]:
    """Each sign that can be judged from the last ``count`` readings, without those named in ``despite``."""
    if despite:
        return [sign for sign in signs(telemetry, facts, count) if sign.name not in despite]
    looks = (
        ranking,
        logits_spreading,
        probabilities_spreading,
        loss_falling,
        loss_accelerating,
        score_rising,
        score_trending,
        cooling,
        memorising,
        fitting,
    )
    found = (look(telemetry, facts, count) for look in looks)
    return [sign for sign in found if sign is not None]


def alive(signs: Sequence[Sign], telemetry: Telemetry, facts: Facts) -> bool:
    """Whether any sign counts. After ``OVERRULED`` of the budget a falling loss does not, where AUC and spread show nothing.

    Nor do at any time, where one of these is reported, a slow trend of the score, or a training loss below that of validation:
    classes may be weighted in it.
    """
    strong = [sign for sign in signs if sign.name in ("ranking", "logits_spreading")]
    overruled = len(strong) == 2 and telemetry[-1].step >= OVERRULED * facts.budget
    weak = ("loss_falling", *BESIDE) if overruled else BESIDE if strong else ()
    return any(sign.alive for sign in signs if sign.name not in weak)


def watched(signs: Sequence[Sign]) -> bool:
    """Whether life could be seen at all: by more than the score, which stands still in whatever is at chance."""
    return any(sign.name not in ("score_rising", "score_trending", "cooling") for sign in signs)


@reading.once
def absent(telemetry: Telemetry, facts: Facts, count: int, despite: tuple[str, ...] = ()) -> Message:
    """What was looked for, as by `signs`, and not found, for a reason."""
    found = signs(telemetry, facts, count, despite)
    if not found:
        return message("nothing is reported that could show life")
    seen = (message("{sign} (not enough by itself)", sign=sign.seen) if sign.alive else sign.seen for sign in found)
    return message("no life sign: {signs}", signs=Message.join(seen))


def ranking(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """AUC rising by more than a standard error, however slowly the logits spread; or 2 above chance while they do so in time."""
    values = _last(telemetry, "val/auc", count)
    if not values:
        return None
    error, mean = max(levels.error(telemetry, facts, "val/auc"), 0.01), sum(values) / count
    rises = values[-1] - values[0] > max(error, 0.02) and values[-1] > 0.5 + error
    stands = (mean > 0.5 + 2 * error or max(values) > 0.5 + 4 * error) and _moves(telemetry, count)
    spreads = reading.recent(telemetry, "val/logit_spread", count)
    counts = _decides(spreads, facts) if not rises else not spreads or spreads[-1][1] > min(SPREAD, spreads[0][1])
    return Sign(
        "ranking", (rises or stands) and counts, N_("AUC {first:.2f} to {last:.2f}"), {"first": values[0], "last": values[-1]}
    )


def logits_spreading(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """Logit spread across samples growing by 0.1 decade over the window, fast enough to decide in time."""
    return _spreading("logits_spreading", "val/logit_spread", telemetry, facts, count)


def probabilities_spreading(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """The same of the probabilities."""
    return _spreading("probabilities_spreading", "val/probability_spread", telemetry, facts, count)


def loss_falling(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """The loss at a new minimum and 0.3 % down over the window, falling in 80 % of the last two windows' steps, or to half."""
    name = _loss(telemetry)
    column = telemetry.column(name)
    if len(column.values) < count or not _judged(facts):
        return None
    values = column.values[-2 * count :]
    first, last = values[-count], values[-1]
    earlier = column.values[:-count]
    lowest = not earlier or min(values[-count:]) < min(earlier) - 0.0015 * abs(first)
    often = sum(after < before for before, after in pairwise(values)) >= 0.8 * (len(values) - 1)
    halved = last < 0.5 * first and all(after < before for before, after in pairwise(values[-count:]))
    falls = (first - last > 0.003 * (abs(first) or 1.0) and lowest) or often or halved
    return Sign("loss_falling", falls, N_("{name} {first:.4g} to {last:.4g}"), {"name": name, "first": first, "last": last})


def loss_accelerating(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """The loss falling in every step of the window, and at least twice as fast in its second half as in its first."""
    values = _last(telemetry, _loss(telemetry), count)
    if len(values) < 4 or not _judged(facts):
        return None
    half = len(values) // 2
    before, after = values[0] - values[half], values[half] - values[-1]
    falls = all(b < a for a, b in pairwise(values)) and after > 2 * before
    return Sign("loss_accelerating", falls, N_("accelerating") if falls else N_("not accelerating"))


def score_rising(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """The objective better by 0.4 % of its scale and by one standard error over the window; not where that is a loss."""
    values = _last(telemetry, facts.metric, count)
    if not values or facts.metric in ("val/loss", "train/loss"):
        return None
    gain = facts.sign * (values[-1] - values[0])
    meaning, noise = metrics.of(facts.metric), reading.scatter(telemetry, facts)
    least = max(0.004 * reading.reach(telemetry, facts), levels.error(telemetry, facts, facts.metric))
    rises = gain > max(least, 0.0 if meaning.share else 2 * noise)
    if meaning.family == "reward" and not rises:  # returns scatter so much that only means tell
        gain = facts.sign * (fmean(values) - fmean(telemetry.column(facts.metric).values[:count]))
        rises = gain > max(least, 2 * noise * math.sqrt(2 / count))
    seen = {"name": facts.metric, "first": values[0], "last": values[-1]}
    return Sign("score_rising", rises, N_("{name} {first:.4g} to {last:.4g}"), seen)


def score_trending(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """On a hard problem, the objective better over four windows by Kendall's test, and at that rate above chance at the end.

    So rises what learns a little: by less in each window than readings scatter. A problem is hard where the best that the study
    has shown is above chance by less than `levels.HARD` of what lies there; alone, no training tells that.
    """
    values, level = telemetry.column(facts.metric).values[-4 * count :], levels.score(telemetry, facts)
    best, many = levels.surpassed(telemetry, facts), len(values)
    if many < TREND or level is None or best is None or len(facts.peers) < reading.LEAST:
        return None
    shown = facts.sign * (best - level)
    if not 0 < shown < levels.HARD * levels.room(telemetry, facts) or not metrics.of(facts.metric).share:
        return None
    ways = (facts.sign * (later - value) for index, value in enumerate(values) for later in values[index + 1 :])
    ups = sum((way > 0) - (way < 0) for way in ways)
    sure = ups / math.sqrt(many * (many - 1) * (2 * many + 5) / 18) >= SURE
    half = many // 2
    before, after = fmean(values[:half]), fmean(values[-half:])
    left = max(0, facts.budget - telemetry[-1].step) / reading.stride(telemetry, facts)
    end = after + (after - before) / (many - half) * (left + half / 2)
    rises = sure and facts.sign * (end - level) > SLOW * shown
    seen = {"name": facts.metric, "first": before, "last": after, "count": many}
    return Sign("score_trending", rises, N_("{name} {first:.4g} to {last:.4g} between the halves of {count} readings"), seen)


def cooling(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """A learning rate that is falling and still high, where steps are too large: update ratio of at least .01, loss above chance.

    Too large they are as well where a training had learned, and fell back to chance, and where its loss exploded under way; and
    where a drop of the rate is still to come, or just was, wherever it stands worse than chance.
    """
    rates, steps, losses = (_last(telemetry, name, count) for name in ("lr", "update_ratio", "val/loss"))
    level, fell = levels.loss(telemetry, facts), levels.learned_once(telemetry, facts) or _exploded(telemetry, count)
    if (drop := reading.drop(telemetry, facts)) is not None and (fell or _swings(telemetry, facts, count)):
        return Sign("cooling", True, N_("worse than chance, and the learning rate is lowered after {drop:g}"), {"drop": drop})
    if not rates or not (fell or (steps and sum(steps) >= 0.01 * count)):
        return None
    if not fell and level is not None and losses and sum(losses) < HOT * level * count:
        return None
    falls = 0.1 * max(telemetry.column("lr").values) < rates[-1] < rates[0]
    falling = N_("update steps too large and the learning rate falling")
    return Sign("cooling", falls, falling if falls else N_("update steps too large and the learning rate not falling"))


def memorising(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """A training loss near 0, by `NEAR` of where it began or of chance: it learns, and validation may follow late (grokking).

    It began where the first few readings lie: one that exploded, and came back to chance, has learned nothing.
    """
    column = telemetry.column("train/loss")
    if len(column.values) < count or not _judged(facts) or min(column.values) < 0:
        return None
    start = min(column.values[0], median(column.values[: reading.FEW]), levels.loss(telemetry, facts) or math.inf)
    last = max(column.values[-count:])
    return Sign("memorising", True, N_("training loss {last:.3g}"), {"last": last}) if last < NEAR * start else None


def fitting(telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    """The training loss below any of validation and that of a guess, and falling by `FITS` a window; or it fell to near 0.

    One that is near 0 from the first may only be weighted so.
    """
    column, validated = telemetry.column("train/loss"), telemetry.column("val/loss").values
    if not validated or len(column.values) <= count or not _judged(facts) or facts.metric == "val/loss":
        return None
    guess = levels.loss(telemetry, facts, guess=False) or levels.UNTRAINED[1]
    recent, least = column.values[-count:], min(*validated, guess)
    falls = max(recent) < min((1 - FITS) * min(validated), guess) and recent[-1] < (1 - FITS) * recent[0]
    near = max(recent) < min(NEAR * least, levels.FELL * max(column.values[: reading.FEW]))
    seen = {"first": recent[0], "last": recent[-1], "least": least}
    below = N_("training loss {first:.4g} to {last:.4g}, below validation's {least:.4g}")
    return Sign("fitting", True, below, seen) if min(recent) >= 0 and (falls or near) else None


def recovery(telemetry: Telemetry, facts: Facts) -> int | None:
    """The step at which a finished training left chance, after a window at chance without any life sign.

    None for one that never left it, for one that showed life signs all the time (no grace was needed to spare it), and for one
    that came less than half of the way from chance to the best that is known of its study: nothing is lost without it.
    """
    count = reading.window(telemetry, facts, 5)
    step = levels.left_chance(telemetry, facts, count) if _worth(telemetry, facts) else None
    past = Telemetry()
    for epoch in telemetry if step is not None else ():
        past.append(epoch)
        if step is not None and epoch.step >= step:
            break
        still = levels.above_chance(past, facts, count) is False
        if still and not alive(signs(past, facts, count), past, facts):
            return step
    return None


def _worth(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether the objective came at least half of the way from chance to the best of the study, where that is known."""
    level, best = levels.score(telemetry, facts), telemetry.best(facts.metric, facts.maximize)
    other = levels.surpassed(telemetry, facts)
    return level is None or best is None or other is None or 2 * facts.sign * (best - level) >= facts.sign * (other - level)


def promise(telemetry: Telemetry, facts: Facts) -> float:
    """A score to rank parked trainings by how likely they recover: AUC counts before spread, and spread before loss.

    AUC above one half, then decades of growth of the logit spread a window, then the share by which the loss has fallen.
    """
    count = reading.window(telemetry, facts, 5)
    areas, losses = _last(telemetry, "val/auc", count), telemetry.column("val/loss").values
    spreads = _last(telemetry, "val/logit_spread", count) or _last(telemetry, "val/probability_spread", count)
    ranks = 2 * sum(areas) / count - 1 if areas else 0.0
    grows = math.log10(spreads[-1] / spreads[0]) if spreads and min(spreads) > 0 else 0.0
    falls = (max(losses) - losses[-1]) / (abs(max(losses)) or 1.0) if losses else 0.0
    return ranks + 0.3 * max(-1.0, min(1.0, grows)) + 0.1 * falls


def _spreading(sign: str, name: str, telemetry: Telemetry, facts: Facts, count: int) -> Sign | None:
    readings = reading.recent(telemetry, name, count)
    if len(readings) < count or min(value for _, value in readings) <= 0:
        return None
    (start, first), (end, last) = readings[0], readings[-1]
    growth, needed = math.log10(last / first), max(0.0, math.log10(DECIDES / last))
    grows = growth >= 0.1 and needed <= 1.5 * growth * (facts.budget - end) / max(end - start, 1)
    return Sign(sign, grows, SPREADS[name], {"first": first, "last": last})


def _decides(spreads: Sequence[tuple[int, float]], facts: Facts) -> bool:
    """Whether the logits differ enough to decide, or will at three times their growth; true if it is not measured."""
    if len(spreads) < 2 or max(spread for _, spread in spreads) >= 0.25 * DECIDES:
        return True
    (start, first), (end, last) = spreads[0], spreads[-1]
    if min(first, last) <= 0:
        return False
    growth = math.log10(last / first) / max(end - start, 1)
    return growth > 0 and math.log10(DECIDES / last) <= 3 * growth * (facts.budget - end)


def _loss(telemetry: Telemetry) -> str:
    """The loss to look at: of validation where that is measured."""
    return "val/loss" if telemetry.column("val/loss").values else "train/loss"


def _exploded(telemetry: Telemetry, count: int) -> bool:
    """Whether all of the last losses are many times as large as the first."""
    values = telemetry.column(_loss(telemetry)).values
    return len(values) > count and 0 < levels.MANY * values[0] < min(values[-count:])


def _swings(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether the last losses, or else scores, are worse than chance, and rise and fall by a tenth of what there is."""
    losses, level = telemetry.column("val/loss").values[-count:], levels.loss(telemetry, facts)
    if losses and level is not None:
        return fmean(losses) > HOT * level and max(losses) - min(losses) > 0.1 * level
    values = _last(telemetry, facts.metric, count)
    below = bool(values) and levels.below_chance(telemetry, facts, count)
    return below and max(values) - min(values) > 0.1 * levels.room(telemetry, facts)


def _judged(facts: Facts) -> bool:
    """Whether losses say anything: those of a policy do not."""
    return metrics.of(facts.metric).family != "reward"


def _last(telemetry: Telemetry, name: str, count: int) -> Sequence[float]:
    """The last ``count`` readings, or none if there are fewer."""
    return values[-count:] if len(values := telemetry.column(name).values) >= count else ()


def _moves(telemetry: Telemetry, count: int) -> bool:
    """Whether the logit spread changes, and not only downwards. Random weights may rank well on easy data without learning."""
    spreads = _last(telemetry, "val/logit_spread", count)
    return not spreads or (max(spreads) > 1.1 * min(spreads) and any(after > before for before, after in pairwise(spreads)))


def course(telemetry: Telemetry, facts: Facts) -> list[Message]:
    """What an author looks for in the curve of one that learned: a collapse that ended, a flat start, precision, recall, shares.

    None where the objective never rose above its first reading.
    """
    scored = [epoch for epoch in telemetry if finite(epoch.metrics.get(facts.metric, math.nan))]
    values = [epoch.metrics[facts.metric] for epoch in scored]
    best = stopping.best(values, facts.maximize)
    if not best:
        return []
    balance = predictions.balance(scored[best], reading.labels(telemetry, facts))
    found = [_recovered(telemetry, facts), _flat(facts, scored, values, best), *predictions.halves(scored[best]), balance]
    return [one for one in found if one is not None]


def _recovered(telemetry: Telemetry, facts: Facts) -> Message | None:
    """In which epochs one class was all that was predicted, and when that ended: evidence is no proof."""
    past, told = Telemetry(), None
    for epoch in telemetry:
        past.append(epoch)
        if found := predictions.constant(past, facts, RECOVERED):
            told = found.sentence(found.kind(reading.labels(past, facts)), epoch.step)
        elif told is not None:
            return message("{collapse}; recovered at epoch {step}", collapse=told, step=epoch.step)
    return None


def _flat(facts: Facts, scored: Sequence[Epoch], values: Sequence[float], best: int) -> Message | None:
    """Three evaluations or more, and a fifth of all, that brought less than a tenth of the gain; a steady rise spends a tenth."""
    gain = values[best] - values[0]
    count = next(index for index, value in enumerate(values) if (value - values[0]) / gain >= 0.1)
    if count < max(3, len(values) / 5):
        return None
    where = {"first": scored[0].step, "last": scored[count - 1].step}
    return message(
        "flat start: {metric} made less than a tenth of its gain in epochs {first}-{last}", metric=facts.metric, **where
    )
