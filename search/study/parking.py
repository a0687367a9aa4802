"""Parked trials: stopped on evidence that was no proof, their checkpoints kept, so that they can be continued."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pitprop.space import Space
from pitprop.study.record import Record, State
from pitprop.trainer import Lane
from pitprop.workers import checkpoint


def hurdle(space: Space, records: Sequence[Record], number: int, shared: Path) -> str | None:
    """Why the trial ``number`` cannot be revived, in a sentence; None if it can. ``shared`` holds the workers' checkpoints."""
    if not 0 <= number < len(records):
        return f"{space.name} has no trial {number}: it has {len(records)}, from 0"
    record, what = records[number], f"trial {number} of {space.name} cannot be revived"
    if space.searches_stopping:
        return f"{what}: a space that searches early_stopping answers its trials from whole curves"
    if not record.parked:
        parked = ", ".join(str(one.number) for one in records if one.parked)
        return f"{what}: it is {_state(record)}, not parked; parked are: {parked or 'none'}"
    if (revival := revivals(records).get(number)) is not None and revival.state != State.FAIL:
        return f"{what}: trial {revival.number} continues it already"
    if any(lane not in checkpoint.newest(Path(record.folder), shared) for lane in lanes(space, number)):
        return f"{what}: its checkpoint is gone from {record.folder}; have its parameters tried again, as points: in the space"
    return None


def revivals(records: Iterable[Record]) -> dict[int, Record]:
    """The trial that continues each revived one; the last of them, for one that failed does not count."""
    return {record.revives: record for record in records if record.revives is not None}


def stranded(space: Space, records: Sequence[Record], shared: Path) -> list[Lane]:
    """Lanes that could be revived from ``shared`` alone: a search was killed before they were kept in their trial's folder."""
    able = [record for record in records if hurdle(space, records, record.number, shared) is None]
    return [lane for r in able for lane in lanes(space, r.number) if lane not in checkpoint.newest(Path(r.folder))]


def lanes(space: Space, number: int) -> list[Lane]:
    """All lanes of a trial, one for each seed."""
    return [Lane(number, replica) for replica in range(space.seeds)]


def _state(record: Record) -> str:
    cause = next((verdict.signature for verdict in record.verdicts if verdict.action == "prune"), None)
    if record.state == State.PRUNED and cause is not None:
        return f"pruned for good by {cause}"
    return {State.FAIL: "failed"}.get(record.state, record.state.lower())
