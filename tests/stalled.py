"""A service that stands still half-way through handing a driver over: the database says that it runs, and nothing does yet."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from services import Serving, reached

WAITS = "wait_for_partner"
"""Where Linux has a process wait that opens a pipe of which nobody has the other end."""


class HandOver:
    """The next hand-over of a search whose folder is this one: it waits at the file with the share of workers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._draft = folder / ".share.new"
        self._aside = folder.parents[2] / f"pipe-{folder.name}"  # out of the way of drivers, which read what lies in their folder
        os.mkfifo(self._draft)

    def stop(self, services: list[Serving]) -> Serving:
        """Stops the service that stands there, once one does; the others find nothing in their way."""
        reached(lambda: any(map(_stands, services)))
        found = next(filter(_stands, services))
        found.send(signal.SIGSTOP)
        self._draft.rename(self._aside)
        return found

    def go_on(self, service: Serving) -> None:
        """Wakes it, and lets it do what it was about to."""
        self._draft.write_text("1\n")
        end = os.open(self._aside, os.O_RDONLY | os.O_NONBLOCK)
        service.send(signal.SIGCONT)
        reached(lambda: not self._draft.exists())
        os.close(end)


def _stands(service: Serving) -> bool:
    assert service.process is not None
    with suppress(OSError):
        return any(task.read_text() == WAITS for task in Path(f"/proc/{service.process.pid}/task").glob("*/wchan"))
    return False
