"""Text as trainings print it, on stdout or to a file: by named patterns, or by what such lines have in common.

Without patterns, a line counts that names a place (``Epoch 3/20``, ``step 50``, mmengine's ``Epoch(val) [6][17/17]``) and a loss
or a score, each as ``name: value``, ``name=value``, or (for the usual names) ``name value``; and a line without a place that
holds nothing unusual, such as ``f1_macro: 0.5494`` or ``Prediction distribution: {0: 900}``. What is between two carriage
returns, as progress bars print it, is a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pitprop.errors import UserError
from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.names import COUNTS, LONE, SCORES, WORDS, Names
from pitprop.logs.shapes import Shape, Shapes

TRAITS = Traits(Unit.LINES, {"*.log": 4}, single=True, fallback=True)
NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf(?:inity)?)"
TELLS = re.compile(r"loss|acc|f1|auc|auroc|top|perplexity|error|iou|score|norm|learning|lr|distribution|predict|label", re.I)
EPOCH = re.compile(
    r"\bepoch(?:\((?P<side>\w+)\))?['\"]?[\s:=#\[(]{1,4}(?P<epoch>\d+)(?![\d.])(?:\s*(?:/|of)\s*(?P<epochs>\d+))?"
    r"(?:[\]\s,:)]*\[\s*(?P<part>\d+)/(?P<parts>\d+))?",
    re.I,
)
STEP = re.compile(
    r"\b(?:iter|iteration|step|global_step|batch)(?:\((?P<side>\w+)\))?['\"]?[\s:=#\[(]{1,4}(?P<step>\d+)(?![\d.])(?:\s*/\s*(?P<steps>\d+))?",
    re.I,
)
COUNT = re.compile(r"^\s*\[\s*(?P<step>\d+)\s*/\s*(?P<steps>\d+)\s*\]")
"""``[1/500]`` at the start of a line that names no place."""
USUAL = "loss|acc|accuracy|f1|auc|macro[ _]f1|top[15]|perplexity|ppl|lr|learning rate|grad norm"
PAIR = re.compile(
    rf"(?P<name>[A-Za-z][\w./\-]*(?::\d[\w./\-]*)?(?: [A-Za-z]\w*)*)['\"]?\s*[:=]\s*(?P<number>{NUMBER})(?![\w.])"
    rf"|\b(?P<plain>(?:(?:train|training|val|valid|validation|test|eval)[ _])?(?:{USUAL}))\s+(?P<value>{NUMBER})(?![\w.])",
    re.I,
)
TABLE = re.compile(r"(?P<name>[A-Za-z][\w ]*?)\s*[:=]\s*\{(?P<items>[^{}]*)\}")
ITEM = re.compile(r"(?:^|,)\s*(?:np\.\w+\()?['\"]?([\w.\- ]+?)['\"]?\)?\s*:\s*(?:np\.\w+\()?(\d+)")
VALIDATES = re.compile(r"\b(val|valid|validation|eval|evaluation|test)\b|\((val|test)\)", re.I)
PLACES = {"epoch": "EPOCH", **dict.fromkeys(("step", "iter", "iteration"), "STEP")}
FACT = re.compile(r"\b(max_epochs|num_epochs|num_train_epochs|max_iters|max_steps|num_classes|vocab_size)['\"]?\s*[:=]\s*(\d+)\b")

PRETRAINED = re.compile(r"\bload_from = '|\b(?:load|resum)(?:s|ed|ing)? (?:from|pre-?trained|checkpoint)|from_pretrained", re.I)


def recognises(head: bytes, path: Path) -> bool:
    return b"\0" not in head and (b"\n" in head or b"\r" in head) and path.suffix not in (".py", ".json")


class Reader:
    """``facts`` are what the log says of the training itself: the last of each ``max_epochs``, ``vocab_size`` and so on."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._shapes = names, Shapes(merge)
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self._epoch: int | None = None
        self.facts: dict[str, int] = {}

    def feed(self, data: bytes) -> Iterator[Row]:
        text = data.decode("utf-8", "replace").replace("\b", "\n")
        if "\x1b" in text:
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
        yield from self._shapes.read(text, self._matched if self._patterns else self._line)

    def _matched(self, line: str) -> Row | None:
        """By the user's patterns."""
        for pattern in self._patterns:
            if match := pattern.search(line):
                found = {name: match.span(name) for name, value in match.groupdict().items() if value}
                side = "val" if VALIDATES.search(line) else "train"
                roles = {span: PLACES.get(name) or self._role(name, side) for name, span in found.items()}
                shape = Shape(line, roles, _kind(roles.values()), self._placed, 1)
                return shape.row([line[start:end].rstrip(",;)]") for start, end in sorted(roles)])
        return None

    def _line(self, line: str) -> Row | None:
        if known := self._shapes.match(line):
            return known[0].row(known[1])
        return self._learn(line)

    def _learn(self, line: str) -> Row | None:
        """A line of a kind not seen before."""
        for name, number in FACT.findall(line):
            self.facts[name] = int(number)
        if PRETRAINED.search(line):
            self.facts["pretrained"] = 1
        if not TELLS.search(line) and not EPOCH.search(line):
            return None
        if "{" in line and (row := self._table(line)):
            return row
        places, found = _places(line), {}
        side = "val" if VALIDATES.search(line) else "train"
        for match in PAIR.finditer(line):
            name, group = (match["name"], "number") if match["name"] else (match["plain"], "value")
            if _known(name) or places or line.startswith("{"):
                found[match.span(group)] = self._role(name.strip(), side if places or _lossy(name) else "val")
        if not any(_tells(role) for role in found.values()):
            found = {}
        roles = {**found, **places}  # a place such as "step: 3" is no reading
        if not roles:
            return None
        shape = Shape(line, roles, _kind(found.values()), self._placed if places else self._unplaced, self._shapes.merge)
        self._shapes.learn(shape)
        numbers = shape.line.fullmatch(line)
        return shape.row(numbers.groups()) if numbers else None

    def _unplaced(self, _: Mapping[str, int]) -> tuple[int | None, int | None]:
        return None, self._epoch

    def _placed(self, places: Mapping[str, int]) -> tuple[int | None, int | None]:
        """Where a line stands, by what it says: its step may count within its epoch."""
        self._epoch, step = places.get("EPOCH"), places.get("STEP")
        if total := places.get("EPOCHS"):
            self.facts["max_epochs"] = total
        elif self._epoch is None and (total := places.get("STEPS")):
            self.facts["max_iters"] = total  # Iter [600/80000]; within an epoch it is the length of that
        part, parts = places.get("PART", step), places.get("PARTS", places.get("STEPS"))
        if self._epoch is not None and part is not None and parts is not None:
            step = self._epoch * parts + part
        return step, self._epoch

    def _role(self, name: str, side: str) -> str:
        return self._names(name.replace(" ", "_"), side) or ""

    def _table(self, line: str) -> Row | None:
        """A printed dictionary of counts by class."""
        metrics: dict[str, float] = {}
        for match in TABLE.finditer(line):
            prefix = next((COUNTS[words] for words in _endings(match["name"]) if words in COUNTS), None)
            if prefix:
                metrics |= {prefix + label: float(count) for label, count in ITEM.findall(match["items"])}
        if not metrics:
            return None
        if place := EPOCH.search(line):
            self._epoch = int(place["epoch"])
        return Row("val", metrics, None, self._epoch)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"the pattern {pattern!r} is no regular expression: {error}") from error
    if not compiled.groupindex:
        raise UserError(f"the pattern {pattern!r} names no group: write what it reads as (?P<val_loss>\\S+)")
    return compiled


