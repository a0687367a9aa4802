"""Text as trainings print it, on stdout or to a file: by named patterns, or by what such lines have in common.

Without patterns, a line counts that names a place (``Epoch 3/20``, ``step 50``, mmengine's ``Epoch(val) [6][17/17]``) and a loss
or a score, each as ``name: value``, ``name=value``, or (for the usual names) ``name value``; and a line without a place that
holds nothing unusual, such as ``f1_macro: 0.5494`` or ``Prediction distribution: {0: 900}``. What is between two carriage
returns, as progress bars print it, is a line. Tables and boxes are read by `pitprop.logs.grids`, words that are not English and
unusual ways to write a number by `pitprop.logs.lines.wording`; a name that the user gives is read wherever it stands. Folds of a
cross-validation (``Fold 2``, on a line of its own or on each) are trainings of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from pitprop.detection import metrics
from pitprop.errors import UserError
from pitprop.logs.epochs import Row
from pitprop.logs.formats import HEAD, Traits, Unit, jsonl
from pitprop.logs.grids import Grids
from pitprop.logs.lines import decoding, languages, stated, wording
from pitprop.logs.lines.wording import NUMBER
from pitprop.logs.names import ALONE, COUNTS, LONE, SCORES, SIDES, WORDS, Asked, Names, column, tells
from pitprop.logs.objectives import EVALUATED
from pitprop.logs.shapes import Shape, Shapes
from pitprop.messages import _

JUDGED = (
    "YOLO: `val/map50_95`. nnU-Net: `val/dice`, the mean of the classes that have one. fairseq: `loss`, `ppl` or `bleu` of the "
    "line `valid`. Boosted trees: the first metric of validation. TRL's GRPO: `train/reward`. CycleGAN and other GANs: only NaN "
    "tells."
)
TRAITS = Traits(Unit.LINES, {"*.log": 4}, single=True, fallback=True, judged=JUDGED)
LONGEST = 8000
"""Characters of a line that is read; a longer one is a picture or weights."""
MOST = 120
"""Readings in a line."""
TELLS = re.compile(
    r"loss|acc|f1|auc|auroc|top|perplexity|error|iou|score|norm|lr|distribution|predict|label|/[gd]_|_[gd]$|disc|gen_", re.I
)
EPOCH = re.compile(
    r"\b(?:epoch|ep)(?:\((?P<side>\w+)\))?['\"]?[\s:=#\['\"(]{1,4}(?P<epoch>\d+)(?:\.0+)?(?![\d.]\d|\d)"
    r"(?:\s*(?:/|of)\s*(?P<epochs>\d+))?(?:[\]\s,:)]+\[?\s*(?P<part>\d+)\s*/\s*(?P<parts>\d+))?",
    re.I,
)
STEP = re.compile(
    r"\b(?:iters?|iterations?|it|kimg|steps?|global_step|num_timesteps|episodes?|batch|batches|batch_idx|updates?|round|generation)(?:\((?P<side>\w+)\))?['\"]?"
    r"[\s:=#\['\"(]{1,4}(?P<step>\d+)(?![\d.]*\d)(?:\s*/\s*(?P<steps>\d+))?",
    re.I,
)
TOTAL = re.compile(
    r"\bnum_updates[\s:=|'\"]{1,4}(?P<total>\d+)\b|^\[(?P<round>\d+)\]\s+(?=\w+(?:'s |-))|^(?P<tree>\d+):\s+(?=(?:learn|test):)"
)
"""Places that count over the whole training: fairseq's updates, the rounds of boosted trees."""
BARE = re.compile(r"^\s*\[\s*(?P<step>\d+)\s*/\s*(?P<steps>\d+)\s*\](?!\s*\[)")
BOTH = re.compile(r"^\s*\[\s*(?P<epoch>\d+)\s*/\s*(?P<epochs>\d+)\s*\]\s*\[\s*(?P<part>\d+)\s*/\s*(?P<parts>\d+)\s*\]")
"""Places without a word for them: a step, or an epoch and a step in it."""
BAR = re.compile(r"\|\s*(?P<part>\d+)/(?P<parts>\d+)\s*\[\d")
KERAS = re.compile(r"^\s*(?P<part>\d+)/(?P<parts>\d+) (?:\[[=>.]|━)")
"""How far a progress bar is, of tqdm or of Keras: of the epoch, where that has no number."""
ALONE_STEP = re.compile(rf"^\s*(?:\[\s*)?(?P<mark>\d+)\s*(?:\][\s:\-]+|\s)(?=[a-z][\w./\- ]{{0,80}}[:=]\s*{NUMBER})", re.I)
WORDLESS = (BARE, BOTH, ALONE_STEP, wording.TIMM, wording.TORCHTUNE)  # a number alone is a step if it rises, else a rank
IDLE_BAR = re.compile(r"\| \d+/\d+ \[[\d:?]+<[\d:?]+, [^,=:\]]*\]\s*$")
"""The end of a bar that reads nothing."""
SAID = re.compile(rf"(?:loss|acc|f1|score|reward|error)\w*[\s:=]{{1,3}}{NUMBER}", re.I)
LED = re.compile(r"(?<![\w/.])(?:train|valid|val|dev|test|eval)\s?:\s+(?=[a-z])", re.I)
"""A reading in the description of a bar, and what begins the readings of a side."""
USUAL = (
    r"(?:[a-z]\w{0,30}_)?loss(?:_[a-z]\w{0,30})?|acc|accuracy|f1|auc|macro[ _]f1|top[15]|acc@[15]|prec@[15]|perplexity|"
    r"ppl|lr|learning rate|grad norm|map|miou|iou|dice|bleu(?:-\d)?|wer|cer|rmse|mae|psnr|ssim|reward|precision|recall"
)
SIDE = r"train|training|val|valid|validation|validating|test|testing|eval|evaluation|evaluating|dev|cv(?!\d)"
PAIR = re.compile(
    r"(?<![\w./\-])(?P<name>[a-z][\w./\-]{0,80}(?:'s|:\d+_[\w./\-]{1,60}|@[\d.:]{1,9})?"
    r"(?: [a-z][\w\-]{0,30}){0,5}(?: ?\([a-z][\w \-]{0,20}\))?)"
    rf"['\"]?\s*(?:[:=]|->|is\b|reached\b)\s*(?:tensor\(|np\.\w{{1,9}}\()?['\"]?(?P<number>{NUMBER})(?P<share>\s?%)?(?!\w|\.\w)"
    rf"|\b(?P<bare>(?:best[ _])?(?:(?:{SIDE})[ _-])?(?:{USUAL})|(?:{SIDE})[ _]err(?:or)?(?:[ _]rate)?)"
    rf"\s+(?P<value>{NUMBER})(?P<part>\s?%)?(?!\w|\.\w|\s+\d+\.\d+\s*\()"
    rf"|(?<=\| )(?P<cell>[a-z][\w/\-]{{0,40}}) (?P<held>{NUMBER})(?=\s*(?:\||$))",
    re.I | re.A,
)
WORDY = re.compile(
    rf"(?<![\w./\-:=])(?P<name>(?:(?:{SIDE})[ _])?[a-z][\w/]{{1,40}}(?:-\d{{1,2}})?)\s+"
    rf"(?P<number>{NUMBER})(?P<share>\s?%)?(?!\w|\.\w|\s*[:=/]|\s+of\b)",
    re.I | re.A,
)
"""A name and its number with nothing between, which counts where the line says how far it is, and the name is of a metric."""
GROUPS = (("name", "number", "share"), ("bare", "value", "part"), ("cell", "held", ""))
SIDED = re.compile(rf"(?<![\w/.\\\-])(?P<side>{SIDE})(?![a-z]|\.(?:log|txt|py)\b)", re.I)
SECTION = re.compile(
    rf"\W*(?:(?:on|the|start|starting|begin|running|evaluate|evaluating)[\s:]+)*(?P<side>{SIDE}|validating|testing|evaluating)(?![a-z\d]|\.\w)",
    re.I,
)
"""What stands above lines that are all of one side."""
SUMMARY = re.compile(r"\| train \| (?:epoch\b|\{\W*epoch\b)")
"""fairseq's mean over an epoch, which follows the rows of the steps of it."""
TABLE = re.compile(r"(?P<name>[A-Za-z][\w ]{0,60}?)\s*[:=]\s*\{(?P<items>[^{}]*)\}")
ITEM = re.compile(r"(?:^|,)\s*(?:np\.\w+\()?['\"]?([\w.\- ]+?)['\"]?\)?\s*:\s*(?:np\.\w+\()?(\d+)")
VALIDATES = re.compile(
    r"\b(val|valid|validation|validating|eval|evaluation|evaluating|test|testing|cv)\b|\((val|test)\)|\bSaving dict for\b", re.I
)
PLACES = {"epoch": "EPOCH", **dict.fromkeys(("step", "iter", "iteration"), "STEP")}
PLACED = re.compile(r"poch|step|iter|loss", re.I)
FOLD = re.compile(r"\b(?:fold|折)(?:\W{0,3}|_)(?P<fold>\d{1,2})(?!\d|\.\d)|第\s*(?P<nth>\d{1,2})\s*折", re.I)
"""What begins a fold of a cross-validation, each of which is a training, or names it on each line."""
FOLDED = 1 << 26
"""Bytes of a file that is looked through for folds."""


