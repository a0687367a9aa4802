"""The queue as the database holds it: the one durable truth about searches, and what happened in each.

A transaction that changes a search adds the event that says so, under the next number of that search, so that whoever follows the
events misses none. What a service writes of a search that it drives is fenced by a token: nothing is written once another service
has taken the search over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from pitprop.errors import UserError
from pitprop.messages import LANGUAGES
from pitprop.service.database.tables import AUDIT, EVENTS, NOTICES, SEARCHES, reading
from pitprop.service.models import SearchState
from pitprop.service.notices import outbox
from sqlalchemy import Connection, Engine, Select, and_, delete, func, insert, literal, or_, select, text, update
from sqlalchemy.exc import IntegrityError

LIVE = (SearchState.RUNNING, SearchState.PAUSING, SearchState.CANCELLING)
"""The states in which a driver may run."""
OPEN = (SearchState.QUEUED, *LIVE, SearchState.PAUSED)
"""The states of a search that is not over."""


class Fenced(Exception):
    """Another service drives the search now."""


class Conflict(UserError):
    """The search is not in a state in which that can be done: one sentence."""


class Twice(Exception):
    """The owner has sent this key before; `entry` is what became of that request."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.id)
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Entry:
    """A search as its row holds it; `tables.SEARCHES` says the types.

    ``task`` is what a driver has to do: ``{"verb": "search"}``, or revive or confirm with what was asked. ``token`` goes up with
    each service that takes the search over; ``lease`` is until when the service has it. ``used`` are the worker seconds so far,
    ``tailed`` the bytes read of its driver's journal, ``events`` the number of its last event. ``reason`` may be a message.
    """

    id: str
    owner: str
    name: str
    study: str
    question: str
    space: str
    trials: int
    wants: int
    created: float
    source: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=lambda: {"verb": "search"})
    state: SearchState = SearchState.QUEUED
    reason: str = ""
    priority: int = 0
    cpus: float = 1.0
    gpus: float = 0.0
    share: int = 0
    used: float = 0.0
    service: str | None = None
    token: int = 0
    lease: float = 0.0
    host: str = ""
    restarts: int = 0
    retry_at: float = 0.0
    tailed: int = 0
    events: int = 0
    progress: Mapping[str, Any] | None = None
    started: float | None = None
    ended: float | None = None
    changed: float = 0.0
    language: str = LANGUAGES[0]
    request_key: str | None = None
    request_digest: str = ""

    @property
    def start(self) -> int:
        """The number of its latest start: no two starts of a search have the same, and the token only goes up from there."""
        return int(self.task.get("start", 0))

    @property
    def target(self) -> int:
        """Trials that there are to be, revived ones included: as its driver said, and what was asked for since."""
        said = self.progress or {}
        return int(said.get("target", self.trials) + max(0, self.trials - said.get("planned", self.trials)))


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a search. Its texts are messages, which are told in the language of who reads them."""

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    at: float | None = None
    """None: now."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is stored."""

    search: str
    id: int
    kind: str
    at: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """How far a search is: the number of its ``last`` event (negative: it is gone), and its progress as its driver told it."""

    last: int
    progress: Mapping[str, Any] | None
    at: float

    @property
    def gone(self) -> bool:
        return self.last < 0


_COLUMNS = [SEARCHES.c[one.name] for one in fields(Entry)]
_BRIEF = [literal("").label("space") if one.name == "space" else SEARCHES.c[one.name] for one in fields(Entry)]
_STATE = [one.name for one in fields(Entry)].index("state")


def _entry(row: Any) -> Entry:
    values = list(row)
    values[_STATE] = SearchState(values[_STATE])
    return Entry(*values)


