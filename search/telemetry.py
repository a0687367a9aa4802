"""What a training reports: epochs of flat metrics, kept as JSON lines.

NaN and infinity are values here, never gaps: they are written as ``NaN`` and ``Infinity`` and read back as such. A metric
that an epoch did not report is absent.
"""

from __future__ import annotations

import json
import math
import os
import reprlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pitprop.messages import message

T = TypeVar("T")

VOCABULARY: Mapping[str, str] = {
    "train/loss": "mean training loss, the data term alone (no regularisation)",
    "val/loss": "mean validation loss, the data term alone",
    "chance/loss": "validation loss of a model that knows only the class prior",
    "chance/": "the same of another metric: what a model that has learned nothing scores, such as chance/psnr",
    "start/": "a validation metric before the first step, such as start/loss, in the first epoch's report",
    "lr": "learning rate at the end of the epoch",
    "grad_norm": "mean gradient norm over the epoch's steps, before clipping",
    "grad_norm/": "the same for one branch",
    "clipped": "share of the epoch's steps whose gradient was clipped",
    "update_ratio": "mean norm of an update step over the norm of the weights",
    "params/total": "number of parameters",
    "params/trainable": "number of trainable parameters",
    "params/with_grad": "number of parameters that received a non-zero gradient",
    "params/non_finite": "number of parameters that are NaN or infinite",
    "dormant/": "share of a layer's units that are zero on all validation samples",
    "saturated/": "share of a layer's pre-activations beyond -5 or 5",
    "val/predicted/": "how many validation samples were predicted as this class",
    "val/labels/": "how many validation samples are of this class",
    "val/true_positives/": "how many validation samples of this class were predicted as such",
    "val/auc": "area under the ROC curve",
    "val/logit_spread": "standard deviation of the logits across validation samples",
    "val/probability_spread": "the same of the probabilities",
    "embedding/cosine": "mean cosine over pairs of embeddings",
    "embedding/rank": "effective rank of the embeddings",
    "embedding/dimensions": "length of an embedding",
    "train/labels/": "how many training samples are of this class",
    "batch/size": "samples in a batch",
    "batch/classes": "mean number of classes in a batch",
    "inputs/non_finite": "number of training inputs that are NaN or infinite",
    "files/missing": "number of data files that are named and not there",
    "files/empty": "number of data files that are there and hold nothing",
    "facts/": "what a log says of its training: facts/classes (or words), facts/warmup, facts/drop/0, facts/pretrained (1)",
    "seconds": "wall time of the epoch",
    "val/": "any other validation metric; val/<branch>/<metric> for one branch of several",
}
"""The metric names that signatures understand; a name that ends in ``/`` is a prefix."""


LARGEST = 1e150
"""A reading beyond it counts as infinite: its square, and the span between two such, are no numbers any more."""
LAST_STEP = 2**31 - 1
"""The largest step that every database takes."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a trial reported at one step, by flat name. ``step`` counts finished epochs, from 1."""

    step: int
    metrics: Mapping[str, float]


class NotAnEpoch(ValueError):
    """What was reported is no epoch: one sentence that names the metric, or the step, and the value."""


def checked(step: Any, metrics: Any, *, least: int = 1) -> Epoch:
    """The epoch that a report means, in plain numbers of Python; `NotAnEpoch` if that cannot be told.

    A metric is a number of any kind, also of NumPy's or PyTorch's and as an array of one element; a boolean counts as 0 or 1,
    and None leaves the metric out. A step is a whole number of any kind from ``least``.
    """
    at = _step(step, least)
    if not isinstance(metrics, Mapping):
        said = message(
            "the metrics of epoch {at} are {given}; they are a mapping of names to numbers", at=at, given=shown(metrics)
        )
        raise NotAnEpoch(said)
    values = {_name(name, at): _value(name, given, at) for name, given in metrics.items()}
    return Epoch(at, {name: value for name, value in values.items() if value is not None})


def finite(value: float) -> bool:
    """Whether a reading can be compared and drawn: NaN cannot, nor infinity, nor what is beyond `LARGEST`."""
    return -LARGEST <= value <= LARGEST


