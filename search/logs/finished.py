"""Read the logs of one finished training from start to end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pitprop.errors import UserError
from pitprop.logs import formats
from pitprop.logs.epochs import Bins, Epochs, Row, forget
from pitprop.logs.follow import Follower
from pitprop.logs.formats import Traits
from pitprop.logs.lines import decoding
from pitprop.logs.names import SIDES
from pitprop.messages import _, nmessage
from pitprop.telemetry import Epoch, Telemetry

LARGE = 8_000_000
"""Bytes from which on lines of training are read by the hundreds."""
MERGE = 256
SETTING = re.compile(
    r"(?<![\w.\-])(?P<name>(?:[a-z]+_){1,3}clip(?:ping)?|(?:[a-z]+_){0,3}(?:lr|learning_rate|alpha|gamma|decay|weights?|weights_[a-z]+|dropout|max_norm|"
    r"momentum|batch_size|patience|min_delta|warmup|warmup_epochs|epochs|temperature|smoothing|optimizer|schedule|seed))['\"]?\s*"
    r"[:=]\s*(?P<value>\[[^\[\]]{1,80}\]|\{[^{}]{1,80}\}|[-+]?\d[\w.+\-]*|none|null|true|false|'[\w.\-]{1,30}')",
    re.I,
)
"""What a training says of how it was set up: a name that people turn, and a value or a list of them."""
SET_UP = 65536
"""Bytes in which a training says how it was set up."""


@dataclass(slots=True)
class Finished:
    """``epochs`` and, if these are few, finer ``pieces`` of a training; ``steps`` is the last step of it that is named.

    ``begins`` is the epoch and the step at which it begins, each None if not named; ``late`` says that these are not the start
    of a training, as of one that was resumed, or of an excerpt. ``numbered`` says whether the source counts epochs, and
    ``from_0`` whether from 0; ``placed``, whether any reading names an epoch or a step. ``went_back`` says where it was
    restarted, and ``said`` is what it says of itself.
    """

    epochs: Telemetry = field(default_factory=Telemetry)
    pieces: Telemetry = field(default_factory=Telemetry)
    steps: int = 0
    numbered: bool = False
    from_0: bool = False
    begins: tuple[int | None, int | None] = (None, None)
    late: bool = False
    placed: bool = False
    went_back: str = ""
    said: dict[str, float] = field(default_factory=dict)


def read(
    files: Sequence[Path], metric: str | None, format: str | None, pattern: Sequence[str], names: Mapping[str, str]
) -> Finished:
    """The epochs of the file that has most of them, with what the other files add to these."""
    ordered = sorted(files, key=lambda file: not _exact(file, format))
    sides = [file for file in ordered if file.parent.name.lower() in SIDES and _traits(file, format).sided]
    apart = [[file] for file in ordered if file not in sides] + ([sides] if sides else [])
    found = [_read(together, metric, format, pattern, names) for together in apart]
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


def settings(files: Sequence[Path]) -> dict[str, str]:
    """How a training was set up, as its text says before its first readings: the first value of each name."""
    found: dict[str, str] = {}
    for file in (one for one in files if one.is_file()):
        start = decoding.head(file, SET_UP)
        if b"\0" not in start:
            for match in SETTING.finditer(start.decode("utf-8", "replace")):
                found.setdefault(match["name"].lower(), match["value"])
    return found


def _explain(files: Sequence[Path]) -> None:
    """`UserError` if it is plain why nothing is read from ``files``."""
    for file in (one for one in files if one.is_file()):
        start = decoding.head(file, formats.HEAD)
        if not start:
            raise UserError(_("{file} is empty: nothing has been written to it").format(file=file))
        if b"\0" in start and formats.recognise(file) is None:
            raise UserError(
                _(
                    "{file} is no log of a known format, and no text: give the log itself, plain or packed as .gz, .bz2 or .xz"
                ).format(file=file)
            )


def _traits(file: Path, format: str | None) -> Traits:
    return formats.load(format or formats.recognise(file) or formats.fallback()).TRAITS


def _exact(file: Path, format: str | None) -> bool:
    return _traits(file, format).exact


def _read(
    files: Sequence[Path], metric: str | None, format: str | None, pattern: Sequence[str], names: Mapping[str, str]
) -> Finished:
    """One file; or several of one training, each of one side of it, in the order of their steps."""
    joined, bins, epochs = Epochs(metric), Bins(), Telemetry()
    large = sum(formats.part(file)[0].stat().st_size for file in files) > LARGE
    followers = [Follower(file, format, pattern, names, merge=MERGE if large else 1) for file in files]
    numbers, steps, last = list[int](), list[int](), 0
    for rows in _rows(followers):
        forget(epochs, joined.add(rows))
        bins.add(rows)
        numbers = _least(numbers, (row.epoch for row in rows))
        steps = _least(steps, (row.step for row in rows if row.kind != "val"))
        last = max((row.step for row in rows if row.step is not None), default=last)
    forget(epochs, joined.end())
    begins = next(iter(numbers), None), next(iter(steps), None)
    late = _late(numbers) if numbers else len(steps) > 1 and _late(steps)
    said = {name: value for follower in followers for name, value in follower.facts.items()}
    placed = bool(numbers or steps or last)
    back = _went_back(joined.rewound)
    return Finished(epochs, bins.telemetry(), last, joined.numbered, joined.from_0, begins, late, placed, back, said)


def _went_back(places: Sequence[tuple[int, int]]) -> str:
    """Where a training went back to an epoch that it had had, in words."""
    if not places:
        return ""
    after, to = places[-1]
    return nmessage(
        "it was restarted: its log goes back from epoch {after} to {to}; of what it has twice the later counts",
        "it was restarted: its log goes back from epoch {after} to {to}, the last of {n} times; of what it has twice the later "
        "counts",
        len(places),
        **{"after": after, "to": to},
    )


def _least(known: Sequence[int], more: Iterable[int | None]) -> list[int]:
    """The two least numbers: a training that began anew counts from its start."""
    return sorted({*known, *(number for number in more if number is not None)})[:2]


def _late(places: Sequence[int]) -> bool:
    """Whether the first place lies more than twice as far from the start as from the second; a lone one, beyond the first two."""
    return places[0] > 2 * (places[1] - places[0] if len(places) > 1 else 1)


def _rows(followers: Sequence[Follower]) -> Iterator[list[Row]]:
    if len(followers) > 1:
        rows = [row for follower in followers for row in follower.poll() + follower.end()]
        yield sorted(rows, key=lambda row: (row.step or 0, row.kind == "val"))
        return
    for follower in followers:
        yield from follower.stream()
        yield follower.end()
