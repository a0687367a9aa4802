"""JSON lines: mmengine's scalars.json, and what else is an object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.names import Names
from pitprop.logs.shapes import Shape, Shapes

TRAITS = Traits(Unit.LINES, {"scalars.json": 0, "*.json": 2, "*.jsonl": 2}, single=True, exact=True)
EPOCH, STEP = ("epoch", "Epoch"), ("iter", "global_step", "iteration", "step", "_step")

FIELD = re.compile(r'"([^"]+)": ?(-?(?:\d[-+.\w]*|NaN|Infinity))')


def recognises(head: bytes, path: Path) -> bool:
    first = head.lstrip().split(b"\n", 1)[0]
    if path.name == "telemetry.jsonl":
        return False  # ours
    try:
        return isinstance(json.loads(first), dict) and first.rstrip().endswith(b"}") and b'"log_history"' not in first
    except ValueError:
        return first.startswith(b'{"') and len(head) == len(first)  # a first line that is longer than the head


class Reader:
    """mmengine's ``step`` is the iteration on rows of training, and the epoch on those of validation where training has epochs.

    An object that has ``step`` alone and readings of both sides is an epoch, as ours are. Others may say ``epoch`` and any
    of ``iter``, ``step``, ``global_step``. What is no object, or torn, is passed over; nested objects are flattened.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._by_epoch, self._shapes = names, False, Shapes(merge)

    def feed(self, data: bytes) -> Iterator[Row]:
        yield from self._shapes.read(data.decode("utf-8", "replace"), self._line)

    def _line(self, line: str) -> Row | None:
        try:
            found = json.loads(line)
        except ValueError:
            return None
        row = self._row(found) if isinstance(found, dict) else None
        if row and row.kind == "train" and self._shapes.merge > 1 and line.find("{", 1) < 0:
            self._learn(line)
        return row

    def _learn(self, line: str) -> None:
        """What a row of training looks like, so that the next ones need not be parsed."""
        roles = {}
        for match in FIELD.finditer(line):
            place = next((role for role, names in (("EPOCH", EPOCH), ("STEP", STEP)) if match[1] in names), None)
            if role := place or self._names(match[1], "train"):
                roles[match.span(2)] = role
        if list(roles.values()).count("STEP") <= 2:
            self._shapes.learn(Shape(line, roles, "train", _place, self._shapes.merge))

    def _row(self, found: dict[str, Any]) -> Row | None:
        epoch, step = _whole(found, EPOCH), _whole(found, STEP)
        if "iter" in found or "loss" in found:
            self._by_epoch |= epoch is not None
            kind = "train"
        else:
            kind = _kind(found)
            if epoch is None and (kind == "epoch" or (kind == "val" and self._by_epoch)):
                epoch, step = step, None
        metrics = readings(found, lambda name: self._names(name, kind))
        return Row(kind, metrics, step, epoch) if metrics else None


def readings(found: Mapping[str, Any], ours: Callable[[str], str | None], prefix: str = "") -> dict[str, float]:
    """The numbers in an object, by our names."""
    metrics = {}
    for name, value in found.items():
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            if (known := ours(prefix + name)) is not None:
                metrics[known] = float(value)
        elif isinstance(value, dict):
            metrics |= readings(value, ours, f"{prefix}{name}/")
    return metrics


def _place(places: Mapping[str, int]) -> tuple[int | None, int | None]:
    return places.get("STEP"), places.get("EPOCH")


def _kind(found: Mapping[str, Any]) -> str:
    sides = {side for name in found for side in ("train", "val", "eval") if name.startswith((f"{side}/", f"{side}_"))}
    if "train" in sides:
        return "epoch" if len(sides) > 1 else "train"
    return "val"


def _whole(found: Mapping[str, Any], names: Sequence[str]) -> int | None:
    value = next((found[name] for name in names if name in found), None)
    return int(value) if isinstance(value, int | float) and value == value and abs(value) < 1e15 else None
