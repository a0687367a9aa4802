"""JSON as one document: Keras' history or a list of epochs, on one line or many."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.formats.jsonl import Objects, as_number
from pitprop.logs.lines import decoding
from pitprop.logs.names import Names, column, tells

TRAITS = Traits(Unit.DOCUMENT, single=True, exact=True)
INSIDE = ("history", "log", "logs", "metrics", "epochs", "results", "train_log", "records", "data")
"""Keys under which a history is put."""
PREDICTIONS = frozenset(["image_id", "bbox", "segmentation", "question_id", "prediction"])
"""Keys of lists of what a model predicts, which have scores too."""
FOLD = re.compile(r"(?:cv|kfold|k_fold)?[_\- ]?(?:fold|split)[_\- ]?(\d{1,2})", re.I)
"""A key above what is of one fold of a cross-validation."""
FOLDS = ("folds", "cv", "cv_results", "cross_validation", "fold_results", "fold_histories", "histories")
"""Keys above a list of folds."""
OTHERS = (b'"log_history"', b'"nbformat"', b'"best_model_checkpoint"')
"""What documents of other formats hold."""


def recognises(head: bytes, path: Path) -> bool:
    """A history is several epochs, in lists or one by one, of something that tells: no annotations and no predictions."""
    if not is_document(head):
        return False
    found = loads(head.decode("utf-8", "replace"))
    if isinstance(found, list) and found and isinstance(found[0], dict) and PREDICTIONS & found[0].keys():
        return False
    rows = Reader(Names()).history(found)
    placed = any(row.epoch is not None or row.step is not None for row in rows)
    named = {name for row in rows for name in row.metrics if tells(name)}
    return placed and bool(named) and (len(rows) > 1 or any(row.kind == "epoch" for row in rows))


def is_document(head: bytes) -> bool:
    """Whether a file that begins so is JSON as a whole, and no JSON lines: these are objects with numbers, each on one line."""
    text = head.strip()
    if not text.startswith((b"{", b"[")) or any(mark in text for mark in OTHERS):
        return False
    first, _, more = text.partition(b"\n")
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return True
    if isinstance(found, dict):
        listed = any(isinstance(value, list) and len(value) > 1 and as_number(value[0]) is not None for value in found.values())
        listed = listed or bool(_folds(found))
        return not more.strip() and (listed or not any(as_number(value) is not None for value in found.values()))
    return bool(found) and not more


def trainings(path: Path) -> Sequence[str]:
    """The folds of a cross-validation in it that have epochs."""
    folds = _folds(loads(decoding.whole(path).decode("utf-8", "replace")))
    return [name for name, one in folds.items() if len(Reader(Names()).history(one)) > 1]


class Reader:
    """Lists of numbers are read by epoch, objects in a list one by one. Folds of a cross-validation are trainings of their own.

    A list that has some times as many numbers as those of validation has them by steps, whose means count.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._seen, self._only = names, 0, ""
        self.facts: dict[str, int] = {}

    def only(self, name: str) -> None:
        """Reads one fold of a cross-validation."""
        self._only = name

    def feed(self, data: bytes) -> Iterator[Row]:
        rows = self.history(loads(data.decode("utf-8", "replace")))
        yield from rows[self._seen :]
        self._seen = max(self._seen, len(rows))

    def history(self, found: Any) -> list[Row]:
        """The rows of a document."""
        folds = _folds(found)
        return list(self._rows(folds.get(self._only, next(iter(folds.values()))) if folds else found))

    def _rows(self, found: Any) -> Iterator[Row]:
        if isinstance(found, list):
            yield from self._listed([one for one in found if isinstance(one, dict)])
        elif isinstance(found, dict):
            lists = _lists(found)
            inside = next((found[key] for key in INSIDE if isinstance(found.get(key), list | dict)), None)
            if lists:
                yield from self._columns(lists)
            elif indexed := _indexed(found):
                yield from self._listed(indexed)
            elif inside and (rows := list(self._rows(inside))) and (len(rows) > 1 or isinstance(inside, list)):
                yield from rows

    def _listed(self, found: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
        """Objects of one place each."""
        rows = [row for row in map(Objects(self._names).row, found) if row]
        for number, row in enumerate(rows, 1):
            placed = row.epoch is not None or row.step is not None
            yield row if placed or row.kind == "train" else row._replace(kind="epoch", epoch=number)

    def _columns(self, lists: Mapping[str, Sequence[float | None]]) -> Iterator[Row]:
        """Lists with a number for each epoch."""
        places = next((lists[name] for name in lists if name.lower() in ("epoch", "epochs")), ())
        columns = {column(name): values for name, values in lists.items() if values is not places}
        ours = self._names.of(columns, "train")
        validated = [len(columns[name]) for name in ours if ours[name].startswith("val/")]
        common = Counter(validated or [len(columns[name]) for name in ours]).most_common(1)
        count = max(len(columns[name]) for name in ours) if ours and not validated else common[0][0] if common else 0
        for index in range(count):
            metrics = {ours[name]: value for name in ours if (value := _mean(columns[name], index, count)) is not None}
            place = places[index] if index < len(places) else None
            if metrics:
                yield Row("epoch", metrics, None, index + 1 if place is None else int(place))


def loads(text: str) -> Any:
    """The value of a document; of one that is torn, what comes before the tear; of several, a list of them."""
    decoder, found, at = json.JSONDecoder(), list[Any](), 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))
        except (ValueError, RecursionError):
            torn = _closed(text[at:])
            found += [torn] if torn is not None else []
            break
        found.append(value)
        if not text[at:].strip():
            break
    return found[0] if len(found) == 1 else found


