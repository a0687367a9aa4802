"""Whose turn it is: how many workers each search gets, and which of those that wait begin. Pure: no clock, no database.

All workers are dealt out anew each time. One after the other goes to the owner who has the smallest share of what there is,
counting the resource of which they have most, so that shares are equal as far as searches can use them (dominant resource
fairness). Of an owner's searches those that have begun come first, then the highest priority, which grows with waiting, then the
oldest.

Nothing starves. A search that waits has its turn after those of its owner that it does not overtake, and an owner who has used
the least lately comes before one with the same share. What does not fit holds the place for which it is next: nothing else
begins until it fits.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pitprop.messages import N_
from pitprop.service.catalogue import Catalogue
from pitprop.service.database.ledger import LIVE, Entry
from pitprop.service.models import Estimate, SearchState

AGES = 3600.0
"""So many seconds of waiting are worth one step of priority."""
ROUND = 1e-9


@dataclass(frozen=True, slots=True)
class Rules:
    """What there is, and the limits for each owner: searches that run at once, and the ``share`` of what there is."""

    cpus: float
    gpus: float = 0.0
    running: int = 4
    share: float = 1.0

    def part(self, cpus: float, gpus: float) -> float:
        """Which share of what there is this is: of the resource of which it is most."""
        return max(cpus / self.cpus, gpus / self.gpus if self.gpus else 0.0)


@dataclass(frozen=True, slots=True)
class Demand:
    """A search that takes up to ``wants`` workers of ``cpus`` and ``gpus`` each. ``has`` is how many it has now.

    ``began`` says whether its driver runs. ``waited`` are the seconds since it was queued.
    """

    id: str
    owner: str
    wants: int
    cpus: float = 1.0
    gpus: float = 0.0
    priority: int = 0
    waited: float = 0.0
    has: int = 0
    began: bool = False

    @property
    def rank(self) -> tuple[bool, bool, float, float, str]:
        """What comes first among the searches of an owner: the lowest."""
        return (not self.began, self.has == 0, -(self.priority + self.waited / AGES), -self.waited, self.id)


@dataclass(slots=True)
class _Owner:
    """The searches of an owner, and what they have been given so far."""

    name: str
    used: float
    searches: list[Demand]
    cpus: float = 0.0
    gpus: float = 0.0
    begun: int = 0
    given: dict[str, int] = field(default_factory=dict)


def plan(demands: Iterable[Demand], rules: Rules, used: Mapping[str, float] | None = None) -> dict[str, int]:
    """How many workers each search gets; one that waits begins if it gets any. ``used`` is what each owner has used lately."""
    owners: dict[str, _Owner] = {}
    for demand in demands:
        owner = owners.setdefault(demand.owner, _Owner(demand.owner, (used or {}).get(demand.owner, 0.0), []))
        owner.searches.append(demand)
    for owner in owners.values():
        owner.searches.sort(key=lambda one: one.rank)
    return _Deal(rules, owners).dealt()


class _Deal:
    """One dealing out of all workers."""

    def __init__(self, rules: Rules, owners: Mapping[str, _Owner]) -> None:
        self._rules, self._owners = rules, owners
        self._cpus, self._gpus = rules.cpus, rules.gpus
        self._held = False
        """Whether a search waits for a place that it does not fit into yet, so that nothing else begins."""

    def dealt(self) -> dict[str, int]:
        """First one worker for each search, round the owners, then what is left."""
        self._round(first=True)
        self._round(first=False)
        return {search: count for owner in self._owners.values() for search, count in owner.given.items()}

    def _round(self, *, first: bool) -> None:
        places = dict.fromkeys(self._owners, 0)
        waiting = [self._key(owner) for owner in self._owners.values()]
        heapq.heapify(waiting)
        while waiting:
            owner = self._owners[heapq.heappop(waiting)[-1]]
            if self._give(owner, places, first=first):
                heapq.heappush(waiting, self._key(owner))

    def _key(self, owner: _Owner) -> tuple[float, bool, float, str]:
        """Who is next: the smallest share; of equals who has a search that runs, so that none is put off; then who used least."""
        runs = any(one.has for one in owner.searches)
        return (round(self._rules.part(owner.cpus, owner.gpus), 9), not runs, owner.used, owner.name)

    def _give(self, owner: _Owner, places: dict[str, int], *, first: bool) -> bool:
        """Gives an owner's next search a worker; False if none of theirs can take any in this round."""
        while places[owner.name] < len(owner.searches):
            one = owner.searches[places[owner.name]]
            given = owner.given.get(one.id, 0)
            done = given > 0 if first else given == 0 or given >= one.wants
            if not done and self._may(owner, one, given):
                self._take(owner, one, given)
                return True
            places[owner.name] += 1
        return False

    def _may(self, owner: _Owner, one: Demand, given: int) -> bool:
        if not given and not one.began and (self._held or owner.begun >= self._rules.running):
            return False
        cpus, gpus = owner.cpus + one.cpus, owner.gpus + one.gpus
        if owner.begun and self._rules.part(cpus, gpus) > self._rules.share + ROUND:
            return False
        fits = one.cpus <= self._cpus + ROUND and one.gpus <= self._gpus + ROUND
        if not fits and not given and not one.began and self._fits_ever(one):
            self._held = True
        return fits

    def _fits_ever(self, one: Demand) -> bool:
        return one.cpus <= self._rules.cpus + ROUND and one.gpus <= self._rules.gpus + ROUND

    def _take(self, owner: _Owner, one: Demand, given: int) -> None:
        self._cpus -= one.cpus
        self._gpus -= one.gpus
        owner.cpus += one.cpus
        owner.gpus += one.gpus
        owner.begun += not given
        owner.given[one.id] = given + 1


