"""What is wrong with a space's file: all of it at once, one line each."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pitprop.errors import UserError


class SpaceError(UserError, ValueError):
    """A space that cannot be searched; its text holds every problem of the file, one line each."""


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of one file, in the order in which they were found."""

    file: str
    lines: list[str] = field(default_factory=list)

    def add(self, key: str, text: str) -> None:
        """Notes what is wrong with the value at ``key``, such as ``params.focal.gamma``; with the file itself if empty."""
        line = f"{self.file}: {key}: {text}" if key else f"{self.file}: {text}"
        self.lines.append(" ".join(line.splitlines()))

    def check(self) -> None:
        """Raises `SpaceError` if there is any problem."""
        if self.lines:
            raise SpaceError("\n".join(self.lines))


def hint(word: str, known: Iterable[str]) -> str:
    """The end of a sentence on an unknown ``word``: the nearest known one, or all that are known."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; none is known here"


def shown(value: Any) -> str:
    """``value`` as a person would write it in the file, cut if it is long."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = json.dumps(value, default=str) if isinstance(value, list | tuple | dict) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
