"""A Ray of this machine that several drivers train on, in a process of its own: `python -m pitprop.workers.cluster.shared`.

Whoever needs it starts it, if it does not stand or has died; one that lives is found by the lock that it holds. Who uses it
holds another lock, with others: once nobody does, it ends, so that it outlives a service that is killed as long as drivers train
on it, and no longer. The kernel takes the locks from what dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pitprop.messages import _, message
from pitprop.processes import module_command, put_behind, search_path
from pitprop.trainer import public_environment
from pitprop.workers import reaper
from pitprop.workers.cluster import connection
from pitprop.workers.cluster.connection import START, Local, RayDied
from pitprop.workers.launch import LaunchError

USERS = "users"
"""The file that whoever uses it holds open, with a lock."""
LOOK = 0.5
"""Seconds between two looks of the head at whether Ray lives, and whether somebody uses it."""
DEATHS = 3
"""So many heads that end as they start are replaced while somebody waits for one."""


@dataclass(frozen=True, slots=True)
class Head:
    """A Ray that stands: the ``address`` of its head, the process that has started it, and whether it asks for Ray's token."""

    address: str
    pid: int
    mode: str


class Shared:
    """The Ray with its files in ``folder``, which holds so many CPUs. Who begins or joins it uses it until this is closed."""

    def __init__(self, folder: Path, cpus: int) -> None:
        self._folder, self._cpus = folder, cpus
        self._joined: Head | None = None
        self._use: int | None = None

    def join(self, *, logs: bool) -> Any:
        """Ray, joined; it is started first if it does not stand. `LaunchError`."""
        os.environ.update(connection.LOOPBACK)
        self._hold()
        self._joined = self._standing()
        return connection.join_here(self._joined.address, self._joined.mode, logs=logs)

    def refuse_dead(self) -> None:
        """`RayDied` if the Ray that was joined has."""
        if self._joined is not None and found(self._folder) != self._joined:
            raise RayDied(message("the Ray of this machine that searches share has died"))

    def begin(self) -> None:
        """Starts it, if it does not stand, and waits for nothing: so it is there when the first driver needs it."""
        with suppress(BlockingIOError):  # one is just ending, and whoever joins waits for that
            self._hold(fcntl.LOCK_NB)
            launch(self._folder, self._cpus)

    def close(self) -> None:
        """Uses it no more: it ends if nobody else does."""
        if self._use is not None:
            os.close(self._use)
            self._use = None

    def _hold(self, how: int = 0) -> None:
        """Uses it from now on; waits for a head that is just ending."""
        if self._use is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            use = os.open(self._folder / USERS, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(use, fcntl.LOCK_SH | how)
            except BlockingIOError:
                os.close(use)
                raise
            self._use = use

    def _standing(self) -> Head:
        deadline, launched = time.monotonic() + 2 * START, 0
        while True:
            if (head := found(self._folder)) is not None:
                return head
            given_up = launched == DEATHS and not _stands(self._folder)
            if not given_up and launched < DEATHS:
                launched += launch(self._folder, self._cpus)
            if given_up or time.monotonic() > deadline:
                late = _("it has not begun within {seconds:g} seconds, as on a busy machine").format(seconds=2 * START)
                error = _last_word(self._folder) if given_up else late
                raise LaunchError(_("Ray does not start here: {error}; the same command tries again").format(error=error))
            time.sleep(0.05)


def found(folder: Path) -> Head | None:
    """The head that stands; None if there is none, or none yet."""
    try:
        if not _stands(folder):
            return None
        head = Head(**json.loads((folder / "head.json").read_text(encoding="ascii")))
        os.kill(head.pid, 0)  # it is not an earlier one's, just before that is removed
    except (OSError, ValueError):
        return None
    return head


def _stands(folder: Path) -> bool:
    """Whether the process of a head lives."""
    with _tried(folder / "head.lock", fcntl.LOCK_SH) as free:  # which others who look may hold too
        return free is None


def launch(folder: Path, cpus: int) -> bool:
    """Starts the process of a head, unless there is one."""
    with _tried(folder / "head.lock", fcntl.LOCK_EX) as lock:
        if lock is None:
            return False
        (folder / "head.json").unlink(missing_ok=True)  # an earlier one's
        command = [*module_command("pitprop.workers.cluster.shared"), str(folder), str(cpus)]
        environment = {**public_environment(), "PYTHONPATH": search_path()}
        environment.pop("OMP_NUM_THREADS", None)  # which Ray sets for each worker by its CPUs
        with (folder / "head.log").open("wb") as log:
            head = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, pass_fds=(lock,),
            )  # fmt: skip
        put_behind(head.pid)  # as the drivers, whoever of them or the service was the first
        threading.Thread(target=head.wait, name="ray head", daemon=True).start()  # it may outlive us; else it would stay a zombie
    return True


@contextmanager
def _tried(path: Path, kind: int) -> Iterator[int | None]:
    """The file with its lock, for as long as the block and who inherits it last; None if somebody has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        yield file
    except BlockingIOError:
        yield None
    finally:
        os.close(file)


def _last_word(folder: Path) -> str:
    with suppress(OSError):
        said = (folder / "head.log").read_text(encoding="utf-8", errors="replace").strip()
        return said.rpartition("\n")[2][:300] or "it ends without a word"
    return "it ends without a word"


def _inherited() -> None:
    """Keeps the lock of the head for this process alone: what it starts is to die without it."""
    for name in os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else ():
        with suppress(OSError):
            if int(name) > 2:
                os.set_inheritable(int(name), False)


def main(folder: Path, cpus: int) -> None:
    """Holds a Ray of so many CPUs until nobody uses it, or it has died."""
    signal.signal(signal.SIGTERM, lambda *_given: sys.exit(0))
    _inherited()
    scratch = Path(tempfile.mkdtemp(prefix="pitprop-"))
    sweeper = reaper.start(scratch, public_environment(), folder / USERS)  # drivers have files of Ray's open, too
    try:
        ray = connection.start(Local(scratch, cpus), logs=False)
        mode = os.environ.get("RAY_AUTH_MODE", "disabled")  # which Ray has chosen as it started
        head = Head(ray.get_runtime_context().gcs_address, os.getpid(), mode)
        draft = folder / "head.new"
        draft.write_text(json.dumps(asdict(head)), encoding="ascii")
        draft.replace(folder / "head.json")
        users = os.open(folder / USERS, os.O_RDWR | os.O_CREAT, 0o600)
        while _used(users):
            connection.refuse_dead(ray)
            time.sleep(LOOK)
    except (LaunchError, RayDied) as error:
        print(error, file=sys.stderr, flush=True)
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()  # else it makes its folder anew as this process ends
        sweeper.communicate()


def _used(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # and whoever comes now waits until this has ended
    except BlockingIOError:
        return True
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
