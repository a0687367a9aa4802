"""The driver of a search: a process of its own that runs the command ``pitprop search``, and outlives a service that is killed.

A driver holds the lock of a file from its first moment to its last, whoever started it: so a service that comes back knows which
of them live, and none is started beside another. What it says, it appends to its journal.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import platform
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pitprop.addresses import SharedRay
from pitprop.processes import module_command, put_behind, search_path
from pitprop.service.database.ledger import Entry
from pitprop.service.running.places import Places
from pitprop.workers.cluster.shared import Shared

GRACE = 60.0
"""Seconds that a driver has to end by itself."""
LINE = 2**20
"""The longest line of a journal that is read."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a driver has said."""

    kind: str
    at: float
    body: Mapping[str, Any]


class Drivers(Protocol):
    """Where drivers run. Each is one start of a search."""

    host: str
    """The name of what runs them: only there a driver can be found again."""

    def look(self) -> None:
        """Finds out which drivers run, for what `lives` says until the next look; `Unanswered` if nobody can say."""

    def start(self, entry: Entry) -> None:
        """Starts the driver of a search; `OSError` if that cannot be, ``BlockingIOError`` where one lives already."""

    def lives(self, entry: Entry) -> bool:
        """Whether the driver of a search runs, whoever has started it."""

    def end(self, entry: Entry, now: float) -> bool:
        """Asks a driver to end; kills it if it has been asked for so long that it will not. To be called until it has.

        False if it runs where this service can end nothing.
        """

    def why(self, entry: Entry) -> str:
        """Why a driver has ended that has said nothing itself; empty if that is not known."""

    def close(self) -> None:
        """Ends what drivers share, once the last of them has ended."""


