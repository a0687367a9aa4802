"""What a study teaches of chance: where trials stand that never moved, while another one shows what alive looks like.

A model that has learned nothing has the same loss, or score, from its first report to its last, whatever its parameters. So
has one that was as good as it gets at its first report; hence nothing is learned before a trial, a baseline or a target is
better by far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

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


class Row(NamedTuple):
    """Where one trial stands; its ``kind`` is another where its parameters are others."""

    value: float
    trial: int
    low: float
    high: float
    kind: str


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
    rows = sorted(Row(one.value, peer.trial, one.low, one.high, _kind(peer)) for one, peer in found if one is not None)
    groups = _groups(rows, 0.0 if loss else whole, SEVERAL)
    worse = (at for at in groups if sign * (best - _middle(rows, *at)) > _margin(_middle(rows, *at), metric, whole))
    for group in sorted(worse, key=lambda at: (at[0] - at[1], sign * _middle(rows, *at))):
        stand = _stand(rows, *group)
        if behind(stand, best, facts, metric, whole) and not reached(stand, facts, metric, whole):
            return stand
    return _rest(facts, metric, best, whole)


def _rest(facts: Facts, metric: str, best: float, whole: float) -> Stand | None:
    """The best level at which `RESTING` trials came to rest, from better or worse, and that ``best`` is far ahead of.

    A loss or an error in any unit begins wherever the initial weights put it, and goes to chance before anything is learned; some
    rest on the way, where their weights hardly move. To ``best`` it is at least `AWAY` of the way from where trials begin: what
    good trials come to is nearer. No trial that rested there went on.
    """
    sign, meaning = _sign(facts, metric), metrics.of(metric)
    if metric != facts.metric or (meaning.share and meaning.attainable):
        return None  # where an accuracy or the loss beside a score comes to rest need be no guess
    firsts = [column[0] for peer in facts.peers if (column := peer.telemetry.column(metric).values)]
    way = sign * (best - median(firsts)) if firsts else 0.0
    loss, scale = meaning.family == "loss", whole if meaning.share else way
    rows = sorted(row for peer in facts.peers if (row := _resting(peer, metric, loss, scale)) is not None)
    groups = _groups(rows, 0.0 if loss else scale, RESTING)
    whole_ones = [group for before, group in pairwise([(0, 0), *groups]) if group[1] > before[1]]  # none lies within another
    for group in whole_ones if sign < 0 else reversed(whole_ones):
        stand = _stand(rows, *group)
        far = sign * (best - stand.value) > (AWAY_LOSS if loss else AWAY) * way
        far = far and behind(stand, best, facts, metric, whole)
        if far and not any(_left(stand, peer, facts, metric, whole) for peer in facts.peers):
            return stand
    return None


def _resting(peer: Peer, metric: str, loss: bool, scale: float) -> Row | None:
    """Where a trial came to rest; None for one that did not."""
    values = peer.telemetry.column(metric).values
    last = values[-max(LAST, len(values) // 2) :] if len(values) >= FEW else []
    if not last or max(last) - min(last) > STILL * (abs(median(last)) if loss else scale):
        return None
    return Row(median(last), peer.trial, min(last), max(last), _kind(peer))


def _groups(rows: Sequence[Row], whole: float, several: int) -> list[tuple[int, int]]:
    """From where to where in ``rows``, which are in order, trials of ``several`` kinds at least are of one level.

    That is by `STILL` of ``whole``, or of itself where that is 0. There is one that begins with each of the rows.
    """
    kinds, groups, end = Counter[str](), [], 0
    for first, row in enumerate(rows):
        limit = row.value + STILL * (whole or abs(row.value))
        while end < len(rows) and rows[end].value <= limit:
            kinds[rows[end].kind] += 1
            end += 1
        if len(kinds) >= several:
            groups.append((first, end))
        kinds[row.kind] -= 1
        if not kinds[row.kind]:
            del kinds[row.kind]
    return groups


def _middle(rows: Sequence[Row], first: int, end: int) -> float:
    return (rows[(first + end - 1) // 2].value + rows[(first + end) // 2].value) / 2


def _stand(rows: Sequence[Row], first: int, end: int) -> Stand:
    near = rows[first:end]
    lows, highs = min(row.low for row in near), max(row.high for row in near)
    return Stand(_middle(rows, first, end), lows, highs, tuple(sorted(row.trial for row in near)))


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
    least = max(AHEAD * (stand.high - stand.low), _margin(stand.value, metric, whole))
    return _sign(facts, metric) * (best - stand.value) > least


def _margin(value: float, metric: str, whole: float) -> float:
    """By how much more than ``value`` what is alive has to be better, however little readings scatter."""
    meaning = metrics.of(metric)
    return 0.1 * abs(value) if meaning.family == "loss" else 0.05 * whole if meaning.share and meaning.attainable else 0.0


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
