"""A command as a process of which nothing survives: see `pitprop.trainers.commands.supervisor`."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pitprop.trainers.commands import supervisor

LIBRARIES = ("LD_LIBRARY_PATH",)
"""What a Python may need to start at all."""
SLACK = supervisor.PATIENCE + 10.0
"""Seconds beyond its grace after which the supervisor is not waited for any more."""


class Process:
    """A command that runs in ``cwd``; what it writes is added to ``stdout.log`` and ``stderr.log`` in ``folder``.

    `stop` ends it and all that it has started, at the latest after ``grace`` seconds; so does the death of this process.
    """

    def __init__(
        self, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], folder: Path, grace: float, lock: int
    ) -> None:
        self._grace = grace
        runs = [sys.executable, "-I", "-S", supervisor.__file__, str(grace), *arguments]
        with (folder / "stdout.log").open("ab") as out, (folder / "stderr.log").open("ab") as err:
            self._supervisor = subprocess.Popen(
                runs,
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env={name: os.environ[name] for name in LIBRARIES if name in os.environ},
                start_new_session=True,
                pass_fds=[lock],
            )
        self._write(json.dumps(dict(environment)).encode() + b"\n")

    def wait(self, seconds: float) -> int | None:
        """The exit code (128 and the signal's number if a signal ended it), None if the command still runs after so long."""
        try:
            return self._supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ends the command if it still runs."""
        pipe = self._supervisor.stdin
        assert pipe is not None
        self._write(b".")
        self.wait(self._grace + SLACK)
        pipe.close()
        self._supervisor.wait()

    def _write(self, data: bytes) -> None:
        pipe = self._supervisor.stdin
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.write(data)


def locked(path: Path) -> int:
    """An open file that holds the lock at ``path``, as soon as nobody else does.

    A supervisor inherits it, so that no command begins in a folder while that of an earlier attempt still ends there.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file
