"""Searches a space in this process and kills it at the n-th write: ``python killed.py SPACE FOLDER N WIDTH [TRIAL ...]``.

With trials it revives those instead. A write counts twice: the process may die just before it, or just after.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from conftest import events

from search import checkpoint, rows, telemetry
from search import space as spaces

COUNT = 0


def mortal(function):
    """The function, around whose calls the process is killed when the count is up."""

    def call(*arguments, **options):
        _count()
        answer = function(*arguments, **options)
        _count()
        return answer

    return call


def _count():
    global COUNT
    COUNT += 1
    if int(sys.argv[3]) == COUNT:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    telemetry.append = mortal(telemetry.append)
    telemetry.rewrite = mortal(telemetry.rewrite)
    checkpoint.write = mortal(checkpoint.write)
    rows.begin = mortal(rows.begin)
    rows.end = mortal(rows.end)
    space, folder, width = spaces.load(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[4])
    events(space, folder, width=width, revive=[int(number) for number in sys.argv[5:]])
    print(COUNT)