def _closed(text: str) -> Any:
    """A torn document with its open brackets closed, cut back to its last whole item."""
    open_, inside, escaped, cuts = list[str](), False, False, list[tuple[int, str]]()
    for at, sign in enumerate(text):
        if inside:
            inside, escaped = escaped or sign != '"', sign == "\\" and not escaped
        elif sign == '"':
            inside = True
        elif sign in "{[":
            open_.append("}" if sign == "{" else "]")
        elif sign in "}]" and open_:
            open_.pop()
            cuts = [*cuts[-1:], (at + 1, "".join(reversed(open_)))]
        elif sign == "," and open_[-1:] == ["]"]:  # an object that is torn may lack what belongs to it
            cuts = [*cuts[-1:], (at, "".join(reversed(open_)))]
    for at, ends in reversed(cuts):
        try:
            return json.loads(text[:at] + ends)
        except (ValueError, RecursionError):
            continue
    return None


def _folds(found: Any) -> dict[str, Any]:
    """What is of each fold, by ``fold N``: under keys that name them, in a list under one, or in objects that say it."""
    if isinstance(found, dict):
        keyed = {f"fold {int(match[1])}": value for key, value in found.items() if (match := FOLD.fullmatch(key))}
        inside = next((found[key] for key in FOLDS if isinstance(found.get(key), list | dict)), None)
        if keyed or isinstance(inside, dict):
            return keyed or _folds(inside)
        return {f"fold {n}": one for n, one in enumerate(inside, 1) if isinstance(one, dict | list)} if inside else {}
    parts: dict[str, list[Any]] = {}
    for one in found if isinstance(found, list) else ():
        if not isinstance(one, dict) or (fold := as_number(one.get("fold"))) is None:
            return {}
        parts.setdefault(f"fold {int(fold)}", []).append(one)
    return {name: some[0] if len(some) == 1 else some for name, some in parts.items()}


def _lists(found: Mapping[str, Any], prefix: str = "") -> dict[str, list[float | None]]:
    """The lists of numbers in an object, by name."""
    lists: dict[str, list[float | None]] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            lists |= _lists(value, "" if name in INSIDE else f"{prefix}{name}/")
        elif isinstance(value, list) and len(value) > 0:
            read = [as_number(item) for item in value]
            if any(item is not None for item in read):
                lists[f"{prefix}{name}"] = read
    return lists


def _indexed(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Objects that are numbered, as in {"1": {"loss": 0.5}}, or pandas' columns of numbered values, turned; else []."""
    values = list(found.values())
    if not values or not all(isinstance(value, dict) and value for value in values):
        return []
    if all(_index(key) is not None for key in found):
        return [{"epoch": _index(key), **value} for key, value in found.items()]
    if all(_index(key) is not None for value in values for key in value):
        keys = list(dict.fromkeys(key for value in values for key in value))
        return [{name: found[name][key] for name in found if key in found[name]} for key in keys]
    return []


def _index(key: str) -> int | None:
    digits = key.lower().removeprefix("epoch").strip("_- ")
    return int(digits) if digits.isdigit() else None


def _mean(values: Sequence[float | None], index: int, count: int) -> float | None:
    """The value of an epoch, of ``count``; the mean of its steps where there are some times as many."""
    each = len(values) // count if len(values) % count == 0 else 1
    found = [value for value in values[index * each : (index + 1) * each] if value is not None]
    return sum(found) / len(found) if found else None
