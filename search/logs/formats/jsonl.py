"""JSON lines: mmengine's scalars.json, detectron2's metrics.json, and what else is an object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.lines import decoding
from pitprop.logs.names import SIDES, WORDS, Names, column
from pitprop.logs.shapes import Shape, Shapes

JUDGED = (
    "mmengine: its score (`acc/top1` is `val/top1`). detectron2: `bbox/AP`, which is `val/bbox_ap`; `total_loss` is `train/loss`."
)
TRAITS = Traits(Unit.LINES, {"scalars.json": 0, "*.json": 2, "*.jsonl": 2}, single=True, exact=True, judged=JUDGED)
EPOCH = ("epoch", "Epoch", "epochs", "n_epoch", "train/epoch", "ep")
STEP = ("iter", "global_step", "iteration", "step", "_step", "trainer/global_step", "num_updates", "total_timesteps")
SETTINGS = ("config", "cfg", "args", "params", "hparams", "hyperparameters", "hyper_parameters", "hyperparams", "settings")
"""Keys of what a training was given, not of what it reached."""
TRAINS = ("iter", "loss", "total_loss", "lr", "learning_rate", "grad_norm")
"""Keys of an object that is of training, if it holds nothing of validation."""

SIDED = ("split", "phase", "mode", "stage", "subset", "set", "dataset", "prefix")
"""Keys whose text says of which data all readings of an object are."""
NAMED = ("metric", "name", "key", "tag", "metric_name")
"""Keys whose text is the name of the reading that stands under `VALUE`."""
VALUE = ("value", "score", "val")
SAVED = ("snapshot_pkl", "snapshot", "checkpoint", "ckpt", "checkpoint_path", "ckpt_path", "model_path", "weights")
"""Keys of the checkpoint that an object tells the scores of, whose file's name says how far it was trained."""
PLACE = re.compile(r"(?P<epoch>epoch|ep)?[\W_]*(?P<number>\d+)\D*$", re.I)
SUMMED = frozenset(("num", "mean", "std"))
"""Keys of an object that stands for its mean."""

FIELD = re.compile(r'"([^"]+)": ?"?(-?(?:\d[-+.\w]*|NaN|Infinity))')


def recognises(head: bytes, path: Path) -> bool:
    first = head.lstrip().split(b"\n", 1)[0]
    if path.name == "telemetry.jsonl" or b'"nbformat"' in head or b'"cells"' in first[:200]:
        return False  # ours, or a notebook
    if decoding.wrapped(head):
        return False
    try:
        return isinstance(json.loads(first), dict) and first.rstrip().endswith(b"}") and b'"log_history"' not in first
    except ValueError:
        return first.startswith(b'{"') and len(head) == len(first)  # a first line that is longer than the head


class Reader:
    """mmengine's ``step`` is the iteration on rows of training, and the epoch on those of validation where training has epochs.

    An object that has ``step`` alone and readings of both sides is an epoch, as ours are. Others may say ``epoch`` and any
    of ``iter``, ``step``, ``global_step``, or name a checkpoint (``network-snapshot-000200.pkl``). ``split: val`` says the side,
    ``{"metric": "val/f1", "value": 0.5}`` a reading. What is no object, or torn, is passed over; nested objects are flattened.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._rows, self._shapes = Objects(names), Shapes(merge)
        self._names = names

    def feed(self, data: bytes) -> Iterator[Row]:
        yield from self._shapes.read(data.decode("utf-8", "replace"), self._line)

    def _line(self, line: str) -> Row | None:
        found = parsed(line)
        row = self._rows.row(found) if found is not None else None
        if row and row.kind == "train" and self._shapes.merge > 1 and line.find("{", 1) < 0:
            self._learn(line)
        return row

    def _learn(self, line: str) -> None:
        """What a row of training looks like, so that the next ones need not be parsed."""
        fields = list(FIELD.finditer(line))
        ours = self._names.of((match[1] for match in fields), "train")
        roles = {}
        for match in fields:
            place = next((role for role, names in (("EPOCH", EPOCH), ("STEP", STEP)) if match[1] in names), None)
            if role := place or ours.get(match[1]):
                roles[match.span(2)] = role
        if roles:
            self._shapes.learn(Shape(line, roles, "train", _place, self._shapes.merge))


def parsed(line: str) -> dict[str, Any] | None:
    """The object that a line is; None if it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class Objects:
    """Rows of objects that stand for one place each."""

    def __init__(self, names: Names) -> None:
        self._names, self._by_epoch = names, False

    def row(self, found: Mapping[str, Any]) -> Row | None:
        """The row of one; None if it holds no reading."""
        found = _plain(found)
        epoch, step = _whole(found, EPOCH), _whole(found, STEP)
        if epoch is None and step is None:
            epoch, step = _saved(found)
        kind = _side(found) or ("train" if any(name in found for name in TRAINS) else _kind(found))
        if "iter" in found or "loss" in found:
            self._by_epoch |= epoch is not None
        elif epoch is None and (kind == "epoch" or (kind == "val" and self._by_epoch)):
            epoch, step = step, None
        flat = numbers(found)
        ours = self._names.of(flat, kind)
        metrics = {ours[name]: flat[name] for name in ours}
        sides = {name.split("/")[0] for name in metrics} & {"train", "val"}
        if kind == "train" and "val" in sides:
            kind = "epoch" if "train" in sides else "val"
        return Row(kind, metrics, step, epoch) if metrics else None


