"""The trials of a study as a table: rows for a notebook, and files for other programs."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pitprop.errors import UserError
from pitprop.study.record import Record


def row(record: Record) -> dict[str, Any]:
    """A trial as a row: parameters as ``params.NAME``; ``value`` is NaN where there is none."""
    values = record.values or (math.nan,)
    stopped = record.ending
    return {
        "state": str(record.state),
        **{"value" if place == 0 else f"value_{place}": value for place, value in enumerate(values)},
        "epochs": record.epochs,
        "seconds": math.nan if record.ended is None else record.ended - record.started,
        "baseline": record.baseline,
        "excluded": record.excluded,
        "signature": stopped.signature if stopped else None,
        "reason": stopped.reason if stopped else None,
        "error": record.error,
        **{f"params.{name}": value for name, value in record.params.items()},
    }


def write_csv(path: Path, records: Sequence[Record]) -> None:
    """Writes the trials as CSV (RFC 4180), lists and mappings as JSON; what there is not is empty. ``-`` is standard output."""
    columns, rows = _plain(records)
    with nullcontext(sys.stdout) if str(path) == "-" else path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: "" if value is None or value != value else value for name, value in one.items()} for one in rows)


def write_parquet(path: Path, records: Sequence[Record]) -> None:
    """Writes the trials as Parquet, lists and mappings as JSON; a column of several kinds of values is text."""
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UserError("--parquet needs pandas and pyarrow: pip install pandas pyarrow") from error
    columns, rows = _plain(records)
    frame = pandas.DataFrame(rows, columns=columns)
    for name in columns:
        kinds = {type(one[name]) for one in rows if one.get(name) is not None}
        if len(kinds - {int, float}) > 1 or (kinds & {int, float} and kinds - {int, float}):
            frame[name] = [None if one.get(name) is None else str(one[name]) for one in rows]
    frame.to_parquet(path, index=False)


def _plain(records: Sequence[Record]) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of all columns, and the rows with text in place of what is no single value."""
    rows = [{"trial": record.number, **row(record)} for record in records]
    shown = [
        {name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value for name, value in one.items()}
        for one in rows
    ]
    return list(dict.fromkeys(name for one in shown for name in one)) or ["trial"], shown
