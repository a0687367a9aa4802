"""JSON with the scores at the end: results.json, Hugging Face's all_results.json, on one line or many."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import HEAD, Traits, Unit
from pitprop.logs.formats.json import is_document
from pitprop.logs.formats.jsonl import Objects, numbers
from pitprop.logs.names import LONE, Names, tells

TRAITS = Traits(Unit.DOCUMENT, aside=True, exact=True)


def recognises(head: bytes, path: Path) -> bool:
    """Told from a configuration by a name that is of a loss or a score."""
    if len(head) >= HEAD or not is_document(head):
        return False
    try:
        found = json.loads(head)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(tells(name) and name not in LONE for name in numbers(found))


class Reader:
    """The numbers of one object, which may be nested, as one epoch; what stands under ``config`` or ``args`` is left out."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._seen = names, False

    def feed(self, data: bytes) -> Iterator[Row]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            return  # not yet written to its end
        row = None if self._seen or not isinstance(found, dict) else Objects(self._names).row(found)
        if row:
            self._seen = True
            yield row._replace(kind="epoch" if any(name.startswith("val/") for name in row.metrics) else row.kind)
