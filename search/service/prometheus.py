"""What Prometheus is told: searches, trials, verdicts, epochs, worker and GPU seconds, and times in the queue.

All but the silence of what runs drivers is worked out from the database when it is asked for, so that it is the same from each of
several services, and right after a restart. Searches that have not changed since the last look are not read again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop import __version__
from pitprop.service.catalogue import Catalogue
from pitprop.service.database.ledger import LIVE, Store
from pitprop.service.database.tables import NOTICES, SEARCHES
from pitprop.service.models import SearchState
from pitprop.service.running.silence import Silence
from sqlalchemy import func, select

if TYPE_CHECKING:
    from prometheus_client import Metric

TRIALS = ("complete", "pruned", "parked", "waiting", "failed", "running", "interrupted")
WAITS = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 4 * 3600.0, 86400.0)
"""The bounds of the times in the queue, in seconds."""
MARGIN = 5.0
"""Seconds by which changes may come to light after the time that they bear."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is counted of a search."""

    state: str
    progress: dict[str, Any]
    used: float
    gpus: float
    created: float
    started: float | None


class Metrics:
    """Counts over the searches in the database."""

    def __init__(self, store: Store, catalogue: Catalogue, silence: Callable[[], Silence | None] = lambda: None) -> None:
        self._store, self._catalogue, self._silence = store, catalogue, silence
        self._rows: dict[str, Row] = {}
        self._until = 0.0
        self._lock = threading.Lock()

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now."""
        with self._lock:
            now = self._store.now()
            self._look()
            yield from self._counted(list(self._rows.values()), now)

    def _look(self) -> None:
        names = ("id", "changed", "state", "progress", "used", "gpus", "created", "started")
        asked = select(*(SEARCHES.c[name] for name in names)).where(SEARCHES.c.changed >= self._until - MARGIN)
        with self._store.reading() as connection:
            found = list(connection.execute(asked))
            total = connection.execute(select(func.count()).select_from(SEARCHES)).scalar_one()
            live = select(SEARCHES.c.id, SEARCHES.c.used).where(SEARCHES.c.state == str(SearchState.RUNNING))
            used = {str(search): float(seconds) for search, seconds in connection.execute(live)}
            if total < len(self._rows | {row[0]: None for row in found}):  # some were deleted
                known = set(connection.execute(select(SEARCHES.c.id)).scalars())
                self._rows = {search: row for search, row in self._rows.items() if search in known}
        for search, changed, state, progress, seconds, gpus, created, started in found:
            self._rows[search] = Row(state, dict(progress or {}), seconds, gpus, created, started)
            self._until = max(self._until, changed)
        self._used = used

    def _counted(self, rows: list[Row], now: float) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        info = InfoMetricFamily("pitprop", "The version of the service")
        info.add_metric([], {"version": __version__})
        yield info
        states, (trials, stopped) = Counter(row.state for row in rows), _tallied(rows)
        searches = GaugeMetricFamily("pitprop_searches", "Searches by state", labels=["state"])
        for state in SearchState:
            searches.add_metric([state], states[state])
        yield searches
        each = GaugeMetricFamily("pitprop_trials", "Trials by state; parked ones are none of the pruned", labels=["state"])
        for name in TRIALS:
            each.add_metric([name], trials[name])
        yield each
        verdicts = CounterMetricFamily(
            "pitprop_stopped_trials", "Trials that a signature or gate has stopped", labels=["signature"]
        )
        for name, count in sorted(stopped.items()):
            verdicts.add_metric([name], count)
        yield verdicts
        for name, key, said in (("trained", "epochs", "were trained"), ("saved", "saved", "verdicts have spared")):
            epochs = CounterMetricFamily(f"pitprop_{name}_epochs", f"Epochs, or steps, that {said}")
            epochs.add_metric([], sum(int(row.progress.get(key, 0)) for row in rows))
            yield epochs
        yield from self._seconds(rows)
        yield from self._queued(rows, now)
        yield self._capacity()
        silence = self._silence()
        said = "For how long this service cannot say which drivers run, so that searches wait; 0 while it can"
        lasts = max(0.0, now - silence.since) if silence is not None else 0.0
        yield GaugeMetricFamily("pitprop_drivers_silent_seconds", said, value=lasts)
        with self._store.reading() as connection:
            unsent = connection.execute(select(func.count()).select_from(NOTICES)).scalar_one()
        yield GaugeMetricFamily("pitprop_notices_waiting", "Notices that are to be sent", value=unsent)

    def _queued(self, rows: list[Row], now: float) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

        begun = sorted(row.started - row.created for row in rows if row.started is not None)
        waits = HistogramMetricFamily("pitprop_queue_seconds", "Seconds from submission to the first start")
        bounds = [(str(bound), float(sum(wait <= bound for wait in begun))) for bound in WAITS]
        waits.add_metric([], [*bounds, ("+Inf", float(len(begun)))], sum_value=sum(begun))
        yield waits
        oldest = GaugeMetricFamily("pitprop_queue_oldest_seconds", "For how long the search waits that waits longest to begin")
        waiting = [now - row.created for row in rows if row.state == SearchState.QUEUED and row.started is None]
        oldest.add_metric([], max(waiting, default=0.0))
        yield oldest

    def _seconds(self, rows: list[Row]) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        now = {search: self._used.get(search, row.used) for search, row in self._rows.items()}
        workers = CounterMetricFamily("pitprop_worker_seconds", "Seconds that searches had workers, by the number of these")
        workers.add_metric([], sum(now.values()))
        yield workers
        gpus = CounterMetricFamily("pitprop_gpu_seconds", "Seconds that searches had GPUs, by the number of these")
        gpus.add_metric([], sum(now[search] * row.gpus for search, row in self._rows.items()))
        yield gpus

    def _capacity(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        there = GaugeMetricFamily("pitprop_capacity", "CPUs and GPUs that are shared", labels=["kind"])
        there.add_metric(["cpu"], self._catalogue.cpus)
        there.add_metric(["gpu"], self._catalogue.gpus)
        return there


def _tallied(rows: Iterable[Row]) -> tuple[Counter[str], Counter[str]]:
    """The trials of all searches by state, and those that were stopped by signature."""
    trials, stopped = Counter[str](), Counter[str]()
    for row in rows:
        trials.update({name: int(row.progress.get(name, 0)) for name in TRIALS})
        trials["pruned"] -= int(row.progress.get("parked", 0))
        if row.state not in LIVE:  # nothing trains without a driver
            left = int(row.progress.get("running", 0))
            trials.update({"running": -left, "interrupted": left})
        stopped.update({name: int(count) for name, count in row.progress.get("stopped", {}).items()})
    return trials, stopped
