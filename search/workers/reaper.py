"""Removes what a killed driver cannot: ``python -m pitprop.workers.reaper FOLDER`` outlives the driver by a few seconds.

It waits for its input to end, which the driver's death brings about too, and then ends every process that names the folder on
its command line or in its environment, or holds a file in it open (a new title overwrites the other two), and removes the folder,
until neither comes back. Who holds a second file open, where one is named, is spared.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which the reaper gives up."""


def start(folder: Path, environment: Mapping[str, str], spared: Path | None = None) -> subprocess.Popen[bytes]:
    """A reaper for ``folder``. It begins when its ``stdin`` is closed, by hand or by the driver's death."""
    command = [sys.executable, "-S", "-E", __file__, str(folder), *([str(spared)] if spared is not None else [])]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)


def users(folder: str, spared: str = "") -> list[int]:
    """The processes that name the folder or hold a file in it open, but for those that hold the file ``spared`` open."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            files = [os.readlink(file) for file in (path / "fd").iterdir()]
            if (folder.encode() in said or any(folder in file for file in files)) and spared not in files:
                found.append(int(path.name))
    return [pid for pid in found if pid != os.getpid()]


def _reap(folder: str, spared: str, driver: int) -> None:
    quiet, deadline = 0, time.monotonic() + PATIENCE
    while quiet < 3 and time.monotonic() < deadline:
        left = [pid for pid in users(folder, spared) if pid != driver]
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if left or Path(folder).exists() else quiet + 1
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    sys.stdin.buffer.read()
    _reap(sys.argv[1], "".join(sys.argv[2:3]), parent)
