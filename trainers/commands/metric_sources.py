"""The metrics of a command, from all places that it writes them to."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.logs import Epochs, Follower
from pitprop.telemetry import Epoch
from pitprop.trainers.commands.settings import Source

LINES, REPORT = "jsonl", "report"
"""The format of JSON lines; and that of ours, in which each line is an epoch."""


class Sources:
    """Follows ``places``. The first that gives ``metric`` sets the epochs, and the others add what they have of each by then.

    ``last`` is the step of the latest epoch.
    """

    def __init__(self, places: Sequence[Source], metric: str, began: float) -> None:
        kinds = [LINES if place.format == REPORT else place.format for place in places]
        self._followers = [
            Follower(place.place, kind, place.pattern, place.names, began) for place, kind in zip(places, kinds, strict=True)
        ]
        self._epochs = [Epochs(metric or None) for _ in places]
        self._reported = [place.format == REPORT for place in places]
        self._metric = metric
        self._leader: int | None = None
        self._added: dict[int, dict[str, float]] = {}
        self._loose: dict[str, float] = {}
        self._names: dict[str, None] = {}
        self.last = 0

    def poll(self, *, ended: bool) -> list[Epoch]:
        """The epochs that have come to their end; the last of them too, if the command has."""
        done = [epoch for index in range(len(self._followers)) for epoch in self._take(index, ended=ended)]
        if done:
            for index in range(len(self._followers)):
                if index != self._leader:
                    self._take(index, ended=ended)  # what was written before the leader's epoch, and not when it was looked at
            self.last = done[-1].step
        return [self._whole(epoch) for epoch in done]

    def _take(self, index: int, *, ended: bool) -> list[Epoch]:
        """What one source adds; the epochs it ends, if it is the one that sets them."""
        done: list[Epoch] = []
        for epoch in self._read(index, ended=ended):
            if self._leader is None and (self._metric in epoch.metrics or not self._metric):
                self._leader = index
            if index == self._leader:
                done += [epoch] if self._metric in epoch.metrics or not self._metric else []
            else:
                self._added.setdefault(epoch.step, {}).update(epoch.metrics)
        return done

    def _read(self, index: int, *, ended: bool) -> list[Epoch]:
        """The epochs of one source that are over."""
        follower, epochs = self._followers[index], self._epochs[index]
        rows = follower.end() if ended else follower.poll()
        if self._reported[index]:  # each line is an epoch, whatever is in it
            rows = [row._replace(kind="epoch") for row in rows]
        for row in rows:
            self._names |= dict.fromkeys(row.metrics)
            if row.epoch is None and index != self._leader:
                self._loose |= row.metrics
        return epochs.add(rows) + (epochs.end() if ended else [])

    def _whole(self, epoch: Epoch) -> Epoch:
        under_way = (one.under_way for index, one in enumerate(self._epochs) if index != self._leader)
        others = {name: value for one in under_way if one and one.step == epoch.step for name, value in one.metrics.items()}
        added, self._loose = {**self._loose, **self._added.pop(epoch.step, {}), **others}, {}
        return Epoch(epoch.step, {**added, **epoch.metrics})

    def lack(self) -> str:
        """What did not come, and what did, as the end of a sentence."""
        wanted = f"the objective {self._metric!r}" if self._metric else "a metric"
        came = ", ".join(list(self._names)[:20])
        told = f"what came is {came}; correct objective.metric, or options.names"
        return f"without {wanted}: {told if came else 'nothing that it wrote reads like metrics'}"
