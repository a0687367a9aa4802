"""Write a first space for a script or a trainer, by what its text says: its flags with their defaults, and what it prints.

Nothing is imported or run. A range is a guess about the default, which stands beside it for a person to correct.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitprop import trainer
from pitprop.errors import UserError
from pitprop.messages import _

MATTERS = re.compile(
    r"lr|rate|decay|momentum|dropout|warm|gamma|alpha|beta|temp|smooth|margin|clip|hidden|width|depth|layers|batch|optim|sched|weight"
)
"""Names of what is worth a search; other parameters are written as comments."""
ASIDE = re.compile(
    r"(.*_)?(seed|workers|device|port|rank|threads|epochs?|iterations?|iters?|max_iter|gpus?|interval|dir|path|out|output|data|name|log)"
)
"""Names of what is none of a search's business."""
SPENT = re.compile(r"(n|num|max|total|num_train|max_train)?_?(epochs?|iterations?|iters?)|max_?iter")
"""Names of the budget, in which - stands for _."""
STEEP = re.compile(r"(.*_)?(lr\d*|learning_rate|l1|l2|reg|wd|weight_decay)(_(init|max|min|head|backbone|encoder|decoder))?")
"""Names of what is searched by its order of magnitude, whatever its default."""
METRICS = (
    ("val/macro_f1", r"macro.?f1|f1.?macro"),
    ("val/auc", r"auc|auroc"),
    ("val/map", r"map"),
    ("val/dice", r"dice"),
    ("val/miou", r"miou"),
    ("val/f1", r"f1"),
    ("val/accuracy", r"acc|accuracy"),
    ("val/psnr", r"psnr"),
    ("val/r2", r"r2"),
    ("", r"(?:[a-z]+_)*(?:return|rew|reward)(?:_mean|_avg)?"),
    ("val/loss", r"loss"),
)
"""What a script may print, the most telling first; a return by its own name, which is of no side."""
PRINTS = ("print", "info", "write", "writerow", "writerows", "DictWriter", "log", "report", "dumps", "echo", "set_postfix")
"""Calls that say what is measured."""
PLACE = re.compile(r"(.*_)?(out|output|save|log|result|results|work)(_?(dir|path|folder|file))?")
"""Flags of where a script writes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A parameter: its ``flag`` (empty for a trainer's), its ``default`` and its ``choices``, None where there are none.

    ``needed`` is a flag that the script does not start without.
    """

    name: str
    flag: str
    default: Any
    choices: list[Any] | None = None
    needed: bool = False

    @property
    def stated(self) -> bool:
        """Whether the command has to say it, as the script needs it and it is nothing to search."""
        sought = self.choices is not None or (not ASIDE.fullmatch(_plain(self.name)) and MATTERS.search(self.name.lower()))
        return self.needed and not sought and not SPENT.fullmatch(_plain(self.name)) and self.name != "seed"

    @property
    def range(self) -> str:
        """A distribution about the default, as YAML; empty if nothing is known."""
        value = self.default
        if self.choices:
            return f"{{choice: {_text(self.choices)}}}"
        if isinstance(value, bool):
            return "{choice: [false, true]}"
        if not isinstance(value, int | float) or value <= 0:
            return ""
        if isinstance(value, float) and STEEP.fullmatch(_plain(self.name)):
            return f"{{float: [{value / 10:.3g}, {value * 10:.3g}], log: true}}"
        if isinstance(value, int):
            return f"{{int: [{max(1, value // 2)}, {value * 2}]}}"
        if 0.1 <= value < 1:
            return f"{{float: [{value / 2:.4g}, {(1 + value) / 2:.4g}]}}"
        return f"{{float: [{value / 10:.3g}, {value * 10:.3g}], log: true}}"


def draft(path: Path) -> str:
    """The text of a space for the program at ``path``; `UserError` if it is none that can be read."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(_("{path} cannot be read as a Python program: {error}").format(path=path, error=reason)) from error
    trains = any(isinstance(node, ast.FunctionDef) and node.name in ("train", "train_lanes") for node in tree.body)
    card = trainer.card(str(path)) if trains else None
    if card is not None:
        known = [Found(name, "", default) for name, default in (card.params or {}).items()]
        head = f"trainer: {_text(path.name)}"
        reported = next((name for name, _word in METRICS if name in (card.reports or ())), None)
        sure = reported is not None
    else:
        known = list(_flags(tree))
        head = _command(path, known, tree)
        reported, sure = _printed(tree)
    epochs = next((one.default for one in known if SPENT.fullmatch(_plain(one.name)) and isinstance(one.default, int)), 20)
    params = [one for one in known if not ASIDE.fullmatch(_plain(one.name)) and not one.stated]
    metric = reported or "val/loss"
    unsure = "" if sure else "  # a guess: name what the program reports (docs/trainers.md)"
    defaults = [f"{one.name}: {_text(one.default)}" for one in params if one.range]
    return f"""\
