"""Searches a space in a process of its own, which dies at its n-th write."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from conftest import events, prepared
from pitprop import space as spaces
from pitprop import telemetry
from pitprop.driver.grants import Grants
from pitprop.space import Space
from pitprop.study import storage as rows
from pitprop.workers import checkpoint

WRITES = [
    (telemetry, "append"),
    (telemetry, "rewrite"),
    (checkpoint, "write"),
    (rows, "begin"),
    (rows, "end"),
    (Grants, "_write"),
]


def sampled(*points: int) -> list[Any]:
    """The points of a search at which to stop it: every third at once, the others with the slow tests."""
    return [pytest.param(at, marks=[] if place % 3 == 1 else pytest.mark.slow) for place, at in enumerate(points)]


def kill(space: Space, folder: Path, at: int, width: int, *revive: int) -> int:
    """The exit code of a search that is killed at its ``at``-th write; with trials it revives those instead."""
    prepared(folder)  # here, where an empty database is at hand
    process = forking().Process(target=search, args=(space.path, folder, at, width, revive))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode


@cache
def forking() -> ForkServerContext:
    """Processes from one that has imported what every search needs."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["killed", "pitprop.trainers.imbalanced"])
    with pytest.MonkeyPatch.context() as patch:  # it does not get our `sys.path`, and says nothing of what it does not find
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        forkserver.ensure_running()
    return server


def search(path: str, folder: Path, at: int, width: int, revive: tuple[int, ...]) -> None:
    """Searches. A write counts twice: the process may die just before it, or just after."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def mortal(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            tick()
            answer = write(*arguments, **options)
            tick()
            return answer

        return call

    for module, name in WRITES:
        setattr(module, name, mortal(getattr(module, name)))
    events(spaces.load(path), folder, width=width, revive=revive)
