"""How a worker's process ended, from what it has left in a file: a fatal signal with its place in the code, or an exit.

What is killed from outside (kill -9, or by the system when memory is full) leaves nothing.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
from pathlib import Path
from typing import NoReturn, TextIO

from pitprop.messages import message

SIGNALS = {
    "Segmentation fault": signal.SIGSEGV,
    "Aborted": signal.SIGABRT,
    "Bus error": signal.SIGBUS,
    "Illegal instruction": signal.SIGILL,
    "Floating-point exception": signal.SIGFPE,
    "Floating point exception": signal.SIGFPE,
}
"""The signals that `faulthandler` reports, by its words for them."""

_notes: list[TextIO] = []


def watch(path: Path) -> None:
    """From now on this process leaves in ``path`` how it ends; nothing if the file cannot be made, as on another machine."""
    try:
        note = path.open("w", encoding="utf-8", buffering=1)
    except OSError:
        return
    _notes.append(note)  # which faulthandler writes to as long as the process lives
    faulthandler.enable(note, all_threads=False)
    os.register_at_fork(after_in_child=faulthandler.disable)  # what happens to a child is no death of the worker
    leave, own = os._exit, os.getpid()

    def left(status: int) -> NoReturn:
        if os.getpid() == own:
            note.write(f"os._exit({status})\n")
        leave(status)

    os._exit = left


def say(words: str) -> None:
    """Leaves ``words`` as what kills this process."""
    for note in _notes:
        note.write(f"{words}\n")


def told(path: Path, error: Exception) -> str:
    """What is to be said of a worker that has died, of which Ray raises ``error``."""
    name = type(error).__name__
    if name == "OutOfMemoryError":
        return message("its worker was ended by Ray, as the memory of its machine is nearly full")
    if "Died" not in name:
        return message("its worker died ({name})", name=name)
    try:
        said = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        said = ""
    if (fatal := re.search(r"Fatal Python error: ([^\n]+)", said)) is not None:
        number, place = SIGNALS.get(fatal[1]), re.search(r'File "([^"]+)", line (\d+)', said)
        what = f"signal {number.value} ({fatal[1].lower()})" if number is not None else fatal[1]
        if place is None:
            return message("its worker was killed by {what}", what=what)
        return message("its worker was killed by {what} at line {line} of {file}", what=what, line=place[2], file=place[1])
    last = said.strip().rpartition("\n")[2]
    if last.startswith("os._exit"):
        return message("its worker ended by {what}", what=last)
    if last:
        return message("its worker was killed by {what}", what=last)
    return message("its worker was killed (signal 9: by a person, or by the system when memory is full), or ended without a word")