def shown(value: Any) -> str:
    """``value`` and its type, cut if it is long, whatever it is."""
    try:
        text = " ".join(_BRIEF.repr(value).split())
    except Exception:  # the code of others, or an int of so many digits that Python does not write it
        text = "..."
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 60


def _step(given: Any, least: int) -> int:
    with suppress(Exception):  # the code of others, too
        value = None if isinstance(given, bool) else given if type(given) is int else _number(given)
        if value is not None and least <= value <= LAST_STEP and value == int(value):
            return int(value)
    said = message(
        "step is {given}; steps are whole numbers that count finished epochs, from {least} to {most}",
        given=shown(given),
        least=least,
        most=LAST_STEP,
    )
    raise NotAnEpoch(said)


def _name(given: Any, at: int) -> str:
    if not isinstance(given, str):
        wrong = message("a name is text")
    elif given == "step":
        wrong = message("the epoch's own number is called so; name the metric otherwise")
    elif not given.strip() or (not given.isprintable() and any(unicodedata.category(sign) in ("Cc", "Cs") for sign in given)):
        wrong = message("a name is not empty, and holds no control characters")
    else:
        return str.__str__(given)  # of a subclass, such as NumPy's
    raise NotAnEpoch(message("the name of a metric of epoch {at} is {given}; {wrong}", at=at, given=shown(given), wrong=wrong))


def _value(name: Any, given: Any, at: int) -> float | None:
    if given is None or type(given) is float:
        return given
    try:
        return _number(given)
    except OverflowError:
        allowed = message("a number is at most 1.8e308")
    except Exception:  # the code of others, too
        allowed = message("a metric is a number, or None to leave it out")
    whose = f"{name!r:.80}"
    said = message("metric {name} of epoch {at} is {given}; {allowed}", name=whose, at=at, given=shown(given), allowed=allowed)
    raise NotAnEpoch(said)


def _number(given: Any) -> float | None:
    """The number that ``given`` is; an error of any kind if it is none, `OverflowError` if it is too large."""
    item = getattr(given, "item", None)
    value = item() if callable(item) else given
    if value is None:
        return None
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("text is no number")
    number = float(value)
    if math.isinf(number) and value != number:  # Decimal("1e400")
        raise OverflowError("too large")
    return number


@dataclass(slots=True)
class Column:
    """The readings of one metric that are `finite` with their steps, oldest first; ``read`` epochs have been looked at."""

    steps: list[int]
    values: list[float]
    read: int = 0


class Telemetry(list[Epoch]):
    """The epochs of one training, oldest first: a list to append to, which reads each metric off its epochs only once.

    So judging the newest of 500 epochs costs what that epoch costs.
    """

    def __init__(self, epochs: Iterable[Epoch] = ()) -> None:
        super().__init__(epochs)
        self._known = 0
        self._last: Epoch | None = None
        self._columns: dict[str, Column] = {}
        self._looks: dict[Callable[[Epoch], Any], list[Any]] = {}
        self._cache: dict[Any, tuple[int, object, Any]] = {}

    def __reduce__(self) -> tuple[type[Telemetry], tuple[list[Epoch]]]:
        return Telemetry, (list(self),)  # without what was read off them

    def column(self, name: str) -> Column:
        """The finite readings of ``name``."""
        self._forget()
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = Column([], [])
        for index in range(column.read, len(self)):
            epoch = self[index]
            value = epoch.metrics.get(name)
            if value is not None and finite(value):
                column.steps.append(epoch.step)
                column.values.append(value)
        column.read = len(self)
        return column

    def best(self, name: str, maximize: bool) -> float | None:
        """The best finite reading of ``name`` so far; None if there is none."""
        values = self.column(name).values
        return self.cached((name, maximize), None, lambda: (max if maximize else min)(values, default=None))

    def each(self, look: Callable[[Epoch], T]) -> list[T]:
        """What ``look`` sees in each epoch."""
        self._forget()
        seen: list[T] = self._looks.setdefault(look, [])
        seen.extend(look(self[index]) for index in range(len(seen), len(self)))
        return seen

    def cached(self, key: Any, about: object, compute: Callable[[], T]) -> T:
        """What ``compute`` gives, kept under ``key`` until an epoch is added or removed, or ``about`` is another object.

        ``about`` is compared by identity, as facts are many and hold curves: pass the same object as long as it means the same.
        """
        self._forget()
        length, known, value = self._cache.get(key, (-1, None, None))
        if length != len(self) or known is not about:
            value = compute()
            self._cache[key] = len(self), about, value
        return cast(T, value)

    def _forget(self) -> None:
        """Drops what was read if the list has been cut short, or regrown with other epochs."""
        known, length = self._known, len(self)
        if known and (length < known or self[known - 1] is not self._last):
            self._columns.clear()
            self._looks.clear()
            self._cache.clear()
            known = -1
        if length != known:
            self._known, self._last = length, self[-1] if length else None


