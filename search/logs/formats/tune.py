"""What Ray Tune prints of a result: ``Result for TRIAL:`` and a block of YAML, or a box of names and values in its new output."""

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
BOXED = re.compile(
    r"^(?:Trial (?P<trial>[\w.\-]+)|Training) (?:finished iteration|completed(?: training)? after) (?P<number>\d+)\b.*$", re.M
)
"""What stands above the box of a result in the new output."""
CELL = re.compile(r"[│|]?\s*(?P<key>[A-Za-z][\w./\-]*)\s+(?P<value>\S+)\s*[│|]?\s*")
KEY = re.compile(r"(?P<indent> +)(?P<key>[\w./\-]+):(?: (?P<value>.*))?")
TRAINING = "training"
"""What a training of Ray Train is called, which has no name of its own."""
OWN = re.compile(
    r"done|date|hostname|pid|.*_id|node_ip|experiment_tag|should_checkpoint|timestamp|warmup_time|training_iteration|"
    r"(?:time|timesteps|episodes|iterations|num)_.*|.*_(?:total|restore|this_iter)"
)
"""Keys that Tune and RLlib add to each result, and that say nothing of how a training goes."""
PLAYED = ("episode_reward_mean", "env_runners", "sampler_results")
"""Keys of a result of RLlib, which reads what is played while it trains."""


def recognises(head: bytes, path: Path) -> bool:
    text = head.decode("utf-8", "replace")
    old = "training_iteration:" in text and BEGINS.search(text) is not None
    return old or (re.search(r"training_iteration\s+\d", text) is not None and BOXED.search(text) is not None)


def trainings(path: Path) -> Sequence[str]:
    """Its trials, if there are several."""
    text = decoding.whole(path).decode("utf-8", "replace")
    found = dict.fromkeys([*BEGINS.findall(text), *(trial or TRAINING for trial, _ in BOXED.findall(text))])
    return [*found] if len(found) > 1 else ()


class Reader:
    """An iteration is an epoch. A score or a loss that does not say its side is of validation; RLlib's are of training.

    Of what lies deeper, and of what Tune adds by itself, only losses and scores are read. Trials are trainings of their own.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._only = names, ""
        self._trial: str | None = None
        self._boxed = False
        self._under: list[tuple[int, str]] = []
        self._found: dict[str, float] = {}

    def only(self, name: str) -> None:
        """Reads one trial."""
        self._only = name

    def feed(self, data: bytes) -> Iterator[Row]:
        for line in data.decode("utf-8", "replace").splitlines():
            if begins := BEGINS.match(line) or BOXED.match(line):
                yield from self._ended()
                self._trial, self._boxed = begins["trial"] or TRAINING, begins.re is BOXED
                self._found = {"training_iteration": float(begins["number"])} if self._boxed else {}
            elif self._boxed and (cell := CELL.fullmatch(line)) and not cell["key"].startswith("config/"):
                self._take(0, cell["key"], cell["value"])
            elif self._boxed and line[:1] in "╭├╰│-":
                continue
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
        self._trial, self._boxed, self._found, self._under = None, False, {}, []
        number = found.get("training_iteration")
        if trial is None or number is None or (self._only and trial != self._only):
            return
        told = {name: value for name, value in found.items() if tells(name) or not ("/" in name or OWN.fullmatch(name))}
        ours = self._names.of(told, "train" if any(name.startswith(PLAYED) for name in found) else "val")
        if ours:
            yield Row("val", {known: told[name] for name, known in ours.items()}, None, int(number))
