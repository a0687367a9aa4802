"""Notebooks: what the cells of one printed, as text or as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit, csv, text
from pitprop.logs.formats.json import loads
from pitprop.logs.names import Names

TRAITS = Traits(Unit.DOCUMENT, {"*.ipynb": 4}, single=True)
CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.S | re.I)


def recognises(head: bytes, path: Path) -> bool:
    return head.lstrip().startswith(b"{") and (path.suffix == ".ipynb" or (b'"cells"' in head and b'"cell_type"' in head))


class Reader:
    """Outputs are read as what a training prints; tables in HTML, as Hugging Face and fastai draw them, as tables."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._patterns, self._seen = names, patterns, 0
        self.facts: dict[str, float] = {}

    def feed(self, data: bytes) -> Iterator[Row]:
        book = loads(data.decode("utf-8", "replace"))
        cells = book.get("cells", []) if isinstance(book, dict) else []
        printed = text.Reader(self._names, self._patterns)
        rows: list[Row] = []
        for output in (output for cell in cells if isinstance(cell, dict) for output in cell.get("outputs") or ()):
            kinds = output.get("data") or {} if isinstance(output, dict) else {}
            if table := _table(_joined(kinds.get("text/html"))):
                rows += csv.Reader(self._names).feed(table.encode())
            else:
                told = _joined(output.get("text")) or _joined(kinds.get("text/plain")) if isinstance(output, dict) else ""
                rows += printed.feed(f"{told}\n".encode())
        self.facts = printed.facts
        yield from rows[self._seen :]
        self._seen = max(self._seen, len(rows))


def _joined(value: Any) -> str:
    """A text that may be given as its lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _table(html: str) -> str:
    """The rows of a table in HTML as CSV; nothing if it has none that is of a training."""
    rows = [[unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in CELL.findall(row)] for row in html.split("</tr>")]
    rows = [row for row in rows if row]
    if len(rows) < 2 or rows[0][0].lower() not in (*csv.EPOCHS, *csv.STEPS, ""):
        return ""
    return "".join("\t".join(row) + "\n" for row in rows)
