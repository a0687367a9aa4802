"""Parameters as the arguments of a command: how a style writes them, and the places that name them."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pitprop.errors import hint
from pitprop.trainer import Unfit

PLACE = re.compile(r"\{\{([\w.\-]+)\}\}|\{([\w.\-]+)\}")
"""``{name}`` is a place; ``{{name}}`` stands for the text ``{name}``."""
NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")
"""What argparse takes for a number and no flag."""
PARAMS = "params"
"""The place that takes all parameters which no other place names."""
LISTS = ("spread", "comma", "json", "repeat")
BOOLEANS = ("flag", "switch", "lower", "title")


class CommandError(Exception):
    """A command that cannot be run, or that failed: one sentence."""


class NotHere(CommandError, Unfit):
    """A program, script or folder that is not on this machine: one sentence."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a program wants its parameters. ``prefix`` stands before each name, ``joint`` between name and value (blank: apart).

    ``lists`` are written as ``--a 1 2`` (spread), ``--a 1,2``, ``--a [1, 2]`` or ``--a 1 --a 2`` (repeat); ``booleans`` as
    ``--a`` or nothing (flag), ``--a`` or ``--no-a`` (switch), ``true`` (lower) or ``True`` (title); without a ``null``, None is
    left out. ``opening`` goes before them all. With ``environment`` they are no arguments, but variables.
    """

    prefix: str
    joint: str
    lists: str
    booleans: str
    null: str | None = None
    opening: str = ""
    environment: bool = False


STYLES: Mapping[str, Style] = {
    "flags": Style("--", " ", "spread", "flag"),
    "equals": Style("--", "=", "json", "title", "None"),
    "lightning": Style("--", "=", "json", "lower", "null"),
    "dotted": Style("", "=", "json", "lower", "null"),
    "cfg-options": Style("", "=", "json", "title", "None", "--cfg-options"),
    "env": Style("", "=", "comma", "lower", environment=True),
}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted names and values of a tree of parameters."""
    for word, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{word}.")
        else:
            yield prefix + word, value


def text(value: Any, style: Style) -> str:
    """One value as the style writes it within a longer argument."""
    if isinstance(value, bool):
        return str(value) if style.booleans == "title" else str(value).lower()
    if value is None:
        return style.null or ""
    if isinstance(value, list | tuple | dict):
        if style.lists == "json" or isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        return ("," if style.lists == "comma" else " ").join(text(one, style) for one in value)
    return repr(value) if isinstance(value, float) else str(value)


def written(params: Mapping[str, Any], style: Style) -> list[str]:
    """The parameters, by dotted name, as arguments."""
    arguments = [style.opening] if style.opening and params else []
    for name, value in params.items():
        flag = style.prefix + name
        if isinstance(value, bool) and style.booleans in ("flag", "switch"):
            no = [f"{style.prefix}no-{name}"] if style.booleans == "switch" else []
            arguments += [flag] if value else no
        elif value is None and style.null is None:
            continue
        elif isinstance(value, list | tuple) and style.lists in ("spread", "repeat"):
            each = [word(one, style) for one in value]
            spread = [flag, *each] if style.joint == " " else [f"{flag}{style.joint}{' '.join(each)}"]
            arguments += spread if style.lists == "spread" else [word for one in each for word in _pair(flag, one, style)]
        else:
            arguments += _pair(flag, text(value, style), style)
    return arguments


def _pair(flag: str, value: str, style: Style) -> list[str]:
    apart = style.joint == " " and not looks_like_flag(value)
    return [flag, value] if apart else [f"{flag}{'=' if style.joint == ' ' else style.joint}{value}"]


def looks_like_flag(value: Any) -> bool:
    """Whether a parser such as argparse takes a text that stands alone for a flag: not -3 or -0.5, but -4e-05 and -x."""
    return isinstance(value, str) and value.startswith("-") and not NEGATIVE.fullmatch(value)


def word(value: Any, style: Style) -> str:
    """One value as an argument that stands alone; a number below 0 without an exponent, with which it looks like a flag."""
    found = text(value, style)
    return f"{Decimal(found):f}" if isinstance(value, float) and math.isfinite(value) and looks_like_flag(found) else found


def placed(texts: Iterable[str]) -> set[str]:
    """The names of the places in ``texts``."""
    return {match[2] for one in texts for match in PLACE.finditer(one) if match[2]}


def fill(argument: str, words: Mapping[str, Any], rest: Mapping[str, Any], style: Style, where: str) -> str:
    """``argument`` with its places filled by ``words``, and ``{params}`` by the ``rest``, quoted for a shell."""

    def one(match: re.Match[str]) -> str:
        name = match[2]
        if name is None:
            return "{" + match[1] + "}"
        if name == PARAMS and name not in words:
            return shlex.join(written(rest, style))
        return text(known(name, words, where), style)

    return PLACE.sub(one, argument)


def known(name: str, words: Mapping[str, Any], where: str) -> Any:
    """The value of a place; `CommandError` with the nearest name if there is none."""
    if name == "config" and name not in words:
        raise CommandError(f"{where} names {{config}}, but no file is filled: say which in options.template, such as train.yaml")
    if name not in words:
        raise CommandError(f"{where} names {{{name}}}, which is no parameter and no word of ours{hint(name, words)}")
    return words[name]
