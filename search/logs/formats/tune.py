"""What Ray Tune prints of a result in its old output: ``Result for TRIAL:`` and a block of YAML under it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.formats.jsonl import as_number
from pitprop.logs.lines import decoding
from pitprop.logs.names import Names, tells

JUDGED = "RLlib: `train/episode_reward_mean`, the return. Others: the score, else the loss."
TRAITS = Traits(Unit.LINES, single=True, judged=JUDGED)
BEGINS = re.compile(r"^\W*Result for (?P<trial>[\w.\-]+):\s*$", re.M)
KEY = re.compile(r"(?P<indent> +)(?P<key>[\w./\-]+):(?: (?P<value>.*))?")
OWN = re.compile(
    r"done|date|hostname|pid|.*_id|node_ip|experiment_tag|should_checkpoint|timestamp|warmup_time|training_iteration|"
    r"(?:time|timesteps|episodes|iterations|num)_.*|.*_(?:total|restore|this_iter)"
)
"""Keys that Tune and RLlib add to each result, and that say nothing of how a training goes."""
PLAYED = ("episode_reward_mean", "env_runners", "sampler_results")
"""Keys of a result of RLlib, which reads what is played while it trains."""


def recognises(head: bytes, path: Path) -> bool:
    return b"training_iteration:" in head and BEGINS.search(head.decode("utf-8", "replace")) is not None


def trainings(path: Path) -> Sequence[str]:
    """Its trials, if there are several."""
    found = dict.fromkeys(BEGINS.findall(decoding.whole(path).decode("utf-8", "replace")))
    return [*found] if len(found) > 1 else ()


class Reader:
    """An iteration is an epoch. A score or a loss that does not say its side is of validation; RLlib's are of training.

    Of what lies deeper, and of what Tune adds by itself, only losses and scores are read. Trials are trainings of their own.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._only = names, ""
        self._trial: str | None = None
        self._under: list[tuple[int, str]] = []
        self._found: dict[str, float] = {}

    def only(self, name: str) -> None:
        """Reads one trial."""
        self._only = name

    def feed(self, data: bytes) -> Iterator[Row]:
        for line in data.decode("utf-8", "replace").splitlines():
            if begins := BEGINS.match(line):
                yield from self._ended()
                self._trial = begins["trial"]
            elif match := KEY.fullmatch(line.rstrip()):
                self._take(len(match["indent"]), match["key"], match["value"])
            elif not line.strip() or not line.startswith(" "):
                yield from self._ended()

    def end(self) -> Iterator[Row]:
        """The block that the file ends in, which has no blank line below it."""
        yield from self._ended()

    def _take(self, indent: int, key: str, value: str | None) -> None:
        while self._under and self._under[-1][0] >= indent:
            self._under.pop()
        if value is None:
            self._under.append((indent, key))
        elif (number := as_number(value.strip("'\" "))) is not None:
            self._found["/".join([*(name for _, name in self._under), key])] = number

    def _ended(self) -> Iterator[Row]:
        """The row of the block that ends here."""
        trial, found = self._trial, self._found
        self._trial, self._found, self._under = None, {}, []
        number = found.get("training_iteration")
        if trial is None or number is None or (self._only and trial != self._only):
            return
        told = {name: value for name, value in found.items() if tells(name) or not ("/" in name or OWN.fullmatch(name))}
        ours = self._names.of(told, "train" if any(name.startswith(PLAYED) for name in found) else "val")
        if ours:
            yield Row("val", {known: told[name] for name, known in ours.items()}, None, int(number))
