"""What one trial has to say: its state in a word, the verdict that ended it, its warnings, its best epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.study.record import Record, State

if TYPE_CHECKING:
    from pitprop.space import Space


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


def best_epoch(record: Record, space: Space) -> int | None:
    """The epoch at which a trial's first seed was best; None if it has no curve."""
    curve = telemetry.read(telemetry.file(record.folder))
    best = space.objective.best(telemetry.series(curve, space.objective.metric))
    return None if best is None else curve[best].step