def trainings(path: Path) -> Sequence[str]:
    """Its folds, if there are several."""
    if path.stat().st_size > FOLDED or (b"fold" not in (data := decoding.whole(path)).lower() and "折".encode() not in data):
        return ()
    told: dict[str, int] = {}
    for name, lines in _folds(data.decode("utf-8", "replace"), ""):
        told[name] = told.get(name, 0) + len(PLACED.findall(lines))
    found = [name for name, count in told.items() if name and count > 1]
    return found if len(found) > 1 else ()


def _folds(text: str, now: str) -> Iterator[tuple[str, str]]:
    """Pieces of ``text``, each with the fold that it is of; ``now`` is the one before it."""
    start = 0
    for match in FOLD.finditer(text):
        name = f"fold {int(match['fold'] or match['nth'])}"
        if name != now:
            line = text.rfind("\n", 0, match.start()) + 1
            yield now, text[start:line]
            start, now = line, name
    yield now, text[start:]


def recognises(head: bytes, path: Path) -> bool:
    begun = b"\n" in head or b"\r" in head or (len(head) >= HEAD and decoding.printed(head, path))  # a first line that goes on
    return begun and b"\0" not in head and path.suffix not in (".py", ".json")


class Reader:
    """``facts`` are what the log says of the training itself: the last of each ``max_epochs``, ``vocab_size`` and so on."""

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._shapes, self._grids, self._objects = names, Shapes(merge), Grids(names), jsonl.Objects(names)
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self._given = Asked(names.given)
        self._epoch: int | None = None
        self._section: str | None = None
        self._passes, self._bar = 1, (0, 0)
        self._mark: int | None = None
        self._placed_once, self._only, self._fold = False, "", ""
        self.facts: dict[str, float] = {}
        self._stated = stated.Stated()

    def only(self, name: str) -> None:
        """Reads one fold of a cross-validation."""
        self._only = name

    def feed(self, data: bytes) -> Iterator[Row]:
        text = decoding.unwrapped(data.replace(b"\0", b"").decode("utf-8", "replace")).replace("\b", "\n")
        if self._only:
            *_, (self._fold, _) = pieces = list(_folds(text, self._fold))
            text = "".join(piece for fold, piece in pieces if fold == self._only)
        text = decoding.ESCAPED.sub("", text) if "\x1b" in text else text
        text = text if text.isascii() else languages.english(text)
        yield from self._shapes.read(text, self._matched if self._patterns else self._line)

    def end(self) -> Iterator[Row]:
        """The box that the file ends in, which has no line below it."""
        if (row := self._grids.closed()) is not None:
            yield row

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
        if len(line) > LONGEST:
            return None
        if line.endswith(("]", "] ")) and IDLE_BAR.search(line):
            place = EPOCH.search(line[:60])
            self._epoch = int(place["epoch"]) if place else self._epoch
            told = line.partition("%|")[0]
            if not SAID.search(told):
                return self._tabled(line)[1] if len(told.partition("|")[0].split()) > 5 else None
        if known := self._shapes.match(line):
            return known[0].row(known[1])
        return self._learn(line)

    def _learn(self, line: str) -> Row | None:
        """A line of a kind not seen before."""
        self.facts |= self._stated.take(line)
        if line.startswith('{"') and (told := jsonl.parsed(line)) is not None:
            return self._objects.row(told)
        line = self._given.joined(line)
        taken, row = self._tabled(line)
        if taken:
            return row
        if "{" in line and (row := self._table(line)):
            beside = self._learn(TABLE.sub(" ", line))  # what else the line says
            return row if beside is None else beside._replace(kind="val", metrics={**beside.metrics, **row.metrics})
        places = _places(said := wording.plain(line))
        found = {} if not places and self._given.pattern is None and wording.mute(said) else self._readings(said)
        roles = {**found, **places}  # a place such as "step: 3" is no reading
        self._notes_section(said, places, found)
        if not roles:
            return None
        self._placed_once |= bool(places)
        running = wording.running(line) or ("EPOCH" in places.values() and BAR.search(said) and _kind(found.values()) == "val")
        kind = "mean" if SUMMARY.search(said) else "running" if running else _kind(found.values())  # a bar shows the one before
        shape = Shape(said, roles, kind, self._placed if places else self._unplaced, self._shapes.merge)
        if said == line:
            self._shapes.learn(shape)
        numbers = shape.line.fullmatch(said)
        return shape.row(numbers.groups()) if numbers else None

    def _tabled(self, line: str) -> tuple[bool, Row | None]:
        """Whether ``line`` is one of a table, and what it reads."""
        taken, row = self._grids.take(line)
        if taken:
            self._epoch = self._epoch if self._grids.epoch is None else self._grids.epoch
            self.facts |= {"max_epochs": self._grids.total} if self._grids.total else {}
        return taken, row

    def _readings(self, line: str) -> dict[tuple[int, int], str]:
        """What each number of ``line`` that is a reading is of, by where it stands."""
        placed = any(pattern.search(line) for pattern in (EPOCH, STEP, TOTAL, *WORDLESS))
        free = placed or line.lstrip().startswith(("{", "[{"))
        pairs: list[tuple[str, tuple[int, int], str]] = []  # name, where its number stands, its side if it does not say so
        sides = [(match.start(), SIDES[match["side"].lower()]) for match in SIDED.finditer(line)]
        trees = TOTAL.match(line) if line[:1].isdigit() or line[:1] == "[" else None  # CatBoost names no more than the side
        given = self._names.given
        named = list(islice(_pairs(line, self._given.pattern, placed), MOST))
        measured = not free and any(EVALUATED & {*metrics.split(name)} for name, *_ in named)
        for name, start, span, share in named:
            if free or name in given or _known(name) or (self._placed_once and tells(name)):
                side = ("val" if measured and not sides else self._side(name, start, sides, free, line)) + share
                pairs.append((column(name) if trees else name if name in given else name.replace(" ", "_"), span, side))
        ours = {
            side: self._names.of((name for name, _, other in pairs if other.rstrip("%") == side), side)
            for side in ("train", "val")
        }
        found = {}
        for name, span, side in pairs:
            role = ours[side.rstrip("%")].get(name) or ""
            found[span] = f"%{role}" if role and side.endswith("%") else role
        counts = trees or any(name in given for name, _, _ in pairs) or any(map(_tells, found.values()))
        return found if counts else {}

    def _side(self, name: str, start: int, sides: Sequence[tuple[int, str]], free: bool, line: str) -> str:
        """The data that a reading is of which does not say so: that named before it, or anywhere in the line, or above it."""
        before = [side for at, side in sides if at < start]
        if any(start <= at < start + len(name) for at, _ in sides):
            return "train"  # its own name says more
        if before:
            twin = re.search(rf"(?<![a-z])(?:{SIDE})[ _/\-]{re.escape(name)}['\"]?\s*[:=]?\s*{NUMBER}", line, re.I)
            return "train" if before[-1] == "val" and twin else before[-1]
        apart = re.sub(rf"\b(?:{SIDE})(?:[ _/\-][a-z]|\W{{1,3}}\d)", "", line, flags=re.I)  # but what begins another reading
        if VALIDATES.search(apart):
            return "val"
        if free:
            alone = "{" in line or (EPOCH.search(line) and not re.search(r"step|iter|batch|\|", line, re.I))
            lossless = alone and not re.search(r"loss|norm|rate|reward|\blr\b|time", line, re.I)
            return "val" if lossless or "'eval_" in line else "train"
        return self._section or "train" if _lossy(name) else "val"

    def _notes_section(self, line: str, places: Mapping[tuple[int, int], str], found: Mapping[tuple[int, int], str]) -> None:
        """Which side the next lines are of, that say nothing of it."""
        if not found and len(line) < 120 and (match := SECTION.match(wording.STAMP.sub("", line))):
            self._section = SIDES[match["side"].lower()]
        elif places:
            self._section = None
        self._shapes.under(self._section)

    def _unplaced(self, _: Mapping[str, int]) -> tuple[int | None, int | None]:
        return None, self._epoch

    def _placed(self, places: Mapping[str, int]) -> tuple[int | None, int | None]:
        """Where a line stands, by what it says: its step may count within its epoch."""
        if "MARK" in places:
            before, self._mark = self._mark, places["MARK"]
            return (self._mark if before is not None and before < self._mark else None), self._epoch
        step = places.get("STEP")
        self._epoch = places.get("EPOCH", self._epoch)  # of a step that does not say it, that of the heading
        if total := places.get("EPOCHS"):
            self.facts["max_epochs"] = total
        if "TOTAL" in places or "ROUND" in places or "TREE" in places:
            return places.get("TOTAL", places.get("ROUND", places.get("TREE", 0)) + 1), self._epoch
        part, parts = places.get("PART", step), places.get("PARTS", places.get("STEPS"))
        if "PART" in places and "EPOCH" not in places and "EPOCHS" not in places:
            return self._passed(places["PART"], places["PARTS"])
        if self._epoch is not None and part is not None and parts is not None:
            step = self._epoch * parts + part
        elif total := places.get("STEPS"):
            self.facts["max_steps"] = total  # Iter [600/80000]; within an epoch it is the length of that
        return step, self._epoch

    def _passed(self, part: int, parts: int) -> tuple[int | None, int | None]:
        """Where a progress bar stands that names no epoch: it begins anew with each. That of a validation has another length."""
        if self._epoch is not None:
            return None, self._epoch
        before, length = self._bar
        if parts != length and length:
            return None, self._passes
        self._passes += part < before
        self._bar = part, parts
        return (self._passes - 1) * parts + part, self._passes

    def _role(self, name: str, side: str) -> str:
        return self._names(name.replace(" ", "_"), side) or ""

    def _table(self, line: str) -> Row | None:
        """A printed dictionary of counts by class."""
        metrics: dict[str, float] = {}
        for match in TABLE.finditer(line):
            prefix = next((COUNTS[words] for words in _endings(match["name"]) if words in COUNTS), None)
            if prefix:
                metrics |= {prefix + label: float(count) for label, count in ITEM.findall(match["items"])}
        if metrics and (place := EPOCH.search(line)):
            self._epoch = int(place["epoch"])
        return Row("val", metrics, None, self._epoch) if metrics else None


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(
            _("the pattern {pattern!r} is no regular expression: {error}").format(pattern=pattern, error=error)
        ) from error
    if not compiled.groupindex:
        raise UserError(
            _("the pattern {pattern!r} names no group: write what it reads as (?P<val_loss>\\S+)").format(pattern=pattern)
        )
    return compiled


