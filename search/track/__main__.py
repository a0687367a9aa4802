"""The exporting process: ``python -m pitprop.track``, started by `pitprop.track.exporter` and ended by the end of its input."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop.processes import weigh
from pitprop.study.record import Record, StudyCard
from pitprop.track.code import code

if TYPE_CHECKING:
    from pitprop.track.store import Store

_log = logging.getLogger("pitprop.track")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds; each export writes the study's answer anew, whatever has ended since
_LOCKS: dict[Path, TextIOWrapper] = {}
"""The logs of further studies, which are locked as long as this process lives."""
GONE = "the driver is gone"
OPENING, EXPORTING = 5, 19
"""How this process gives way (as `nice` counts) until it has exported for the first time, and from then on.

To open MLflow takes seconds of a processor. With a weight of 15 beside the 1024 of whoever keeps a machine busy it took minutes,
and people looked at an empty page meanwhile; with 335 it costs a training a quarter of one processor, once.
"""


class Orphaned(Exception):
    """The driver has gone without a goodbye: nobody waits for the rest."""


Key = tuple[str, int]
"""The study of a trial, empty for the exporter's own, and the trial's number."""


class Inbox:
    """The latest record of each trial that came in, taken off the pipe by a thread so that it never fills.

    ``beside`` says how the further studies are opened that this process exports, ``conclusions`` what to say of each.

    ``end`` is None while records may come, then whether the driver said goodbye (empty), or what became of it. ``at_ease`` says
    that there is nothing in hand which an orphan should finish. ``hastened`` says that nothing trains any more.
    """

    def __init__(self, driver: int) -> None:
        self._driver = driver
        self._changed = threading.Condition()
        self._records: dict[Key, Record] = {}
        self.beside: dict[str, dict[str, Any]] = {}
        self.conclusions: dict[str, dict[str, Any]] = {}
        self.end: str | None = None
        self.count = 0
        self.at_ease = False
        self.hastened = False
        self._begun = False

    def read(self, lines: Iterable[bytes]) -> None:
        """Takes lines until the goodbye, or the end of the input, which a driver leaves that dies."""
        end = GONE
        known = set[Key]()
        for line in lines:
            try:
                said = json.loads(line)
                if said == "bye":
                    end = ""
                    break
                if said in ("begin", "hasten"):
                    self._go(said)
                    continue
                study = said.get("of", "")
                if "conclusion" in said:
                    self.conclusions[study] = said["conclusion"]
                    continue
                if "card" in said:
                    self.beside[study] = said
                    continue
                record = Record.from_json(said["record"] if study else said)
            except (ValueError, TypeError, KeyError):  # torn by the driver's death
                break
            known.add((study, record.number))
            with self._changed:
                self._records[study, record.number] = record
                self.count = len(known)
                self._changed.notify()
        self._stop(end)

    def take(self, pause: float | None) -> dict[Key, Record]:
        """What came in since the last call: after ``pause`` seconds, or (None) once there is something; at the end at once, and
        when it is to begin or to hasten."""
        with self._changed:
            until, self._begun = time.monotonic() + (pause or 0.0), False
            while not (self._begun or self.end is not None or (self._records if pause is None else time.monotonic() >= until)):
                self._changed.wait(1.0 if pause is None else min(1.0, max(until - time.monotonic(), 0.01)))
                if os.getppid() != self._driver:  # a process that it forked may hold the pipe open after its death
                    self.end = GONE
            records, self._records = self._records, {}
            return records

    def check(self) -> None:
        """Raises `Orphaned` if the driver is gone."""
        if self.end == GONE or os.getppid() != self._driver:
            raise Orphaned

    def give_way(self) -> None:
        """From now on leaves the processors to what trains, unless nothing does any more."""
        with self._changed:
            if self.end is None and not self.hastened:
                weigh(EXPORTING)

    def _go(self, word: str) -> None:
        """Is woken to begin, or to give way no more."""
        with self._changed:
            self._begun, self.hastened = True, self.hastened or word == "hasten"
            self._changed.notify()
        if self.hastened:
            weigh(0)

    def _stop(self, end: str) -> None:
        with self._changed:
            self.end = end
            self._changed.notify()
        if end == GONE and self.at_ease:
            os._exit(1)
        weigh(0)


class Export:
    """The export of what comes in, to the end of the input.

    ``say`` tells the driver at the end how far it is, while it waits.
    """

    def __init__(self, inbox: Inbox, setup: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self._inbox, self._setup, self._say = inbox, setup, say
        self._stores: dict[str, Store] = {}
        self._pending: dict[Key, Record] = {}

    def run(self) -> dict[str, Any]:
        """What the driver is told of it: how many trials are ``left`` over, how many MLflow ``refused``, why, and which studies
        are ``lacking`` any."""
        pause: float | None = None  # until it is to begin: to import MLflow takes seconds of what starts the workers
        while True:
            self._pending |= self._inbox.take(pause)
            end = self._inbox.end
            if self._stores and end is None and not (self._pending or self._stale):
                pause = None
                continue
            trouble: dict[str, Any] = {}
            worked = time.process_time()
            try:
                self._give()
                # Where the system does not weigh sessions, this is what gives way: a fifth of one processor at most.
                wanted = max(4 * (time.process_time() - worked), _SHORTEST_PAUSE)
                pause = None if self._inbox.hastened else min(wanted, _LONGEST_PAUSE)
                if end is not None:
                    self._conclude(end)
            except Orphaned:
                for store in self._stores.values():
                    store.close(GONE)
                return {}
            except Exception as error:  # whatever MLflow, its database or the network raises, the search goes on
                pause = min(2 * (pause or 0.5), _LONGEST_PAUSE)
                _log.warning("not exported: %s: %s", type(error).__name__, error, exc_info=not isinstance(error, OSError))
                trouble = {"broken" if type(error).__name__ == "BrokenStore" else "reason": _reason(error)}
            if end is not None:
                return self._account(trouble)

    def _give(self) -> None:
        """Gives what is pending to the stores, each of which is opened first where it is not yet."""
        self._inbox.check()
        opened = bool(self._stores)
        for study in ("", *self._inbox.beside):
            mine = {number: record for (of, number), record in self._pending.items() if of == study}
            if new := study not in self._stores:
                beside = self._inbox.beside.get(study)
                self._stores[study] = (
                    _open(self._setup, self._inbox) if beside is None else _open_beside(beside, self._setup, self._inbox)
                )
            self._pending = {key: record for key, record in self._pending.items() if key[0] != study}
            if new or mine or self._stores[study].stale:
                self._stores[study].export(mine.values(), self._tell)
        if not opened:
            self._inbox.give_way()

    def _tell(self) -> None:
        """Tells the driver how many trials are exported, once it waits for the rest."""
        self._inbox.check()
        if self._inbox.end is not None and self._stores:
            self._say({"done": self._inbox.count - len(self._pending.keys() | self._stale)})

    def _conclude(self, end: str) -> None:
        for study, store in reversed(self._stores.items()):  # the search's last, which links to the others
            _conclude(store, **self._inbox.conclusions.get(study, {}))
            store.close(end)

    @property
    def _stale(self) -> set[Key]:
        """The trials that a store was given and has still to export."""
        return {(study, number) for study, store in self._stores.items() for number in store.stale}

    def _account(self, trouble: dict[str, Any]) -> dict[str, Any]:
        refused = {(study, number) for study, store in self._stores.items() for number in store.refused}
        left = self._pending.keys() | self._stale
        lacking = sorted({study for study, _number in left | refused} if not trouble else {"", *self._inbox.beside})
        return {"left": len(left), "refused": len(refused), "lacking": lacking, **trouble}


def _reason(error: Exception) -> str:
    """What MLflow, or what lies below it, said: one line."""
    cause = getattr(error.__cause__ or error, "orig", None) or error
    line = " ".join(str(cause).split("\n")[0].split()) or type(error).__name__
    return line if len(line) <= 160 else line[:157] + "..."


def _conclude(
    store: Store, best: list[int] | None = None, answer: str = "", files: Iterable[str] = (), studies: Iterable[str] = ()
) -> None:
    store.conclude(best, answer, map(Path, files), studies)


def _open(setup: dict[str, Any], inbox: Inbox) -> Store:
    """The store, for one process at a time: ``BlockingIOError`` while that of a killed search is still at work on this study.

    At the end there is nothing better to do than to wait for it.
    """
    inbox.at_ease = True
    wait = inbox.end is not None
    fcntl.flock(sys.stderr.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))  # the log is the lock
    # MLflow imports them if they are there, for what is not done here: a third of the time that it takes to start.
    sys.modules.update(dict.fromkeys(("pandas", "pyarrow", "scipy")))  # type: ignore[arg-type]
    gc.disable()  # nothing of what is imported is garbage, and to look for some takes a tenth of that time, and of the writing's
    from pitprop.track.store import Store

    gc.freeze()
    gc.enable()
    inbox.at_ease = False
    inbox.check()
    ends = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # no database server is left with half of MLflow's tables
    try:
        card = StudyCard.from_json(setup["card"])
        return Store(os.environ["MLFLOW_TRACKING_URI"], Path(setup["artifacts"]), card, setup["code"], Path(setup["folder"]))
    finally:
        signal.signal(signal.SIGTERM, ends)


def _open_beside(opening: dict[str, Any], setup: dict[str, Any], inbox: Inbox) -> Store:
    """The store of a further study, whose own log is the lock: see `_open`."""
    from pitprop.track.store import Store

    log = Path(opening["log"])
    log.parent.mkdir(parents=True, exist_ok=True)
    if log not in _LOCKS:
        _LOCKS[log] = log.open("a")
    fcntl.flock(_LOCKS[log].fileno(), fcntl.LOCK_EX | (0 if inbox.end is not None else fcntl.LOCK_NB))
    card = StudyCard.from_json(opening["card"])
    return Store(os.environ["MLFLOW_TRACKING_URI"], Path(setup["artifacts"]), card, setup["code"], log.parent)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    weigh(OPENING)
    lines = os.fdopen(os.dup(0), "rb")
    # a driver that is gone does not read the answer; and what MLflow prints goes to the log
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
        setup = json.loads(lines.readline())
        given = setup["code"]  # looked at now, as it is when the search begins
        setup["code"] = given and code(Path.cwd(), given["trainer"], given["options"], Path(given["home"]))
        inbox = Inbox(setup["driver"])
        threading.Thread(target=inbox.read, args=(lines,), daemon=True).start()

        def say(what: dict[str, Any]) -> None:
            print(json.dumps(what), file=answer, flush=True)

        say(Export(inbox, setup, say).run())


if __name__ == "__main__":
    main()
