"""Read the tables that trainings print: a line of names with values under it, and boxes of a name and a value a line.

So print Ultralytics' YOLO and its forks, fastai, skorch and scikit-learn; boxes are Stable-Baselines3's and Spinning Up's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pitprop.logs.epochs import Row
from pitprop.logs.names import Names, bare, tells

FIRST = ("epoch", "epochs", "ep", "class", "iter", "iteration", "step", "round", "e", "itn")
"""The first name in a table: what counts its lines, or the classes that YOLO validates by."""
HEADER = re.compile(r"[\s|]*(?:epochs?|ep|class|iter(?:ation)?|step|round|e(?=\s+#\s)|itn)\b(?!\s*[:=\[(\d])[^:=]*[A-Za-z]", re.I)
RULE = frozenset(" \t\r-=+|_*")
"""What lines between the parts of a table are drawn with."""
PROGRESS = re.compile(r":\s*(?:\d+%|0it).*$")
VALUE = re.compile(r"[-+]?(?:\d[\d.,]*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)%?", re.I)
PLACE = re.compile(r"(\d+)(?:/(\d+))?")
YOLO = {
    "box": "box_loss",
    "obj": "obj_loss",
    "cls": "cls_loss",
    "dfl": "dfl_loss",
    "total": "loss",
    "p": "precision",
    "r": "recall",
}
RESULTS = re.compile(rf"\s*\d+/\d+\s+[\d.]+G(?:\s+{VALUE.pattern}){{13}}\s*", re.I)
"""A line of the results.txt of YOLOv5 and YOLOv7, which names no columns."""
RESULT = (
    *("epoch", "gpu_mem", "box_loss", "obj_loss", "cls_loss", "loss", "labels", "img_size", "metrics/precision"),
    *("metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95", "val/box_loss", "val/obj_loss", "val/cls_loss"),
)
SPACY = re.compile(r"(?P<name>\w+)[_ ](?P<score>[PRF])")
SPACY_SCORES = {"P": "precision", "R": "recall", "F": "f1"}
"""How spaCy writes the three scores of a component: ENTS_F, and NER F before version 3."""
STEPS = ("total_timesteps", "timesteps", "totalenvinteracts", "total_steps", "iteration", "iterations", "steps")


class Grids:
    """The table or box under way. ``epoch`` is the one that its last line was of, and ``total`` how many there are to be."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._header: list[str] = []
        self._piped = self._named = False
        self._box: dict[str, str] = {}
        self._prefix = ""
        self._pastes: list[str] = []
        self._first: int | None = None
        self.epoch: int | None = None
        self.total: int | None = None

    def take(self, line: str) -> tuple[bool, Row | None]:
        """Whether ``line`` is one of a table, and what it reads."""
        if "copypaste: " in line:
            return True, self._pasted(line.partition("copypaste: ")[2])
        if line.strip(" \t\r|+*")[:3] in ("---", "===", "___", "-+-") and RULE.issuperset(line):
            return bool(self._header or self._box), self.closed()
        cells = _cells(line)
        if RESULTS.fullmatch(line):
            self._header, self._piped = [*RESULT], False
        if self._header and (row := self._values(line)) is not None:
            self._named = True
            return True, row
        if self._header and self._piped and not self._named and self._goes_on(cells):
            return True, None
        if HEADER.match(PROGRESS.sub("", line)) and self._begins(line):
            return True, None
        if line.lstrip().startswith("|") and len(cells) == 2:
            return self._boxed(cells), None
        return False, None

    def _begins(self, line: str) -> bool:
        """Whether ``line`` names the columns of a table."""
        line = PROGRESS.sub("", line)
        self._piped = line.lstrip().startswith("|")
        cells = _cells(line) if self._piped else _split(line)
        if len(cells) < 2 or cells[0].lower() not in FIRST or any(VALUE.fullmatch(cell) for cell in cells):
            return False
        if len(cells) == 2 and self._piped and not tells(cells[1]):
            return False
        self._header, self._named = cells, False
        return True

    def _goes_on(self, cells: Sequence[str]) -> bool:
        """Whether ``cells`` are the second line of the names, as MATLAB prints them."""
        if len(cells) != len(self._header) or any(map(VALUE.fullmatch, cells)) or not any(cells) or cells[0]:
            return False
        joined = (f"{above} {below}".strip() for above, below in zip(self._header, cells, strict=True))
        self._header, self._named = [name.replace("Mini-batch", "Train") for name in joined], True
        return True

    def _values(self, line: str) -> Row | None:
        """The row of a line that stands under names; None if it does not."""
        cells = _cells(line) if self._piped else line.split()
        classes = self._header[0].lower() == "class"
        if self._header[0].lower() in ("e", "itn"):
            return self._evaluated(cells)
        if len(cells) < len(self._header) or not (cells[0] == "all" if classes else PLACE.fullmatch(cells[0])):
            return None
        pairs = {name: _number(cell) for name, cell in zip(self._header[1:], cells[1:], strict=False) if VALUE.fullmatch(cell)}
        ours = self._names.of(pairs, "val" if classes else "train")
        ours |= self._names.of(filter(tells, pairs), "val") if bare(self._header) == "val" else {}
        metrics = {known: pairs[name] for name, known in ours.items()}
        if classes:
            return Row("val", metrics, None, self.epoch) if metrics else None
        number, total = PLACE.fullmatch(cells[0]).groups()  # type: ignore[union-attr]
        return self._placed(int(number), int(total) if total else None, metrics)

    def _evaluated(self, cells: Sequence[str]) -> Row | None:
        """The row of a line of spaCy: a validation, and the losses since the one before it, of which step 0 has none."""
        if len(cells) != len(self._header) or not all(map(VALUE.fullmatch, cells)):
            return None
        found = dict(zip(self._header, map(_number, cells), strict=True))
        epoch, step = int(found.pop(self._header[0])), int(found["#"]) if "#" in found else None
        losses = {name: value for name, value in found.items() if "loss" in name.lower()}
        scores = {_spelled(name): value for name, value in found.items() if name not in losses and tells(_spelled(name))}
        metrics = {ours: scores[name] for name, ours in self._names.of(scores, "val").items()}
        if step == 0:
            return Row("val", metrics, 0)
        metrics |= {ours: losses[name] for name, ours in self._names.of(losses, "train").items()}
        self.epoch = epoch
        return Row("epoch", metrics, step, epoch)

    def _placed(self, number: int, total: int | None, metrics: dict[str, float]) -> Row | None:
        counts = self._header[0].lower()
        if counts in ("iter", "iteration", "step", "round"):
            kind = "val" if any(name.startswith("val/") for name in metrics) else "train"
            return Row(kind, metrics, number) if metrics else None
        self.epoch, self._first = number, number if self._first is None else self._first
        self.total = total + (self._first == 0) if total else self.total  # 0/49 is the first of 50
        kind = "epoch" if any(name.startswith("val/") for name in metrics) else "mean"
        return Row(kind, metrics, None, number) if metrics else None

    def _pasted(self, text: str) -> Row | None:
        """What detectron2 prints of an evaluation: the task, the names, the values."""
        if text.startswith("Task: "):
            self._prefix = f"{text.removeprefix('Task: ').strip()}/"
        elif not VALUE.fullmatch(text.split(",")[0].strip()):
            self._pastes = [f"{self._prefix}{name.strip()}" for name in text.split(",")]
        elif self._pastes:
            found = dict(zip(self._pastes, map(_number, text.split(",")), strict=False))
            self._prefix = ""
            return Row("val", {ours: found[name] for name, ours in self._names.of(found, "val").items()})
        return None

    def _boxed(self, cells: Sequence[str]) -> bool:
        """Whether a line is one of a box, ``| name | value |``; a name that ends in / stands over those under it."""
        name, value = cells
        if name.endswith("/") and not value:
            self._prefix = name
        elif VALUE.fullmatch(value) and re.match(r"[A-Za-z]", name):
            self._box[self._prefix + name] = value
        else:
            return bool(self._box)
        return True

    def closed(self) -> Row | None:
        """What the box that ends here holds."""
        box, self._box, self._prefix = self._box, {}, ""
        numbers = {name: _number(value) for name, value in box.items()}
        places = {name.rsplit("/", 1)[-1].lower(): int(value) for name, value in numbers.items() if value.is_integer()}
        metrics = {ours: numbers[name] for name, ours in self._names.of(numbers, "train").items()}
        if not metrics:
            return None
        kind = "val" if any(name.startswith("val/") for name in metrics) else "train"
        return Row(kind, metrics, next((places[name] for name in STEPS if name in places), None), places.get("epoch"))


