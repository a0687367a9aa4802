"""Values within a script that an interpreter is given on its command line: none of them is ever run.

In a shell's script a value that is no plain word becomes a variable of the environment, ``"${PITPROP_VALUE_1?}"``: what a
variable holds is not parsed again, whatever stands around it. In Python's it becomes a literal of the syntax tree. Other
interpreters are given plain words only.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pitprop.trainers.commands.arguments import (
    PARAMS,
    PLACE,
    CommandError,
    Style,
    fill,
    known,
    looks_like_flag,
    text,
    word,
    written,
)

PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
"""A word that means itself in every language."""
SHELLS = re.compile(r"(r|z|d?a|da|k|mk|pdk)?sh")
PYTHON = re.compile(r"(python|pypy)[\d.]*|\{python\}")
FLAGS = {
    "perl": "eE", "ruby": "e", "node": "ep", "Rscript": "e", "julia": "eE", "lua": "e", "php": "r", "fish": "c", "csh": "c",
    "tcsh": "c", "nu": "c", "pwsh": "cC", "su": "c", "runuser": "c", "script": "c", "bun": "e", "deno": "e", "env": "S",
}  # fmt: skip
"""The flags of other interpreters behind which a script stands."""
PARSED = ("ssh", "eval", "parallel", "watch", "awk", "gawk", "mawk", "sed", "rsh", "pdsh", "mosh")
"""Programs that hand what follows to an interpreter."""
VALUED = {"shell": ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"), "python": ("-W", "-X", "--check-hash-based-pycs")}
NESTED = re.compile(
    r"\b(eval|ssh|xargs|parallel|trap|[gmn]?awk|sed|let|declare|typeset)\b|\(\(|\[\[|\$\{[^}]*\[|"
    r"\b(\w*sh|python[\d.]*|perl|ruby|node|su|psql|mysql)(\s+[-+]\S+(\s+\w+)?)*?\s+-\w*[ceE]\b"
)
"""What parses a value once more within a shell's script: another interpreter, or the shell's own arithmetic."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What a place becomes: its ``value``, and the same as ``words``, of which ``{params}`` has any number."""

    value: Any
    words: Sequence[str]
    single: bool = True

    @property
    def text(self) -> str:
        """As one text."""
        return self.words[0] if self.single else shlex.join(self.words)


def fill_all(
    arguments: Sequence[str], words: Mapping[str, Any], rest: Mapping[str, Any], style: Style, where: str, taken: int = 0
) -> tuple[list[str], dict[str, str]]:
    """Every argument filled, and the variables that scripts among them read, the first numbered after ``taken``.

    One that is ``{params}`` alone becomes several, or none. `CommandError` for a place without a value, or a value that would
    be run.
    """

    def filling(match: re.Match[str]) -> Filling | None:
        name = match[2]
        if name is None:
            return None
        if name == PARAMS and name not in words:
            given = written(rest, style)
            return Filling(given, given, single=False)
        value = known(name, words, where)
        return Filling(value, [text(value, style)])

    found, variables, parsed = list[str](), dict[str, str](), scripts(arguments)
    for index, argument in enumerate(arguments):
        kind, whole = parsed.get(index), PLACE.fullmatch(argument)
        given = filling(whole) if whole else None
        if kind == "shell":
            script, more = in_shell(argument, filling, taken + len(variables))
            variables |= more
            found.append(script)
        elif kind is not None:
            found.append((in_python if kind == "python" else plain_only)(argument, filling))
        elif given is None:
            found.append(fill(argument, words, rest, style, where))
        elif not given.single:
            found += given.words
        elif index and arguments[index - 1].startswith("--") and "=" not in arguments[index - 1] and looks_like_flag(given.value):
            found[-1] += "=" + given.text
        else:
            found.append(word(given.value, style))
    return found, variables


def scripts(arguments: Sequence[str]) -> dict[int, str]:
    """The arguments that an interpreter parses: their indices, and of which kind it is, ``shell``, ``python`` or ``other``."""
    found: dict[int, str] = {}
    for index, given in enumerate(arguments):
        name = PurePath(given).name
        if name in PARSED:
            return {**dict.fromkeys(range(index + 1, len(arguments)), "other"), **found}
        kind = "shell" if SHELLS.fullmatch(name) or name == "bash" else "python" if PYTHON.fullmatch(name) else "other"
        flags = "c" if kind != "other" else FLAGS.get(name, "")
        if flags and (script := _script(arguments, index + 1, flags, VALUED.get(kind, ()))) is not None:
            found.setdefault(script, kind if arguments[script][:1] != "-" else "other")
    return found