def rules(catalogue: Catalogue) -> Rules:
    """The rules of the operator's catalogue."""
    return Rules(catalogue.cpus, catalogue.gpus, catalogue.limits.running, catalogue.limits.share)


def demand(entry: Entry, now: float) -> Demand:
    """A search of the queue as it is dealt with."""
    began = entry.state in LIVE
    fixed = began and (entry.state != SearchState.RUNNING or entry.task["verb"] != "search")  # its driver takes no other number
    waited = max(0.0, now - entry.changed) if entry.state == SearchState.QUEUED else 0.0
    return Demand(
        entry.id,
        entry.owner,
        entry.share if fixed else entry.wants,
        entry.cpus,
        entry.gpus,
        entry.priority,
        waited,
        entry.share if began else 0,
        began,
    )


def order(entries: Sequence[Entry], now: float) -> list[Entry]:
    """The searches that wait, as they would begin were they all one owner's: by priority, which grows with waiting, and age."""
    queued = [entry for entry in entries if entry.state == SearchState.QUEUED]
    return sorted(queued, key=lambda one: demand(one, now).rank)


def estimates(entries: Sequence[Entry], rules: Rules, now: float) -> dict[str, Estimate]:
    """When each search is likely to begin and to end, by how long trials have taken so far.

    What has not finished a trial yet has no end that is known, and what waits behind it has no beginning.
    """
    running = [one for one in entries if one.state == SearchState.RUNNING]
    found = {one.id: _end(one, now) for one in running}
    ends = {search: estimate.end for search, estimate in found.items()}
    free = rules.cpus - sum(one.cpus for one in running)
    slots: list[float] = sorted(end for end in ends.values() if end is not None)
    unknown = any(end is None for end in ends.values())
    for ahead, entry in enumerate(order(entries, now)):
        start: float | None = None
        if free >= entry.cpus:
            start, free = now, free - entry.cpus
        elif slots and not unknown:
            start = slots.pop(0)
        why = N_("when those before it have ended, judged by their trials so far") if start is not None and start > now else ""
        found[entry.id] = Estimate(start=start, ahead=ahead, why=why)
    return found


def _end(entry: Entry, now: float) -> Estimate:
    """When a search that runs has trained what it plans, at the pace of its worker seconds so far, if that is known."""
    progress = entry.progress or {}
    over = sum(progress.get(name, 0) for name in ("complete", "pruned", "failed"))
    rest = max(0, entry.target - over)
    if over and not rest:
        return Estimate(why=N_("its trials have ended: confirmation, report and export are left"))
    if not over or not entry.share or not entry.used:
        return Estimate()
    return Estimate(end=float(now + rest * entry.used / over / entry.share), why=N_("judged by its trials so far"))
