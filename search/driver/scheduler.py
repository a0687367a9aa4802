"""Which trial trains next: pure functions of what is recorded of all trials.

A trial trains segment by segment. At the end of one it waits, with its checkpoint, until a scheduler chooses it for the next. So
a rank decides what trains first and ends nothing: signatures alone do that. `full` has one segment, the whole budget; `promote`
is ASHA with promotion; `thaw` weighs how much each trial may still gain.

Curves are scores of which higher is better. A choice depends on the board and on its seed, so a search that was killed chooses
what it would have chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pitprop.space import Method

NEW = -1
"""The choice of a trial that does not exist yet."""
SHRINK, DECAY, FIRST_GAIN, FIRST_SPREAD = 0.5, 0.7, 0.1, 0.1
"""What is expected of a segment that few trials have trained: its mean and variance are shrunk by half a trial's weight towards
0.7 times those of the segment before. Before the first they are 0.1 standard deviations and variances of the first scores."""


@dataclass(frozen=True, slots=True)
class Board:
    """Every trial as a scheduler sees it, by number.

    ``scores`` (N, segments) is the best score so far at the end of each segment, NaN where a trial has not got so far or has no
    number; ``done`` (N,) counts the segments that are finished, ``able`` (N,) tells the trials that wait and can go on, and
    ``promise`` (N,) is what life signs promise of them (`pitprop.detection.life.promise`). ``room``: there may be a new trial.
    """

    ends: Sequence[int]
    scores: NDArray[np.float64]
    done: NDArray[np.int_]
    able: NDArray[np.bool_]
    promise: NDArray[np.float64]
    room: bool

    @property
    def now(self) -> NDArray[np.float64]:
        """The best score so far of each trial (N,), minus infinity if it has none."""
        last = self.scores[np.arange(len(self.done)), np.maximum(self.done - 1, 0)]
        return np.where((self.done > 0) & ~np.isnan(last), last, -math.inf)


Choose = Callable[[Board, int], int | None]
"""From a board and a seed to the number of the trial that trains its next segment, `NEW`, or None if there is nothing to do."""


def of(method: Method, epochs: int) -> tuple[tuple[int, ...], Choose]:
    """The ends of the segments of a budget of ``epochs``, and how a space's ``scheduler`` chooses."""
    options: Mapping[str, Any] = method.options
    if method.name == "promote":
        factor = options.get("factor", 4)
        return rungs(epochs, factor), lambda board, seed: promote(board, seed, factor)
    if method.name == "thaw":
        first, reserve = options.get("first", 12), options.get("reserve", 0.15)
        return segments(epochs), lambda board, seed: thaw(board, seed, first, reserve)
    return (epochs,), full


def full(board: Board, seed: int) -> int | None:  # chooses nothing at random
    """A new trial as long as there is room; then those that wait, as where another scheduler began the search."""
    return NEW if board.room else _best(board, board.able)


def promote(board: Board, seed: int, factor: int) -> int | None:
    """ASHA (Li et al., MLSys 2020, algorithm 2): of the highest rung that has one, the best that waits among its top share.

    The top share of a rung is one in ``factor`` of the trials that have finished it. Else a new trial; and where there is no
    room for one, the best that waits at all, so that everything is trained in the end.
    """
    for rung in range(len(board.ends) - 1, 0, -1):
        finished = np.flatnonzero(board.done >= rung)
        count = len(finished) // factor
        if count:
            scores = np.nan_to_num(board.scores[finished, rung - 1], nan=-math.inf)
            top = finished[np.argsort(-scores, kind="stable")[:count]]
            waiting = top[board.able[top] & (board.done[top] == rung)]
            if len(waiting):
                return int(waiting[0])
    return NEW if board.room else _best(board, board.able)


