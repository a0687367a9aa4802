"""Parked trials: stopped on evidence that was no proof, their checkpoints kept, so that they can be continued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pitprop.space import Space
from pitprop.study.record import Record, State
from pitprop.trainer import Lane
from pitprop.workers import checkpoint

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
            return f"{self.space.name} has no trial {number}: it has {len(self.records)}, from 0"
        record, what = self.records[number], f"trial {number} of {self.space.name} cannot be revived"
        if self.space.searches_stopping:
            return f"{what}: a space that searches early_stopping answers its trials from whole curves"
        if not (record.parked or record.waits):
            parked = [str(one.number) for one in self.records if one.parked or one.waits]
            more = f" and {len(parked) - NAMED} more" if len(parked) > NAMED else ""
            able = f"{', '.join(parked[:NAMED]) or 'none'}{more}"
            return f"{what}: it is {_state(record)}, not parked; parked or waiting: {able}"
        if (revival := self.revived.get(number)) is not None and revival.state != State.FAIL:
            return f"{what}: trial {revival.number} continues it already"
        if any(lane not in self.shared for lane in self._not_kept(record)):
            return (
                f"{what}: its checkpoint is gone from {record.folder}; have its parameters tried again, as points: in the space"
            )
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
        return f"pruned for good by {cause}"
    return {State.FAIL: "failed"}.get(record.state, record.state.lower())
