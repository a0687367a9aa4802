"""Read the logs of one finished training from start to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pitprop.errors import UserError
from pitprop.logs import decoding, formats
from pitprop.logs.epochs import Bins, Epochs, forget
from pitprop.logs.follow import Follower
from pitprop.telemetry import Epoch, Telemetry

LARGE = 8_000_000
"""Bytes from which on lines of training are read by the hundreds."""
MERGE = 256


@dataclass(slots=True)
class Finished:
    """``epochs`` and, if these are few, finer ``pieces`` of a training; ``steps`` is the last step of it that is named.

    ``numbered`` says whether the source counts epochs, and ``from_0`` whether from 0. ``said`` is what it says of itself.
    """

    epochs: Telemetry = field(default_factory=Telemetry)
    pieces: Telemetry = field(default_factory=Telemetry)
    steps: int = 0
    numbered: bool = False
    from_0: bool = False
    said: dict[str, int] = field(default_factory=dict)


def read(
    files: Sequence[Path], metric: str | None, format: str | None, pattern: Sequence[str], names: Mapping[str, str]
) -> Finished:
    """The epochs of the file that has most of them, with what the other files add to these."""
    found = [_read(file, metric, format, pattern, names) for file in sorted(files, key=lambda file: not _exact(file, format))]
    if not any(one.epochs or one.pieces for one in found):
        _explain(files)
    best = max(found, key=lambda one: len(one.epochs))
    best.pieces = max((one.pieces for one in found), key=len)
    best.said = {name: value for one in found for name, value in one.said.items()}
    for other in found:
        if other is not best and [epoch.step for epoch in other.epochs] == [epoch.step for epoch in best.epochs]:
            pairs = zip(best.epochs, other.epochs, strict=True)
            best.epochs = Telemetry(Epoch(mine.step, {**theirs.metrics, **mine.metrics}) for mine, theirs in pairs)
    return best


def _explain(files: Sequence[Path]) -> None:
    """`UserError` if it is plain why nothing is read from ``files``."""
    for file in (one for one in files if one.is_file()):
        start = decoding.head(file, formats.HEAD)
        if not start:
            raise UserError(f"{file} is empty: nothing has been written to it")
        if b"\0" in start and formats.recognise(file) is None:
            raise UserError(
                f"{file} is no log that is known, and no text: give the log itself, plain or packed as .gz, .bz2 or .xz"
            )


def _exact(file: Path, format: str | None) -> bool:
    name = format or formats.recognise(file)
    return name is not None and formats.load(name).TRAITS.exact


def _read(file: Path, metric: str | None, format: str | None, pattern: Sequence[str], names: Mapping[str, str]) -> Finished:
    merge = MERGE if formats.part(file)[0].stat().st_size > LARGE else 1
    follower, joined, bins = Follower(file, format, pattern, names, merge=merge), Epochs(metric), Bins()
    epochs = Telemetry()
    for rows in follower.stream():
        forget(epochs, joined.add(rows))
        bins.add(rows)
    rows = follower.end()
    bins.add(rows)
    forget(epochs, joined.add(rows) + joined.end())
    return Finished(epochs, bins.telemetry(), bins.last, joined.numbered, joined.from_0, dict(follower.facts))
