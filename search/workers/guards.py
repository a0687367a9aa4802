"""What surrounds a trainer's code in the driver's own process: whose signal it was, and that it has been silent for too long."""

from __future__ import annotations

import faulthandler
import math
import os
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

LATE = 10.0
"""Seconds after which a sentence is not waited for any more that the interpreter's lock keeps back."""


@contextmanager
def own_signals() -> Iterator[None]:
    """Within the block, what a signal's handler raises (Ctrl-C) is raised at its end, even if the code inside has caught it."""
    caught: list[BaseException] = []
    replaced: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def passing(number: int, frame: FrameType | None) -> None:
        try:
            replaced[number](number, frame)
        except BaseException as error:
            caught.append(error)
            raise

    if threading.current_thread() is threading.main_thread():
        for listened in {signal.SIGINT, signal.SIGTERM}:
            handler = signal.getsignal(listened)
            if callable(handler):
                replaced[listened] = handler
                signal.signal(listened, passing)
    try:
        yield
    finally:
        for number, before in replaced.items():
            if signal.getsignal(number) is passing:  # else the trainer has set one of its own
                signal.signal(number, before)
    if caught:
        raise caught[0]


@contextmanager
def silence_told(stall: float) -> Iterator[None]:
    """Says in a sentence, on stderr, when the block has taken ``stall`` seconds, and where it stands; the block is left alone.

    Native code that holds the interpreter's lock keeps us from saying anything: then Python's own words come, a little later.
    """
    thread = threading.get_ident()

    def tell() -> None:
        faulthandler.cancel_dump_traceback_later()
        said = (
            f"pitprop: no epoch came in {stall:g} seconds (stall: in the space); the training stands {_place(thread)}, and with "
        )
        how = "--inline nothing ends it: wait, or end the search with Ctrl-C or kill, and run it without --inline"
        with suppress(OSError, ValueError):
            print(said + how, file=sys.stderr, flush=True)

    if not math.isfinite(stall) or stall + LATE > threading.TIMEOUT_MAX:
        yield
        return
    timer = threading.Timer(stall, tell)
    timer.daemon = True
    timer.start()
    with suppress(OSError, ValueError, AttributeError):  # stderr is no file, or is closed
        faulthandler.dump_traceback_later(stall + LATE)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def _place(thread: int) -> str:
    """The line of code of a thread's own that it is at: not of Python or of what is installed in it."""
    frame = innermost = sys._current_frames().get(thread)
    installed = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
    while frame is not None and frame.f_code.co_filename.startswith((*installed, "<")):
        frame = frame.f_back
    frame = frame or innermost
    return f"at line {frame.f_lineno} of {frame.f_code.co_filename}" if frame is not None else "where nobody can see"


@contextmanager
def exit_told() -> Iterator[None]:
    """Within the block an ``os._exit`` of this process, which nothing can stop, is told in a sentence on stderr first."""
    leave, own = os._exit, os.getpid()

    def left(status: int) -> NoReturn:
        if os.getpid() == own:
            said = f"pitprop: the trainer ended this process with os._exit({status}); the same command resumes the search, and "
            with suppress(OSError, ValueError):
                print(said + "without --inline only the trial would fail", file=sys.stderr, flush=True)
        leave(status)

    os._exit = left
    try:
        yield
    finally:
        os._exit = leave
