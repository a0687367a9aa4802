"""What the routes share: the parts of the service, and what FastAPI gives them of a request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from pitprop.service.catalogue import Catalogue
from pitprop.service.database.ledger import OPEN, Entry, Store
from pitprop.service.database.lifecycle import Gone
from pitprop.service.http.guard import Guard, allow
from pitprop.service.lookup import Reader
from pitprop.service.models import Caller, Estimate, Scope
from pitprop.service.running import queue
from pitprop.service.running.places import Places
from pitprop.service.running.silence import Silence

MOMENT = 0.25
"""For so many seconds a list is told again that another service, or a driver's journal, may have changed meanwhile."""
LISTS = 256
"""How many lists are kept, each of what somebody asked for."""


class Estimates:
    """When each search that is not over is likely to begin and to end, worked out once a second at most for all who ask."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store, self._rules = store, queue.rules(catalogue)
        self._lock = threading.Lock()
        self._until, self._found = 0.0, dict[str, Estimate]()

    def get(self) -> dict[str, Estimate]:
        """The estimates, by id; those of before while somebody works them out anew."""
        if time.monotonic() >= self._until and self._lock.acquire(blocking=self._until == 0.0):
            try:
                self._found = queue.estimates(self._store.searches(OPEN, brief=True), self._rules, self._store.now())
                self._until = time.monotonic() + 1.0
            finally:
                self._lock.release()
        return self._found


class Recent:
    """What was listed just now, for all who ask for the same: until something is written here, or for a moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[object, tuple[int, float, list[Entry]]] = {}

    def get(self, key: object, read: Callable[[], list[Entry]]) -> list[Entry]:
        """What ``read`` gives, or has given a moment ago."""
        writes, now = self._store.writes, time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and kept[0] == writes and now < kept[1]:
            return kept[2]
        found = read()
        if len(self._kept) >= LISTS:
            self._kept.clear()
        self._kept[key] = (writes, now + MOMENT, found)
        return found


@dataclass(frozen=True)
class Service:
    """The parts of one service process, called ``name``."""

    name: str
    store: Store
    catalogue: Catalogue
    places: Places
    guard: Guard
    reader: Reader
    silence: Callable[[], Silence | None]
    """That nobody can say now which drivers run; None while that is known."""

    @cached_property
    def estimates(self) -> Estimates:
        """When searches are likely to begin and to end."""
        return Estimates(self.store, self.catalogue)

    @cached_property
    def recent(self) -> Recent:
        """Searches that were listed just now."""
        return Recent(self.store)


def parts_of(request: Request) -> Service:
    """The parts of the service that answers."""
    found: Service = request.app.state.service
    return found


async def service(request: Request) -> Service:
    """The same; as a coroutine, for else each request would wait for a thread."""
    return parts_of(request)


Parts = Annotated[Service, Depends(service)]


def reads(request: Request, parts: Parts) -> Caller:
    """Who asks to look."""
    found = parts.guard.caller(request)
    allow(found, Scope.READ)
    return found


def submits(request: Request, parts: Parts) -> Caller:
    """Who asks to change searches."""
    found = parts.guard.caller(request)
    allow(found, Scope.SUBMIT)
    return found


def administers(request: Request, parts: Parts) -> Caller:
    """Who asks for what concerns everybody."""
    found = parts.guard.caller(request)
    allow(found, Scope.ADMIN)
    return found


Reads = Annotated[Caller, Depends(reads)]
Submits = Annotated[Caller, Depends(submits)]
Administers = Annotated[Caller, Depends(administers)]
SearchId = Annotated[str, Path(pattern="^[a-z0-9]{1,32}$", description="id of a search", examples=["k3m9x2abcdef"])]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]
RequestKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern="^[!-~]+$")]


def visible(parts: Service, caller: Caller, search: str) -> Entry:
    """The search, if the caller may see it; `Gone` else."""
    entry = parts.store.find(search)
    if entry is None or not (sees_all(parts, caller) or entry.owner == caller.owner):
        raise Gone(search)
    return entry


def own(parts: Service, caller: Caller, search: str) -> Entry:
    """The search, if the caller may change it; `Gone` else, also if they may see it."""
    entry = parts.store.find(search)
    if entry is None or not (caller.scope == Scope.ADMIN or entry.owner == caller.owner):
        raise Gone(search)
    return entry


def sees_all(parts: Service, caller: Caller) -> bool:
    """Whether the caller sees everybody's searches."""
    return caller.scope == Scope.ADMIN or parts.catalogue.visible == "all"
