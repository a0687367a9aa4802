"""The folder of a study as a worker has it whose node does not see that of the driver: on its own disk, and brought home.

What the worker writes, it writes there. Checkpoints, and all else that is large, go to the storage that was named, beside the
training, the newest first; in the study's folder stands where. Where none was named, and for what is small, files come home
through Ray with the epoch that they belong to.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pitprop.messages import Message, message
from pitprop.trainer import Epochs, Lane, Start
from pitprop.workers import checkpoint
from pitprop.workers.files import filesystem
from pitprop.workers.files.home import AT, DRAFT, SHARED, TRIALS, Delivery, Home, Stamp, is_own

SMALL = 2**20
"""Bytes of a file, no checkpoint, up to which it comes home though there is a storage: a person may want to read it."""
LIMIT = 2**26
"""Bytes that come home with an epoch at most: 64 MiB."""
AGAIN = 10.0
"""Seconds after which what was not stored is tried again."""
SCRATCH, LOCK = "pitprop-mirror-", "lock"
"""How the folders are called, and the file in each that its worker has locked as long as it lives."""


class Post(Protocol):
    """What reaches the study's folder from afar: `pitprop.workers.files.home.Folder`, through Ray."""

    def deliver(self, delivery: Delivery) -> Mapping[str, Stamp]:
        """Does to the folder what was done here; how what was written stands there now."""

    def wanted(self, folders: Sequence[str], lanes: Sequence[Lane]) -> Mapping[str, Stamp]:
        """What is there in the folders, and the shared checkpoints that hold one of the lanes."""

    def read(self, name: str, offset: int) -> bytes:
        """A piece of a file; empty at its end."""


