"""When a search stops because nothing works: its first trials failed, all with the same error."""

from __future__ import annotations

from pitprop.errors import UserError
from pitprop.study.record import Record, State

HOPELESS = 3
"""After this many trials that failed alike, and none that did not, the search is stopped."""


class SearchError(UserError):
    """The search cannot go on: one sentence."""


class Failures:
    """The trials of a run that failed, as long as none did not."""

    def __init__(self) -> None:
        self._records: list[Record] | None = []

    def add(self, record: Record, target: int) -> None:
        """Takes in how a trial ended, of ``target`` in all; `SearchError` if there is no hope."""
        if record.state != State.FAIL or self._records is None:
            self._records = None
            return
        self._records.append(record)
        if len(self._records) >= min(HOPELESS, target) and len({one.error for one in self._records}) == 1:
            raise SearchError(f"the first {len(self._records)} trials failed alike, and the search stops: {record.error}")
