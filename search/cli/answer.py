"""How a command answers: JSON for scripts, and for a person the command line that comes next."""

from __future__ import annotations

import json
import math
import os
import shlex
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape


def print_json(value: Any) -> None:
    """Prints JSON that every reader takes: NaN and infinity, which it does not know, become null."""
    print(json.dumps(_plain(value)))


def print_way(console: Console, words: str, command: str) -> None:
    """Prints a command to copy: in one piece, whatever the width."""
    console.print(f"{escape(words)} [bold]{escape(command)}[/]", highlight=False, soft_wrap=True)


def again(command: str, options: Namespace, trials: str | None = None) -> str:
    """The command line for the study of ``options``, in the words in which it was called: make's, or our own."""
    given = {"runs": options.runs if options.runs != "runs" else None, "trials": trials}
    flags = []
    if command in ("search", "revive", "confirm"):
        said = vars(options)
        given["workers"] = said.get("workers")
        flags = ["--inline"] if said.get("inline") else []
        flags += [f"--{name} {said[name]}" for name in ("top", "seeds") if command == "confirm" and said.get(name)]
        if said.get("seed") is not None:  # part of what the study means: without it the study would be refused
            flags += ["--seed", str(options.seed)]
    known = {name: str(value) for name, value in given.items() if value is not None}
    numbers = [str(number) for number in options.trial] if command == "revive" else []
    if "MAKELEVEL" in os.environ:
        trial = {"trial": " ".join(numbers)} if numbers else {}
        variables = {"space": options.space, **trial, **known, **({"args": " ".join(flags)} if flags else {})}
        words = ["make", command, *(f"{name.upper()}={shlex.quote(value)}" for name, value in variables.items())]
    else:
        named = [f"--{name} {shlex.quote(value)}" for name, value in known.items()]
        words = ["pitprop", command, shlex.quote(options.space), *numbers, *named, *flags]
    return " ".join(words)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
