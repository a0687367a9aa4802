"""What a study teaches of chance: where trials stand that never moved, while another one shows what alive looks like.

A model that has learned nothing has the same loss, or score, from its first report to its last, whatever its parameters. So
has one that was as good as it gets at its first report; hence nothing is learned before a trial, a baseline or a target is
better by far.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from pitprop.detection import metrics
from pitprop.detection.facts import Facts, Peer
from pitprop.telemetry import Telemetry

FEW = 5
"""Readings of which fewer tell nothing of where a training stands."""
LAST = 3
"""The last readings, or half of all if that is more, by which a training is at rest."""
STILL = 0.02
"""Within what share of itself all losses of a training lie that never moved; by what share of the whole its score rose."""
SEVERAL = 2
"""Trials that have to stand at one level."""
AHEAD = 5
"""How many times as far as the readings at chance scatter a training that is alive is ahead of them."""
RESTING = 3
"""Trials that have to come to rest at one level, which they had to reach first: more than where they never moved."""
AWAY, AWAY_LOSS = 1 / 3, 0.6
"""The share of the way from where trials begin to the best of them that lies beyond a level at which trials come to rest.

More of a loss, which falls most of that way in the first epochs of whatever learns.
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where trainings stand that never moved: from their ``low`` reading to the ``high`` one; ``trials`` are their numbers."""

    value: float
    low: float
    high: float
    trials: tuple[int, ...] = ()


def level(facts: Facts, metric: str, whole: float) -> Stand | None:
    """Where ``metric`` stands in trials that have learned nothing; None if the study does not tell.

    ``whole`` is what a score counts as a whole: 1, or 100 in percent; a loss is compared with itself.
    """
    return facts.of_study(("level", metric, whole), lambda: _level(facts, metric, whole))


def _level(facts: Facts, metric: str, whole: float) -> Stand | None:
    loss, sign, best = metrics.of(metric).family == "loss", _sign(facts, metric), alive(facts, metric)
    if best is None:
        return None
    found = ((stands(peer.telemetry, metric, sign, whole), peer) for peer in facts.peers)
    rows = ((one.value, peer.trial, one, _kind(peer)) for one, peer in found if one is not None)
    standing = sorted(rows, key=lambda row: row[:2])
    groups = []
    for first, (value, *_) in enumerate(standing):
        limit = value + STILL * (abs(value) if loss else whole)
        near = [row for row in standing[first:] if row[0] <= limit]
        if len({kind for *_, kind in near}) >= SEVERAL:
            lows, highs = min(one.low for *_, one, _ in near), max(one.high for *_, one, _ in near)
            groups.append(Stand(median(row[0] for row in near), lows, highs, tuple(sorted(row[1] for row in near))))
    groups.sort(key=lambda one: (-len(one.trials), sign * one.value))
    fit = (one for one in groups if behind(one, best, facts, metric, whole) and not reached(one, facts, metric, whole))
    return next(fit, None) or _rest(facts, metric, best, whole)


def _rest(facts: Facts, metric: str, best: float, whole: float) -> Stand | None:
    """The worst level at which `RESTING` trials came to rest, from better or worse, and that ``best`` is far ahead of.

    A loss or an error in any unit begins wherever the initial weights put it, and goes to chance before anything is learned. To
    ``best`` it is at least `AWAY` of the way from where trials begin: what good trials come to is nearer. No trial
    that rested there went on.
    """
    sign, meaning = _sign(facts, metric), metrics.of(metric)
    if metric != facts.metric or (meaning.share and meaning.attainable):
        return None  # where an accuracy or the loss beside a score comes to rest need be no guess
    firsts = [column[0] for peer in facts.peers if (column := peer.telemetry.column(metric).values)]
    way = sign * (best - median(firsts)) if firsts else 0.0
    scale = whole if meaning.share else way
    away, found = AWAY_LOSS if meaning.family == "loss" else AWAY, []
    for peer in facts.peers:
        values = peer.telemetry.column(metric).values
        values = values[-max(LAST, len(values) // 2) :] if len(values) >= FEW else []
        if values and max(values) - min(values) <= STILL * (abs(median(values)) if meaning.family == "loss" else scale):
            found.append((sign * median(values), peer.trial, min(values), max(values), _kind(peer)))
    found.sort()
    for first, (value, *_) in enumerate(found):
        limit = value + STILL * (abs(value) if meaning.family == "loss" else scale)
        near = [row for row in found[first:] if row[0] <= limit]
        if len({row[-1] for row in near}) >= RESTING:
            level = sign * median(row[0] for row in near)
            stand = Stand(level, min(row[2] for row in near), max(row[3] for row in near), tuple(sorted(row[1] for row in near)))
            if sign * (best - level) > away * way and behind(stand, best, facts, metric, whole):
                return None if any(_left(stand, peer, facts, metric, whole) for peer in facts.peers) else stand
    return None


def _left(stand: Stand, peer: Peer, facts: Facts, metric: str, whole: float) -> bool:
    """Whether a trial stood there for a few readings, and went far beyond later: then one that stands there may do so."""
    values, sign = peer.telemetry.column(metric).values, _sign(facts, metric)
    best = _best(peer.telemetry, metric, sign)
    return (
        best is not None
        and behind(stand, best, facts, metric, whole)
        and sum(stand.low <= v <= stand.high for v in values) >= FEW
    )


def alive(facts: Facts, metric: str) -> float | None:
    """The best that ``metric`` has been in the study, its baselines and its targets; None if nothing is known of these."""
    sign = _sign(facts, metric)
    bests = (_best(peer.telemetry, metric, sign) for peer in facts.peers)
    known = [*(one for one in bests if one is not None), *(facts.seen if metric == facts.metric else ())]
    return max(known, key=lambda value: sign * value, default=None)


def reached(stand: Stand, facts: Facts, metric: str, whole: float) -> bool:
    """Whether what is found at ``stand`` was learned: others began worse, and came to it or beyond.

    Of a loss one such trial is enough. Of a score it takes as many as stand there, and they have to be far beyond: a model that
    guesses a rare class begins below chance, and comes to it.
    """
    loss, sign = metrics.of(metric).family == "loss", _sign(facts, metric)
    worse = sign * stand.value - 0.05 * (abs(stand.value) if loss else whole)
    curves = [peer.telemetry for peer in facts.peers if peer.telemetry.column(metric).values]
    came = [one for one in curves if sign * one.column(metric).values[0] < worse]
    bests = [best for one in came if (best := _best(one, metric, sign)) is not None]
    if loss:
        return any(best <= stand.high for best in bests)
    return sum(behind(stand, best, facts, metric, whole) for best in bests) >= max(1, len(stand.trials))


def behind(stand: Stand, best: float, facts: Facts, metric: str, whole: float) -> bool:
    """Whether ``best`` is so much better than what is found at ``stand`` that the two are not of one kind."""
    meaning = metrics.of(metric)
    least = 0.1 * abs(stand.value) if meaning.family == "loss" else 0.05 * whole if meaning.share and meaning.attainable else 0.0
    return _sign(facts, metric) * (best - stand.value) > max(AHEAD * (stand.high - stand.low), least)


def stands(telemetry: Telemetry, metric: str, sign: int, whole: float) -> Stand | None:
    """Where a training stands that never moved; None for one that did, or that has too few readings.

    Its score may fall and rise, as that of a model which guesses one class and then another, but be no better than at first.
    """
    return telemetry.cached(("stands", metric, sign, whole), None, lambda: _stands(telemetry, metric, sign, whole))


def _stands(telemetry: Telemetry, metric: str, sign: int, whole: float) -> Stand | None:
    values = telemetry.column(metric).values
    if len(values) < FEW:
        return None
    values = [*telemetry.column(metric.replace("val/", "start/")).values, *values]
    low, middle, high = min(values), median(values), max(values)
    if metrics.of(metric).family == "loss":
        return Stand(middle, low, high) if high - low <= STILL * abs(middle) else None
    best, first = (max(sign * value for value in some) for some in (values, values[:FEW]))
    return Stand(sign * best, low, high) if best - first <= STILL * whole else None


def _best(telemetry: Telemetry, metric: str, sign: int) -> float | None:
    def best() -> float | None:
        return max(telemetry.column(metric).values, key=lambda value: sign * value, default=None)

    return telemetry.cached(("best", metric, sign), None, best)


def _kind(peer: Peer) -> str:
    """What tells trials with different parameters apart."""
    return peer.telemetry.cached("kind", None, lambda: repr(sorted(peer.params.items())))


def _sign(facts: Facts, metric: str) -> int:
    return facts.sign if metric == facts.metric else -1 if metrics.rises(metric) is False else 1
