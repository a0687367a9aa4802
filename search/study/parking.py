"""Parked trials: stopped on evidence that was no proof, their checkpoints kept, so that they can be continued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pitprop.messages import N_, _
from pitprop.space import Space
from pitprop.study.record import Record, State
from pitprop.trainer import Lane
from pitprop.workers import checkpoint

STATES = {
    State.COMPLETE: N_("complete"),
    State.FAIL: N_("failed"),
    State.PRUNED: N_("pruned"),
    State.RUNNING: N_("running"),
}
NAMED = 20
"""The parked trials that an error names at most."""


@dataclass(frozen=True, slots=True)
class Parking:
    """Which trials of a study can be revived, as they stand. ``of`` reads the headers of the workers' checkpoints once."""

    space: Space
    records: Sequence[Record]
    revived: Mapping[int, Record]
    shared: frozenset[Lane]
    """The lanes in the workers' checkpoints."""

    @classmethod
    def of(cls, space: Space, records: Sequence[Record], shared: Path) -> Parking:
        """The parked trials among ``records``; ``shared`` is the folder of the workers' checkpoints."""
        return cls(space, records, revivals(records), frozenset(checkpoint.newest(shared)))

    def why_not(self, number: int) -> str | None:
        """Why the trial ``number`` cannot be revived, in a sentence; None if it can."""
        if not 0 <= number < len(self.records):
            text = _("{study} has no trial {number}: it has {count}, from 0")
            return text.format(study=self.space.name, number=number, count=len(self.records))
        what = _("trial {n} of {study} cannot be revived: {why}")
        why = self._obstacle(number, self.records[number])
        return None if why is None else what.format(n=number, study=self.space.name, why=why)

    def _obstacle(self, number: int, record: Record) -> str | None:
        """What keeps a trial from being revived; None if nothing does."""
        if self.space.searches_stopping:
            return _("a space that searches early_stopping answers its trials from whole curves")
        if not (record.parked or record.waits):
            parked = [str(one.number) for one in self.records if one.parked or one.waits]
            text = _("it is {state}, not parked; parked or waiting: {trials}")
            if (more := len(parked) - NAMED) > 0:
                text = _("it is {state}, not parked; parked or waiting: {trials} and {n} more")
            return text.format(state=_state(record), trials=", ".join(parked[:NAMED]) or _("none"), n=more)
        if (revival := self.revived.get(number)) is not None and revival.state != State.FAIL:
            return _("trial {n} continues it already").format(n=revival.number)
        if any(lane not in self.shared for lane in self._not_kept(record)):
            text = _("its checkpoint is gone from {folder}; have its parameters tried again, as points: in the space")
            return text.format(folder=record.folder)
        return None

    def only_with_workers(self) -> list[Lane]:
        """Lanes that could be revived from the workers' checkpoints alone: a search was killed before it kept them elsewhere."""
        held = sorted({lane.trial for lane in self.shared if lane.trial < len(self.records)})
        able = (self.records[number] for number in held if self.why_not(number) is None)
        return [lane for record in able for lane in self._not_kept(record)]

    def _not_kept(self, record: Record) -> list[Lane]:
        """The lanes of a trial that have no checkpoint in its own folder."""
        kept = checkpoint.newest(Path(record.folder))
        return [lane for lane in lanes(self.space, record.number) if lane not in kept]


def revivals(records: Iterable[Record]) -> dict[int, Record]:
    """The trial that continues each revived one; the last of them, for one that failed does not count."""
    return {record.revives: record for record in records if record.revives is not None}


def lanes(space: Space, number: int) -> list[Lane]:
    """All lanes of a trial, one for each seed."""
    return [Lane(number, replica) for replica in range(space.seeds)]


def _state(record: Record) -> str:
    cause = next((verdict.signature for verdict in record.verdicts if verdict.action == "prune"), None)
    if record.state == State.PRUNED and cause is not None:
        return _("pruned for good by {signature}").format(signature=cause)
    return _(STATES[record.state])