def _places(line: str) -> dict[tuple[int, int], str]:
    """Where the line says how far it is. That of a validation within itself does not count."""
    found: dict[tuple[int, int], str] = {}
    for pattern in (EPOCH, STEP):
        if match := pattern.search(line):
            inner = (match["side"] or "").lower() in ("val", "test")
            for name in pattern.groupindex:
                if name != "side" and match[name] is not None and not (inner and name != "epoch"):
                    found[match.span(name)] = name.upper()
    if not found and (match := COUNT.search(line)):
        found = {match.span(name): name.upper() for name in COUNT.groupindex}
    return found


def _kind(roles: Iterable[str]) -> str:
    return "val" if any(role.startswith(("val/", "embedding/")) for role in roles) else "train"


def _endings(name: str) -> list[str]:
    """``3 - prediction distribution`` as all the names that it may end in."""
    words = name.lower().split()
    return ["_".join(words[index:]) for index in range(len(words))]


def _known(name: str) -> bool:
    """Whether a reading by that name needs no place to be believed."""
    flat = re.sub(r"[^a-z0-9]+", "_", name.lower())
    flat = re.sub(r"^(train|training|val|valid|validation|test|eval)_", "", flat)
    return flat in WORDS or flat in SCORES or (flat in LONE and flat not in ("lr", "learning_rate"))


def _lossy(name: str) -> bool:
    """Whether it is printed of training too, unlike a score."""
    return name.lower().rsplit(" ", 1)[-1] in ("loss", "accuracy", "acc") or "norm" in name.lower() or "rate" in name.lower()


def _tells(role: str) -> bool:
    return role in ("lr", "grad_norm") or bool(role and TELLS.search(role))
