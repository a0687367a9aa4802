"""What can be said of one trial: its state in a word, why it ended, when it was best, what was drawn for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.study.record import Record, State

if TYPE_CHECKING:
    from pitprop.space import Space

LONGEST = 120
"""Characters of a reason in a list of trials; the whole of it stands in the trial's story."""


def state(record: Record) -> str:
    """The word for a trial's state: ``parked`` for one that was pruned and can be revived."""
    return "parked" if record.parked else record.state.lower()


def ending(record: Record) -> Verdict | None:
    """The verdict that stopped a trial; None if none did."""
    return next((v for v in record.verdicts if v.action != "warn"), None) if record.state == State.PRUNED else None


def warnings(record: Record) -> list[Verdict]:
    """The verdicts that stopped no trial: warnings, and whatever ended one of several seeds."""
    return [verdict for verdict in record.verdicts if verdict.action == "warn" or record.state != State.PRUNED]


def continues(record: Record) -> str:
    """``continues trial 17 from epoch 9`` for a revived trial, else nothing."""
    if record.revives is None:
        return ""
    curve = telemetry.read(telemetry.file(Path(record.folder).with_name(f"{record.revives:04d}")))
    return f"continues trial {record.revives}" + (f" from epoch {curve[-1].step}" if curve else "")


def what(record: Record, space: Space) -> str:
    """The line that tells one trial from the others: what it continues; why it ended, cut if long; or what was drawn."""
    verdict = ending(record)
    if verdict is not None:
        found = shorten(f"{verdict.signature}: {verdict.reason}", LONGEST, placeholder=" …")
    elif record.error:
        found = record.error
    else:
        found = f"baseline {record.baseline}" if record.baseline else ", ".join(drawn(record, space))
    return "; ".join(part for part in (continues(record), found) if part)


def drawn(record: Record, space: Space) -> Iterator[str]:
    """The searched parameters of a trial."""
    for leaf in space.leaves:
        if leaf.name in record.params:
            value = record.params[leaf.name]
            yield f"{leaf.name} {value:.4g}" if isinstance(value, float) else f"{leaf.name} {json.dumps(value)}"


def best_epoch(record: Record, space: Space) -> int | None:
    """The epoch at which a trial's first seed was best; None if it has no curve."""
    curve = telemetry.read(telemetry.file(record.folder))
    best = space.objective.best(telemetry.series(curve, space.objective.metric))
    return None if best is None else curve[best].step


def epochs(count: int) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{count} epoch{'' if count == 1 else 's'}"
