"""Collapse signatures, one file each: how a lost training looks in its telemetry.

A signature is a module with a docstring (its first line is shown in lists) that keeps to `SignatureModule`. It may also have:

``GRACE``
    for a soft one: its grace, as a share of the budget,
``BLIND``
    for a soft one: its grace where nothing is reported that could show life,
``DESPITE``
    for a soft one: the life signs that do not count,
``BY_LOSS = True``
    for one that judges by losses: silent where the objective is a reward,
``SOON = True``
    for a soft one that does not wait longer where the loss is absurd from the start,
``FALLBACK = True``
    for one that names no cause of its own: its verdicts stand behind all others.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Protocol, cast

from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.errors import nearest
from pitprop.messages import Message
from pitprop.telemetry import Telemetry

GRACE = 0.25
"""The share of the budget before which soft signatures say nothing: healthy runs leave chance as late as at 22 to 54 %."""
BLIND = 0.67
"""The same where nothing is reported that could show life: the winner of a real search was constant for 60 % of its budget."""

KINDS = {"hard": "prune", "soft": "park", "advice": "warn"}
"""The kinds of signatures, and what each does unless a space says otherwise."""
OPTIONAL = {"GRACE", "BLIND", "DESPITE", "FALLBACK", "BY_LOSS", "SOON"}
"""What a signature may have."""


class SignatureModule(Protocol):
    """What the module of a signature holds."""

    @property
    def READS(self) -> tuple[str, ...]:
        """What it needs: metric names, prefixes that end in ``/``, patterns with ``*``, or alternatives with " or "."""

    @property
    def KIND(self) -> str:
        """``"hard"``, proof that ends a training at once; ``"soft"``, evidence that parks it; or ``"advice"``, which only warns.

        A soft one counts after a grace, and only where no life sign is seen; `pitprop.detection.detect` sees to both.
        """

    @property
    def ELSEWHERE(self) -> str:
        """Which other tools notice the same, for the catalogue; may be empty."""

    def detect(self, telemetry: Telemetry, facts: Facts, *, patience: int = ...) -> Message | None:
        """A reason that quotes epochs and numbers if the last epoch shows the collapse, else None.

        It is pure and looks at nothing but its arguments; keyword-only arguments are the thresholds that a space may set.
        """

    def remedy(self, telemetry: Telemetry, facts: Facts) -> Message | Sequence[Advice | None]:
        """What to change, the most likely first: in words alone, or as `Advice`, None for what the trial has already."""


@cache
def names() -> tuple[str, ...]:
    """The signatures that ship, by name."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def load(name: str) -> SignatureModule:
    """The signature's module; ``ValueError`` with the nearest known name if there is none."""
    module = sys.modules.get(f"{__name__}.{name}")
    if module is not None:  # on the way of every judgement, so without a look at the disk
        return cast(SignatureModule, module)
    if name not in names():
        near = nearest(name, names())
        hint = f"did you mean {near}?" if near else f"known are {', '.join(names())}"
        raise ValueError(f"there is no signature {name!r}: {hint}")
    return cast(SignatureModule, importlib.import_module(f"{__name__}.{name}"))


def action(name: str) -> str:
    """What the signature does unless a space says otherwise: ``prune``, ``park`` or ``warn``."""
    return KINDS[load(name).KIND]


@cache
def thresholds(name: str) -> Mapping[str, Any]:
    """What a space may set for the signature, with the defaults."""
    module = load(name)
    arguments = inspect.signature(module.detect).parameters.values()
    own = {a.name: a.default for a in arguments if a.kind is a.KEYWORD_ONLY}
    return own | (
        {"grace": getattr(module, "GRACE", GRACE), "blind": getattr(module, "BLIND", BLIND)} if module.KIND == "soft" else {}
    )


def gives(need: str, names: Iterable[str]) -> bool:
    """Whether one of the alternatives in ``need`` is among ``names``, of which some may be prefixes that end in ``/``."""
    needs = need.split(" or ")
    return any(_is(one, name) for name in names for one in needs)


def _is(need: str, name: str) -> bool:
    if name.endswith("/") and need.startswith(name):
        return True
    return name.startswith(need) if need.endswith("/") else fnmatchcase(name, need)
