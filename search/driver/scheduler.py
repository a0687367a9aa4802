"""Which trial trains next: pure functions of what is recorded of all trials.

A trial trains segment by segment. At the end of one it waits, with its checkpoint, until a scheduler chooses it for the next. So
a rank decides what trains first and ends nothing: signatures alone do that. `full` has one segment, the whole budget; `promote`
is ASHA with promotion, which holds the last third of the trials back and has a `reserve` for late winners.

Curves are scores of which higher is better. A choice depends on the board alone, so a search that was killed chooses what it
would have chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pitprop.space import HELD, Method

NEW = -1
"""The choice of a trial that does not exist yet."""


@dataclass(frozen=True, slots=True)
class Board:
    """Every trial as a scheduler sees it, by number.

    ``scores`` (N, segments) is the best score so far at the end of each segment, NaN where a trial has not got so far or has no
    number; ``done`` (N,) counts the segments that are finished, ``able`` (N,) tells the trials that wait and can go on,
    ``parked`` (N,) those that evidence has stopped and that can be revived, and ``promise`` (N,) is what life signs promise of
    both (`pitprop.detection.life.promise`). ``planned`` trials there are to be, and ``share`` is how much of all that they are to
    train they have. ``room``: there may be a new trial. ``fills``: one that nobody wants yet may train, as else nothing would.
    """

    ends: Sequence[int]
    scores: NDArray[np.float64]
    done: NDArray[np.int_]
    able: NDArray[np.bool_]
    parked: NDArray[np.bool_]
    promise: NDArray[np.float64]
    planned: int
    share: float
    room: bool
    fills: bool

    @property
    def now(self) -> NDArray[np.float64]:
        """The best score so far of each trial (N,), minus infinity if it has none."""
        last = self.scores[np.arange(len(self.done)), np.maximum(self.done - 1, 0)]
        return np.where((self.done > 0) & ~np.isnan(last), last, -math.inf)


Choose = Callable[[Board], int | None]
"""From a board to the number of the trial that trains its next segment, `NEW`, or None if there is nothing to do."""


def of(method: Method, epochs: int) -> tuple[tuple[int, ...], Choose]:
    """The ends of the segments of a budget of ``epochs``, and how a space's ``scheduler`` chooses."""
    if method.name == "promote":
        factor = method.options.get("factor", 4)
        return rungs(epochs, factor), lambda board: promote(board, factor)
    return (epochs,), full


def full(board: Board) -> int | None:
    """A new trial as long as there is room; then those that wait, as where another scheduler began the search."""
    return NEW if board.room else _best(board)


def promote(board: Board, factor: int) -> int | None:
    """ASHA (Li et al., MLSys 2020, algorithm 2): of the highest rung that has one, the best that waits among its top share.

    The top share of a rung is one in ``factor`` of the trials that have finished it. Else a new trial, unless it is held back;
    else the best that waits at all, so that everything is trained in the end.

    A sampler that is taught by first epochs proposes worse in the end. So the last trials, the share `HELD`, begin only in the
    later half of the search, one by one, when many before them have been trained to their ends.
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
    if board.room and len(board.done) < board.planned * (1 - HELD * min(1.0, 2 - 2 * board.share)):
        return NEW
    if board.able.any():
        return _best(board) if board.fills else None
    return NEW if board.room else None


def reserved(board: Board) -> int | None:
    """Of the trials that evidence has parked and of the worse half that waits, the one whose life signs promise most.

    None where none shows any: one that learns late looks worse than others until it does, so a rank would have it wait longest.
    """
    now = board.now
    known = now[now > -math.inf]
    low = now <= (np.median(known) if len(known) else math.inf)
    alive = np.flatnonzero((board.parked | (board.able & low)) & (board.promise > 0))
    return int(alive[board.promise[alive].argmax()]) if len(alive) else None


def rungs(epochs: int, factor: int) -> tuple[int, ...]:
    """The rungs of ASHA: 1, ``factor``, its square and so on below ``epochs``, and the end; from a hundredth of a long budget."""
    ends = [max(1, epochs // 100)]
    while ends[-1] * factor < epochs:
        ends.append(ends[-1] * factor)
    return (*ends, epochs) if ends[-1] < epochs else tuple(ends)


def _best(board: Board) -> int | None:
    """The best of the trials that wait, and of equals the first; None if there is none."""
    waiting = np.flatnonzero(board.able)
    return int(waiting[board.now[waiting].argmax()]) if len(waiting) else None
