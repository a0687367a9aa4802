"""The error that a user is told in one sentence, and the words such sentences share."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from typing import Any

from pitprop.messages import Message, _


class UserError(Exception):
    """Wrong input, or an environment that does not work: the text is one sentence that says what, and what to do."""


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known word that ``word`` was probably meant as, whatever its case; None if it is like none of them."""
    small = {one.lower(): one for one in known}
    return next((small[one] for one in difflib.get_close_matches(word.lower(), list(small), 1, likeness)), None)


def hint(word: str, known: Iterable[str], written: Callable[[str], str] = repr) -> str:
    """The end of a sentence on an unknown ``word``: the nearest known one, as it is ``written`` here, or all that are known."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return _("; did you mean {near}?").format(near=written(near))
    return _("; known: {names}").format(names=", ".join(names)) if names else _("; none is known here")


def shown(value: Any) -> str:
    """``value`` as a person would write it in YAML, cut if it is long."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | tuple | dict) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def said(error: BaseException) -> str:
    """What an error says, as the message that it was raised with, if it was raised with one."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, Message) else str(error)
