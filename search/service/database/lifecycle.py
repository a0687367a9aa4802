"""What an owner may do with a search: each is one transaction, with its event and its line in the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pitprop.messages import _, message
from pitprop.service.database.ledger import LIVE, Conflict, Entry, Fenced, Happened, Store
from pitprop.service.models import SearchState
from sqlalchemy import Connection

OVER = (SearchState.DONE, SearchState.FAILED, SearchState.CANCELLED)


class Gone(Exception):
    """There is no such search, or none that the caller may see."""


class Change:
    """Changes one search on behalf of ``owner``, who was allowed to."""

    def __init__(self, store: Store, search: str, owner: str) -> None:
        self._store, self._search, self._owner = store, search, owner

    def pause(self) -> Entry:
        """Ends its driver, and starts none until it is resumed; what was finished is kept."""
        with self._doing("pause") as (connection, entry):
            if entry.state in (SearchState.PAUSED, SearchState.PAUSING):
                return entry
            if entry.state == SearchState.QUEUED:
                return self._to(connection, entry, SearchState.PAUSED, "paused", message("it was not running"))
            self._refuse(entry, entry.state == SearchState.RUNNING, _("only a search that waits or runs can be paused"))
            return self._to(connection, entry, SearchState.PAUSING, "pausing", message("its driver is coming to a stop"))

    def resume(self) -> Entry:
        """Queues a search again that was paused or cancelled, or has failed: it goes on where it stopped."""
        with self._doing("resume") as (connection, entry):
            if entry.state in (SearchState.QUEUED, SearchState.RUNNING):
                return entry
            may = entry.state in (SearchState.PAUSED, SearchState.CANCELLED, SearchState.FAILED)
            self._refuse(entry, may, _("only one that is paused, cancelled or failed can be resumed"))
            return self._queue(connection, entry, "resumed")

    def cancel(self) -> Entry:
        """Ends a search for good; what was finished is kept, and it can be resumed all the same."""
        with self._doing("cancel") as (connection, entry):
            if entry.state in (SearchState.CANCELLED, SearchState.CANCELLING):
                return entry
            if entry.state in (SearchState.QUEUED, SearchState.PAUSED):
                now = self._store.now(connection)
                return self._to(connection, entry, SearchState.CANCELLED, "cancelled", message("it was not running"), ended=now)
            may = entry.state in (SearchState.RUNNING, SearchState.PAUSING)
            self._refuse(entry, may, _("it is over already"))
            return self._to(connection, entry, SearchState.CANCELLING, "cancelling", message("its driver is coming to a stop"))

    def extend(self, trials: int, limit: int) -> Entry:
        """Plans so many more trials; a search that is done is queued again, one that runs goes on after what it has planned."""
        with self._doing("extend", f"+{trials}") as (connection, entry):
            self._refuse(entry, entry.state != SearchState.CANCELLING, _("it is being cancelled"))
            total = entry.trials + trials
            text = _("{total} trials are more than the {limit} that a search may have here").format(total=total, limit=limit)
            self._refuse(entry, total <= limit, text)
            if entry.state == SearchState.DONE:
                entry = replace(entry, task={"verb": "search"})
                return self._queue(connection, entry, "extended", trials=total)
            return self._store.set(connection, entry, Happened("extended", {"trials": total}), trials=total)

    def revive(self, trials: Sequence[int]) -> Entry:
        """Queues parked or waiting trials to be trained to their full budget."""
        with self._doing("revive", ", ".join(map(str, trials))) as (connection, entry):
            self._refuse(entry, entry.state in OVER, _("trials can be revived only once it is over"))
            return self._queue(connection, replace(entry, task={"verb": "revive", "trials": list(trials)}), "resumed")

    def confirm(self, top: int | None, seeds: int | None, trials: Sequence[int]) -> Entry:
        """Queues its best trials to be trained again on fresh seeds."""
        with self._doing("confirm") as (connection, entry):
            self._refuse(entry, entry.state in OVER, _("it can be confirmed only once it is over"))
            task = {"verb": "confirm", "top": top, "seeds": seeds, "trials": list(trials)}
            return self._queue(connection, replace(entry, task=task), "resumed")

    def order(self, priority: int | None, workers: int | None) -> Entry:
        """Changes what it takes, and which of its owner's searches goes first."""
        with self._doing("order", f"priority {priority}, workers {workers}") as (connection, entry):
            values = {"priority": priority, "wants": workers}
            given = {name: value for name, value in values.items() if value is not None}
            return self._store.set(connection, entry, Happened("ordered", given), **given) if given else entry

    def delete(self) -> Entry:
        """Forgets a search that is over, paused or waits; its files are for the caller to remove."""
        with self._doing("delete") as (connection, entry):
            self._refuse(entry, entry.state not in LIVE, _("it runs: cancel it first"))
            self._store.remove(connection, entry.id)
            return entry

    @contextmanager
    def _doing(self, action: str, detail: str = "") -> Iterator[tuple[Connection, Entry]]:
        with self._store.writing() as connection:
            entry = self._store.find(self._search, connection, lock=True)
            if entry is None:
                raise Gone(self._search)
            try:
                yield connection, entry
            except Fenced:
                raise Gone(self._search) from None
            self._store.note(connection, self._owner, action, entry.id, f"{entry.name}; {detail}" if detail else entry.name)

    def _queue(self, connection: Connection, entry: Entry, kind: str, trials: int | None = None) -> Entry:
        planned = entry.trials if trials is None else trials
        return self._store.set(
            connection,
            entry,
            Happened(kind, {"task": entry.task["verb"], "trials": planned}),
            state=str(SearchState.QUEUED),
            reason="",
            task=dict(entry.task),
            trials=planned,
            restarts=0,
            retry_at=0.0,
            share=0,
            ended=None,
        )

    def _to(
        self, connection: Connection, entry: Entry, state: SearchState, kind: str, reason: str, ended: float | None = None
    ) -> Entry:
        return self._store.set(
            connection, entry, Happened(kind, {"reason": reason}), state=str(state), reason=reason, ended=ended or entry.ended
        )

    @staticmethod
    def _refuse(entry: Entry, may: bool, why: str) -> None:
        """`Conflict` if it may not be done in the state that it is in."""
        if not may:
            text = _("{search} is {state}: {why}")
            raise Conflict(text.format(search=entry.name, state=_(entry.state), why=why))
