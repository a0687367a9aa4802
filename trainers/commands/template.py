"""A configuration file made from a template: YAML, JSON, TOML or Python, with values as literals of that language.

``{lr}``, or ``"{lr}"`` where the template itself is to be valid, becomes the value with its type where it stands alone, and its
plain text within a longer word. Braces round anything that is no parameter are left as they are.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import yaml
from pitprop.trainers.commands.arguments import PARAMS, CommandError

PLACE = re.compile(r"""(?P<quote>["'])\{(?P<quoted>[\w.\-]+)\}(?P=quote)|\{(?P<bare>[\w.\-]+)\}""")
BEFORE = re.compile(r"(^|[:=\[,({]|^\s*-)\s*$")
AFTER = re.compile(r"\s*($|[,\])}#])")


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if value is None:
        raise CommandError("TOML has no null: give the parameter that is null another value, or use a YAML template")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


LANGUAGES: Mapping[str, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    ".yaml": ("YAML", json.dumps, yaml.safe_load),
    ".yml": ("YAML", json.dumps, yaml.safe_load),
    ".json": ("JSON", json.dumps, json.loads),
    ".toml": ("TOML", toml, tomllib.loads),
    ".py": ("Python", repr, ast.parse),
}
"""By a file's suffix: the language, how it writes a value, and what reads a whole file of it."""


def render(template: str, words: Mapping[str, Any], rest: Mapping[str, Any], suffix: str) -> str:
    """The template filled with ``words``, and ``{params}`` with the tree ``rest``; `CommandError` if it then cannot be read."""
    language, literal, read = LANGUAGES[suffix]
    values = {PARAMS: rest, **words}

    def one(match: re.Match[str], within: str | None = None) -> str:
        name = match["quoted"] or match["bare"]
        if name not in values:
            return match[0]
        value = values[name]
        alone = match["quoted"] or (BEFORE.search(_line(template, match)[0]) and AFTER.match(_line(template, match)[1]))
        if alone or not isinstance(value, str):
            return literal(value)
        return within or (_escaped(value) if language == "Python" else value)

    text = PLACE.sub(one, template)
    try:
        whole = read(text)
        if language == "Python" and _shape(whole) != _shape(read(PLACE.sub(partial(one, within="x"), template))):
            raise CommandError("a value would be code in the template: let its place stand alone, as in name = {name}")
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        raise CommandError(f"the template is no {language} once it is filled: {' '.join(str(error).split())}") from error
    return text


def _escaped(text: str) -> str:
    """Text as it stands within quotes of either kind."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("'", "\\'")


def _shape(code: ast.AST) -> list[type[ast.AST]]:
    return [type(node) for node in ast.walk(code)]


def _line(text: str, match: re.Match[str]) -> tuple[str, str]:
    """What stands before and after the match in its line."""
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    return before, text[match.end() :].partition("\n")[0]
