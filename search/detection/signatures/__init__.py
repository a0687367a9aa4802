"""Collapse signatures, one file each: how a lost training looks in its telemetry.

A signature is a module with a docstring (its first line is shown in lists), and

``READS``
    what it cannot do without: metric names, prefixes that end in ``/``, patterns with ``*``, or some of them with " or ",
``KIND``
    ``"hard"`` for proof, which ends a training at once; ``"soft"`` for evidence, which counts after a grace and only where no
    life sign is seen (`pitprop.detection.detect` sees to both), and parks the training; ``"advice"`` for what only warns,
``detect(telemetry, facts, *, patience=5, ...)``
    a reason that quotes epochs and numbers if the last epoch shows the collapse, else None. It is pure and looks at nothing
    but its arguments; keyword-only arguments are the thresholds that a space may set,
``remedy(telemetry, facts)``
    what to change, in words,
``change(telemetry, facts)``, where a part of that can be tried as it stands
    the same as new values of parameters, by name; ``{"times": 0.1}`` multiplies. ``lr`` is whatever a space calls a rate.

A soft one may say how long its ``GRACE`` is, as a share of the budget, and which life signs do not count (``DESPITE``).
``FALLBACK = True`` marks one that names no cause of its own: its verdicts stand behind all others.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from types import ModuleType
from typing import Any

GRACE = 0.25
"""The share of the budget before which soft signatures say nothing: healthy runs leave chance as late as at 22 to 54 %."""
BLIND = 0.67
"""The same where nothing is reported that could show life: the winner of a real search was constant for 60 % of its budget."""


@cache
def names() -> tuple[str, ...]:
    """The signatures that ship, by name."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


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


def action(name: str) -> str:
    """What the signature does unless a space says otherwise: ``prune``, ``park`` or ``warn``."""
    return {"hard": "prune", "soft": "park", "advice": "warn"}[load(name).KIND]


@cache
def thresholds(name: str) -> Mapping[str, Any]:
    """What a space may set for the signature, with the defaults."""
    module = load(name)
    arguments = inspect.signature(module.detect).parameters.values()
    own = {a.name: a.default for a in arguments if a.kind is a.KEYWORD_ONLY}
    return own | ({"grace": getattr(module, "GRACE", GRACE), "blind": BLIND} if module.KIND == "soft" else {})


def gives(need: str, names: Iterable[str]) -> bool:
    """Whether one of the alternatives in ``need`` is among ``names``, of which some may be prefixes that end in ``/``."""
    needs = need.split(" or ")
    return any(_is(one, name) for name in names for one in needs)


def _is(need: str, name: str) -> bool:
    if name.endswith("/") and need.startswith(name):
        return True
    return name.startswith(need) if need.endswith("/") else fnmatchcase(name, need)
