"""The metrics of a command, from all places that it writes them to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pitprop.errors import hint
from pitprop.logs import Epochs, Follower
from pitprop.logs.assumptions import said
from pitprop.logs.epochs import Row
from pitprop.logs.lines import stated
from pitprop.logs.names import same
from pitprop.messages import message
from pitprop.telemetry import Epoch
from pitprop.trainers.commands.arguments import CommandError
from pitprop.trainers.commands.settings import STREAMS, Source

LINES, REPORT = "jsonl", "report"
"""The format of JSON lines; and that of ours, in which each line is an epoch."""


class Sources:
    """Follows ``places``. The first that gives ``metric`` sets the epochs, and the others add what they have of each by then.

    An epoch that is numbered may be without ``metric``, as where every few epochs are validated. It is held until the next one
    ends, for its validation may come late, or from another place. ``last`` is the step of the latest epoch, and ``measured``
    says whether the metric has come at all. ``by_steps``: epochs are numbered by the steps of the optimizer. ``arguments`` are
    those of the command, which may say when the learning rate rises and falls.
    """

    def __init__(
        self, places: Sequence[Source], metric: str, began: float, arguments: Sequence[str] = (), *, by_steps: bool = False
    ) -> None:
        kinds = [LINES if place.format == REPORT else place.format for place in places]
        self._followers = [
            Follower(place.place, kind, place.pattern, place.names, began) for place, kind in zip(places, kinds, strict=True)
        ]
        self._epochs = [Epochs(metric or None, by_steps=by_steps) for _ in places]
        self._by_steps, self._given = by_steps, stated.of(" ".join(arguments))
        self._reported = [place.format == REPORT for place in places]
        self._metric = metric
        captured = {Path(places[0].place).with_name(f"{stream}.log") for stream in STREAMS}  # beside the report, the first place
        self._streams = [path for place in places if (path := Path(place.place)) in captured]
        alone = [index for index, reported in enumerate(self._reported) if not reported]
        self._alone = alone[0] if len(alone) == 1 else None  # of several sources none leads before one has the metric
        self._leader: int | None = None
        self._held: tuple[int, Epoch] | None = None
        self.measured = False
        self._added: dict[int, dict[str, float]] = {}
        self._loose: dict[str, float] = {}
        self._names: dict[str, None] = {}
        self.last = 0
        self._ends_whole = False
        self._said: dict[str, float] = {}

    def poll(self, *, ended: bool, whole: bool = False) -> list[Epoch]:
        """The epochs that have come to their end; the last of them too, if the command has.

        ``whole``: it ended by itself, so that its last line is all that it was to write, though it has no newline.
        """
        self._ends_whole = whole
        done = [epoch for index in range(len(self._followers)) for epoch in self._take(index, ended=ended)]
        if done:
            for index in range(len(self._followers)):
                if index != self._leader:
                    self._take(index, ended=ended)  # what was written before the leader's epoch, and not when it was looked at
            self.last = done[-1].step
        return [self._whole(epoch) for epoch in done]

    def _take(self, index: int, *, ended: bool) -> list[Epoch]:
        """What one source adds; the epochs it ends, if it is the one that sets them, or the only one yet that has any."""
        done: list[Epoch] = []
        for epoch in self._read(index, ended=ended):
            measured = not self._metric or self._metric in epoch.metrics
            if measured and self._leader is None:
                self._leader, self.measured = index, True
            if index != (self._alone if self._leader is None else self._leader):
                self._added.setdefault(epoch.step, {}).update(epoch.metrics)
                continue
            done += self._let_go(index, epoch.step)
            if measured:
                done.append(epoch)
            else:
                self._held = index, epoch
        return done + (self._let_go(index) if ended and self._held is not None and self._held[0] == index else [])

    def _let_go(self, index: int, before: int | None = None) -> list[Epoch]:
        """The epoch that is held, if it is of the source ``index`` and is not told again; what another holds is added later."""
        held, self._held = self._held, None
        if held is not None and held[0] != index:
            self._added.setdefault(held[1].step, {}).update(held[1].metrics)
        elif held is not None and (before is None or held[1].step < before):
            return [held[1]]
        return []

    def _read(self, index: int, *, ended: bool) -> list[Epoch]:
        """The epochs of one source that are over."""
        follower, epochs = self._followers[index], self._epochs[index]
        rows = follower.end(whole=self._ends_whole) if ended else follower.poll()
        if self._reported[index]:  # each line is an epoch, whatever is in it
            rows = [row._replace(kind="epoch") for row in rows]
            if self._by_steps:
                rows = [row._replace(step=row.epoch, epoch=None) for row in rows]
        rows = [self._worded(row) for row in rows]
        for row in rows:
            self._names |= dict.fromkeys(row.metrics)
            if row.epoch is None and index != self._leader:
                self._loose |= row.metrics
        done = epochs.add(rows) + (epochs.end() if ended else [])
        if self._by_steps and done and not epochs.placed:
            place = Path(follower.where).name
            raise CommandError(
                f"the budget of the space is in steps, and {place} names none beside its metrics: print the step, report it by "
                f"pitprop.report(step, ...), or give the budget in epochs"
            )
        return done

    def _worded(self, row: Row) -> Row:
        """The row with the objective by the name that the space has for it, where it comes by another that means the same.

        Who asks for what a test set says is not answered with a validation.
        """
        if (
            not self._metric
            or self._metric in row.metrics
            or self._metric.startswith("test")
            or not (theirs := same(self._metric, row.metrics))
        ):
            return row
        return row._replace(metrics={**row.metrics, self._metric: row.metrics[theirs]})

    def _whole(self, epoch: Epoch) -> Epoch:
        under_way = (one.under_way for index, one in enumerate(self._epochs) if index != self._leader)
        others = {name: value for one in under_way if one and one.step == epoch.step for name, value in one.metrics.items()}
        added, self._loose = {**self._loose, **self._added.pop(epoch.step, {}), **others}, {}
        return Epoch(epoch.step, {**added, **epoch.metrics, **self._news()})

    def _news(self) -> dict[str, float]:
        """What the logs say of the training, such as its classes, where an epoch before this one does not hold it."""
        facts = self._given | {name: value for follower in self._followers for name, value in follower.facts.items()}
        known = said(facts, by_steps=self._by_steps)
        news = {name: value for name, value in known.items() if self._said.get(name) != value}
        self._said |= news
        return news

    def lack(self) -> str:
        """What did not come, and what did, as the end of a sentence."""
        wanted = message("the objective {metric}", metric=repr(self._metric)) if self._metric else message("a metric")
        told = message("nothing that it wrote reads like metrics")
        if gone := [path for path in self._streams if not path.exists()]:
            said = {"name": gone[0].name, "folder": gone[0].parent.name}
            told = message(
                "it deleted {name}, where what it prints is read from: let it empty only a folder below {folder}, such as "
                "{{folder}}/out",
                **said,
            )
        if self._names:
            near = hint(self._metric, list(self._names)) if self._metric else ""
            names = ", ".join(list(self._names)[:20])
            told = message("what came is {names}; correct objective.metric, or options.names{hint}", names=names, hint=near)
        return message("without {wanted}: {told}", wanted=wanted, told=told)
