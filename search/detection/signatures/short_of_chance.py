"""Short of chance: worse than a model that has learned nothing, or hardly better, and too slow to learn anything in time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pitprop.detection import levels, life, metrics, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/ or train/loss",)
KIND = "soft"
BLIND = 0.27
ELSEWHERE = ""
GROWS = 1.2
"""How many times what the earlier half of some readings gained the later half gains in a training that is faster and faster."""
BELOW = 0.02
"""The share by which a loss below that of a guess is no scatter."""
DESPITE = ("loss_falling", "score_rising", "score_trending")


def detect(
    telemetry: Telemetry, facts: Facts, *, patience: int = 5, faster: float = 3.0, margin: float = 0.1, late: float = 0.4
) -> Message | None:
    """The objective, or the loss while that is at chance, would end short of chance by ``margin`` at ``faster`` times its rate.

    From the share ``late`` of the budget on it has to end above chance, by ``margin`` of what five trials or more have shown
    to lie there, unless its loss lies below that of a guess and still falls. A score of exactly 0, below chance,
    is left to `no_positives` where the loss falls. The rate is that of the last ``patience`` readings, and goes on to fall as it
    fell over them. One that grows, over these or twice as many, does not count, nor a training that ever was better by
    ``margin``, whose rate may yet be too high.
    """
    count = reading.window(telemetry, facts, patience)
    level, limit = levels.known(telemetry, facts), levels.bound(telemetry, facts, margin)
    best = telemetry.best(facts.metric, facts.maximize)
    if limit is not None and best is not None and facts.sign * best > facts.sign * limit:
        return None
    if level is not None and limit is not None and not _nothing_yet(telemetry, facts, count, level):
        readings = reading.recent(telemetry, facts.metric, count)
        counts = telemetry[-1].step >= late * facts.budget and not _learns(telemetry, facts, count)
        least = _least(telemetry, facts, level, margin) if counts else None
        goal = 2 * level - limit if least is None else least
        lacks = level if least is None else least
        end = None
        if len(readings) == count and not _grows(reading.recent(telemetry, facts.metric, 2 * count), facts.sign):
            end = _end(readings, facts.sign, facts.budget, faster, lacks)
        learned = least is not None and best is not None and facts.sign * best >= facts.sign * least
        if end is not None and not learned and facts.sign * end < facts.sign * goal:
            return _reason(facts.metric, readings, level, end, faster, least)
    name, losses = reading.losses(telemetry, count)
    level, rising = levels.loss(telemetry, facts, guess=False), life.score_rising(telemetry, facts, count)
    if level is None or len(losses) < count or metrics.of(facts.metric).family == "reward" or (rising and rising.alive):
        return None
    if levels.above_chance(telemetry, facts, count) is not False:
        return None
    end = _end(losses, -1, facts.budget, faster, level)
    return _reason(name, losses, level, end, faster) if end is not None and end > level + margin * abs(level) else None


def _end(readings: Sequence[tuple[int, float]], sign: int, budget: int, faster: float, level: float) -> float | None:
    """Where a curve would end at ``faster`` times its rate, which goes on to fall as it did; None if it is not steady.

    It is steady if it stands, by a tenth of what it lacks to ``level``; or if it gains in each half, in the second not much more
    than in the first, and mostly in one direction. What a half gains is counted by step, as one may have more of them.
    """
    values = [sign * value for _, value in readings]
    (since, _), (step, last), half = readings[0], readings[-1], (len(readings) - 1) // 2
    rest = len(readings) - 1 - half
    before, after = (values[half] - values[0]) * rest / max(1, half), values[-1] - values[half]
    if max(values) - min(values) < 0.1 * abs(level - last) and after <= 0:
        return last
    ways = sum(abs(b - a) for a, b in pairwise(values))
    if before <= 0 or after <= 0 or after > GROWS * before or values[-1] - values[0] < 0.5 * ways:
        return None
    ratio = min(1.0, after / before)
    left = max(0, budget - step) / ((step - since) / (len(readings) - 1)) / rest
    halves = left if ratio > 0.999 else ratio * (1 - ratio**left) / (1 - ratio)
    return last + sign * faster * after * halves


def _grows(readings: Sequence[tuple[int, float]], sign: int) -> bool:
    """Whether the later half of the readings gained more than the earlier half."""
    middle = len(readings) // 2
    before, after = (sign * (some[-1][1] - some[0][1]) for some in (readings[: middle + 1], readings[middle:]))
    return after > 0 and after > GROWS * before


def _learns(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """Whether the loss lies below that of a guess and still falls: a score that only counts follows later."""
    level, falling = levels.loss(telemetry, facts, guess=False), life.loss_falling(telemetry, facts, count)
    _, losses = reading.losses(telemetry, count)
    below = level is not None and facts.metric != "val/loss" and all(loss < (1 - BELOW) * level for _, loss in losses)
    return bool(below and falling and falling.alive)


def _nothing_yet(telemetry: Telemetry, facts: Facts, count: int, level: float) -> bool:
    """Whether nothing is found yet, which is worse than chance, while the loss falls."""
    falling, values = life.loss_falling(telemetry, facts, count), telemetry.column(facts.metric).values[-count:]
    return metrics.of(facts.metric).empty and level > 0 and bool(falling and falling.alive) and not any(values)


def _least(telemetry: Telemetry, facts: Facts, level: float, margin: float) -> float | None:
    """Where something is learned: beyond chance by ``margin`` of what the study has shown; None where few trials show it."""
    other = levels.surpassed(telemetry, facts)
    if other is None or len(facts.peers) < reading.FEW or facts.sign * (other - level) <= 0:
        return None
    return level + margin * (other - level)


def _reason(
    name: str, readings: Sequence[tuple[int, float]], level: float, end: float, faster: float, least: float | None = None
) -> Message:
    (since, first), (step, last) = readings[0], readings[-1]
    if least is not None:
        return message(
            "{name} {first:.4g} to {last:.4g} in epochs {since}-{step}: at {faster:g} times that rate it would end at {end:.4g}, "
            "short of {least:.4g}, where by the best of the study something is learned (chance is {level:.4g})",
            **{"name": name, "first": first, "last": last, "since": since, "step": step, "level": level},
            **{"faster": faster, "end": end, "least": least},
        )
    return message(
        "{name} {first:.4g} to {last:.4g} in epochs {since}-{step} is worse than chance ({level:.4g}): at {faster:g} times that "
        "rate it would end at {end:.4g}",
        **{"name": name, "first": first, "last": last, "since": since, "step": step, "level": level},
        **{"faster": faster, "end": end},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    warm, last = advice.shorter_warm_up(telemetry, facts), Advice(message("scale down the initial weights"))
    return advice.rate(telemetry, facts), warm, last
