"""Print JSON, or the next command."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape


def print_json(value: Any) -> None:
    """Prints JSON that every reader takes: NaN and infinity, which it does not know, become null."""
    print(json.dumps(_plain(value)))


def print_command(console: Console, words: str, command: str) -> None:
    """Prints a command to copy after ``words``: in one piece, whatever the width."""
    console.print(f"{escape(words)} [bold]{escape(command)}[/]", highlight=False, soft_wrap=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def waiting(console: Console, why: str) -> Iterator[Callable[[str], None]]:
    """Says what is waited for: on a terminal beside a moving sign, by a function that changes the text; else in a line."""
    if not console.is_terminal:
        console.print(f"{why} …", style="dim", highlight=False, soft_wrap=True, markup=False)
        yield lambda _text: None
        return
    with console.status(escape(why)) as status:
        yield lambda text: status.update(escape(text))
