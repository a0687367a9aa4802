"""Parse the command line: an example in every help, errors in our words and the user's language, completion in a shell."""

from __future__ import annotations

import os
import re
import sys
from argparse import Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from pitprop import __version__, messages
from pitprop.errors import hint, nearest
from pitprop.messages import N_, _

EXAMPLES = {
    line.split()[1]: line
    for line in (
        "pitprop init train.py --output rate.yaml",
        "pitprop search rate.yaml --trials 20",
        "pitprop preflight rate.yaml",
        "pitprop doctor rate.yaml",
        "pitprop revive rate.yaml 4",
        "pitprop confirm rate.yaml --top 3 --seeds 5",
        "pitprop exclude rate.yaml 7",
        "pitprop status rate.yaml --full",
        "pitprop show rate.yaml --sort score --limit 10",
        "pitprop best rate.yaml --command",
        "pitprop report rate.yaml --lang zh",
        "pitprop compare rate.yaml other.yaml",
        "pitprop diagnose logs/run1 logs/run2",
        "pitprop list",
        "pitprop schema > space.schema.json",
        "pitprop export rate.yaml",
        "pitprop watch rate.yaml",
        "pitprop ui rate.yaml",
        "pitprop dashboard",
        "pitprop serve",
        "pitprop token make OWNER --scope submit",
        "pitprop submit rate.yaml --trials 40 --server http://127.0.0.1:8400",
        "pitprop queue --all",
        "pitprop mcp --server http://127.0.0.1:8400",
        "pitprop cancel rate",
        "pitprop pause rate",
        "pitprop resume rate",
        "pitprop extend rate 20",
    )
}
"""By the name of the command."""

CHOICE = re.compile(r"argument (?P<flag>\S+): invalid choice: '(?P<value>.*)' \(choose from (?P<known>.*)\)", re.DOTALL)
SAID = {
    r"the following arguments are required: (?P<names>.*)": N_("{names} is missing"),
    r"argument (?P<flag>\S+): expected (at least )?one argument": N_("{flag} needs a value"),
    r"argument (?P<flag>\S+): invalid int value: (?P<value>.*)": N_("{flag} {value} is not a whole number"),
    r"argument (?P<flag>\S+): invalid float value: (?P<value>.*)": N_("{flag} {value} is not a number"),
    r"argument (?P<flag>\S+): not allowed with argument (?P<other>\S+)": N_("{flag} and {other} exclude each other"),
    r"one of the arguments (?P<names>.*) is required": N_("one of {names} is needed"),
    r"argument (?P<flag>\S+): (?P<why>.*)": N_("{flag}: {why}"),
}
"""What argparse says, and what we do."""


class Parser(ArgumentParser):
    """A parser that ends with one sentence on standard error and exit code 2."""

    def error(self, message: str) -> NoReturn:
        text = _("{what}; {command} --help shows how").format(what=told(message), command=self.prog)
        print(f"pitprop: {text}", file=sys.stderr)
        sys.exit(2)

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Ends it because of words that no flag takes."""
        flags = [flag for action in self._actions for flag in action.option_strings]
        word = next((one.partition("=")[0] for one in words if one.startswith("-")), words[0])
        meant = hint(word, flags, str) if nearest(word, flags) else ""
        self.error(_("{command} knows no {word}").format(command=self.prog, word=word) + meant)


def told(message: str) -> str:
    """A sentence of argparse in our words."""
    if found := CHOICE.fullmatch(message):
        known = re.findall(r"'([^']*)'", found["known"])
        if found["flag"] == "command":
            return _("there is no command {name}").format(name=found["value"]) + hint(found["value"], known)
        return f"{found['flag']} {found['value']!r}: {hint(found['value'], known).removeprefix('; ')}"
    for pattern, text in SAID.items():
        if found := re.fullmatch(pattern, message, re.DOTALL):
            said = found.groupdict()
            if "names" in said:  # one that is wanted several times is named once
                said["names"] = ", ".join(dict.fromkeys(said["names"].split(", ")))
            return _(text).format(**said)
    return message


def formatted(name: str, summary: str) -> dict[str, Any]:
    """What the help of a command consists of besides its flags."""
    return {
        "help": summary,
        "description": summary[0].upper() + summary[1:] + ".",
        "epilog": f"example: {EXAMPLES[name]}" if name in EXAMPLES else None,
        "formatter_class": RawDescriptionHelpFormatter,
    }


def parsed(parser: Parser, arguments: Sequence[str] | None) -> Namespace:
    """The options that are given; ends the process if they are not right, or with what a shell asks for to complete them."""
    words = sys.argv[1:] if arguments is None else [*arguments]
    lang = next((after for flag, after in pairwise(words) if flag == "--lang"), None)
    messages.set_language(lang if lang in messages.LANGUAGES else None)
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    if words and re.match("--?[a-z]", words[0]) and words[0] not in parser._option_string_actions:
        flag = words[0].partition("=")[0]
        commands = next(one.choices for one in parser._actions if isinstance(one.choices, dict))
        if not any(flag in one._option_string_actions for one in commands.values()):
            parser.refuse(words)
        parser.error(_("{flag} stands before the command: write it after, as in pitprop COMMAND {flag}").format(flag=flag))
    given, rest = parser.parse_known_args(words)
    if rest:
        called = next(one.choices[given.command] for one in parser._actions if isinstance(one.choices, dict))
        called.refuse(rest)
    return given


def version(parser: Parser) -> None:
    parser.add_argument("--version", action="version", version=f"pitprop {__version__}", help="print the version")


def completing(action: Action) -> None:
    """Lets a shell complete a space: by the name of one that ships, or by the path of a file."""

    def spaces(prefix: str = "", **_given: object) -> list[str]:
        from pitprop import space

        folder = Path(prefix).parent if prefix else Path()
        files = [f"{one}/" if one.is_dir() else str(one) for one in folder.glob("*") if one.is_dir() or one.suffix == ".yaml"]
        return [*space.names(), *files]

    action.completer = spaces  # type: ignore[attr-defined]
