"""Check a trainer's hyperparameters and options: the given ones over the defaults, with one sentence for a wrong value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pitprop.errors import nearest


def complete(given: Mapping[str, Any], defaults: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The tree ``defaults`` with the leaves that are given. `ValueError` for a key that the defaults lack."""
    tree = dict(defaults)
    for key, value in given.items():
        name = f"{path}{key}"
        if key not in defaults:
            near = nearest(key, defaults)
            hint = f"did you mean {near!r}" if near else f"it takes {', '.join(defaults)}"
            raise ValueError(f"{name}: this trainer has no such key; {hint}")
        if isinstance(defaults[key], Mapping):
            if not isinstance(value, Mapping):
                raise ValueError(f"{name}: {value!r} is not a mapping with the keys {', '.join(defaults[key])}")
            value = complete(value, defaults[key], f"{name}.")
        tree[key] = value
    return tree


def number(name: str, value: Any, low: float = 0.0, high: float = math.inf, *, above: bool = False, below: bool = False) -> float:
    """``value`` as a finite float from ``low`` to ``high``, strictly ``above`` or ``below`` if said; else a `ValueError`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and (value > low if above else value >= low) and (value < high if below else value <= high):
        return float(value)
    span = f"{'above' if above else 'from'} {low:g}" + ("" if math.isinf(high) else f" {'to below' if below else 'to'} {high:g}")
    raise ValueError(f"{name}: {value!r} is not allowed; give a number {span}")


def pair(name: str, value: Any) -> tuple[float, float]:
    """``value`` as two numbers from 0, one a class, of which one at least is not 0; else a `ValueError`."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{name}: {value!r} is not allowed; give two numbers, one a class")
    first, second = (number(f"{name}[{index}]", part) for index, part in enumerate(value))
    if not first + second:
        raise ValueError(f"{name}: {value!r} leaves nothing to learn from; give at least one class a number above 0")
    return first, second


def flag(name: str, value: Any) -> bool:
    """``value`` if it is true or false; else a `ValueError`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is not allowed; give true or false")
    return value


def whole(name: str, value: Any) -> int:
    """``value`` if it is a whole number from 1; else a `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {value!r} is not allowed; give a whole number from 1")
    return value


def widths(name: str, value: Any, example: str = "layer widths such as [64, 64]", *, empty: bool = False) -> list[int]:
    """``value`` as a list of whole numbers from 1, ``empty`` only if that is allowed; else a `ValueError` with the example."""
    if not isinstance(value, list | tuple) or not (value or empty):
        raise ValueError(f"{name}: {value!r} is not allowed; give a list of {example}")
    return [whole(name, width) for width in value]


def bf16(value: Any) -> bool:
    """Whether the option ``autocast`` asks for bfloat16; `ValueError` if it is neither null nor bf16."""
    if value not in (None, "bf16"):
        raise ValueError(f"autocast: {value!r} is not allowed; give null or bf16")
    return value is not None