class Store:
    """The tables of the service in an open database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._watches = reading(engine)
        self.writes = 0
        """How often something was written by this store."""

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for one statement or several, each of which sees the database as it is then."""
        with self._watches.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction."""
        try:
            with self.engine.begin() as connection:
                yield connection
        finally:
            self.writes += 1

    def now(self, connection: Connection | None = None) -> float:
        """Unix seconds by the clock that all services share: the server's, or that of this machine for a file on it."""
        if self.engine.dialect.name != "postgresql":
            return time.time()
        asked = text("SELECT extract(epoch FROM clock_timestamp())")
        if connection is not None:
            return float(connection.execute(asked).scalar_one())
        with self.reading() as other:
            return float(other.execute(asked).scalar_one())

    # Searches

    def add(self, entry: Entry) -> Entry:
        """Queues a search; `Twice` if its owner has sent its key before."""
        values = {one.name: getattr(entry, one.name) for one in fields(Entry)}
        try:
            with self.writing() as connection:
                connection.execute(insert(SEARCHES), {**values, "state": str(entry.state), "changed": entry.created})
                self.note(connection, entry.owner, "submit", entry.id, entry.name)
                return self.say(connection, entry.id, Happened("queued", {"priority": entry.priority}, entry.created))
        except IntegrityError:
            if (before := self.sent(entry.owner, entry.request_key)) is not None:
                raise Twice(before) from None
            raise

    def sent(self, owner: str, key: str | None) -> Entry | None:
        """What became of the request that an owner has sent with this key."""
        if key is None:
            return None
        with self.reading() as connection:
            asked = select(*_COLUMNS).where(SEARCHES.c.owner == owner, SEARCHES.c.request_key == key)
            row = connection.execute(asked).one_or_none()
            return None if row is None else _entry(row)

    def find(self, search: str, connection: Connection | None = None, *, lock: bool = False) -> Entry | None:
        """The search with this id; with ``lock`` nobody else changes it within the transaction."""
        asked = select(*_COLUMNS).where(SEARCHES.c.id == search)
        if connection is None:
            with self.reading() as own:
                row = own.execute(asked).one_or_none()
        else:
            row = connection.execute(asked.with_for_update() if lock else asked).one_or_none()
        return None if row is None else _entry(row)

    def searches(
        self,
        states: Iterable[SearchState] = (),
        *,
        owner: str | None = None,
        text: str = "",
        after: tuple[float, str] | None = None,
        limit: int | None = None,
        connection: Connection | None = None,
        lock: bool = False,
        brief: bool = False,
    ) -> list[Entry]:
        """Searches, the newest first: in these states (all, if none is given), with ``text`` in their name, after that one.

        With ``lock`` nobody else changes them within the transaction of ``connection``. ``brief``: without their spaces.
        """
        asked: Select[Any] = select(*(_BRIEF if brief else _COLUMNS)).order_by(SEARCHES.c.created.desc(), SEARCHES.c.id.desc())
        if wanted := [str(state) for state in states]:
            asked = asked.where(SEARCHES.c.state.in_(wanted))
        if owner is not None:
            asked = asked.where(SEARCHES.c.owner == owner)
        if text:
            asked = asked.where(SEARCHES.c.name.icontains(text, autoescape=True))
        if after is not None:
            created, last = after
            asked = asked.where(or_(SEARCHES.c.created < created, and_(SEARCHES.c.created == created, SEARCHES.c.id < last)))
        if limit is not None:
            asked = asked.limit(limit)
        if connection is not None:
            return [_entry(row) for row in connection.execute(asked.with_for_update() if lock else asked)]
        with self.reading() as own:
            return [_entry(row) for row in own.execute(asked)]

    def counts(self, owner: str | None = None) -> dict[str, int]:
        """How many searches are in each state."""
        asked = select(SEARCHES.c.state, func.count()).group_by(SEARCHES.c.state)
        if owner is not None:
            asked = asked.where(SEARCHES.c.owner == owner)
        with self.reading() as connection:
            return {str(state): int(count) for state, count in connection.execute(asked)}

    def set(self, connection: Connection, entry: Entry, *said: Happened, fence: int | None = None, **values: Any) -> Entry:
        """Changes a search and says what happened; `Fenced` if ``fence`` is not its token any more."""
        changed = {**values, "changed": self.now(connection)}
        chosen = update(SEARCHES).where(SEARCHES.c.id == entry.id)
        if fence is not None:
            chosen = chosen.where(SEARCHES.c.token == fence)
        if connection.execute(chosen.values(**changed)).rowcount != 1:
            raise Fenced(entry.id)
        return self.say(connection, entry.id, *said)

    def say(self, connection: Connection, search: str, *said: Happened) -> Entry:
        """Adds events to a search; the search as it is then."""
        if said:
            more = update(SEARCHES).where(SEARCHES.c.id == search).values(events=SEARCHES.c.events + len(said))
            connection.execute(more)
        entry = self.find(search, connection)
        if entry is None:
            raise Fenced(search)
        if said:
            now, first = self.now(connection), entry.events - len(said) + 1
            rows = [
                {"search": search, "id": first + place, "kind": one.kind, "at": one.at or now, "body": dict(one.body)}
                for place, one in enumerate(said)
            ]
            connection.execute(insert(EVENTS), rows)
            outbox.written(connection, entry, said, now)
        return entry

    def remove(self, connection: Connection, search: str) -> None:
        """Forgets a search and its events."""
        connection.execute(delete(EVENTS).where(EVENTS.c.search == search))
        connection.execute(delete(NOTICES).where(NOTICES.c.search == search))
        connection.execute(delete(SEARCHES).where(SEARCHES.c.id == search))

    # Events

    def events(self, search: str, after: int = 0, limit: int = 1000) -> list[Told]:
        """The events of a search after the one with this number, the first first."""
        columns = (EVENTS.c.search, EVENTS.c.id, EVENTS.c.kind, EVENTS.c.at, EVENTS.c.body)
        asked = select(*columns).where(EVENTS.c.search == search, EVENTS.c.id > after).order_by(EVENTS.c.id).limit(limit)
        with self.reading() as connection:
            return [Told(*row) for row in connection.execute(asked)]

    def news(self, searches: Sequence[str]) -> dict[str, News]:
        """What is new of each of these searches; those that are gone are not in it."""
        asked = select(SEARCHES.c.id, SEARCHES.c.events, SEARCHES.c.progress, SEARCHES.c.changed)
        with self.reading() as connection:
            rows = connection.execute(asked.where(SEARCHES.c.id.in_(searches)))
            return {search: News(last, progress, at) for search, last, progress, at in rows}

    # The audit log

    def note(self, connection: Connection, owner: str, action: str, search: str | None = None, detail: str = "") -> None:
        """Writes down who did what."""
        row = {"at": self.now(connection), "owner": owner, "action": action, "search": search, "detail": detail[:1000]}
        connection.execute(insert(AUDIT), row)

    def audit(self, after: int | None = None, limit: int = 100) -> list[Any]:
        """Who did what, the newest first, before the entry with the number ``after``."""
        asked = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
        if after is not None:
            asked = asked.where(AUDIT.c.id < after)
        with self.reading() as connection:
            return list(connection.execute(asked).mappings())
