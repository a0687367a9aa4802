"""The trials of a study as a table: rows for a notebook, and files for other programs."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record


def row(record: Record, space: Space, front: Collection[int] = ()) -> dict[str, Any]:
    """A trial as a row: parameters as ``params.NAME``; ``value`` is NaN where there is none.

    Of several objectives the further ones are ``value.METRIC``, and ``front`` says whether the trial is on the Pareto front.
    """
    values = record.values or (math.nan,) * len(space.objectives)
    further = {f"value.{goal.metric}": value for goal, value in zip(space.objectives[1:], values[1:], strict=False)}
    stopped = record.ending
    return {
        "state": str(record.state),
        "value": values[0],
        **further,
        **({"front": record.number in front} if further else {}),
        "epochs": record.epochs,
        "seconds": math.nan if record.ended is None else record.ended - record.started,
        "baseline": record.baseline,
        "excluded": record.excluded,
        "signature": stopped.signature if stopped else None,
        "reason": stopped.reason if stopped else None,
        "error": record.error,
        **{f"params.{name}": value for name, value in record.params.items()},
    }


def write_csv(path: Path, records: Sequence[Record], space: Space) -> None:
    """Writes the trials as CSV (RFC 4180), lists and mappings as JSON; what there is not is empty. ``-`` is standard output."""
    columns, told = _plain(records, space)
    with nullcontext(sys.stdout) if str(path) == "-" else path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: "" if value is None or value != value else value for name, value in one.items()} for one in told)


def write_parquet(path: Path, records: Sequence[Record], space: Space) -> None:
    """Writes the trials as Parquet, lists and mappings as JSON; a column of several kinds of values is text."""
    import pandas

    columns, told = _plain(records, space)
    frame = pandas.DataFrame(told, columns=columns)
    for name in columns:
        kinds = {type(one[name]) for one in told if one.get(name) is not None}
        if len(kinds - {int, float}) > 1 or (kinds & {int, float} and kinds - {int, float}):
            frame[name] = [None if one.get(name) is None else str(one[name]) for one in told]
    frame.to_parquet(path, index=False)


def rows(records: Sequence[Record], space: Space) -> list[dict[str, Any]]:
    """All trials as rows."""
    front = {record.number for record in ranking.best(space, records)} if len(space.objectives) > 1 else set()
    return [row(record, space, front) for record in records]


def _plain(records: Sequence[Record], space: Space) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of all columns, and the rows with text in place of what is no single value."""
    told = [{"trial": record.number, **one} for record, one in zip(records, rows(records, space), strict=True)]
    shown = [
        {name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value for name, value in one.items()}
        for one in told
    ]
    return list(dict.fromkeys(name for one in shown for name in one)) or ["trial"], shown
