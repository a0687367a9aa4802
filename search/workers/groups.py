"""Which lanes each worker trains, and which wait for room."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pitprop.trainer import Change, Lane, Start
from pitprop.workers import checkpoint
from pitprop.workers.launch import Launcher

Width = Callable[[int], int]
"""How many lanes each of so many workers trains at once."""


class Groups:
    """A group of lanes for each worker, up to the ``width`` for so many workers, and a queue.

    A trial that must be alone shares its group with no other.

    ``ask`` queues more lanes, given the worker that is to be filled and how many it has; False if there are none to be had.
    """

    def __init__(self, launcher: Launcher, width: Width, ask: Callable[[int, int], bool]) -> None:
        self._launcher, self._wide, self._ask = launcher, width, ask
        self._most: int | None = None
        self._groups: defaultdict[int, list[Lane]] = defaultdict(list)
        self._queue: deque[Start] = deque()
        self._alone: set[int] = set()
        self._asked: set[int] = set()
        self._handed_on: dict[int, list[Lane]] = {}
        """By worker, the lanes that it has just been asked to drop, as it is to go."""

    def lanes(self, worker: int) -> list[Lane]:
        """What a worker trains."""
        return list(self._groups[worker])

    @property
    def width(self) -> int:
        """How many lanes a worker trains at once, with as many workers as there are now."""
        wide = self._wide(self._launcher.size)
        return wide if self._most is None else min(wide, self._most)

    @property
    def waiting(self) -> bool:
        """Whether lanes wait for room."""
        return bool(self._queue)

    def idle(self, worker: int) -> bool:
        """Whether a worker trains nothing and is asked for nothing."""
        return not self._groups[worker] and worker not in self._asked

    def answered(self, worker: int) -> None:
        """A worker has answered what it was asked for."""
        self._asked.discard(worker)

    def queue(self, starts: Iterable[Start], *, alone: bool = False) -> None:
        """Lanes to train when there is room; ``alone``: one bad trial is not to take others with it, from now on."""
        for start in starts:
            self._queue.append(start)
            if alone:
                self._alone.add(start.lane.trial)

    def forget(self, number: int) -> None:
        """The lanes of a trial are to be trained no more; those that wait go, those that train are for the caller to stop."""
        self._queue = deque(start for start in self._queue if start.lane.trial != number)

    def leave(self, worker: int, lane: Lane) -> None:
        """A lane has ended."""
        self._groups[worker].remove(lane)

    def hand_on(self, worker: int, shared: Path) -> list[Lane]:
        """What a worker that is to go drops, at the epoch that it has reached; not what has no state in the ``shared``
        checkpoints, as it would begin again elsewhere."""
        if not self._groups[worker] or self._launcher.employs(worker):
            return []
        found = checkpoint.newest(shared)
        lanes = [lane for lane in self._groups[worker] if lane in found and checkpoint.has_state(found[lane][0])]
        for lane in lanes:
            self.leave(worker, lane)
        self._handed_on[worker] = lanes
        return lanes

    def handed_on(self, worker: int) -> dict[int, list[Lane]]:
        """What a worker has dropped since it was asked to, by trial: another one can find the checkpoints now."""
        return _by_trial(self._handed_on.pop(worker, []))

    def break_up(self, worker: int) -> dict[int, list[Lane]]:
        """Empties a worker's group; the lanes that were in it, by trial."""
        lanes, self._groups[worker] = self._groups[worker], []
        return _by_trial([*lanes, *self._handed_on.pop(worker, [])])

    def narrow(self, lanes: int) -> int:
        """So many lanes were too many for a worker: at most half of them are trained as one from now on. The new width."""
        self._most = max(1, min(self.width, lanes // 2))
        return self._most

    def advance(self, worker: int, stopped: Sequence[Lane] = ()) -> None:
        """Refills a worker's group and asks it for the next epoch, if it has anything to train or to drop."""
        group = self._groups[worker]
        started: list[Start] = []
        while (start := self._next(worker)) is not None:
            started.append(start)
            group.append(start.lane)
        if group or stopped:
            stay = {start.lane for start in started} & set(stopped)  # chosen again at once, so they need not leave
            self._asked.add(worker)
            gone = [lane for lane in stopped if lane not in stay]
            self._launcher.advance(worker, Change(gone, [start for start in started if start.lane not in stay]))

    def _next(self, worker: int) -> Start | None:
        group = self._groups[worker]
        if len(group) >= self.width or any(lane.trial in self._alone for lane in group) or not self._launcher.employs(worker):
            return None
        while not self._queue:
            if not self._ask(worker, len(group)):
                return None
        if group and self._queue[0].lane.trial in self._alone:
            return None
        return self._queue.popleft()


def _by_trial(lanes: Sequence[Lane]) -> dict[int, list[Lane]]:
    return {number: [lane for lane in lanes if lane.trial == number] for number in dict.fromkeys(one.trial for one in lanes)}
