"""Runs what the queue says: starts drivers, reads what they say, and takes up what another service, or an earlier one, has left.

Of several services on one database one drives each search: it holds a lease on it, and everything that it writes of the search
is fenced by a token that goes up when another takes it over. Nothing is in memory that is not in the database or in the folder
of the search, so that a service that is killed finds everything as it was.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pitprop.errors import UserError
from pitprop.messages import message, unpacked
from pitprop.service.catalogue import Catalogue
from pitprop.service.database.ledger import LIVE, Entry, Fenced, Happened, Store
from pitprop.service.database.tables import SEARCHES
from pitprop.service.models import SearchState
from pitprop.service.running import queue
from pitprop.service.running.beginning import Beginnings
from pitprop.service.running.drivers import Drivers, Line, journal_lines
from pitprop.service.running.places import Places
from pitprop.service.running.silence import Silence
from pitprop.workers.cluster.jobs import Unanswered
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import SQLAlchemyError

EVERY = 0.5
"""Seconds between two looks."""
LEASE = 20.0
"""Seconds after which another service takes over what one no longer sees to."""
RESTARTS = 5
"""So often a driver is started again that ends without a word, and without a trial that ended since."""
SLOWEST = 300.0
"""The longest wait before a driver is started again."""
LATELY = 86400.0
"""What an owner has used within so many seconds counts against them."""
VOLATILE = ("progress", "confirming", "answer")
"""What a driver says of how far it is: the last such line is all that is kept."""
PRIVATE = ("joined", "left")
"""What it says to us alone."""
PASSING = (
    *("Owned", "Lost", "LaunchError", "Unwritten"),
    *("DatabaseError", "StorageInternalError", "OperationalError", "InterfaceError", "InternalError"),
    *("OSError", "ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError", "TimeoutError"),
)
"""Classes of errors after which the same command may well work: an owner, a database or a disk that is out for a while."""
logger = logging.getLogger("pitprop.service")


class Supervisor:
    """The loop of one service, called ``name``."""

    def __init__(
        self, name: str, store: Store, catalogue: Catalogue, places: Places, drivers: Drivers, *, lease: float = LEASE
    ) -> None:
        self.name = name
        self._store, self._catalogue, self._places, self._drivers = store, catalogue, places, drivers
        self._lease, self._beginnings = lease, Beginnings()
        self._renewed = 0.0
        self.silence: Silence | None = None
        """That nobody can say which drivers run, while it is so."""
        self._unanswered: type[Unanswered] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begins to look after the queue, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Ends all drivers of this service; their searches wait for it, or for another, to come back."""
        self._stop.set()
        self._thread.join()
        try:
            self._end_all()
        except SQLAlchemyError as error:  # the drivers go on, and whoever comes next finds them
            logger.warning("the database does not answer: %s", type(error).__name__)

    def tick(self) -> None:
        """One look: at what others have left, at every search of ours, and at whose turn it is."""
        now = self._store.now()
        self._renew(now)
        known = self._known(now)
        for entry in self._ours():
            try:
                if known:
                    self._look_after(entry, now)
                else:
                    self._read(entry)
            except Fenced:
                logger.warning("search %s was taken over by another service", entry.id)
        if known:
            self._deal(now)

    def _known(self, now: float) -> bool:
        """Finds out which drivers run. Where nobody can say, none is started, and none is taken for dead."""
        before = self.silence
        try:
            self._drivers.look()
        except Unanswered as error:
            self.silence = Silence(before.since if before is not None else now, error.said)
            if type(error) is not self._unanswered:  # once, and not at each look
                logger.warning("searches wait, and those that run are left to themselves; it is asked again and again: %s", error)
            self._unanswered = type(error)
            return False
        if before is not None:
            logger.info("it is known again which drivers run")
        self.silence = self._unanswered = None
        return True

    def _run(self) -> None:
        said = ""
        while not self._stop.wait(EVERY):
            try:
                self.tick()
            except SQLAlchemyError as error:
                logger.warning("the database does not answer: %s", type(error).__name__)
            except Exception as error:
                if repr(error) != said:  # once, and not twice a second
                    logger.exception("a look at the queue failed, and the next one tries again")
                said = repr(error)

    def _end_all(self) -> None:
        waited = threading.Event()
        while entries := [one for one in self._store.searches(LIVE) if one.service == self.name]:
            now = self._store.now()
            self._renew(now)
            if not self._known(now):
                return  # the drivers go on, and whoever comes next finds them
            for entry in entries:
                if self._drivers.lives(entry):
                    self._drivers.end(entry, now)
                else:
                    self._read(entry)
                    self._conclude(self._found(entry), now, stopping=True)
            waited.wait(EVERY / 5)

    # Whose searches

    def _renew(self, now: float) -> None:
        """Keeps the lease of our searches, and counts what they use."""
        since = now - self._renewed
        if 0 <= since < self._lease / 4:
            return
        used = min(max(since, 0.0), self._lease) if self._renewed else 0.0  # clocks can be moved
        ours = update(SEARCHES).where(SEARCHES.c.service == self.name, SEARCHES.c.state.in_([str(state) for state in LIVE]))
        with self._store.writing() as connection:
            connection.execute(ours.values(lease=now + self._lease, used=SEARCHES.c.used + SEARCHES.c.share * used))
        self._renewed = now

    def _ours(self) -> list[Entry]:
        """The searches with a driver that are ours, those among them that nobody sees to any more.

        Nobody has a lease that lies further ahead than any is given: the clock was set back. The time is taken after the leases
        were read, as this process may have stood still before.
        """
        live = self._store.searches(LIVE)
        now = self._store.now()
        orphans = [one for one in live if one.service != self.name and not now <= one.lease <= now + 2 * self._lease]
        return [one for one in live if one.service == self.name] + [one for each in orphans for one in self._take_over(each, now)]

    def _take_over(self, entry: Entry, now: float) -> list[Entry]:
        """Makes a search ours, if no other service was faster, and its own has not seen to it since it was read."""
        values = {"service": self.name, "token": entry.token + 1, "lease": now + self._lease}
        try:
            with self._store.writing() as connection:
                found = self._store.find(entry.id, connection, lock=True)
                if found is None or found.lease != entry.lease:
                    return []
                taken = self._store.set(connection, entry, fence=entry.token, **values)
        except Fenced:
            return []
        logger.info("search %s is taken over from %s", entry.id, entry.service)
        return [taken]

    def _found(self, entry: Entry) -> Entry:
        """The search as it is now; `Fenced` if it is not ours any more."""
        found = self._store.find(entry.id)
        if found is None or found.token != entry.token:
            raise Fenced(entry.id)
        return found

    # One search

    def _look_after(self, entry: Entry, now: float) -> None:
        lives = self._drivers.lives(entry)  # before its journal is read: what it said last is in there then
        last = self._read(entry)
        entry = self._found(entry)
        if lives and (self._beginnings.overdue(entry) or entry.state in (SearchState.PAUSING, SearchState.CANCELLING)):
            if not self._drivers.end(entry, now):
                self._cannot_end(entry)
        elif not lives:
            self._conclude(entry, now, last=last)

    def _cannot_end(self, entry: Entry) -> None:
        """Says that a driver goes on where this service can end nothing."""
        reason = message(
            "its driver runs on {host}, where no service runs that could end it: start one there, or end the driver there",
            host=entry.host,
        )
        if entry.reason != reason:
            with self._store.writing() as connection:
                self._store.set(connection, entry, fence=entry.token, reason=reason)

    def _read(self, entry: Entry) -> Line | None:
        """Takes what a driver has said into the database; how it left, if it has."""
        lines, end = journal_lines(self._places.journal(entry), entry.tailed)
        if not lines and end == entry.tailed:
            return None
        values: dict[str, Any] = {"tailed": end}
        progress = dict(entry.progress or {})
        for line in lines:
            if line.kind == "progress":  # what confirms comes after what searches: an earlier confirmation is no news then
                progress = {**line.body, "planned": entry.task.get("planned", entry.trials)}
            elif line.kind in ("confirming", "answer"):
                progress[line.kind] = line.body
        if progress:
            values["progress"] = progress
        if any(line.kind == "trial" for line in lines):
            values["restarts"] = 0
        first = [line.at for line in lines if line.kind == "joined"]
        joined = {"joined": first[-1]} if first else {}
        begun = {"begun": True} if any(line.kind in ("begun", "confirming") for line in lines) else {}
        if lines:
            values["task"] = {**entry.task, **joined, **begun, "seen": lines[-1].at}
        said = [Happened(line.kind, line.body, line.at) for line in lines if line.kind not in (*VOLATILE, *PRIVATE)]
        with self._store.writing() as connection:
            self._store.set(connection, entry, *said, fence=entry.token, **values)
        return next((line for line in reversed(lines) if line.kind in PRIVATE), None)

    def _conclude(self, entry: Entry, now: float, *, last: Line | None = None, stopping: bool = False) -> None:
        """Says what becomes of a search whose driver has ended."""
        last = last or self._last_word(entry)
        left = last.body if last is not None and last.kind == "left" else None
        how = left["how"] if left is not None else "killed"
        finished = how == "ended" and left is not None and left.get("code") == 0
        if entry.state == SearchState.CANCELLING:
            self._to(entry, SearchState.CANCELLED, "cancelled", message("what was finished is kept"), ended=now)
        elif entry.state == SearchState.PAUSING:
            self._to(entry, SearchState.PAUSED, "paused", message("once it is resumed, it goes on where it stopped"))
        elif finished and entry.trials > entry.task.get("planned", entry.trials):
            extended = message("it was extended while it ran")
            self._to(entry, SearchState.QUEUED, "restarted", extended, task={**entry.task, "verb": "search"})
        elif finished:
            self._to(entry, SearchState.DONE, "done", _short_of(entry), ended=now)
        elif stopping:
            self._to(
                entry, SearchState.QUEUED, "restarted", message("the service was stopped; the search goes on when it is back")
            )
        elif how == "ended" and entry.task["verb"] == "search":
            self._to(entry, SearchState.FAILED, "failed", message("every trial failed: see the errors of its trials"), ended=now)
        elif how == "ended":
            self._to(entry, SearchState.DONE, "done", message("the trials that were trained again failed"), ended=now)
        elif how == "error" and left is not None and left["class"] not in PASSING:
            self._to(entry, SearchState.FAILED, "failed", unpacked(left["said"]), ended=now)
        else:
            self._again(entry, now, left or {"said": self._drivers.why(entry)})

    def _last_word(self, entry: Entry) -> Line | None:
        """The last that a driver has said to us, which an earlier look may have read."""
        start = max(entry.task.get("from", 0), entry.tailed - 65_536)
        lines, _end = journal_lines(self._places.journal(entry), start)
        return next((line for line in reversed(lines) if line.kind in PRIVATE), None)

    def _again(self, entry: Entry, now: float, left: Mapping[str, Any] | None) -> None:
        """Starts a driver again that was killed, or that may do better next time; gives up after a while."""
        owned = left is not None and left.get("class") in ("Owned", "Lost")  # an earlier driver ends just now
        said = unpacked(left["said"]) if left is not None and left.get("said") else message("it was killed")
        restarts = entry.restarts + (not owned)
        if restarts > RESTARTS:
            reason = message(
                "its driver has ended {count} times, and no trial has ended in between: {said}; resume it once that is fixed",
                count=restarts,
                said=said,
            )
            self._to(entry, SearchState.FAILED, "failed", reason, ended=now)
            return
        wait = min(SLOWEST, 2.0 ** max(restarts, 2 * owned))
        reason = message("its driver ended ({said}) and is started again in {seconds:.0f} s", said=said, seconds=wait)
        self._to(entry, SearchState.QUEUED, "restarted", reason, restarts=restarts, retry_at=now + wait)

    def _to(self, entry: Entry, state: SearchState, kind: str, reason: str, **values: Any) -> None:
        self._beginnings.forget(entry.id)
        with self._store.writing() as connection:
            self._store.set(
                connection,
                entry,
                Happened(kind, {"reason": reason} if reason else {}),
                fence=entry.token,
                state=str(state),
                reason=reason,
                share=0,
                service=None,
                **values,
            )
        logger.info("search %s is %s%s", entry.id, state, f": {reason}" if reason else "")

    # Whose turn it is

    def _deal(self, now: float) -> None:
        """Deals out the workers, in one transaction with what follows: so no two services give one away twice."""
        if not any(self._store.counts().get(state) for state in (SearchState.QUEUED, SearchState.RUNNING)):
            return
        with self._store.writing() as connection:
            begun = self._dealt(connection, self._store.now(connection))
        for entry in begun:
            try:
                self._hand_over(entry, now)
            except Fenced:
                logger.warning("search %s was taken over by another service before its driver began", entry.id)

    def _hand_over(self, entry: Entry, now: float) -> None:
        """Starts a driver. One that comes too late, as this process stood still meanwhile, finds that out by its number."""
        try:
            self._places.set_share(self._found(entry))
            self._drivers.start(entry)
        except (OSError, UserError) as error:
            kind = "Owned" if isinstance(error, BlockingIOError) else type(error).__name__
            self._again(entry, now, {"class": kind, "said": str(getattr(error, "strerror", None) or error)})

    def _dealt(self, connection: Connection, now: float) -> list[Entry]:
        entries = self._store.searches((SearchState.QUEUED, *LIVE), connection=connection, lock=True)
        due = [one for one in entries if one.state != SearchState.QUEUED or not _rests(one, now)]
        demands = [queue.demand(one, now) for one in due]
        given = queue.plan(demands, queue.rules(self._catalogue), self._used(connection, now))
        begun = []
        for entry in due:
            share = given.get(entry.id, 0)
            if entry.state == SearchState.QUEUED and share:
                begun.append(self._begin(connection, entry, share, now))
            elif entry.state == SearchState.RUNNING and share != entry.share:
                changed = self._store.set(connection, entry, Happened("share", {"workers": share}), share=share)
                self._places.set_share(changed)
        return begun

    def _begin(self, connection: Connection, entry: Entry, share: int, now: float) -> Entry:
        task = {key: one for key, one in entry.task.items() if key not in ("joined", "seen")}
        task |= {"from": self._places.said(entry), "at": now, "begun": False, "spent": _spent(entry.task, now)}
        progress = None if entry.progress is None else {key: one for key, one in entry.progress.items() if key != "confirming"}
        task["planned"] = entry.trials
        task["start"] = entry.token + 1
        return self._store.set(
            connection,
            entry,
            Happened("started", {"workers": share, "service": self.name}),
            state=str(SearchState.RUNNING),
            reason="",
            task=task,
            progress=progress,
            share=share,
            service=self.name,
            token=entry.token + 1,
            lease=now + self._lease,
            host=self._drivers.host,
            started=entry.started or now,
        )

    def _used(self, connection: Connection, now: float) -> Mapping[str, float]:
        """The worker seconds that each owner has used lately."""
        asked = select(SEARCHES.c.owner, func.sum(SEARCHES.c.used)).where(SEARCHES.c.changed > now - LATELY)
        found: defaultdict[str, float] = defaultdict(float)
        for owner, seconds in connection.execute(asked.group_by(SEARCHES.c.owner)):
            found[owner] = float(seconds)
        return found


def _rests(entry: Entry, now: float) -> bool:
    """Whether a search still waits to be started again; not if that is further ahead than any wait: the clock was set back."""
    return now < entry.retry_at <= now + SLOWEST


def _spent(task: Mapping[str, Any], now: float) -> float:
    """For how many seconds drivers have searched, by the last one's first and last word; never more than has passed."""
    ran = task.get("seen", 0.0) - task.get("joined", math.inf)
    return float(task.get("spent", 0.0) + max(0.0, min(ran, now - task.get("at", now))))


def _short_of(entry: Entry) -> str:
    """That a search has ended before all its trials have begun; nothing if it has not."""
    progress = entry.progress or {}
    begun, target = progress.get("begun", 0), progress.get("target", 0)
    if begun >= target:
        return ""
    if entry.task["verb"] != "search":  # it was cancelled or had failed, and a trial of it was revived, or the best confirmed
        return message(
            "{begun} of {target} trials have begun, and no more were asked for; extend it to train the others too",
            begun=begun,
            target=target,
        )
    return message(
        "{begun} of {target} trials have begun: its time or budget is used up, or its target is reached",
        begun=begun,
        target=target,
    )
