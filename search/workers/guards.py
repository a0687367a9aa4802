"""What surrounds a trainer's code in the driver's own process: whose signal it was, and that it has been silent for too long."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn


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
    """Says in a sentence, on stderr, when the block has taken ``stall`` seconds; the block itself is left alone."""

    def tell() -> None:
        said = f"pitprop: no epoch came in {stall:g} seconds (stall: in the space), and with --inline nothing ends the training: "
        how = "wait, or end the search with Ctrl-C or kill, and run it without --inline"
        with suppress(OSError, ValueError):
            print(said + how, file=sys.stderr, flush=True)

    if not math.isfinite(stall) or stall > threading.TIMEOUT_MAX:
        yield
        return
    timer = threading.Timer(stall, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
