"""What a command of ``pitprop`` is, all that there are, and the flags that commands of this machine and of a server share."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pitprop import messages

Flags = Callable[[ArgumentParser], object]
"""Adds flags to the parser of a command."""


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: what it does, in the words of ``--help``; its flags; and what runs it and gives its exit code."""

    summary: str
    flags: Sequence[Flags]
    run: Callable[[Namespace], int]
    trains: bool
    """Repeating it resumes what was interrupted."""
    error: int = 1
    """Its exit code where it could not do what it was asked."""


COMMANDS: dict[str, Command] = {}
"""All subcommands, by name, in the order of ``--help``."""


def command(
    name: str, summary: str, *flags: Flags, trains: bool = False, error: int = 1
) -> Callable[[Callable[[Namespace], int]], None]:
    """Makes the function below it a subcommand."""

    def add(run: Callable[[Namespace], int]) -> None:
        COMMANDS[name] = Command(summary, (*flags, language_flag), run, trains, error)

    return add


def language_flag(parser: ArgumentParser, default: str | None = None) -> None:
    """Which language it speaks: every command has it."""
    told = "language of what is printed (that of the locale)"
    parser.add_argument("--lang", choices=messages.LANGUAGES, default=default, help=told)


def json_flag(parser: ArgumentParser) -> None:
    """Whether it prints JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def server_flag(parser: ArgumentParser) -> None:
    """Which server is asked."""
    parser.add_argument("--server", metavar="URL", help="ask the server at this address (PITPROP_SERVER)")


def server_of(given: Namespace) -> str:
    """The server that a command of studies asks; nothing where it looks at a study of this machine, as with ``--runs``."""
    return given.server or ("" if given.runs is not None else os.environ.get("PITPROP_SERVER", ""))
