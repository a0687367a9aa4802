"""Drivers that do not begin to train, as on a cluster that starts no worker: by a clock that nobody moves."""

from __future__ import annotations

import time

from pitprop.service.database.ledger import Entry

PATIENCE = 3600.0
"""A driver that has not begun to train so many seconds after this service saw it first is started again."""


class Beginnings:
    """Since when this service has seen each start that has not begun to train."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def overdue(self, entry: Entry) -> bool:
        """Whether the driver of a search ought to have begun. A service that is new counts from when it looks first."""
        if entry.task.get("begun"):
            self.forget(entry.id)
            return False
        now = time.monotonic()
        start, since = self._seen.get(entry.id, (entry.start, now))
        self._seen[entry.id] = entry.start, since if start == entry.start else now
        return now - self._seen[entry.id][1] > PATIENCE

    def forget(self, search: str) -> None:
        """Looks at it no more: it has begun, or its driver has ended."""
        self._seen.pop(search, None)
