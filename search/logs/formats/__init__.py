"""One file a format; see `pitprop.logs`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from pitprop.errors import UserError

HEAD = 1 << 16
"""Bytes of a file that tell its format."""


@cache
def names() -> Sequence[str]:
    """The formats that ship, in the order in which they are asked."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return sorted(found, key=lambda name: getattr(load(name), "FALLBACK", False))


@cache
def load(name: str) -> ModuleType:
    """The module of a format; `UserError` with the nearest name if there is none."""
    known = [module.name for module in pkgutil.iter_modules(__path__)]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise UserError(f"there is no log format {name!r}: " + (f"did you mean {near[0]}?" if near else ", ".join(sorted(known))))
    return importlib.import_module(f"{__name__}.{name}")


def recognise(path: Path) -> str | None:
    """The format of a file by its content; None for one that holds no log, or nothing yet."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return next((name for name in names() if load(name).recognises(head, path)), None) if head else None