def _pairs(line: str, given: re.Pattern[str] | None, placed: bool) -> Iterator[tuple[str, int, tuple[int, int], str]]:
    """Names with where they begin, where their numbers stand, and % if these are in percent; names of the user first."""
    taken: list[tuple[int, int]] = []
    for match in given.finditer(line) if given else ():
        taken.append(match.span())
        yield match["name"], match.start(), match.span("number"), "%" if match["share"] else ""
    for match in PAIR.finditer(line):
        name, number, share = next(groups for groups in GROUPS if match[groups[0]])
        if not any(start < match.end(number) and match.start(number) < end for start, end in taken):
            taken.append(match.span(number))
            yield match[name], match.start(name), match.span(number), "%" if share and match[share] else ""
    for match in WORDY.finditer(line) if placed or LED.search(line) else ():
        if tells(match["name"]) and not any(start < match.end() and match.start("number") < end for start, end in taken):
            yield match["name"], match.start(), match.span("number"), "%" if match["share"] else ""


def _places(line: str) -> dict[tuple[int, int], str]:
    """Where the line says how far it is. That of a validation within itself does not count."""
    found: dict[tuple[int, int], str] = {}
    for pattern in (EPOCH, STEP, TOTAL):
        if match := pattern.search(line):
            inner = (match["side"] or "").lower() in ("val", "test") if "side" in pattern.groupindex else False
            for name in pattern.groupindex:
                if name != "side" and match[name] is not None and not (inner and name != "epoch"):
                    found[match.span(name)] = name.upper()
    wordless = (match for pattern in (*WORDLESS, BAR, KERAS) if (match := pattern.search(line)))
    match = None if found else next(wordless, None)
    return {match.span(name): name.upper() for name in match.re.groupindex} if match else found


def _kind(roles: Iterable[str]) -> str:
    return "val" if any(role.lstrip("%").startswith(("val/", "embedding/")) for role in roles) else "train"


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
    words = re.split(r"[ _]", name.lower())
    return words[-1] == "loss" or words in (["accuracy"], ["acc"]) or "norm" in words or "rate" in words


def _tells(role: str) -> bool:
    role = role.lstrip("%")
    return role in ALONE or bool(role and (TELLS.search(role) or tells(role)))
