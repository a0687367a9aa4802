"""Processes of our own: how they find this package, are begun, and give way to who waits for an answer on the same machine."""

from __future__ import annotations

import os
import site
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

HOME = str(Path(__file__).parents[1])
"""The folder that holds this package."""
BEHIND = 15
"""By how much (as `nice` counts) drivers and what they train on give way to the service whose machine they share. Of 100 requests
beside 20 searches the slowest took 110 to 160 ms with 10, 48 to 87 with 15, and 65 to 91 with 19, which starves beside others.
"""
TRIES = 50
"""So often a weight is set, every tenth of a second: the kernel takes ten a second, from all processes together."""


def search_path() -> str:
    """A ``PYTHONPATH`` for a child process, with which it imports this very package, however this process came by it."""
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    known = HOME in given or HOME in site.getsitepackages() or site.getusersitepackages() == HOME
    return os.pathsep.join(given if known else [HOME, *given])


def module_command(module: str) -> list[str]:
    """``python -m module`` for a module of this package; what lies in the current folder cannot take its place."""
    return [sys.executable, "-P", "-m", module]


def weigh(nice: int, process: int | None = None) -> None:
    """Sets how the session of a process, or our own, is weighed against others: 19 takes what they leave, 0 is as usual.

    Linux shares processors out by sessions first, where it does (autogroup); elsewhere this does nothing. Who is not root can
    take it back, unlike the niceness of a process. A process that was begun with a niceness keeps at least that.
    """
    for _ in range(TRIES):
        try:
            nice = max(nice, os.getpriority(os.PRIO_PROCESS, process or 0))
            Path(f"/proc/{process or 'self'}/autogroup").write_text(str(nice))
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # there is no such thing here, or the process has ended
            return
        else:
            return


def put_behind(process: int) -> None:
    """Has a process that leads a session, and all that it starts, leave the processors to a service on this machine."""
    with suppress(OSError):  # it has ended
        os.setpriority(os.PRIO_PROCESS, process, BEHIND)
        threading.Thread(target=weigh, args=(BEHIND, process), name="weigh", daemon=True).start()
