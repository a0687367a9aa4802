"""Collapse signatures, one file each: how a lost training looks in its telemetry.

A signature is a module with a docstring (its first line is shown in lists), and

``READS``
    the metric names (or prefixes that end in ``/``) that it cannot do without,
``ACTION``
    ``"prune"`` or ``"warn"``, unless the space says otherwise,
``detect(telemetry, facts, *, patience=3, ...)``
    a reason that quotes epochs and numbers if the last epoch shows the collapse, else None. It is pure and looks at nothing
    but its arguments; keyword-only arguments are the thresholds that a space may set,
``remedy(telemetry, facts)``
    what to change, in words.

``FALLBACK = True`` marks one that names no cause of its own: its verdicts stand behind all others.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def names() -> list[str]:
    """The signatures that ship, by name."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> ModuleType:
    """The signature's module; ``ValueError`` with the nearest known name if there is none."""
    module = sys.modules.get(f"{__name__}.{name}")
    if module is not None:  # on the way of every judgement, so without a look at the disk
        return module
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names())}"
        raise ValueError(f"there is no signature {name!r}: {hint}")
    return importlib.import_module(f"{__name__}.{name}")


def thresholds(name: str) -> Mapping[str, Any]:
    """What a space may set for the signature, with the defaults."""
    arguments = inspect.signature(load(name).detect).parameters.values()
    return {a.name: a.default for a in arguments if a.kind is a.KEYWORD_ONLY}
