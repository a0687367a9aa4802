"""Notices that are to be sent, as the database keeps them: written with the event that they tell of, gone once they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop.service.database.tables import NOTICES
from sqlalchemy import Connection, delete, insert, or_, select, update

if TYPE_CHECKING:
    from pitprop.service.database.ledger import Entry, Happened, Store

KINDS = ("done", "failed", "cancelled", "target")
"""Events that people are told of outside; beside them that everything dies."""
TRIES = 9
"""A notice is given up after so many tries: some eight hours."""
FIRST, LONGEST = 30.0, 4 * 3600.0
"""Seconds before the second try, which double with each, and the longest wait."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of the event of a search, to a target."""

    id: int
    search: str
    event: int
    target: str
    tries: int


def tells(said: Happened) -> bool:
    """Whether people are told of it outside."""
    return said.kind in KINDS or (said.kind == "told" and bool(said.body.get("dead")))


def written(connection: Connection, entry: Entry, said: Sequence[Happened], now: float) -> None:
    """Writes the notices of what has just happened, in the transaction of the events; the search has their last number."""
    targets = entry.overrides.get("notify", ())
    first = entry.events - len(said) + 1
    rows = [
        {"search": entry.id, "event": first + place, "target": target, "tries": 0, "due": now}
        for place, one in enumerate(said)
        if targets and tells(one)
        for target in targets
    ]
    if rows:
        connection.execute(insert(NOTICES), rows)


def taken(store: Store, hold: float, most: int = 20) -> list[Notice]:
    """Notices that are due, which no other service takes for ``hold`` seconds.

    One that is put off for longer than any is due as well: the clock was set back.
    """
    columns = (NOTICES.c.id, NOTICES.c.search, NOTICES.c.event, NOTICES.c.target, NOTICES.c.tries)
    now = store.now()
    due = select(*columns, NOTICES.c.due).order_by(NOTICES.c.due).limit(most)
    due = due.where(or_(NOTICES.c.due <= now, NOTICES.c.due > now + LONGEST))
    with store.reading() as connection:
        rows = list(connection.execute(due))
    found = []
    for *fields, then in rows:
        mine = update(NOTICES).where(NOTICES.c.id == fields[0], NOTICES.c.due == then).values(due=now + hold)
        with store.writing() as connection:
            if connection.execute(mine).rowcount == 1:
                found.append(Notice(*fields))
    return found


def sent(store: Store, notice: Notice) -> None:
    """Forgets a notice: it was sent, or is given up."""
    with store.writing() as connection:
        connection.execute(delete(NOTICES).where(NOTICES.c.id == notice.id))


def put_off(store: Store, notice: Notice) -> bool:
    """Has a notice tried again later; False if it was tried often enough."""
    tries = notice.tries + 1
    if tries >= TRIES:
        sent(store, notice)
        return False
    wait: Any = min(LONGEST, FIRST * 2**notice.tries)
    with store.writing() as connection:
        later = update(NOTICES).where(NOTICES.c.id == notice.id)
        connection.execute(later.values(tries=tries, due=store.now(connection) + wait))
    return True