def series(telemetry: Sequence[Epoch], name: str) -> list[float]:
    """The values of ``name``, one an epoch; NaN where an epoch did not report it."""
    return [epoch.metrics.get(name, math.nan) for epoch in telemetry]


def trained(telemetry: Sequence[Epoch]) -> int:
    """How many epochs (or steps) a training has come through: what lies between two reports was trained too.

    Epochs that are numbered 0, 1, 2 are one more than the last number.
    """
    from_0 = bool(telemetry) and [epoch.step for epoch in telemetry[:2]] in ([0], [0, 1])
    return telemetry[-1].step + from_0 if telemetry else 0


def columns(epoch: Epoch, prefix: str) -> dict[str, float]:
    """The metrics of ``epoch`` under ``prefix``, by the rest of their names."""
    return {name[len(prefix) :]: value for name, value in epoch.metrics.items() if name.startswith(prefix)}


def reports(telemetry: Sequence[Epoch], name: str) -> bool:
    """Whether any epoch holds ``name`` (or, if it ends in ``/``, a metric under it)."""
    if name.endswith("/"):
        return any(key.startswith(name) for epoch in telemetry for key in epoch.metrics)
    return any(name in epoch.metrics for epoch in telemetry)


def dumps(epoch: Epoch) -> str:
    """One JSON line, without its newline."""
    return json.dumps({"step": epoch.step, **epoch.metrics})


def loads(line: str) -> Epoch:
    """The epoch of one JSON line; ``ValueError`` if it is not one."""
    try:
        row = json.loads(line)
    except RecursionError:
        row = None
    if not isinstance(row, dict) or "step" not in row:
        raise NotAnEpoch(f"not an epoch: {line[:80]!r}")
    return checked(row.pop("step"), row, least=0)


def file(folder: Path | str, replica: int = 0) -> Path:
    """Where the curve of one seed of a trial is kept, given the trial's folder."""
    return Path(folder) / ("telemetry.jsonl" if replica == 0 else f"telemetry-{replica}.jsonl")


def read(path: Path) -> Telemetry:
    """The epochs in a file, oldest first; none if there is no file.

    A line that cannot be read, as one torn by a crash, is a gap, and so is one that does not come after those before it.
    """
    epochs = Telemetry()
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return epochs
    for line in lines:
        with suppress(ValueError):
            epoch = loads(line.decode())
            if not epochs or epoch.step > epochs[-1].step:
                epochs.append(epoch)
    return epochs


def append(path: Path, epoch: Epoch) -> None:
    """Adds one line to the file, even where a crash has left half a line at its end."""
    with path.open("ab+") as file:
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n":
            file.write(b"\n")
        file.write(dumps(epoch).encode() + b"\n")


def rewrite(path: Path, epochs: Iterable[Epoch]) -> None:
    """Replaces the file as a whole, or leaves it as it was."""
    draft = path.with_suffix(".part")
    draft.write_text("".join(dumps(epoch) + "\n" for epoch in epochs), encoding="utf-8")
    draft.replace(path)