def _cells(line: str) -> list[str]:
    """The cells of a line that is drawn as a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []


def _split(line: str) -> list[str]:
    """The names in a line: apart by two blanks or more, if they may have one within, as in ``Train Loss``."""
    wide = [cell for cell in re.split(r"\s{2,}|\t", line.strip()) if cell]
    cells = wide if len(wide) > 2 or len(wide) * 2 > len(line.split()) else line.split()
    named, group = [], ""
    for cell in cells:  # Ultralytics writes Box(P R mAP50 mAP50-95) of four columns, and Mask(P ...)
        if "(" in cell and ")" not in cell:
            group, _, cell = cell.partition("(")
            group = "" if group.lower() == "box" else f"{group}_"
        named.append(group + YOLO.get(cell.rstrip(")").lower(), cell if "(" in cell else cell.rstrip(")")))
        group = "" if cell.endswith(")") else group
    return named


def _spelled(name: str) -> str:
    """The name of a score of spaCy, in full."""
    match = SPACY.fullmatch(name)
    return f"{match['name']}_{SPACY_SCORES[match['score']]}" if match else name.removesuffix(" %").removesuffix(" Acc")


def _number(text: str) -> float:
    share = text.endswith("%")
    try:
        return float(text.rstrip("%").replace(",", "")) / (100 if share else 1)
    except ValueError:
        return float("nan")
