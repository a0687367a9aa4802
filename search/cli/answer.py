"""Print JSON, or the next command."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pitprop.study.commands import Repeat
from rich.console import Console
from rich.markup import escape


def print_json(value: Any) -> None:
    """Prints JSON that every reader takes: NaN and infinity, which it does not know, become null."""
    print(json.dumps(_plain(value)))


def print_way(console: Console, words: str, command: str) -> None:
    """Prints a command to copy: in one piece, whatever the width."""
    console.print(f"{escape(words)} [bold]{escape(command)}[/]", highlight=False, soft_wrap=True)


def repeat(options: Namespace) -> Repeat:
    """The flags of this command that its repetition needs."""
    said = vars(options)
    return Repeat(said.get("workers"), bool(said.get("inline")), said.get("seed"), said.get("top"), said.get("seeds"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