@dataclass(frozen=True, slots=True)
class Version:
    """A file as it was looked at; another name of the same file is equal."""

    device: int
    inode: int
    changed: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> Version:
        """As the system says it."""
        return cls(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


@dataclass(slots=True)
class Known:
    """What is at home: by name the version here that it is, and how it stands there; and where versions are stored, with
    their first lines."""

    versions: dict[str, Version] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    stored: dict[Version, tuple[str, bytes]] = field(default_factory=dict)


class Mirror:
    """The files of the worker, in a folder of its own that goes with it. ``post`` reaches those of the study."""

    def __init__(self, home: Home, post: Post) -> None:
        self._home, self._post = home, post
        self._root, self._held = _scratch()
        self._known = Known()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._said: deque[Message] = deque()
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None
        self._ended = False

    def path(self, there: str) -> str:
        """Where a file of the study is here."""
        path = self._root / self._name(there)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def bring(self, start: Start) -> Start:
        """A lane that is to train here: with the files that it goes on from, if it does."""
        folder = self.path(start.folder)
        if not start.checkpoint:
            return replace(start, folder=folder)
        file = self.path(start.checkpoint)
        folders = {self._name(start.folder), str(Path(self._name(start.checkpoint)).parent)} - {SHARED}
        lanes = {start.lane, start.source or start.lane}
        for name, stamp in self._post.wanted(sorted(folders), sorted(lanes)).items():
            self._fetch(name, stamp)
        return replace(start, folder=folder, checkpoint=file)

    def keep(self, epochs: Epochs, *, left: bool) -> list[Message]:
        """After an epoch: brings home what is new, and says what could not be. ``left``: lanes go on elsewhere or have ended."""
        if not self._home.storage or left:
            self._sync()
        else:
            self._begin()
            self._wake.set()
        if left:
            self._tidy(epochs)
        return [self._said.popleft() for _ in range(len(self._said))]

    def move(self, home: Home, post: Post) -> None:
        """From now on the files are those of another study; nothing of the one before trains."""
        with self._lock:
            for folder in (SHARED, TRIALS):
                shutil.rmtree(self._root / folder, ignore_errors=True)
            self._known, self._home, self._post = Known(), home, post

    def close(self) -> None:
        """Brings home what is left, and removes the folder."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._sync()
        shutil.rmtree(self._root, ignore_errors=True)
        self._held.close()

    # Out

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pitprop-mirror", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Brings home what is new each time that something is, and what was not taken a while later."""
        late: float | None = None
        while not self._ended:
            self._wake.wait(late)
            self._wake.clear()
            late = None if self._sync() else AGAIN

    def _sync(self) -> bool:
        """Makes the study's folder what this one is; False if something could not be brought there."""
        with self._lock:
            here = self._here()
            delivery, whole = Delivery(), True
            room = LIMIT
            sent: dict[Version, str] = {}
            new = {name: version for name, version in here.items() if self._known.versions.get(name) != version}
            for name in sorted(new, key=lambda name: (not is_own(name), name)):
                version = new[name]
                if version in sent:
                    delivery.links[name] = sent[version]
                    continue
                content = self._content(name, version, room)
                if content is None:
                    whole = False
                    del new[name]
                    continue
                room -= len(content[1])
                delivery.written[content[0]] = content[1]
                if content[0] == name:
                    sent[version] = name
                if self._home.storage and not is_own(name):
                    delivery.removed.append(name if content[0] != name else f"{name}{AT}")
            gone = [name for name in self._known.versions if name not in here]
            delivery.removed.extend(one for name in gone for one in (name, f"{name}{AT}"))
            if delivery and not self._delivered(delivery):
                return False
            self._known.versions |= new
            for name in gone:
                del self._known.versions[name]
                self._known.stamps.pop(name, None)
            self._forget_stored()
            return whole

    def _content(self, name: str, version: Version, room: int) -> tuple[str, bytes] | None:
        """What is to be written for a file, under which name: itself, or where it is stored. None if it cannot be brought."""
        path, large = self._root / name, self._home.storage and (is_own(name) or version.size > SMALL)
        try:
            if large and (stored := self._known.stored.get(version) or self._store(name, version)) is not None:
                url, header = stored
                return (name, checkpoint.stub(header, url)) if is_own(name) else (f"{name}{AT}", url.encode())
            if version.size <= room:
                return name, path.read_bytes()
        except (OSError, ValueError):
            return None  # it has just been replaced, and is looked at again
        said = message(
            "{name} has {size:.0f} MiB, and at most {limit:.0f} MiB come back to the driver with an epoch: it stays on its node, "
            "and is lost with it; give storage: in the space, or --storage",
            name=name,
            size=version.size / 2**20,
            limit=LIMIT / 2**20,
        )
        self._say("limit", said)
        return None

    def _store(self, name: str, version: Version) -> tuple[str, bytes] | None:
        """Stores a file; where, and its first line if that says what it holds. None if it is not taken, which is said once."""
        place = f"{self._home.name}/{name}.{version.changed:x}-{version.inode:x}-{os.getpid():x}"
        url = filesystem.under(self._home.storage, place)
        with (self._root / name).open("rb") as file:
            if Version.of(os.fstat(file.fileno())) != version:
                raise FileNotFoundError(f"{name} was replaced")
            header = file.readline() if is_own(name) else b""
            file.seek(0)
            try:
                filesystem.put(file, url)
            except filesystem.StorageError as error:
                said = message("{error}; it is tried again; what is not too large comes back to the driver", error=str(error))
                self._say("storage", said)
                return None
        self._known.stored[version] = url, header
        return url, header

    def _delivered(self, delivery: Delivery) -> bool:
        try:
            self._known.stamps |= self._post.deliver(delivery)
        except Exception as error:  # Ray's, if the driver's node is away, or a full disk there
            why = " ".join(str(error).split())[:200] or type(error).__name__
            self._say("home", message("a worker's files do not come back to the driver, and are sent again: {why}", why=why))
            return False
        return True

    def _say(self, what: str, said: Message) -> None:
        """Has the driver say it, once."""
        if what not in self._told:
            self._told.add(what)
            self._said.append(said)

    def _forget_stored(self) -> None:
        """Removes from the storage what no file here is any more: it was replaced, and nothing at home names it."""
        used = set(self._known.versions.values())
        for version in [one for one in self._known.stored if one not in used]:
            with suppress(filesystem.StorageError):  # the driver sweeps at the end of the search
                filesystem.remove(self._known.stored[version][0])
            del self._known.stored[version]

    def _here(self) -> dict[str, Version]:
        """All files here, by name."""
        found = {}
        for folder, _folders, files in os.walk(self._root):
            for file in files:
                path = Path(folder, file)
                if not file.endswith(DRAFT) and not path.is_symlink():
                    with suppress(OSError):  # gone meanwhile
                        found[str(path.relative_to(self._root))] = Version.of(path.stat())
        found.pop(LOCK, None)
        return found

    def _tidy(self, epochs: Epochs) -> None:
        """Removes the folders of trials that do not train here, once all of them is at home."""
        stay = {f"{lane.trial:04d}" for lane in epochs}
        with self._lock:
            for folder in (self._root / "trials").glob("*"):
                names = [str(path.relative_to(self._root)) for path in folder.rglob("*") if path.is_file()]
                if folder.name not in stay and all(name in self._known.versions for name in names):
                    shutil.rmtree(folder, ignore_errors=True)
                    for name in names:
                        self._known.stored.pop(self._known.versions.pop(name), None)  # it stays in the storage
                        self._known.stamps.pop(name, None)

    # In

    def _fetch(self, name: str, stamp: Stamp) -> None:
        """Makes a file that is at home one here, unless it is."""
        here = name.removesuffix(AT)
        path = self._root / here
        with self._lock:
            if path.exists() and self._known.stamps.get(name) == stamp:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(AT):
                filesystem.fetch(self._read(name).decode(), path)
            else:
                draft = path.with_name(path.name + DRAFT)
                draft.write_bytes(self._read(name))
                draft.replace(path)
            self._known.versions[here] = Version.of(path.stat())
            self._known.stamps[name] = stamp

    def _read(self, name: str) -> bytes:
        pieces: list[bytes] = []
        while piece := self._post.read(name, sum(map(len, pieces))):
            pieces.append(piece)
        return b"".join(pieces)

    def _name(self, there: str) -> str:
        """What a file of the study is called, wherever the folder is."""
        return str(Path(there).relative_to(self._home.folder))


def _scratch() -> tuple[Path, Any]:
    """A new folder on this node's disk, and its lock. Those whose workers have died are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError), (old / LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    root = Path(tempfile.mkdtemp(prefix=SCRATCH))
    held = (root / LOCK).open("ab")
    fcntl.flock(held, fcntl.LOCK_EX)
    return root, held