question: What does {path.name} train best with?  # say what you want to know
{head}
objective: {{metric: {metric}, goal: {"minimize" if metric.endswith("loss") else "maximize"}}}{unsure}
epochs: {epochs}
trials: 16

params:  # what is searched; ranges are guesses about the defaults
{_params(params)}
# baselines:  # what a trial has to beat
#   default: {{params: {{{", ".join(defaults) or f"{_guessed(params)}: 0.001"}}}}}
"""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _said(tree: ast.Module, calls: Sequence[str] = PRINTS) -> str:
    """The texts and the names in what the script prints, in lower case."""
    found: list[str] = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in calls:
            inside = [node for one in (*call.args, *call.keywords) for node in ast.walk(one)]
            found += [node.value for node in inside if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            found += [node.arg for node in inside if isinstance(node, ast.keyword) and node.arg]
    return "\n".join(found).lower()


def _printed(tree: ast.Module) -> tuple[str | None, bool]:
    """The most telling score that the script prints, None if there is none; and whether it is sure to be of a validation."""
    said = re.sub(r"train\w*[^\w\n]{0,3}\w*", "", _said(tree))
    sided = "\n".join(re.findall(r"(?:val|valid|validation|eval|dev|test)(?![a-z])[^\w\n]{0,3}\w*", said))
    for name, word in METRICS:
        pattern = re.compile(rf"(?<![a-z0-9])(?:{word})(?![a-z0-9])")
        if found := pattern.search(said):
            return name or found[0], bool(pattern.search(sided))
    return None, False


def _command(path: Path, known: list[Found], tree: ast.Module) -> str:
    words = ['"{python}"', _text(path.name), '"{params}"']
    spent = next((one for one in known if SPENT.fullmatch(_plain(one.name))), None)
    words += [spent.flag, '"{epochs}"'] if spent is not None else []
    words += ["--seed", '"{seed}"'] if any(one.name == "seed" for one in known) else []
    silent = not any(_said(tree, ("print", "info", "echo", "report")))
    place = next((one for one in known if silent and PLACE.fullmatch(_plain(one.name))), None)
    source = "stdout"
    if place is not None:  # what it measures can only be there
        source = json.dumps("{folder}/" + (Path(str(place.default)).name if Path(str(place.default)).suffix else "out"))
        words += [place.flag, source]
    needed = [one for one in known if one.stated and one is not place]
    words += [word for one in needed for word in (one.flag, "TODO")]
    asks = f"  # the script needs {', '.join(one.flag for one in needed)}: write its value for TODO" if needed else ""
    return f"""\
trainer: command
options:
  command: [{", ".join(words)}]{asks}
  metrics: [{source}]  # where its metrics come from (docs/commands.md)
"""


def _params(params: list[Found]) -> str:
    lines, guessed = [], _guessed(params)
    for one in sorted(params, key=lambda one: not MATTERS.search(one.name.lower())):
        if one.name != guessed:
            sign = "" if one.range and MATTERS.search(one.name.lower()) else "# "
            lines.append(f"  {sign}{one.name}: {one.range or _text(one.default)}  # default {_text(one.default)}")
    if guessed:
        lines.insert(0, f"  {guessed}: {{float: [1e-4, 1e-1], log: true}}  # a guess: no parameter with a default was found")
    return "\n".join(lines)


def _guessed(params: list[Found]) -> str:
    """What to search where nothing that matters has a default from which a range could be guessed; empty if something has."""
    matter = [one for one in params if MATTERS.search(one.name.lower())]
    return "" if any(one.range for one in matter) else next((one.name for one in matter), "lr")


def _flags(tree: ast.Module) -> Iterator[Found]:
    """The flags that the script adds to a parser of argparse."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            flags = [str(one.value) for one in node.args if isinstance(one, ast.Constant) and str(one.value).startswith("--")]
            if flags:
                said = {word.arg: _literal(word.value) for word in node.keywords if word.arg}
                yield Found(flags[0][2:], flags[0], _default(said), said.get("choices"), said.get("required") is True)


def _default(said: Mapping[str, Any]) -> Any:
    if said.get("action") in ("store_true", "store_false"):
        return said["action"] == "store_false"
    value = said.get("default")
    return float(value) if isinstance(value, int) and said.get("type") == "float" else value


def _literal(node: ast.expr) -> Any:
    """The value of an expression, or the name of what it refers to."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return getattr(node, "id", None)


def _text(value: Any) -> str:
    """A value in YAML, of which JSON is a part."""
    return json.dumps(value, default=str)