class LocalDrivers:
    """Drivers as processes of this machine, each in a session of its own."""

    def __init__(self, places: Places, *, inline: bool = False, cpus: float = 0.0) -> None:
        """``cpus`` are those of the Ray that drivers share, unless they train ``inline`` or on a cluster."""
        self.host = platform.node()
        self._places, self._inline = places, inline
        self._ray = SharedRay(places.home.runs / "ray" / self.host, math.ceil(cpus)) if cpus and not inline else None
        self._ray = self._ray if places.home.ray is None else None
        self._head = Shared(self._ray.folder, self._ray.cpus) if self._ray is not None else None
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._asked: dict[str, float] = {}

    def look(self) -> None:
        """Nothing: locks of files are looked at when somebody asks."""

    def start(self, entry: Entry) -> None:
        """Writes the space and starts the command that searches it."""
        folder = self._places.folder(entry.id)
        folder.mkdir(parents=True, exist_ok=True)
        lay_out(entry, self._places)
        lock = os.open(self._lock(entry.id), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with (folder / "driver.log").open("ab") as log:
                process = subprocess.Popen(
                    [*self.program(), *self.command(entry)],
                    cwd=folder,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
            put_behind(process.pid)
            os.ftruncate(lock, 0)
            os.pwrite(lock, json.dumps({"pid": process.pid, "start": entry.start}).encode(), 0)
        finally:
            os.close(lock)
        self._started[entry.id] = process
        self._asked.pop(entry.id, None)
        if self._head is not None:
            self._head.begin()

    def why(self, entry: Entry) -> str:
        """Nothing is known of a process that somebody has killed."""
        return ""

    def close(self) -> None:
        """The Ray that the drivers share ends with the last of them."""
        if self._head is not None:
            self._head.close()

    def lives(self, entry: Entry) -> bool:
        """Whether somebody holds the lock of the driver."""
        search = entry.id
        try:
            lock = os.open(self._lock(search), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # which others who look may hold too
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        self._asked.pop(search, None)
        if (process := self._started.pop(search, None)) is not None:
            process.wait()  # it lets go of the lock just before it has ended, and nobody looks after it any more
        return False

    def end(self, entry: Entry, now: float) -> bool:
        """Sends TERM, on which a driver brings down its workers, and KILL to its group after a while.

        One of another machine is left to itself: its number means another process here.
        """
        search, pid = entry.id, self._pid(entry.id)
        if pid is None or not self.lives(entry):
            return True
        if entry.host != self.host:
            return False
        with suppress(ProcessLookupError):
            if search not in self._asked:
                self._asked[search] = now
                os.kill(pid, signal.SIGTERM)
            elif now - self._asked[search] > GRACE:
                os.killpg(pid, signal.SIGKILL)
        return True

    def program(self) -> list[str]:
        """The program that takes the command."""
        return module_command("pitprop.cli.main")

    def command(self, entry: Entry) -> list[str]:
        """What follows ``pitprop`` on the command line of a driver."""
        ray = str(self._ray) if self._ray is not None else None
        return [*words(entry, self._places, ray=ray, inline=self._inline)]

    def _environment(self) -> dict[str, str]:
        """All searches log to the same MLflow. Addresses with passwords are in the environment alone, which only we can read."""
        return {**os.environ, "MLFLOW_TRACKING_URI": self._places.home.mlflow, "PYTHONPATH": search_path()}

    def _lock(self, search: str) -> Path:
        return self._places.folder(search) / "driver.lock"

    def _pid(self, search: str) -> int | None:
        """The driver's process, as whoever started it has noted; as itself has, where that was killed before it could."""
        with suppress(OSError, ValueError, KeyError):
            return int(json.loads(self._lock(search).read_text())["pid"])
        lines, _end = journal_lines(self._places.folder(search) / "events.jsonl", 0)
        return next((int(line.body["pid"]) for line in reversed(lines) if line.kind == "joined"), None)


def words(entry: Entry, places: Places, *, ray: str | None = None, inline: bool = False) -> Iterator[str]:
    """The command line of a driver, but for the program: no secret is in it."""
    folder, task, given = places.folder(entry.id), entry.task, entry.overrides
    yield from (task["verb"], str(places.space_file(entry)))
    if task["verb"] == "search":
        left = max(1.0, given["timeout"] - task.get("spent", 0.0))  # of the time of all starts together
        yield from ("--trials", str(entry.trials), "--timeout", f"{left:g}")
    elif task["verb"] == "revive":
        yield from map(str, task["trials"])
    else:
        for name in ("top", "seeds"):
            yield from (f"--{name}", str(task[name])) if task.get(name) else ()
        for number in task.get("trials", ()):
            yield from ("--trial", str(number))
    yield from ("--runs", str(folder), "--events", str(places.journal(entry)), "--quiet", "--code-changed")
    yield from ("--start", str(entry.start))
    yield from ("--lang", entry.language)  # of errors, which are told in no other one
    if "seed" in given:
        yield from ("--seed", str(given["seed"]))
    if ray is not None:
        yield from ("--ray", ray)
    if inline:
        yield "--inline"
    elif task["verb"] == "search":
        yield from ("--workers", str(entry.wants), "--share", str(places.share(entry)))
    else:
        yield from ("--workers", str(entry.share))


def lay_out(entry: Entry, places: Places, *, link: bool = True) -> Path:
    """Puts the space where its study is called after it; one of the catalogue by a link, for paths in it go from there."""
    file = places.space_file(entry)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        if entry.source and link:
            file.symlink_to(entry.source)
        else:
            file.write_text(entry.space, encoding="utf-8")
    return file


def journal_lines(path: Path, start: int) -> tuple[list[Line], int]:
    """What stands in a journal from byte ``start`` on, and where that ends. Half a line is left for the next time."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            found = file.read(4 * LINE)
    except FileNotFoundError:
        return [], start
    whole = found[: found.rfind(b"\n") + 1]
    if not whole and len(found) >= LINE:  # no line of ours
        return [], start + len(found)
    lines = []
    for text in whole.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(text)
            lines.append(Line(str(row["kind"]), float(row["at"]), dict(row["body"])))
    return lines, start + len(whole)
