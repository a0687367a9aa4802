"""Follow a log while it grows: one that appears late, is rotated or is cut anywhere; of several, the newest."""

from __future__ import annotations

import glob
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pitprop.logs import formats
from pitprop.logs.epochs import Row
from pitprop.logs.formats import Unit
from pitprop.logs.lines.decoding import Decoder
from pitprop.logs.names import Names

CHUNK = 1 << 20
"""Bytes read at a time."""
LONGEST = 1 << 22
"""Bytes of a line; what comes before them in one that is longer is no reading."""
HEAD = 256
"""Bytes by which a file is known again."""
LAST = re.compile(rb"[\w.+\-]+$")
"""A number, or a word, at the very end."""
TAIL, LIKE = 4000, 20
"""Bytes that are kept of what was read last, and lines of them to which a last one without its end is compared."""


class Follower:
    """One source of rows; see `pitprop.logs`. It opens its file anew at every poll and keeps nothing open.

    A file that was cut short, replaced or rotated away is read from its start; what had not been read of the old one is lost,
    unless it still lies there as ``<name>.1``.
    """

    def __init__(
        self,
        where: Path | str,
        format: str | None = None,
        pattern: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        after: float = 0.0,
        merge: int = 1,
    ) -> None:
        file, self._part = formats.part(Path(where))
        self.where, self.format, self.after = os.fspath(file), format or (formats.fallback() if pattern else None), after
        self._pattern, self._names = [pattern] if isinstance(pattern, str) else list(pattern), Names(names)
        self._merge = merge
        self.path: Path | None = None
        self._file: tuple[int, int] = 0, 0
        self._offset, self._rest, self._tail, self._changed, self._head = 0, b"", b"", (0, 0), b""
        self._reader: Any = None
        self._unit: Unit | None = None
        self._decoder = Decoder()
        if self.format is not None:
            self._begin(self.format)  # an unknown format is an error at once

    @property
    def facts(self) -> Mapping[str, float]:
        """What the log says of the training itself, such as ``max_epochs`` or ``num_classes``."""
        return getattr(self._reader, "facts", {})

    def poll(self) -> list[Row]:
        """The rows that are new since the last poll."""
        return [row for rows in self.stream() for row in rows]

    def stream(self) -> Iterator[list[Row]]:
        """The same, a piece of the file at a time."""
        with suppress(FileNotFoundError):  # gone since it was seen, as old checkpoints go: the next poll finds what is there
            yield from self._stream()

    def _stream(self) -> Iterator[list[Row]]:
        newest = self._newest()
        if newest is not None and newest != self.path:
            if self.path is not None and self.path.exists():
                yield from self._read(self.path)  # what was written to it last
            self.path = newest
            self._anew()
        if self.path is None or not self.path.exists():
            return
        yield from self._read(self.path)

    def end(self, *, whole: bool | None = None) -> list[Row]:
        """The last poll: also what stands after the last newline.

        ``whole`` says that its writer ended by itself; if False it was stopped, perhaps within a number, so that a number at
        the very end is no reading. None: not known, so one that is shorter than those at the ends of the lines before is none.
        """
        rows = self.poll()
        if self._rest and self._unit is Unit.LINES:
            cut = not whole if whole is not None else _is_cut(self._rest, self._tail)
            rows += self._reader.feed(LAST.sub(b"", self._rest) if cut else self._rest)
            self._rest = b""
        if self._unit is Unit.LINES and hasattr(self._reader, "end"):
            rows += self._reader.end()
        return rows

    def _read(self, path: Path) -> Iterator[list[Row]]:
        seen = path.stat()
        changed = _changed(path) if path.is_dir() else (seen.st_mtime_ns, seen.st_size)
        if changed == self._changed:
            return
        if self._offset and not self._whole and self._is_other(path, seen):
            yield from self._rotated(path)
            self._anew()
        self._file, self._changed = (seen.st_dev, seen.st_ino), changed
        if self._reader is None:
            name = formats.recognise(path)
            if name is None:
                return
            self._begin(name)
        if self._unit is Unit.FOLDER:
            yield list(self._reader.feed(self._module.gather(path)))
        elif self._unit is Unit.DOCUMENT:
            yield list(self._reader.feed(Decoder().feed(path.read_bytes())))
        elif seen.st_size > self._offset:
            yield from self._further(path)

    def _is_other(self, path: Path, seen: os.stat_result) -> bool:
        """Whether this is not the file that was read up to `_offset`, or was written anew; an inode may be given again."""
        if (seen.st_dev, seen.st_ino) != self._file or seen.st_size < self._offset:
            return True
        with path.open("rb") as file:
            return file.read(len(self._head)) != self._head

    def _further(self, path: Path) -> Iterator[list[Row]]:
        """What stands in a file beyond what was read."""
        with path.open("rb") as file:
            if not self._offset:
                self._head = file.read(HEAD)
            file.seek(self._offset)
            while data := file.read(CHUNK):
                self._offset += len(data)
                data = self._decoder.feed(data)
                if self._unit is Unit.LINES:
                    cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1  # a \r at the very end may be half a \r\n
                    data, self._rest = (self._rest + data[:cut], data[cut:]) if cut else (b"", (self._rest + data)[-LONGEST:])
                if data:
                    self._tail = data[-TAIL:]
                    yield list(self._reader.feed(data))

    def _rotated(self, path: Path) -> Iterator[list[Row]]:
        """The end of a file that was moved aside."""
        old = path.with_name(f"{path.name}.1")
        if not self._whole and old.exists() and (old.stat().st_dev, old.stat().st_ino) == self._file:
            yield from self._further(old)
            if self._rest:
                yield list(self._reader.feed(LAST.sub(b"", self._rest)))

    @property
    def _whole(self) -> bool:
        """Whether its reader is fed all there is each time."""
        return self._unit in (Unit.DOCUMENT, Unit.FOLDER)

    def _begin(self, name: str) -> None:
        self._module: Any = formats.load(name)
        self._unit, self._reader = self._module.TRAITS.unit, self._module.Reader(self._names, self._pattern, self._merge)
        if self._part:
            self._reader.only(self._part)
        if self._module.TRAITS.sided and self.path is not None:
            self._reader.under(self.path.parent.name)

    def _anew(self) -> None:
        """Reads from the start; the reader of a document keeps its position, as the next document repeats the last one."""
        self._offset, self._rest, self._tail, self._changed, self._head, self._decoder = 0, b"", b"", (0, 0), b"", Decoder()
        if not self._whole:
            self._reader = None
            if self.format is not None:
                self._begin(self.format)

    def _newest(self) -> Path | None:
        """The file to read: of a folder the best kind of log in it, of several the one that changed last."""
        path = Path(self.where)
        if path.is_dir():
            if formats.recognise(path):
                return path
            inside = (glob.glob(f"{glob.escape(self.where)}/**/{name}", recursive=True) for name in formats.files())
            found = next(filter(None, inside), [])
        else:
            found = [self.where] if path.exists() else glob.glob(self.where, recursive=True)
        times = {hit: os.stat(hit).st_mtime for hit in found if os.path.isfile(hit)}
        fresh = [hit for hit, time in times.items() if time >= self.after]
        if self.path is not None and fresh and times.get(str(self.path)) == max(times[hit] for hit in fresh):
            return self.path
        return Path(max(fresh, key=lambda hit: (times[hit], hit))) if fresh else None


def _changed(folder: Path) -> tuple[int, int]:
    """When a file in ``folder`` changed last, and how much is in it."""
    seen = [path.stat() for path in folder.rglob("*")]
    return max((one.st_mtime_ns for one in seen), default=0), sum(one.st_size for one in seen)


def _is_cut(rest: bytes, before: bytes) -> bool:
    """Whether a last line without its end may have been stopped within a number: all lines before it end otherwise, or later."""
    lines = before.splitlines()[-LIKE:]
    ends = [len(match[0]) if (match := LAST.search(line)) else math.inf for line in lines]
    found = LAST.search(rest)
    return found is not None and bool(ends) and len(found[0]) < min(ends)