def _script(arguments: Sequence[str], start: int, flags: str, valued: Sequence[str]) -> int | None:
    """The index of the script behind one of an interpreter's ``flags``, which may stand together with others."""
    index, expected = start, False
    while index < len(arguments) and arguments[index][:1] in ("-", "+"):
        given = arguments[index]
        joined = re.match(rf"-\w*?[{flags}]", given) if not given.startswith("--") else None
        if joined and "{" in given:
            return index  # python -cprint(1)
        expected = expected or joined is not None or given in ("--eval", "--command", "-Command", "--print")
        index += 2 if given in valued else 1
    return index if expected and index < len(arguments) else None


def in_shell(script: str, filling: Callable[[re.Match[str]], Filling | None], taken: int) -> tuple[str, dict[str, str]]:
    """The script with its places filled, and the variables that its values are in; `CommandError` for one parsed twice."""
    variables: dict[str, str] = {}
    quotes = _quotes(script)

    def one(match: re.Match[str]) -> str:
        found, quote = filling(match), quotes[match.start()]
        if found is None:
            return "{" + match[1] + "}"
        words = [found.text] if quote else [*found.words]
        return " ".join(each if PLAIN.fullmatch(each) else variable(each, quote, match[0]) for each in words)

    def variable(value: str, quote: str, place: str) -> str:
        if NESTED.search(script):
            raise CommandError(_unsafe(place, value))
        name = f"PITPROP_VALUE_{taken + len(variables) + 1}"
        variables[name] = value
        return {"'": f"'\"${{{name}?}}\"'", '"': f"${{{name}?}}"}.get(quote, f'"${{{name}?}}"')

    return PLACE.sub(one, script), variables


def _quotes(script: str) -> list[str]:
    """The quote that each character of a shell's script stands in: ``'``, ``"`` or none."""
    found, above, quote, index = [""] * len(script), list[str](), "", 0
    while index < len(script):
        char, two = script[index], script[index : index + 2]
        found[index] = quote
        if char == "\\" and quote != "'":
            index += 1
            found[index : index + 1] = [quote]
        elif quote == "'":
            quote = "" if char == "'" else quote
        elif two == "$(":  # within which quotes begin anew
            above, quote = [*above, quote], ""
            index += 1
        elif char == "(" and not quote:
            above = [*above, ""]
        elif char == ")" and not quote and above:
            *above, quote = above
        elif char == '"':
            quote = "" if quote else '"'
        elif char == "'" and not quote:
            quote = "'"
        elif char == "#" and not quote and (index == 0 or script[index - 1] in " \t\n;&|("):
            index = script.find("\n", index) if "\n" in script[index:] else len(script)
        index += 1
    return found


def in_python(script: str, filling: Callable[[re.Match[str]], Filling | None]) -> str:
    """Python code with its places filled: a value in place of a name, or text within quotes; `CommandError` for code."""
    marks: dict[str, Filling] = {}

    def marked(match: re.Match[str]) -> str:
        found = filling(match)
        if found is None:
            return "{" + match[1] + "}"
        marks[mark := f"pitprop_place_{len(marks)}_"] = found
        return mark

    code = PLACE.sub(marked, script)
    if not marks:
        return code
    with suppress(SyntaxError, ValueError, RecursionError):  # in what is no Python only plain words may stand
        code = ast.unparse(ast.fix_missing_locations(_Filled(marks).visit(ast.parse(code))))
    return re.sub(r"pitprop_place_\d+_", lambda match: _plain(marks[match[0]].text, "a place"), code)


class _Filled(ast.NodeTransformer):
    """Puts values where their marks stand: in place of a name, or in text."""

    def __init__(self, marks: Mapping[str, Filling]) -> None:
        self.marks = marks

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.parse(repr(self.marks[node.id].value), mode="eval").body if node.id in self.marks else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            for mark, found in self.marks.items():
                node.value = str(node.value).replace(mark, found.text)
        return node


def plain_only(script: str, filling: Callable[[re.Match[str]], Filling | None]) -> str:
    """A script of a language that is not known here: its places take plain words only, else `CommandError`."""

    def one(match: re.Match[str]) -> str:
        found = filling(match)
        return "{" + match[1] + "}" if found is None else " ".join(_plain(each, match[0]) for each in found.words)

    return PLACE.sub(one, script)


def _plain(value: str, place: str) -> str:
    if not PLAIN.fullmatch(value):
        raise CommandError(_unsafe(place, value))
    return value


def _unsafe(place: str, value: str) -> str:
    return (
        f"options.command: {place} would put the value {value[:60]!r} into a script that parses it; give it by a variable, "
        f"options.env: {{NAME: {place}}}, which the script reads as its own language does"
    )
