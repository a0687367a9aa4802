"""What a log says of its training in flags, configurations and dumps of them: its length, its classes, the learning rate."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pitprop.logs.lines import wording

MOST = 8
"""Drops that are kept."""
FACT = re.compile(
    r"\b(max_epochs|num_epochs|num_train_epochs|max_iters|max_steps|num_classes|num_labels|n_classes|vocab_size)['\"]?\s*[:=]\s*"
    r"(\d+)\b"
)
VOCABULARY = re.compile(r"\W*vocab(?:ulary)?(?:[ _]size)?\s*[:=]?\s*(\d+)\W*", re.I)
"""A line of nothing but how many words there are."""
NUMBERS = r"[\[(]?\s*(?P<numbers>\d+(?:\.\d+)?(?:(?:\s*,\s*|\s+)\d+(?:\.\d+)?)*)\s*,?\s*(?:[\])]|(?=[\s,})'\"]|$))"
SAYS = re.compile(r"warm|milestone|step|drop|decay|sched|linear", re.I)
WARMS = re.compile(
    r"(?<![\w.])(?:num_|lr_|n_)?warm_?up_(?P<unit>epochs?|steps|num_steps|iters|updates|ratio|frac|fraction|proportion|percent)"
    r"(?:['\"]?\s*[:=]\s*|\s+)(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)(?![\w.])",
    re.I,
)
LINEAR = re.compile(r"by_epoch=True,\s*end=(?P<end>\d+)\b[^()]*LinearLR")
"""mmengine's warm-up in epochs."""
LISTED = re.compile(
    r"(?<![\w.])(?P<name>(?:lr_)?milestones|lr_steps|lr_decay_(?:epochs|steps)|lr_drops?|schedule|drops|steps?|lr_step_size|step_size|decay_epochs)"
    rf"(?:['\"]?\s*[:=]\s*|\s+){NUMBERS}",
    re.I,
)
OPENS = re.compile(r"(?<![\w.])(?:lr_)?(?:milestones|decay_epochs)['\"]?\s*[:=]\s*\[?\s*$", re.I)
ITEM = re.compile(r"\s*(?:-\s+)?(?P<number>\d+)\s*,?\s*")
"""A list that is written on lines of its own, and one of these."""
BY_STEPS = re.compile(
    r"multi_?step|step_?lr|\bsteps?\b['\"]?\s*[,)}]|policy\W+step|sched\w*\W{1,4}(?:multi_?)?steps?\b|\blr_steps", re.I
)
OTHERWISE = re.compile(
    r"(?:sched\w*|policy|lr_policy)['\"]?\s*[:=]\s*['\"]?\w*?(?:cos|linear|poly|const|plateau|exp|onecycle|none)", re.I
)
EVERY = ("step_size", "lr_step_size", "lr_drop", "decay_epochs")
"""What says after how many epochs each a step lowers the rate."""
NEEDS = ("schedule", "step", "steps", "step_size", "decay_epochs")
"""Names that are of a schedule only where the line says that it goes by steps."""


class Stated:
    """``facts`` are what the lines so far say: max_epochs, num_classes, warmup_epochs (or _steps, _ratio), drop_0, ..."""

    def __init__(self) -> None:
        self.facts: dict[str, float] = {}
        self._open: list[float] | None = None

    def take(self, line: str) -> Mapping[str, float]:
        """All that is known with this line."""
        for name, number in FACT.findall(line) if "_" in line else ():
            self.facts[name] = int(number)
        if "ocab" in line and (words := VOCABULARY.fullmatch(line)):
            self.facts["vocab_size"] = int(words[1])
        if wording.LOADS.search(line) and wording.PRETRAINED.search(line):
            self.facts["pretrained"] = 1
        if self._open is not None and (item := ITEM.fullmatch(line)):
            self._open.append(float(item["number"]))
            return self.facts
        if self._open is not None:
            self._dropped(self._open)
            self._open = None
        if not SAYS.search(line):
            return self.facts
        plain = re.sub(r"(?<=[a-z])-(?=[a-z])", "_", line.replace("--", " "))  # --warmup-epochs 5
        for match in WARMS.finditer(plain):
            self._warms(match["unit"].lower(), float(match["number"]))
        if (linear := LINEAR.search(plain)) and not self.facts.get("warmup_epochs"):
            self._warms("epochs", float(linear["end"]))
        if OPENS.search(plain):
            self._open = []
        elif not OTHERWISE.search(plain):
            self._lists(plain, by_steps=BY_STEPS.search(plain) is not None)
        return self.facts

    def _warms(self, unit: str, number: float) -> None:
        name = (
            "epochs" if unit.startswith("epoch") else "ratio" if unit in ("ratio", "frac", "fraction", "proportion") else "steps"
        )
        if unit == "percent":
            name, number = "ratio", number / 100
        if name != "ratio" or number < 1:
            self.facts[f"warmup_{name}"] = number

    def _lists(self, line: str, *, by_steps: bool) -> None:
        for match in LISTED.finditer(line):
            name, numbers = match["name"].lower(), [float(one) for one in re.findall(r"\d+(?:\.\d+)?", match["numbers"])]
            listed = len(numbers) > 1 or name in EVERY or "[" in match[0] or "(" in match[0]
            sure = by_steps or match["name"] == "STEPS" or (name == "schedule" and len(numbers) > 1)  # detectron2's, MoCo's
            if name in NEEDS and not (listed and sure):
                continue
            every = name in EVERY and len(numbers) == 1
            self._dropped([numbers[0] * k for k in range(1, MOST + 1)] if every else numbers)

    def _dropped(self, drops: list[float]) -> None:
        if drops == sorted(set(drops)) and drops and drops[0] > 0:
            known = {name: number for name, number in self.facts.items() if not name.startswith("drop_")}
            self.facts = known | {f"drop_{k}": drop for k, drop in enumerate(drops[:MOST])}


def of(text: str) -> dict[str, float]:
    """What ``text`` says, such as the arguments of a command."""
    stated = Stated()
    for line in text.splitlines():
        stated.take(line)
    return stated.facts


def readings(facts: Mapping[str, float], *, by_steps: bool = False) -> dict[str, float]:
    """What is known as readings: ``facts/warmup`` in epochs, or as a share of the budget below 1; with ``by_steps`` in steps."""
    drops = {f"facts/drop/{k}": facts[f"drop_{k}"] for k in range(MOST) if f"drop_{k}" in facts}
    whole, steps = facts.get("max_steps") or facts.get("max_iters") or 0.0, facts.get("warmup_steps")
    if "warmup_epochs" in facts:
        return drops | {"facts/warmup": facts["warmup_epochs"]}
    if not steps and "warmup_ratio" in facts:  # Hugging Face says both; mmcv's ratio beside its steps is another thing
        return drops | {"facts/warmup": facts["warmup_ratio"]}
    if steps is not None and (by_steps or whole > steps or not steps):
        return drops | {"facts/warmup": steps if by_steps or not steps else steps / whole}
    return drops
