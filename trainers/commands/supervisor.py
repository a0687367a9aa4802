"""Runs a command of which nothing survives: ``python supervisor.py GRACE ARGUMENT ...``, its input a pipe from who started it.

The first line on the pipe is the command's environment as JSON. A byte after it ends the command in order: TERM to all that it
has started, KILL after GRACE seconds. The end of the pipe, which the death of its other side brings about too, ends it at once.

This process is a subreaper (prctl(2)): whatever the command forks stays below it in the tree of processes, also what left its
process group or session, or lost its parent. Its own environment is to be bare, as `pitprop.workers.reaper` ends processes by a
mark in theirs, and would end this one before its work is done. Linux only.

It exits as the command did: with 128 and the signal's number if a signal ended that, with 127 if it could not be started.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which a process that even KILL does not end, as it waits for a device, is left alone."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(grace: float, arguments: list[str]) -> int:
    """Runs the command to its end, or to that of the pipe."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    environment = json.loads(line())
    if child := os.fork():
        # Ray kills the own children of a worker that leaves, so this one only hands on how the other ended.
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        command = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # should this process be killed itself
        )
    except OSError as error:
        print(f"{arguments[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127
    code = None
    while code is None:
        ready, _, _ = select.select([0, bell], [], [])
        if bell in ready:
            os.read(bell, 4096)
        code = reap(command.pid)
        if 0 in ready and code is None:
            end(grace if os.read(0, 1) else 0.0)
            return 128 + signal.SIGTERM
    end(grace)
    return code


def line() -> bytes:
    """The first line on the pipe, and nothing behind it; all there is if it ends before."""
    found = bytearray()
    while (byte := os.read(0, 1)) and byte != b"\n":
        found += byte
    return bytes(found or b"{}")


def reap(pid: int = 0) -> int | None:
    """Buries the dead among the children; how ``pid`` ended if it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == pid:
                code = os.waitstatus_to_exitcode(found[1])
    return 128 - code if code is not None and code < 0 else code


def end(grace: float) -> None:
    """Ends all processes below this one: TERM to each, KILL after ``grace`` seconds, or as soon as the pipe ends."""
    start, told = time.monotonic(), set[int]()
    while alive := descendants():
        late = time.monotonic() - start - grace
        if late > PATIENCE:
            return
        for pid in alive if late >= 0 else set(alive) - told:
            told.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if late < 0 else signal.SIGKILL)
        if late >= 0:
            time.sleep(0.01)
        elif select.select([0], [], [], 0.02)[0] and not os.read(0, 1):
            grace = 0.0
        reap()


def descendants() -> list[int]:
    """The processes below this one, those that are dead and not buried yet left out."""
    children = dict[int, list[int]]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(path.parent.name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
