"""The exporting process: ``python -m pitprop.track``, started by `pitprop.track.exporter` and ended by the end of its input."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop.study import record as row
from pitprop.study.record import Record, StudyCard
from pitprop.track.code import code

if TYPE_CHECKING:
    from pitprop.track.store import Store

_log = logging.getLogger("pitprop.track")
_LONGEST_PAUSE = 60.0  # seconds


class Inbox:
    """The latest record of each trial that came in, taken off the pipe by a thread so that it never fills."""

    def __init__(self, driver: int) -> None:
        self._driver = driver
        self._changed = threading.Condition()
        self._records: dict[int, Record] = {}
        self.conclusion: dict[str, Any] = {}
        self.end: str | None = None

    def read(self, lines: Iterable[bytes]) -> None:
        """Takes lines until the goodbye, or the end of the input, which a driver leaves that dies."""
        end = "the driver is gone"
        for line in lines:
            try:
                said = json.loads(line)
                if said == "bye":
                    end = ""
                    break
                if "conclusion" in said:
                    self.conclusion = said["conclusion"]
                    continue
                record = row.loads(line.decode())
            except (ValueError, TypeError, KeyError):  # torn by the driver's death
                break
            with self._changed:
                self._records[record.number] = record
                self._changed.notify()
        with self._changed:
            self.end = end
            self._changed.notify()

    def take(self, pause: float | None) -> dict[int, Record]:
        """What came in since the last call: after ``pause`` seconds, or (None) once there is something; at the end at once."""
        with self._changed:
            until = time.monotonic() + (pause or 0.0)
            while self.end is None and (not self._records if pause is None else time.monotonic() < until):
                self._changed.wait(1.0)
                if os.getppid() != self._driver:  # a process that it forked may hold the pipe open after its death
                    self.end = "the driver is gone"
            records, self._records = self._records, {}
            return records


def export(inbox: Inbox, setup: dict[str, Any]) -> dict[str, int]:
    """Exports what comes in until the end; how many trials are left over, and how many MLflow refused."""
    store: Store | None = None
    pending: dict[int, Record] = {}
    pause: float | None = 0.0  # MLflow takes seconds to import: not to begin with the first record
    while True:
        pending |= inbox.take(pause)
        end = inbox.end
        try:
            store = store or _open(setup, wait=end is not None)
            store.export(pending.values())
            pending, pause = {}, None
            if end is not None:
                _conclude(store, **inbox.conclusion)
                store.close(end)
        except Exception as error:  # whatever MLflow, its database or the network raises, the search goes on
            pause = min(2 * (pause or 0.5), _LONGEST_PAUSE)
            _log.warning("not exported: %s: %s", type(error).__name__, error, exc_info=not isinstance(error, OSError))
        if end is not None:
            left = pending.keys() | (store.stale if store else set())
            return {"left": len(left), "refused": len(store.refused) if store else 0}


def _conclude(store: Store, best: list[int] | None = None, answer: str = "", files: Iterable[str] = ()) -> None:
    store.conclude(best, answer, map(Path, files))


def _open(setup: dict[str, Any], wait: bool) -> Store:
    """The store, for one process at a time: ``BlockingIOError`` while that of a killed search is still at work on this study.

    At the end there is nothing better to do than to ``wait`` for it.
    """
    fcntl.flock(sys.stderr.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))  # the log is the lock
    from pitprop.track.store import Store

    return Store(setup["uri"], Path(setup["artifacts"]), StudyCard.from_json(setup["card"]), setup["code"])


def _give_way() -> None:
    """Takes what the training leaves of the processors."""
    os.nice(19)
    # Linux weighs a session as a whole, and niceness counts within it alone: this one would get as much as all the workers.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _give_way()
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
        answer.write(json.dumps(export(inbox, setup)) + "\n")


if __name__ == "__main__":
    main()
