"""What happens in a search, as it is shown and exported; and when it stops because every trial fails in the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pitprop.detection.detect import Verdict
from pitprop.errors import UserError
from pitprop.messages import Message, nmessage
from pitprop.study.record import Record, State
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
class Understood:
    """What is understood of the reports of a foreign trainer, told once a study, in a line; and what all its trials share."""

    text: Message
    dead: bool = False
    """That nothing lives."""


@dataclass(frozen=True, slots=True)
class Rested:
    """A trial has trained what it was granted, and waits for its turn."""

    number: int


@dataclass(frozen=True, slots=True)
class Warned:
    """A trial shows what does not end it; once for each signature."""

    number: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Retried:
    """A trial whose group broke is tried again, from its checkpoint unless it starts ``anew``."""

    number: int
    error: str
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial has ended and is stored; ``traceback`` is its trainer's, if that raised."""

    record: Record
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The study database does not take what happens, and why; it is written there when it answers again (``why`` is None)."""

    why: str | None


Event = Started | Reported | Understood | Rested | Warned | Retried | Ended | Unanswered

HOPELESS = 3
"""After this many trials that failed alike, and none that did not, the search is stopped."""


class SearchError(UserError):
    """The search cannot continue: one sentence."""


class Unwritten(SearchError):
    """It cannot continue as its disk takes no checkpoints, which may pass: one sentence."""


class FailedAlike(SearchError):
    """The first trials have all failed in the same way, of which ``trial`` is the last."""

    def __init__(self, said: str, trial: int) -> None:
        super().__init__(said)
        self.trial = trial


class Failures:
    """The trials of a run that failed, as long as none did not, in it or in a run of the search before."""

    def __init__(self) -> None:
        self._records: list[Record] | None = []

    def recall(self, records: Iterable[Record]) -> None:
        """Takes in the trials of earlier runs. If they all failed, what made them fail may have been repaired since."""
        if any(record.state in (State.COMPLETE, State.PRUNED) for record in records):
            self._records = None

    def add(self, record: Record, target: int) -> None:
        """Takes in how a trial ended, of ``target`` in all; `SearchError` if there is no hope."""
        if record.state != State.FAIL or self._records is None:
            self._records = None
            return
        self._records.append(record)
        if len(self._records) >= min(HOPELESS, target) and len({one.error for one in self._records}) == 1:
            said = nmessage(
                "the first {n} trial failed, and the search stops: {error}",
                "the first {n} trials failed alike, and the search stops: {error}",
                len(self._records),
                error=record.error,
            )
            raise FailedAlike(said, record.number)
