"""The collapse signatures for trainings that another library runs: Optuna, Ray Tune, Lightning, Hugging Face.

``pitprop.adapters.optuna`` and the others are imported when they are first used, each with its own library and nothing else that
is heavy. What they share is `pitprop.adapters.monitor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitprop.adapters import huggingface, lightning, optuna, tune

__all__ = ["huggingface", "lightning", "optuna", "tune"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pitprop.adapters' has no attribute {name!r}: it has {', '.join(__all__)}")
    from importlib import import_module

    return import_module(f"pitprop.adapters.{name}")


def __dir__() -> list[str]:
    return list(__all__)
