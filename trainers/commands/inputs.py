"""The data files that a space says a command reads: whether they are there, hold anything, and how many labels they have."""

from __future__ import annotations

import csv
import glob
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pitprop.errors import hint
from pitprop.trainers.commands.arguments import CommandError

PLACE = re.compile(r"\{(\w+)\}")
SMALL = 0.01
"""A file with less than this share of the middle size of its fellows holds nothing: a header, or a write that was cut off."""


@dataclass(frozen=True, slots=True)
class Data:
    """Files by a path or a glob. ``label`` is the key (or column) of theirs that holds classes; ``needs`` are files that they
    name, such as ``skeletons/{video}.npz`` for each value of their key ``video``."""

    files: str
    label: str = ""
    needs: str = ""


def wanted(row: Any, where: str) -> Data:
    """One row of ``options.data``."""
    known = ("files", "label", "needs")
    row = {"files": row} if isinstance(row, str) else row
    if not isinstance(row, Mapping) or not row.get("files") or not all(isinstance(one, str) for one in row.values()):
        raise CommandError(f"{where} takes a path or a glob, or {{files: train.json, label: label, needs: 'x/{{video}}.npz'}}")
    if unknown := [name for name in row if name not in known]:
        raise CommandError(f"{where} has an unknown key {unknown[0]!r}{hint(str(unknown[0]), known)}")
    return Data(**row)


def inspected(data: Sequence[Data], cwd: Path) -> dict[str, float]:
    """What a preflight reports of them. `CommandError` for files that are named in the space and are not there."""
    if not data:
        return {}
    missing, empty, labels = 0, 0, Counter[str]()
    for one in data:
        found = [path for path in map(Path, sorted(glob.glob(str(cwd / one.files), recursive=True))) if path.is_file()]
        if not found:
            raise CommandError(f"options.data: {one.files} is no file in {cwd}, and no pattern that one of them has")
        empty += _empty(found)
        if not (one.label or one.needs):
            continue
        rows = [value for path in found for value in _rows(path)]
        counted = Counter(str(value) for key, value in rows if key == one.label)
        if one.label and not counted:
            raise CommandError(
                f"options.data: no {one.label!r} is in {one.files}; it has {', '.join(sorted({k for k, _ in rows}))}"
            )
        labels += counted
        places = PLACE.findall(one.needs)
        named = {cwd / one.needs.replace(f"{{{key}}}", str(value)) for key, value in rows if [key] == places}
        there = [path for path in named if path.is_file()]
        missing, empty = missing + len(named) - len(there), empty + _empty(there)
    counts = {f"train/labels/{label}": float(count) for label, count in labels.items()}
    return {"files/missing": float(missing), "files/empty": float(empty), **counts}


def _empty(files: Sequence[Path]) -> int:
    sizes = [path.stat().st_size for path in files]
    return sum(size <= SMALL * median(sizes) for size in sizes)


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Every key of a JSON document, or column of a table, with each of its plain values. `CommandError` if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix in (".csv", ".tsv"):
            table = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ",")
            yield from (pair for row in table for pair in row.items())
        else:
            lines = [line for line in text.splitlines() if line.strip()] if path.suffix == ".jsonl" else [text]
            yield from (pair for line in lines for pair in _pairs(json.loads(line)))
    except (OSError, ValueError) as error:
        raise CommandError(f"options.data: {path} is no readable JSON, JSON lines, CSV or TSV: {error}") from None


def _pairs(found: Any) -> Iterator[tuple[str, Any]]:
    for key, value in found.items() if isinstance(found, dict) else ():
        yield from _pairs(value) if isinstance(value, dict | list) else ((key, value),)
    for value in found if isinstance(found, list) else ():
        yield from _pairs(value)