def thaw(board: Board, seed: int, first: int, reserve: float) -> int | None:
    """The trial that most likely passes the best of all within a few epochs, of a new one too.

    A freeze-thaw rule (Swersky et al. 2014) without its Gaussian process: what a segment gains, and how much that varies, is
    estimated from the trials that have trained it. The number of epochs to look ahead and the margin to pass the best by are
    drawn anew at each choice, as in ifBO (Rakotoarison et al., ICML 2024). The ``first`` trials train one segment each; a share
    of choices, the ``reserve``, goes to the trial of the worse half whose life signs promise most.
    """
    waiting = np.flatnonzero(board.able)
    if board.room and (len(board.done) < first or not len(waiting)):
        return NEW
    if not len(waiting):
        return None
    draw = np.random.default_rng(seed)
    now = board.now
    if draw.random() < reserve and (chosen := _most_alive(board, waiting, now)) is not None:
        return chosen
    gain, variance = _forecast(board)
    ends, total = np.array([0, *board.ends]), board.ends[-1]
    ahead = max(1.0, math.exp(draw.random() * math.log(total)))
    margin = 10 ** draw.uniform(-4, -1.5) * math.sqrt(variance[0])
    # Row k: a trial that has finished k segments trains those that begin before its horizon.
    trained = (np.arange(len(board.ends))[None] >= np.arange(len(ends))[:, None]) & (ends[None, :-1] < (ends + ahead)[:, None])
    gains, variances = (trained * gain).sum(axis=1), (trained * variance).sum(axis=1)
    best = now.max()
    chance = (np.maximum(now[waiting], -1e9) + gains[board.done[waiting]] - best - margin) / np.sqrt(
        variances[board.done[waiting]]
    )
    if board.room and (gains[0] - best - margin) / math.sqrt(variances[0]) > chance.max():
        return NEW
    return int(waiting[chance.argmax()])


def segments(epochs: int, growth: float = 1.35) -> tuple[int, ...]:
    """Where trials of a budget of ``epochs`` may be taken out: 1, 2, 3, 4, 5, 7, 9, 12, 16 ... and the end.

    A growth of 2 costs 11 % more epochs to a target, one of 4 34 %, on 43 pools of recorded curves. A long budget, as one in
    steps is, begins with a hundredth of it.
    """
    ends = [max(1, epochs // 100)]
    while ends[-1] < epochs:
        end = max(ends[-1] + 1, math.floor(ends[-1] * growth + 0.5))
        ends.append(epochs if 1.2 * end > epochs else end)
    return tuple(ends)


def rungs(epochs: int, factor: int) -> tuple[int, ...]:
    """The rungs of ASHA: 1, ``factor``, its square and so on below ``epochs``, and the end; from a hundredth of a long budget."""
    ends = [max(1, epochs // 100)]
    while ends[-1] * factor < epochs:
        ends.append(ends[-1] * factor)
    return (*ends, epochs) if ends[-1] < epochs else tuple(ends)


def _best(board: Board, able: NDArray[np.bool_]) -> int | None:
    """The best of the trials that wait, and of equals the first; None if there is none."""
    waiting = np.flatnonzero(able)
    return int(waiting[board.now[waiting].argmax()]) if len(waiting) else None


def _most_alive(board: Board, waiting: NDArray[np.int_], now: NDArray[np.float64]) -> int | None:
    """Of the worse half of the trials that wait, the one with the most promising life signs."""
    known = now[now > -math.inf]
    low = waiting[now[waiting] <= (np.median(known) if len(known) else math.inf)]
    low = low[np.isfinite(board.promise[low])]
    return int(low[board.promise[low].argmax()]) if len(low) else None


def _forecast(board: Board) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean and the variance of what each segment gains (segments,); of the first, those of its score."""
    scores = board.scores[:, 0]
    scores = scores[np.isfinite(scores)]
    known = len(scores) > 1
    mean, variance = (float(scores.mean()), float(scores.var()) + 1e-8) if known else (0.0, 1.0)
    gain, spread = [mean], [variance]
    expected, varied = FIRST_GAIN * math.sqrt(variance), FIRST_SPREAD * variance
    for before, after in zip(board.scores.T[:-1], board.scores.T[1:], strict=True):
        change = after - before
        change = change[np.isfinite(change)]
        weight = len(change) + SHRINK
        mean = float((change.sum() + SHRINK * expected) / weight)
        square = float(((change**2).sum() + SHRINK * (varied + expected**2)) / weight)
        gain.append(mean)
        spread.append(max(square - mean**2, 1e-10 * variance))
        expected, varied = DECAY * mean, DECAY**2 * spread[-1]
    return np.array(gain), np.array(spread)