def _plain(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """``found``, where its reading stands by its name: {"metric": "val/f1", "value": 0.5} is {"val/f1": 0.5}."""
    name = next((found[key] for key in NAMED if isinstance(found.get(key), str)), None)
    value = next((key for key in VALUE if as_number(found.get(key)) is not None), None)
    if name is None or value is None:
        return found
    return {**{key: one for key, one in found.items() if key not in (*NAMED, value)}, name: found[value]}


def _side(found: Mapping[str, Any]) -> str | None:
    """The side that an object says in so many words, as in {"split": "val"}."""
    said = (found.get(key) for key in SIDED)
    return next((SIDES[text.lower()] for text in said if isinstance(text, str) and text.lower() in SIDES), None)


def _saved(found: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The epoch or the step of the checkpoint that an object is of."""
    text = next((found[key] for key in SAVED if isinstance(found.get(key), str)), "")
    match = PLACE.search(Path(text).stem)
    number = int(match["number"]) if match and len(match["number"]) < 12 else None
    return (number, None) if match and match["epoch"] else (None, number)


def numbers(found: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in an object, which may be nested or written as strings."""
    flat: dict[str, float] = {}
    for name, value in found.items():
        if isinstance(value, dict) and name.lower() in SETTINGS:
            continue
        if isinstance(value, dict) and value.keys() == SUMMED:
            value = value["mean"]
        if isinstance(value, dict):
            flat |= numbers(value, f"{prefix}{name}/")
        elif (number := as_number(value)) is not None:
            ours = WORDS.get(name, name) if prefix.rstrip("/") in SIDES else name  # {"val": {"acc": 0.5}}
            flat[f"{prefix}{ours}" if prefix else column(name)] = number
    return flat


def readings(found: Mapping[str, Any], ours: Callable[[str], str | None]) -> dict[str, float]:
    """The numbers in an object, by our names."""
    return {known: value for name, value in numbers(found).items() if (known := ours(name)) is not None}


def as_number(value: Any) -> float | None:
    """``value`` as a number, if it is one or is written as one: 0.5, "0.5", "12.5%"."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or len(value) > 32:
        return None
    try:
        return float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        return None


def _place(places: Mapping[str, int]) -> tuple[int | None, int | None]:
    return places.get("STEP"), places.get("EPOCH")


def _kind(found: Mapping[str, Any]) -> str:
    sides = {
        "train" if side == "train" else "val"
        for name in found
        for side in ("train", "val", "eval", "valid", "test", "dev")
        if name == side or name.startswith((f"{side}/", f"{side}_"))
    }
    if "train" in sides:
        return "epoch" if len(sides) > 1 else "train"
    return "val"


def _whole(found: Mapping[str, Any], names: Sequence[str]) -> int | None:
    value = next((as_number(found[name]) for name in names if name in found), None)
    return int(value) if value is not None and value == value and abs(value) < 1e15 else None
