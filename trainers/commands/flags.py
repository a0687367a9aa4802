"""Which flags a Python script takes, as far as its text says so for sure."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pitprop.errors import hint

OPEN = {"parents", "fromfile_prefix_chars", "prefix_chars", None}
"""Arguments of a parser with which it takes more than is said in the script."""
UNSURE = {"parse_known_args", "parse_known_intermixed_args", "add_subparsers"}
FLAG = re.compile(r"""(?P<quote>['"])(?P<flag>--\w[\w.-]*)(?P=quote)""")
"""A flag as a string of its own."""


def refused(script: Path, arguments: Sequence[str]) -> list[str]:
    """Which of the flags in ``arguments`` the script would not take, a sentence each; nothing where one cannot be sure."""
    known = _known(script)
    given = dict.fromkeys(word.partition("=")[0] for word in arguments if word.startswith("--") and word != "--")
    unknown = [flag for flag in given if known and not any(one.startswith(flag) for one in known)]  # which may be shortened
    return [f"{script.name} takes no flag {flag}{hint(flag, sorted(known), str)}" for flag in unknown]


def _known(script: Path) -> set[str]:
    """The flags of the one `argparse.ArgumentParser` of a script. Empty where it has none or several, where others may add to it,
    or where it lets pass what it does not know."""
    try:
        tree = ast.parse(script.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return set()
    calls = [(node, _called(node)) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and _called(node.value) == "ArgumentParser"]
    names = [name for _call, name in calls]
    given = {word.arg for call, name in calls if name == "ArgumentParser" for word in call.keywords}
    if len(made) != 1 or names.count("ArgumentParser") != 1 or "parse_args" not in names or given & OPEN or UNSURE & {*names}:
        return set()
    parser = ast.dump(made[0].targets[0]).replace("Store()", "Load()")
    if any(ast.dump(one) == parser for call, _name in calls for one in (*call.args, *(word.value for word in call.keywords))):
        return set()  # a function of elsewhere may add to it
    added = [call for call, name in calls if name == "add_argument"]
    named = [node for node in ast.walk(tree) if getattr(node, "attr", getattr(node, "value", "")) == "add_argument"]
    if len(named) != len(added):
        return set()  # called by another name, as in add = parser.add_argument
    known = {"--help", *_spelled(script)}
    for call in added:
        flags = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if len(flags) != len(call.args) or any(word.arg is None or _takes_all(word) for word in call.keywords):
            return set()
        negated = any("BooleanOptionalAction" in ast.dump(word.value) for word in call.keywords)
        known |= {*flags, *(f"--no-{flag[2:]}" for flag in flags if negated and flag.startswith("--"))}
    return known


def read(script: Path) -> list[str]:
    """The text of a script, and of the modules beside it that it imports; nothing if it cannot be read."""
    try:
        texts = [script.read_text(encoding="utf-8")]
        tree = ast.parse(texts[0])
    except (SyntaxError, ValueError, OSError, RecursionError):
        return []
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {node.module} if node.module else {one.name for one in node.names}
    beside = [script.parent.joinpath(*name.split(".")) for name in sorted(imported)]
    for path in (file for one in beside for file in (one.with_suffix(".py"), one / "__init__.py") if file.is_file()):
        with suppress(ValueError, OSError):
            texts.append(path.read_text(encoding="utf-8"))
    return texts


def _spelled(script: Path) -> set[str]:
    """What reads like a flag anywhere in the script, or in a module of its own: it may be one that is taken."""
    return {found["flag"] for text in read(script) for found in FLAG.finditer(text)}


def _takes_all(word: ast.keyword) -> bool:
    return word.arg == "nargs" and (getattr(word.value, "attr", "") == "REMAINDER" or getattr(word.value, "value", "") == "...")


def _called(node: ast.AST) -> str:
    """The last word of what a call calls; empty for anything else."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
