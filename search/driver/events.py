"""What happens in a search, as it is shown and exported."""

from __future__ import annotations

from dataclasses import dataclass

from pitprop.detection.detect import Verdict
from pitprop.study.record import Record
from pitprop.telemetry import Epoch
from pitprop.trainer import Lane


@dataclass(frozen=True, slots=True)
class Started:
    """A trial trains, on from ``step``: 0 for a new one, more for one that is taken up again or that revives another."""

    record: Record
    step: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A lane has reported an epoch for the first time."""

    lane: Lane
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Warned:
    """A trial shows what does not end it; once for each signature."""

    number: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Retried:
    """A trial whose group broke is tried again from its checkpoint."""

    number: int
    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial has been told; ``traceback`` is its trainer's, if that raised."""

    record: Record
    traceback: str = ""


Event = Started | Reported | Warned | Retried | Ended
