"""Bring the bytes of any log to UTF-8: compressed ones, UTF-16, what Windows writes in China, byte order marks."""

from __future__ import annotations

import bz2
import codecs
import json
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pitprop.logs.lines import languages

STAMPED = re.compile(r"time|stamp|created|msecs|\bts\b|elapsed", re.I)
"""Numbers that a logger adds by itself."""
PACKED: Mapping[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
}
"""What unpacks a file that begins so."""
EASTERN = ("gb18030", "big5", "shift_jis", "euc_kr")
"""Encodings beside UTF-8 and UTF-16 in which the words of logs are not ASCII: told by these words, as a log is mostly numbers."""

WRAPS = ("log", "message", "msg", "textPayload")
"""Keys under which the log of a container, or a logger that writes JSON, has a line of text."""
ESCAPED = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)")
"""What sets colours, moves the cursor or names the terminal's window."""
PRINTED = ("", ".log", ".txt", ".out", ".err")
"""Ends of names of what was printed: its first line may be a long one."""
CONTROLS = frozenset([*range(1, 7), *range(14, 27), 28, 29, 30])
"""Bytes that no text has."""


class Decoder:
    """The bytes of one file as UTF-8, fed in order and cut anywhere. What is broken in them is left out."""

    def __init__(self) -> None:
        self._begun = False
        self._make: Callable[[], Any] | None = None
        self._unpack: Any = None
        self._decode: codecs.IncrementalDecoder | None = None
        self._holes = False

    def feed(self, data: bytes) -> bytes:
        """The next piece."""
        if not self._begun:
            data = data.lstrip(b"\0") if _is_padded(data) else data
        if not self._begun and data:
            self._make = next((make for magic, make in PACKED.items() if data.startswith(magic)), None)
        data = self._unpacked(data) if self._make else data
        if not self._begun and data:
            self._begun = True
            data = data.removeprefix(codecs.BOM_UTF8)
            encoding = _encoding(data)
            self._decode = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
            self._holes = encoding is None and _has_holes(data)
        if self._holes:
            data = data.replace(b"\0", b"")
        return self._decode.decode(data).encode("utf-8", "replace") if self._decode else data

    def _unpacked(self, data: bytes) -> bytes:
        """``data`` unpacked; there may be several packed pieces one after another, as where a log was appended to."""
        whole = b""
        try:
            while data and self._make:
                if self._unpack is None or self._unpack.eof:
                    self._unpack = self._make()
                whole += self._unpack.decompress(data)
                data = self._unpack.unused_data if self._unpack.eof else b""
        except (zlib.error, lzma.LZMAError, OSError, EOFError):
            self._make = lambda: _Nothing()
            self._unpack = _Nothing()
        return whole


class _Nothing:
    """Unpacks what is broken."""

    eof, unused_data = False, b""

    def decompress(self, data: bytes) -> bytes:
        return b""


def wrapped(head: bytes) -> bool:
    """Whether each line of a file that begins so is an object around a line of text, and no number is told beside that."""
    lines = head.split(b"\n", 20)[:20]
    found = [_object(line) for line in (lines[:-1] if len(lines) > 1 else lines) if line.strip()]
    return bool(found) and all(one is not None and _said(one) is not None and not _told(one) for one in found)


def unwrapped(text: str) -> str:
    """``text`` with the lines that its objects are around, if it begins with an object; other lines as they are."""
    if not text.startswith('{"'):
        return text
    found = ((line, _object(line)) for line in text.splitlines())
    said = (line if one is None or _told(one) or (within := _said(one)) is None else within for line, one in found)
    return "".join(line if line.endswith(("\n", "\r")) else f"{line}\n" for line in said)


def _object(line: str | bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _said(found: Mapping[str, Any]) -> str | None:
    return next((found[name] for name in WRAPS if isinstance(found.get(name), str)), None)


def _told(found: Mapping[str, Any]) -> bool:
    """Whether an object has readings of its own."""
    return any(isinstance(value, float) and not STAMPED.search(name) for name, value in found.items())


def whole(path: Path) -> bytes:
    """All that is written in a file."""
    return Decoder().feed(path.read_bytes())


def head(path: Path, size: int) -> bytes:
    """The first bytes of what is written in a file."""
    decoder = Decoder()
    with path.open("rb") as file:
        while data := file.read(size):
            if found := decoder.feed(data)[:size]:
                return found
            if not _is_padded(data):
                break
    return b""


def _encoding(data: bytes) -> str | None:
    """How ``data``, the beginning of a file, is encoded; None for UTF-8 and for what is no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in data:
        even, odd = data[:200:2], data[1:200:2]
        wide = [name for name, high, low in (("utf-16-le", odd, even), ("utf-16-be", even, odd)) if _is_wide(high, low)]
        return wide[0] if wide else None
    part = data[: 1 << 16]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(part)
        return None
    except UnicodeDecodeError:
        return next((name for name in EASTERN if languages.FOREIGN.search(part.decode(name, "ignore"))), None)


def _has_holes(data: bytes) -> bool:
    """Whether ``data`` is text but for zeros, as a log has them that was truncated while it was written."""
    part = data[: 1 << 16]
    if b"\0" not in part or CONTROLS.intersection(part):
        return False
    return 10 * part.count(0) < len(part) or _is_text(part.replace(b"\0", b""))


def printed(head: bytes, path: Path) -> bool:
    """Whether a file that begins so is text that was printed, though no line of it ends there."""
    return path.suffix in PRINTED and not CONTROLS.intersection(head) and b"\0" not in head and _is_text(head)


def _is_text(part: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(part)
    except UnicodeDecodeError:
        return False
    return True


def _is_padded(data: bytes) -> bool:
    """Whether ``data`` begins with more zeros than any encoding sets before a letter."""
    return data.startswith(b"\0\0\0\0")


def _is_wide(high: bytes, low: bytes) -> bool:
    return len(high) > 1 and high.count(0) > 0.8 * len(high) and 0 not in low
